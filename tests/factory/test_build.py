"""Every payload is valid, coherent, and the same for the same seed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
from faker import Faker
from hypothesis import given
from hypothesis import strategies as st

from mltask_fixtures import TaskFactory
from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.contract import (
    DIALECTS,
    FunctionName,
    Task,
    TaskState,
    TaskType,
    check,
    decode_document_id,
    is_node_id,
    parse_task,
)
from mltask_fixtures.factory import ContradictionError, UnknownOverrideError
from mltask_fixtures.factory.plan import EPOCH
from mltask_fixtures.factory.provider import MLTaskProvider

PAIRS = [(dialect, *pair) for dialect in DIALECTS for pair in DIALECTS[dialect].pairs()]
SEEDS = st.integers() | st.text()


@pytest.mark.parametrize(("dialect", "task_type", "state"), PAIRS)
def test_every_pair_of_every_dialect_is_valid(dialect, task_type, state):
    """Twenty payloads of each (type, state) agree with their dialect on the wire, the task's id included."""
    factory = TaskFactory(seed=3, dialect=dialect)
    for task in factory.batch(20, task_type, state):
        assert (task.task_type, task.state) == (task_type, state)
        assert check(task.model_dump_json(), dialect, task_id=factory.task_id(task)) == []


@given(SEEDS, st.sampled_from(PAIRS))
def test_any_seed_makes_valid_payloads(seed, pair):
    """No seed, number or text, makes a payload that the check would refuse."""
    dialect, task_type, state = pair
    task = TaskFactory(seed, dialect).build(task_type, state)
    assert parse_task(task.model_dump_json()) == task
    assert check(task, dialect) == []


def test_ids_and_times_are_coherent():
    """A registered model's id is minted while its task runs, a deployed one's before; the task's id at its creation."""
    factory = TaskFactory(dialect="3.6")
    for task in factory.batch(50, "REGISTER_MODEL", "COMPLETED"):
        assert task.create_time <= decode_document_id(task.model_id).time <= task.last_update_time
    for task in factory.batch(50, "DEPLOY_MODEL", "RUNNING"):
        assert decode_document_id(task.model_id).time < task.create_time < task.last_update_time
        assert decode_document_id(factory.task_id(task)).time == task.create_time
    assert all(task.create_time >= EPOCH for task in factory.batch(5, "TRAINING", "CREATED"))


def test_nodes_come_from_one_small_cluster():
    """All payloads of a factory name the same three nodes; another seed has others."""
    factory = TaskFactory(dialect="3.6")
    nodes = {node for task in factory.batch(60, "DEPLOY_MODEL", "COMPLETED") for node in task.worker_node}
    nodes |= {node for task in factory.batch(60, "TRAINING", "COMPLETED") for node in task.worker_node}
    assert len(nodes) == 3
    assert all(map(is_node_id, nodes))
    assert not nodes & set(TaskFactory(1, "3.6").build("DEPLOY_MODEL", "COMPLETED").worker_node)


def test_a_partly_failed_deployment_names_some_of_its_nodes():
    """COMPLETED_WITH_ERROR has at least two nodes, and an error about fewer."""
    for task in TaskFactory(dialect="2.19").batch(30, "DEPLOY_MODEL", "COMPLETED_WITH_ERROR"):
        assert 0 < len(json.loads(task.error)) < len(task.worker_node)


def test_payloads_differ():
    """A thousand payloads of one kind are a thousand different ones."""
    tasks = TaskFactory().batch(1000, "REGISTER_MODEL", "COMPLETED")
    assert len({task.model_id for task in tasks}) == len({task.model_dump_json() for task in tasks}) == 1000


# ------------------------------------------------------------------------------------------------- determinism

DIGEST = """
import hashlib
from mltask_fixtures import DIALECTS, TaskFactory
digest = hashlib.sha256()
for dialect in DIALECTS:
    factory = TaskFactory("a seed", dialect)
    for pair in factory.dialect.pairs():
        for task in factory.batch(3, *pair):
            digest.update(task.model_dump_json().encode())
print(digest.hexdigest())
"""


def test_another_process_makes_the_same_bytes():
    """Neither the hash seed nor the process changes a byte of any payload."""
    runs = [
        subprocess.run([sys.executable, "-c", DIGEST], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True)
        for seed in ("0", "4711")
    ]
    assert runs[0].stdout == runs[1].stdout


def test_a_first_payload_loads_nothing_that_it_does_not_need():
    """Beside faker and pydantic: neither the models of other answers nor recordings, other libraries or odd modules."""
    program = (
        "import sys; from mltask_fixtures import TaskFactory; TaskFactory(1, '2.19').build('TRAINING', 'FAILED')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", f"{program}print(*sys.modules)"], check=True, capture_output=True, text=True
    )
    unwanted = {"contract.responses", "contract.answers", "factory.siblings", "factory.bulk", "cassette", "cli"}
    unwanted = {f"mltask_fixtures.{name}" for name in unwanted} | {"difflib", "gzip", "vcr", "hypothesis", "pytest"}
    assert not unwanted & {*run.stdout.split()}


