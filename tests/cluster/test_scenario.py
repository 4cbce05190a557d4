from __future__ import annotations

import hashlib
import json
import re
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
from opensearchpy import OpenSearch, TransportError

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cluster import SERVERS
from mltask_fixtures.cluster import scenario as room
from mltask_fixtures.cluster.record import path_of
from mltask_fixtures.cluster.report import SILENCE
from mltask_fixtures.cluster.scenario import MissedError, Need, Scenario, Stage, scenarios
from mltask_fixtures.contract import DIALECTS, TaskState, TaskType

EVERY = pytest.mark.parametrize("one", scenarios().values(), ids=lambda one: one.name)
ROOT = Path(room.__file__).parents[2]


@EVERY
def test_each_scenario_declares_itself_whole(one):
    """A name for a file, a sentence, something to play, and a server on which it plays."""
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", one.name)
    assert one.sentence.endswith(".")
    assert callable(one.play)
    assert any(one.runs_on(version) for version in SERVERS)


def test_no_two_scenarios_have_one_name():
    """The second would hide the first."""
    names = list(Path(room.__file__).with_name("scenarios").glob("[a-z]*.py"))
    modules = [import_module(f"mltask_fixtures.cluster.scenarios.{path.stem}") for path in names]
    declared = [one for module in modules for one in getattr(module, "SCENARIOS", None) or (module.SCENARIO,)]
    assert len(declared) == len(scenarios())


@EVERY
@pytest.mark.parametrize("version", SERVERS)
def test_each_scenario_wants_only_what_the_server_can_show(one, version):
    """A state that the dialect knows not would be waited for in vain; a synthetic one is what no server shows."""
    if not one.runs_on(version):
        pytest.skip("does not play there")
    pairs = DIALECTS[version].pairs()
    known = [(kind, state) in pairs for kind, states in one.must_see.items() for state in states]
    assert all(known) is not bool(one.synthetic)


@pytest.mark.parametrize("version", SERVERS)
def test_every_pair_that_a_server_can_show_is_a_scenarios(version):
    """Whatever the table of dialects calls reachable is played by a scenario, that has to see it."""
    seen = {
        (kind, state)
        for one in scenarios().values()
        if one.runs_on(version) and not one.synthetic
        for kind, states in one.must_see.items()
        for state in states
    }
    assert set(DIALECTS[version].pairs()) == seen


@pytest.mark.parametrize("version", SERVERS)
def test_every_scenario_is_recorded(version):
    """On each server that can play it; and nothing else lies among the recordings."""
    wanted = {path_of(one, version, ROOT / "cassettes") for one in scenarios().values() if one.runs_on(version)}
    there = {*(ROOT / "cassettes" / version).glob("*.json"), *(ROOT / "cassettes/synthetic" / version).glob("*.json")}
    assert there == wanted


def test_a_synthetic_recording_lies_apart_and_says_why():
    """Nobody takes it for what a server does by itself."""
    for path in (ROOT / "cassettes").rglob("*.json"):
        metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
        assert ("synthetic" in path.parts) is bool(metadata.get("synthetic"))


def test_the_first_scenarios_keep_their_names():
    """These names are those of bundled recordings: strangers use them."""
    assert set(scenarios()) >= {
        "register-deploy-sparse-tokenizer",
        "register-remote-model",
        "train-kmeans-completed",
        "train-missing-index-failed",
        "unknown-task-id",
    }


def make(**fields):
    """A scenario of which only these fields matter."""
    return Scenario(name="x", sentence="x.", play=print, **fields)


@pytest.mark.parametrize(
    ("one", "offers", "why"),
    [
        (make(), (), ""),
        (make(since="3.7.0"), (), "needs OpenSearch 3.7.0"),
        (make(until="3.0.0"), (), "cannot be played from OpenSearch 3.0.0 on"),
        (make(needs=(Need.THIS_COMPUTER,)), (), "needs a cluster on this computer"),
        (make(needs=(Need.OWN_NODE,)), (Need.THIS_COMPUTER,), "crashes the node"),
        (make(needs=(Need.TWO_NODES,)), (Need.THIS_COMPUTER,), "needs two nodes"),
        (make(needs=(Need.THIS_COMPUTER, Need.ISOLATION)), (Need.THIS_COMPUTER,), "needs a network of its own"),
        (make(needs=(Need.THIS_COMPUTER,)), (Need.THIS_COMPUTER, Need.TWO_NODES), "every node of which takes models"),
        (make(needs=(Need.TWO_NODES,)), (Need.TWO_NODES,), ""),
    ],
)
def test_a_scenario_that_cannot_play_says_why(one, offers, why):
    """The version, or what the cluster lacks."""
    assert why in one.left_out("3.6.0", offers)
    assert bool(why) is bool(one.left_out("3.6.0", offers))


