"""A lifecycle is one task over time, as its dialect lets a task go."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltask_fixtures import DIALECTS, TaskFactory, check
from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.contract import decode_document_id
from mltask_fixtures.factory import ContradictionError, Lifecycle

PAIRS = [(dialect, *pair) for dialect in DIALECTS for pair in DIALECTS[dialect].pairs()]
FIXED = ("task_type", "function_name", "input_type", "worker_node", "create_time", "is_async")


@given(
    st.sampled_from(PAIRS), st.integers(0, 10**9), st.integers(1, 4), st.none() | st.integers(0, 10**6), st.booleans()
)
def test_every_lifecycle_is_one_coherent_task(pair, n, polls, lasts, stale_reads):
    """Whatever is asked for: each snapshot agrees with the dialect, what cannot change does not, times never go back."""
    dialect, task_type, outcome = pair
    life = TaskFactory(3, dialect).lifecycle(task_type, outcome, n=n, polls=polls, lasts=lasts, stale_reads=stale_reads)
    assert isinstance(life, Lifecycle)
    assert len(life) == len(life.times)
    assert list(life.times) == sorted(life.times)
    assert life[-1].state == outcome
    for task in life:
        assert check(task, dialect, task_id=life.task_id) == []
        assert [getattr(task, key) for key in FIXED] == [getattr(life[-1], key) for key in FIXED]
        assert task.model_id in (None, life[-1].model_id)
    if not stale_reads:
        assert [task.last_update_time for task in life] == sorted(task.last_update_time for task in life)
    assert decode_document_id(life.task_id).time == life[0].create_time


@pytest.mark.parametrize(
    ("dialect", "task_type", "outcome", "states"),
    [
        ("3.6", "TRAINING", "COMPLETED", "CREATED RUNNING COMPLETED"),
        ("3.6", "REGISTER_MODEL", "COMPLETED", "CREATED COMPLETED"),
        ("2.4", "UPLOAD_MODEL", "FAILED", "CREATED FAILED"),
        ("2.19", "DEPLOY_MODEL", "COMPLETED_WITH_ERROR", "CREATED RUNNING COMPLETED_WITH_ERROR"),
        ("2.19", "BATCH_PREDICTION", "COMPLETED", "RUNNING COMPLETED"),
        ("3.6", "BATCH_PREDICTION", "CANCELLED", "RUNNING CANCELLING CANCELLED"),
        ("2.17", "BATCH_INGEST", "COMPLETED", "CREATED COMPLETED"),
        ("3.6", "AGENT_EXECUTION", "COMPLETED", "CREATED COMPLETED"),
        ("3.6", "AGENT_EXECUTION", "RUNNING", "CREATED RUNNING"),
        ("documented", "BATCH_INGEST", "CANCELLED", "CREATED RUNNING CANCELLING CANCELLED"),
        ("3.6", "TRAINING", "stuck", "CREATED RUNNING"),
        ("3.6", "REGISTER_MODEL", "stuck", "CREATED"),
        ("3.6", "BATCH_PREDICTION", "stuck", "RUNNING"),
        ("3.6", "DEPLOY_MODEL", "timed_out", "CREATED RUNNING FAILED"),
    ],
)
def test_a_task_goes_the_way_of_its_type(dialect, task_type, outcome, states):
    """The states come from the dialect's table."""
    assert " ".join(TaskFactory(dialect=dialect).lifecycle(task_type, outcome).states) == states


@pytest.mark.parametrize(("task_type", "outcome"), [("TRAINING", "COMPLETED"), ("DEPLOY_MODEL", "FAILED"), ("AGENT_EXECUTION", "COMPLETED")])  # fmt: skip
def test_the_last_snapshot_of_lifecycle_n_is_payload_n(task_type, outcome):
    """Lifecycles are numbered as payloads are, and one by one come in the same order."""
    factory = TaskFactory(4, "3.6")
    lives = [factory.lifecycle(task_type, outcome) for _ in range(3)]
    assert [life[-1] for life in lives] == [factory.nth(n, task_type, outcome) for n in range(3)]
    assert lives[2] == TaskFactory("4", "3.6").lifecycle(task_type, outcome, n=2)


def test_the_model_appears_when_the_server_makes_it_appear():
    """A training shows its model at its end, a deployment from the beginning."""
    factory = TaskFactory(dialect="3.6")
    assert [task.model_id is not None for task in factory.lifecycle("TRAINING", "COMPLETED")] == [False, False, True]
    assert [task.model_id is not None for task in factory.lifecycle("DEPLOY_MODEL", "COMPLETED")] == [True] * 3


def test_polls_and_durations_can_be_given():
    """How many polls see a state and how long it lasts are given for all states, or for each."""
    factory = TaskFactory(dialect="3.6")
    life = factory.lifecycle("TRAINING", "COMPLETED", polls={"RUNNING": 2}, lasts={"CREATED": 100, "RUNNING": 3_000})
    assert " ".join(life.states) == "CREATED RUNNING RUNNING COMPLETED"
    assert life.times == (0, 100, 1_600, 3_100)
    assert [task.last_update_time - task.create_time for task in life] == [0, 100, 100, 3_100]
    assert [str(life.at(ms).state) for ms in (-1, 0, 99, 100, 3_099, 3_100, 10**9)] == [
        "CREATED", "CREATED", "CREATED", "RUNNING", "RUNNING", "COMPLETED", "COMPLETED"]  # fmt: skip
    assert factory.lifecycle("TRAINING", "COMPLETED", polls={"CREATED": 0}).states == ("RUNNING", "COMPLETED")
    assert factory.lifecycle("TRAINING", "COMPLETED", polls=2, lasts=1_000).times == (0, 500, 1000, 1500, 2000, 2500)