# Nothing of this depends on faker's version: payloads without free text.
SKELETON = "19b179fe838d3c0d"


def test_the_skeleton_is_the_same_on_every_python_and_faker():
    """Ids, enums and times are pinned: no Python and no faker changes them."""
    digest = hashlib.sha256()
    factory = TaskFactory("pinned", "2.19")
    for task_type, state in factory.dialect.pairs():
        for task in factory.batch(3, task_type, state):
            skeleton = task.model_dump()
            for text in ("error", "remote_job", "response"):
                skeleton.pop(text, None)
            digest.update(json.dumps(skeleton).encode())
    assert digest.hexdigest()[:16] == SKELETON


def test_other_builds_change_nothing():
    """What else is built, before or between, moves no payload of another kind."""
    alone = TaskFactory(5).batch(2, "TRAINING", "FAILED")
    busy = TaskFactory(5)
    busy.batch(7, "DEPLOY_MODEL", "RUNNING")
    first = busy.build("TRAINING", "FAILED")
    busy.build("TRAINING", "COMPLETED")
    assert [first, busy.build("TRAINING", "FAILED")] == alone


def test_a_batch_is_its_builds():
    """Building one by one or in a batch gives the same payloads."""
    one, other = TaskFactory(5), TaskFactory("5")
    assert one.batch(3, "TRAINING", "RUNNING") == [other.build(TaskType.TRAINING, TaskState.RUNNING) for _ in range(3)]


def test_the_dialect_changes_what_is_shown_only():
    """The same payload in two dialects has the same ids and times."""
    same = "model_id", "function_name", "worker_node", "create_time", "last_update_time"
    documented, real = (
        TaskFactory(9, dialect).batch(40, "REGISTER_MODEL", "COMPLETED") for dialect in ("documented", "3.6")
    )
    for name in same:
        assert [getattr(task, name) for task in documented] == [getattr(task, name) for task in real]
    documented, real = (TaskFactory(9, dialect).build("DEPLOY_MODEL", "CREATED") for dialect in ("documented", "3.6"))
    assert documented.model_id is None
    assert real.model_id is not None
    assert documented.create_time == real.create_time


def test_global_random_state_is_left_alone():
    """Building neither reads nor moves Python's or faker's shared randomness."""
    import random

    random.seed(1)
    Faker.seed(1)
    expected = random.random(), Faker().word()
    random.seed(1)
    Faker.seed(1)
    TaskFactory().build("TRAINING", "FAILED")
    assert (random.random(), Faker().word()) == expected


# --------------------------------------------------------------------------------------------------- overrides


def test_a_given_key_is_taken():
    """An override stands in the payload as given, an enum's member or its text."""
    task = TaskFactory(dialect="3.6").build(
        "TRAINING", "FAILED", error="no such index [nope]", function_name=FunctionName.KMEANS
    )
    assert (task.error, task.function_name) == ("no such index [nope]", FunctionName.KMEANS)
    assert TaskFactory().build("TRAINING", "CREATED", function_name="FIT_RCF").function_name is FunctionName.FIT_RCF


def test_what_depends_on_an_override_follows():
    """A remote model's registration is not async; times move together, and ids with them."""
    factory = TaskFactory(dialect="2.19")
    assert factory.build("REGISTER_MODEL", "COMPLETED", function_name="REMOTE").is_async is False
    plain = TaskFactory().build("TRAINING", "COMPLETED")
    moved = TaskFactory().build("TRAINING", "COMPLETED", last_update_time=1767030135771)
    assert moved.last_update_time == 1767030135771
    assert moved.last_update_time - moved.create_time == plain.last_update_time - plain.create_time
    assert moved.create_time <= decode_document_id(moved.model_id).time <= moved.last_update_time
    moved = TaskFactory().build("TRAINING", "COMPLETED", create_time=1767030135771)
    assert moved.last_update_time > moved.create_time == 1767030135771


def test_a_nodes_error_is_about_the_given_nodes():
    """Given nodes are the ones that the error names."""
    node = TaskFactory(99, "3.6").build("TRAINING", "CREATED").worker_node
    task = TaskFactory(dialect="2.19").build("DEPLOY_MODEL", "FAILED", worker_node=node)
    assert list(json.loads(task.error)) == node == task.worker_node


def test_a_given_remote_job_is_kept_as_the_server_keeps_it():
    """The keys of a given map come in the server's order, its numbers as 2.19 stores them."""
    job = {"status": "in_progress", "id": "batch_1", "created_at": 1700000000}
    task = TaskFactory(dialect="2.19").build("BATCH_PREDICTION", "RUNNING", remote_job=job)
    assert '"remote_job":{"created_at":1.7E9,"id":"batch_1","status":"in_progress"}' in task.model_dump_json()