@pytest.mark.parametrize(
    ("version", "runs"),
    [("2.8.0", False), ("2.9.0", True), ("2.11.1", True), ("2.19.1", True), ("3.0.0-beta1", True)],
)
def test_a_scenario_knows_from_which_server_on_it_plays(version, runs):
    """Versions are compared as numbers: 2.11 comes after 2.9."""
    assert Scenario(name="x", sentence="x.", play=print, since="2.9.0").runs_on(version) is runs


def test_the_tokenizers_zip_never_changes():
    """Its hash is in recordings, and on the wire when they are replayed."""
    module = import_module("mltask_fixtures.cluster.scenarios._models")
    assert module.model_zip() == module.model_zip()
    assert len(module.model_zip()) < 1000
    assert hashlib.sha256(module.model_zip()).hexdigest().startswith("28bb0be68da3198b")


@pytest.fixture
def new_stage(answering):
    """Make a stage on that server, which records nothing."""

    @contextmanager
    def capture(stage):
        yield

    def make(report=SILENCE):
        hosts = [f"http://127.0.0.1:{answering.server_port}"]
        return Stage(lambda: OpenSearch(hosts=hosts, max_retries=0, pool_maxsize=1), capture, report)

    return make


def snapshots(*states, task_type="TRAINING", **more):
    """The answers of a task that goes through these states."""
    return [(200, {"task_type": task_type, "state": state, **more}) for state in states]


def test_waiting_sees_each_state_once_and_ends_with_the_last(answering, new_stage):
    """The states are kept in the order seen, repeated polls of one state count once."""
    answering.answers["GET /_plugins/_ml/tasks/t"] = snapshots("CREATED", "CREATED", "RUNNING", "RUNNING", "COMPLETED")
    with new_stage() as stage:
        assert stage.wait("t")["state"] == "COMPLETED"
        assert stage.states == {"TRAINING": ["CREATED", "RUNNING", "COMPLETED"]}
        assert len(answering.asked) == 5
    assert answering.asked[-1][:2] == ("DELETE", "/_plugins/_ml/tasks/t")


def test_waiting_ends_early_with_the_state_that_is_waited_for(answering, new_stage):
    """So that a scenario does something while the task runs."""
    answering.answers["GET /_plugins/_ml/tasks/t"] = snapshots("CREATED", "RUNNING", "COMPLETED")
    with new_stage() as stage:
        assert stage.wait("t", until=TaskState.RUNNING)["state"] == "RUNNING"


def test_what_is_to_be_refused_must_be(answering, new_stage):
    """With that status; the body is what the server said."""
    error = {"error": {"type": "x", "reason": "no"}, "status": 404}
    answering.answers["GET /_plugins/_ml/tasks/a"] = [(404, error)]
    answering.answers["GET /_plugins/_ml/tasks/b"] = [(200, {})]
    with new_stage() as stage:
        assert stage.refused(404, "GET", "tasks/a") == error
        with pytest.raises(MissedError, match="was to be refused with 404"):
            stage.refused(404, "GET", "tasks/b")
        with pytest.raises(TransportError):
            stage.refused(429, "GET", "tasks/a")


def test_preparation_is_forgotten(answering, new_stage):
    """What was seen before the recording does not count as seen, and what is seen again does."""
    answering.answers["GET /_plugins/_ml/tasks/t"] = snapshots("COMPLETED")
    with new_stage() as stage:
        stage.see("t")
        stage.forget()
        assert stage.states == {}
        stage.see("t")
        assert stage.states == {"TRAINING": ["COMPLETED"]}


def test_a_node_that_is_not_ours_is_not_crashed(new_stage):
    """A scenario cannot harm somebody's cluster."""
    with new_stage() as stage, pytest.raises(WrongUseError, match="not started by the recorder"):
        stage.crash()