def test_a_planning_agent_can_be_seen_running():
    """Most agents pass RUNNING over; a given number of polls brings it back."""
    life = TaskFactory(dialect="3.6").lifecycle("AGENT_EXECUTION", "COMPLETED", polls={"RUNNING": 2})
    assert " ".join(life.states) == "CREATED RUNNING RUNNING COMPLETED"
    assert len({task.response["memory_id"] for task in life}) == 1


def test_a_batch_prediction_shows_the_time_of_the_poll_before():
    """The first poll after a change shows the old last_update_time, as GET writes after it has read."""
    life = TaskFactory(dialect="3.6").lifecycle("BATCH_PREDICTION", "COMPLETED", polls=3)
    shown = [task.last_update_time - task.create_time for task in life]
    assert shown == [0, *life.times[:-1]]
    jobs = [task.remote_job for task in life]
    assert len({job["id"] for job in jobs}) == 1
    assert [job["status"] for job in jobs] == ["in_progress"] * 3 + ["completed"] * 3


def test_stale_reads_go_one_step_back():
    """Each change of the state is followed by the snapshot before it, once, and by the change again."""
    life = TaskFactory(dialect="3.6").lifecycle("TRAINING", "COMPLETED", stale_reads=True)
    assert " ".join(life.states) == "CREATED RUNNING CREATED RUNNING COMPLETED RUNNING COMPLETED"
    assert all(later - before <= 100 for before, later in list(pairwise(life.times))[1:3])


def test_the_server_gives_up_on_a_task():
    """A task that timed out failed after ten minutes, and says so where the dialect has an error."""
    task = TaskFactory(dialect="2.19").lifecycle("REGISTER_MODEL", "timed_out")[-1]
    assert task.error == "timeout after 600 seconds"
    assert 600_000 < task.last_update_time - task.create_time < 700_000
    assert TaskFactory().lifecycle("REGISTER_MODEL", "timed_out")[-1].error is None


def test_overrides_hold_where_they_belong():
    """What a task is keeps through all snapshots; how it stands at its end is said at its end."""
    factory = TaskFactory(dialect="2.19")
    life = factory.lifecycle("DEPLOY_MODEL", "FAILED", function_name="REMOTE", error="gone", tenant_id="t")
    assert {(task.function_name, task.tenant_id) for task in life} == {("REMOTE", "t")}
    assert [task.error for task in life] == [None, None, "gone"]
    life = factory.lifecycle("TRAINING", "COMPLETED", last_update_time=1767030135771)
    assert life[-1].last_update_time == 1767030135771
    assert life[0].create_time == life[1].create_time
    node = factory.build("TRAINING", "CREATED").worker_node
    life = factory.lifecycle("DEPLOY_MODEL", "FAILED", worker_node=node)
    assert [task.worker_node for task in life] == [node] * 3
    assert list(json.loads(life[-1].error)) == node


@pytest.mark.parametrize(
    ("task_type", "outcome", "options", "words"),
    [
        ("REGISTER_MODEL", "RUNNING", {}, "only ever seen as CREATED, COMPLETED, FAILED"),
        ("REGISTER_MODEL", "COMPLETE", {}, "nearest known word is COMPLETED"),
        ("AGENT_EXECUTION", "COMPLETED", {}, "known since 3.0.0"),
        ("BATCH_PREDICTION", "timed_out", {}, "never gives up on a BATCH_PREDICTION task"),
        ("TRAINING", "FAILED", {"polls": 0}, "FAILED, the last state, has to be seen once at least"),
        ("TRAINING", "FAILED", {"polls": {"FAILED": 0}}, "has to be seen once at least"),
        ("TRAINING", "FAILED", {"polls": -1}, "polls: -1 for CREATED is no whole number from 0"),
        ("TRAINING", "FAILED", {"polls": 1.5}, "polls: 1.5 for CREATED is no whole number from 0"),
        ("TRAINING", "FAILED", {"lasts": {"RUNNING": True}}, "lasts: True for RUNNING is no whole number from 0"),
        ("TRAINING", "FAILED", {"polls": {"EXPIRED": 1}}, "polls: there is no 'EXPIRED'; this task goes through CREATED, RUNNING, FAILED"),
        ("TRAINING", "FAILED", {"lasts": {"RUNING": 1}}, "the nearest known word is RUNNING"),
        ("TRAINING", "FAILED", {"n": -1}, "there is no payload -1"),
        ("TRAINING", "FAILED", {"model_id": "x"}, "model_id is there"),
    ],
)  # fmt: skip
def test_an_impossible_life_is_refused_in_words(task_type, outcome, options, words):
    """What the dialect never shows, and numbers that are none, are errors that say why."""
    factory = TaskFactory(dialect="2.19")
    with pytest.raises(WrongUseError) as caught:
        factory.lifecycle(task_type, outcome, **options)
    assert words in str(caught.value)
    if "model_id" in options:
        assert isinstance(caught.value, ContradictionError)
    assert factory.lifecycle("TRAINING", "FAILED") == factory.lifecycle("TRAINING", "FAILED", n=0)


def test_a_server_takes_a_lifecycle():
    """The snapshots are what TaskServer.add is given."""
    from mltask_fixtures import TaskServer

    life = TaskFactory(dialect="3.6").lifecycle("TRAINING", "COMPLETED")
    with TaskServer() as server:
        assert server.add(*life, task_id=life.task_id) == life.task_id
