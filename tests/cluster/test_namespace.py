from __future__ import annotations

import json
import os

import pytest

from mltask_fixtures._errors import OutsideError, WrongUseError
from mltask_fixtures.cluster import namespace
from mltask_fixtures.cluster.namespace import InsideError


@pytest.mark.parametrize(
    ("platform", "user", "path", "why"),
    [
        ("darwin", 0, None, "a thing of Linux"),
        ("linux", 1000, None, "needs root"),
        ("linux", 0, "", "needs `ip`"),
    ],
)
def test_why_there_can_be_none_is_said(monkeypatch, platform, user, path, why):
    """Linux, root and iproute2 are needed; making one says so too."""
    monkeypatch.setattr(namespace.sys, "platform", platform)
    monkeypatch.setattr(namespace.os, "geteuid", lambda: user)
    if path is not None:
        monkeypatch.setattr(namespace.shutil, "which", lambda *_, **__: None)
    assert why in namespace.missing()
    with pytest.raises(OutsideError, match=why):
        namespace.make("x")


def test_a_process_outside_is_refused():
    """What was to stay on this computer could leave it."""
    assert not namespace.inside()
    with pytest.raises(WrongUseError, match="not inside the network 'mltask-x'"):
        namespace.refuse_outside("mltask-x")


def test_a_network_that_is_not_ours_is_not_removed(tmp_path):
    """Whatever its name."""
    namespace.remove("somebodys")


@pytest.fixture
def network():
    """A network of our own, where there can be one."""
    try:
        name = namespace.make(f"test-{os.getpid()}")
    except OutsideError as why:
        pytest.skip(str(why))
    yield name
    namespace.remove(name)


def test_our_commands_run_inside(network):
    """What they write comes back, what they tell is told, and they are really inside."""
    told = []
    out = namespace.run_inside(network, ["cluster", "status", "--json"], say=told.append)
    assert {one["server"] for one in json.loads(out)} >= {"2.19.1", "3.6.0"}
    # Nothing answers in there; outside the same command would have been refused for being outside.
    words = ["record", "unknown-task-id", "--url", "http://127.0.0.1:9", "--inside", network]
    with pytest.raises(InsideError, match=r"nothing answers on http://127\.0\.0\.1:9") as caught:
        namespace.run_inside(network, words, say=told.append)
    assert caught.value.code == 3


def test_nothing_leaves_it(network):
    """Loopback and nothing else: another computer's address cannot be reached."""
    words = ["record", "unknown-task-id", "--url", "http://198.51.100.1:9200", "--inside", network]
    with pytest.raises(InsideError, match="Network is unreachable"):
        namespace.run_inside(network, words, say=print)
