from __future__ import annotations

import pytest

from mltask_fixtures import cluster
from mltask_fixtures._errors import OutsideError, WrongUseError
from mltask_fixtures.cluster import namespace
from mltask_fixtures.cluster.provide import record_on_server
from mltask_fixtures.cluster.record import NotRecordedError
from mltask_fixtures.cluster.report import Silence
from mltask_fixtures.cluster.scenario import Need, Scenario


class Told(Silence):
    """A report that keeps what it was told."""

    def __init__(self):
        """Begin with nothing told."""
        self.lines = []

    def say(self, text):
        """Keep it."""
        self.lines.append(text)


@pytest.fixture
def told():
    """A report that keeps what it was told."""
    return Told()


def scenario(name, played, *needs, **more):
    """A scenario that only keeps on what it played."""
    return Scenario(
        name=name, sentence="x.", play=lambda stage: played.append((name, stage.offers)), needs=needs, **more
    )


def test_each_kind_of_cluster_is_put_up_in_turn_and_taken_down(bench, told, tmp_path):
    """One node for those that are content with it, two for those that need them; nothing is left running."""
    played = []
    chosen = [
        scenario("two", played, Need.TWO_NODES),
        scenario("one", played),
        scenario("crash", played, Need.OWN_NODE),
        scenario("old", played, until="9.0.0"),
    ]
    list(record_on_server(chosen, bench.version, tmp_path, report=told))
    assert [name for name, _ in played] == ["one", "crash", "two"]
    assert played[0][1] == {Need.THIS_COMPUTER, Need.OWN_NODE}
    assert played[2][1] >= {Need.THIS_COMPUTER, Need.TWO_NODES}
    assert "old cannot be played from OpenSearch 9.0.0 on: left out" in told.lines
    assert {one.state for one in cluster.status() if one.server == bench.version} == {"installed"}


def test_a_failure_on_one_kind_does_not_keep_the_next(bench, told, tmp_path):
    """And at the end the error names what was not recorded; everything is taken down."""
    played = []

    def fail(stage):
        raise OutsideError("no")

    chosen = [
        Scenario(name="fails", sentence="x.", play=fail),
        scenario("one", played),
        scenario("two", played, Need.TWO_NODES),
    ]
    with pytest.raises(NotRecordedError, match="1 of 3 were not recorded, their older files stay: fails"):
        list(record_on_server(chosen, bench.version, tmp_path, report=told))
    assert [name for name, _ in played] == ["one", "two"]
    assert {one.state for one in cluster.status() if one.server == bench.version} == {"installed"}


def test_ctrl_c_takes_down_what_was_put_up(bench, told, tmp_path):
    """In the middle of a scenario."""

    def interrupt(stage):
        raise KeyboardInterrupt

    chosen = [Scenario(name="x", sentence="x.", play=interrupt)]
    with pytest.raises(KeyboardInterrupt):
        list(record_on_server(chosen, bench.version, tmp_path, report=told))
    assert {one.state for one in cluster.status() if one.server == bench.version} == {"installed"}


def test_where_there_can_be_no_network_of_its_own_the_scenario_is_told_and_left_out(bench, told, tmp_path, monkeypatch):
    """With the reason; nothing is started for it."""
    monkeypatch.setattr(namespace.os, "geteuid", lambda: 1000)
    played = []
    list(record_on_server([scenario("far", played, Need.ISOLATION)], bench.version, tmp_path, report=told))
    assert played == []
    assert told.lines == ["far a network namespace needs root: left out"]


def test_an_unknown_version_is_refused(tmp_path):
    """Before anything is started."""
    with pytest.raises(WrongUseError, match=r"known are 2\.19\.1"):
        list(record_on_server([], "1.0", tmp_path))