def test_a_file_for_the_server_is_gone_afterwards(new_stage):
    """Everybody may read it meanwhile, and the recording shows a place that is the same each time."""
    with new_stage() as stage:
        path = Path(stage.file("model.zip", b"x").removeprefix("file://"))
        assert path.read_bytes() == b"x"
        assert path.stat().st_mode & 0o444 == 0o444
        assert stage.shown_as == {str(path.parent): "/models"}
    assert not path.parent.exists()


def test_polls_start_dense_thin_out_and_start_dense_again(answering, new_stage, monkeypatch):
    """5 ms at first and after each change, 15 % more each time, at most 2 s."""
    delays = []
    monkeypatch.setattr(room.time, "sleep", delays.append)
    answering.answers["GET /_plugins/_ml/tasks/t"] = snapshots(*["CREATED"] * 50, "RUNNING", "COMPLETED")
    with new_stage() as stage:
        stage.wait("t")
    assert delays[:3] == pytest.approx([0.005, 0.00575, 0.0066125])
    assert delays[48:50] == [2.0, 2.0]
    assert delays[50] == 0.005


def test_a_missed_state_is_an_error_that_says_what_was_seen(answering, new_stage):
    """And what the task itself said."""
    answering.answers["GET /_plugins/_ml/tasks/t"] = snapshots("FAILED", error="no such index [x]")
    with new_stage() as stage:
        stage.wait("t")
        with pytest.raises(MissedError, match=r"COMPLETED was not; seen: FAILED\. no such index \[x\]"):
            stage.check({TaskType.TRAINING: (TaskState.FAILED, TaskState.COMPLETED)})
        stage.check({TaskType.TRAINING: (TaskState.FAILED,)})


def test_what_was_made_is_removed_also_after_ctrl_c(answering, new_stage):
    """Last made first, and what is gone already is fine."""
    answering.answers["DELETE /_plugins/_ml/models/b"] = [(200, {})]

    def play():
        with new_stage() as stage:
            stage.afterwards(lambda: stage.ml("DELETE", "models/a"))
            stage.afterwards(lambda: stage.ml("DELETE", "models/b"))
            with stage.recorded():
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play()
    assert [path for _, path, _ in answering.asked] == ["/_plugins/_ml/models/b", "/_plugins/_ml/models/a"]


def test_what_cannot_be_removed_is_told_and_the_rest_is_removed(answering, new_stage):
    """One refusal does not keep the others."""
    told = []
    report = type("Report", (), {"say": staticmethod(told.append)})
    answering.answers["DELETE /_plugins/_ml/models/b"] = [
        (500, {"error": {"type": "x", "reason": "busy"}, "status": 500})
    ]
    with new_stage(report) as stage:
        stage.afterwards(lambda: stage.ml("DELETE", "models/a"))
        stage.afterwards(lambda: stage.ml("DELETE", "models/b"))
    assert "could not tidy up" in told[0]
    assert len(answering.asked) == 2


def test_settings_are_put_back(answering, new_stage):
    """What was set before is set again; what was not is taken away."""
    answering.answers["GET /_cluster/settings"] = [(200, {"transient": {"a": "old"}, "persistent": {}})]
    answering.answers["PUT /_cluster/settings"] = [(200, {})]
    with new_stage() as stage:
        stage.set({"a": "new", "b": True})
        stage.set({})
    assert [body for method, _, body in answering.asked if method == "PUT"] == [
        {"transient": {"a": "new", "b": True}},
        {"transient": {"a": "old", "b": None}},
    ]


def test_patience_ends_with_the_first_other_answer(answering, new_stage, monkeypatch):
    """A new cluster has no key for connectors at first; nothing else is waited for."""
    monkeypatch.setattr(room.time, "sleep", lambda _: None)
    wait = (400, {"error": {"type": "x", "reason": "not initialized yet"}, "status": 400})
    answering.answers["POST /_plugins/_ml/connectors/_create"] = [wait, wait, (200, {"connector_id": "c"})]
    with new_stage() as stage:
        made = stage.patiently(lambda: stage.ml("POST", "connectors/_create"), while_=["not initialized"], seconds=60)
    assert made == {"connector_id": "c"}
