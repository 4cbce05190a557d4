from __future__ import annotations

import hashlib
from contextlib import contextmanager
from importlib import import_module

import pytest
from opensearchpy import OpenSearch

from mltask_fixtures.cluster import SERVERS
from mltask_fixtures.cluster import scenario as room
from mltask_fixtures.cluster.report import SILENCE
from mltask_fixtures.cluster.scenario import MissedError, Scenario, Stage, scenarios
from mltask_fixtures.contract import DIALECTS, TaskState, TaskType

EVERY = pytest.mark.parametrize("one", scenarios().values(), ids=lambda one: one.name)


@EVERY
def test_each_scenario_declares_itself_whole(one):
    """A name that is its file's, a sentence, and something to play."""
    module = import_module(f"mltask_fixtures.cluster.scenarios.{one.name.replace('-', '_')}")
    assert module.SCENARIO is one
    assert one.sentence.endswith(".")
    assert callable(one.play)


@EVERY
@pytest.mark.parametrize("version", SERVERS)
def test_each_scenario_wants_only_what_the_server_can_show(one, version):
    """A state that the dialect knows not would be waited for in vain."""
    pairs = DIALECTS[version].pairs()
    assert one.runs_on(version)
    for task_type, states in one.must_see.items():
        for state in states:
            assert (task_type, state) in pairs


def test_the_scenarios_of_today():
    """These names are those of bundled recordings: strangers use them."""
    assert list(scenarios()) == [
        "register-deploy-sparse-tokenizer",
        "register-remote-model",
        "train-kmeans-completed",
        "train-missing-index-failed",
        "unknown-task-id",
    ]


@pytest.mark.parametrize(
    ("version", "runs"),
    [("2.8.0", False), ("2.9.0", True), ("2.11.1", True), ("2.19.1", True), ("3.0.0-beta1", True)],
)
def test_a_scenario_knows_from_which_server_on_it_plays(version, runs):
    """Versions are compared as numbers: 2.11 comes after 2.9."""
    assert Scenario(name="x", sentence="x.", play=print, since="2.9.0").runs_on(version) is runs


def test_the_tokenizers_zip_never_changes():
    """Its hash is in recordings, and on the wire when they are replayed."""
    module = import_module("mltask_fixtures.cluster.scenarios.register_deploy_sparse_tokenizer")
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


def test_polls_start_dense_thin_out_and_start_dense_again(answering, new_stage, monkeypatch):
    """10 ms at first and after each change, half as much again each time, at most 250 ms."""
    delays = []
    monkeypatch.setattr(room.time, "sleep", delays.append)
    answering.answers["GET /_plugins/_ml/tasks/t"] = snapshots(*["CREATED"] * 12, "RUNNING", "COMPLETED")
    with new_stage() as stage:
        stage.wait("t")
    assert delays[:3] == pytest.approx([0.010, 0.015, 0.0225])
    assert delays[10:12] == [0.25, 0.25]
    assert delays[12] == 0.01


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
        made = stage.patiently(lambda: stage.ml("POST", "connectors/_create"), while_="not initialized", seconds=60)
    assert made == {"connector_id": "c"}