def test_none_leaves_an_optional_key_out():
    """A key that may be absent can be left out; the tenant may be given where a server has it."""
    assert TaskFactory(dialect="3.6").build("TRAINING", "CREATED", tenant_id=None).tenant_id is None
    assert TaskFactory(dialect="3.6").build("TRAINING", "CREATED", tenant_id="t1").tenant_id == "t1"


@pytest.mark.parametrize(
    ("pair", "overrides", "words"),
    [
        (("TRAINING", "RUNING"), {}, "nearest known word is RUNNING"),
        (("TRAIN", "RUNNING"), {}, "nearest known word is TRAINING"),
        (("TRAINING", None), {}, "state is null"),
        (("REGISTER_MODEL", "RUNNING"), {}, "only ever seen as CREATED, COMPLETED, FAILED"),
        (("AGENT_EXECUTION", "CREATED"), {}, "known since 3.0.0"),
        (("TRAINING", "RUNNING"), {"model_id": "x"}, "model_id is there"),
        (("TRAINING", "COMPLETED"), {"model_id": None}, "model_id is missing"),
        (("TRAINING", "RUNNING"), {"error": "x"}, "error is there"),
        (("TRAINING", "RUNNING"), {"create_time": 10**30}, "from 2000 to 2100"),
        (("TRAINING", "RUNNING"), {"create_time": True}, "whole milliseconds"),
        (("TRAINING", "RUNNING"), {"create_time": 1767030135771, "last_update_time": 1767030135770}, "must not lie before"),
        (("TRAINING", "RUNNING"), {"function_name": "REMOTE"}, "a TRAINING task has KMEANS"),
        (("TRAINING", "RUNNING"), {"is_async": False}, "says true"),
        (("TRAINING", "RUNNING"), {"worker_node": ["n1"]}, "version 4 UUID"),
        (("TRAINING", "RUNNING"), {"worker_node": 7}, "a list of node ids"),
        (("DEPLOY_MODEL", "RUNNING"), {"model_id": "DQmk2ZwBqLOthQZKMqU-"}, "the model is older than the task"),
        (("BATCH_PREDICTION", "RUNNING"), {"remote_job": {1: 2}}, "keys of an object are texts"),
    ],
)  # fmt: skip
def test_a_contradiction_names_the_rule(pair, overrides, words):
    """What the dialect never shows is an error that says which rule forbids it, and no payload is used up."""
    factory = TaskFactory(dialect="2.19")
    with pytest.raises(ContradictionError) as caught:
        factory.build(*pair, **overrides)
    assert words in str(caught.value)
    assert factory.build("TRAINING", "RUNNING") == TaskFactory(dialect="2.19").build("TRAINING", "RUNNING")


@pytest.mark.parametrize(("key", "words"), [("create_tme", "did you mean create_time?"), ("statee", "did you mean state?"), ("colour", "the keys are create_time, error,")])  # fmt: skip
def test_an_unknown_override_suggests_the_right_name(key, words):
    """A misspelt keyword is a TypeError, as a misspelt argument is, and names the nearest key."""
    with pytest.raises(UnknownOverrideError) as caught:
        TaskFactory().build("TRAINING", "RUNNING", **{key: 1})
    assert str(caught.value).startswith(f"a task has no key {key!r}; {words}")
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("n", [0, -1, True, 1.0, "3", None])
def test_an_impossible_batch_is_refused(n):
    """A batch has a whole number of payloads, at least one."""
    with pytest.raises(WrongUseError, match=r"a batch of .* payloads cannot be made"):
        TaskFactory().batch(n, "TRAINING", "RUNNING")


@pytest.mark.parametrize("seed", [None, 1.5, True, b"x"])
def test_an_impossible_seed_is_refused(seed):
    """A seed is a whole number or a text."""
    with pytest.raises(WrongUseError, match=r"the seed is .*; it is a whole number or a text"):
        TaskFactory(seed)


def test_a_factory_shows_how_to_make_it_again():
    """The repr of a factory is the call that makes it."""
    assert repr(TaskFactory("s", "2.19.1")) == "TaskFactory(seed='s', dialect='2.19')"


def test_payloads_are_models():
    """What is built is the kind of its type."""
    task = TaskFactory().build("BATCH_PREDICTION", "EXPIRED")
    assert isinstance(task, Task)
    assert type(task).__name__ == "BatchPredictionTask"


def test_the_provider_is_a_faker_provider():
    """Any Faker takes the provider and seeds its texts."""
    first, second = Faker(), Faker("de_DE")
    for fake in (first, second):
        fake.add_provider(MLTaskProvider)
        fake.seed_instance(4)
    texts = [first.ml_error_message("TRAINING"), first.ml_index_name(), first.ml_agent_answer()]
    first.seed_instance(4)
    assert texts == [first.ml_error_message("TRAINING"), first.ml_index_name(), first.ml_agent_answer()]
    assert second.ml_error_message(TaskType.DEPLOY_MODEL)
