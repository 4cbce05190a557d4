"""Strategies make what the factories make, and shrink to the simplest."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from mltask_fixtures import Task, TrainingTask, check
from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.factory import ContradictionError, TaskFactory
from mltask_fixtures.factory.strategies import invalid_bodies, lifecycles, tasks


@given(tasks("3.6", tenant_id="t"))
def test_tasks_are_valid(task):
    """Each task agrees with its dialect and has what was given."""
    assert check(task, "3.6") == []
    assert task.tenant_id == "t"


@given(lifecycles("2.19", types=["TRAINING", "BATCH_PREDICTION"]))
def test_lifecycles_are_valid(life):
    """Each snapshot agrees with its dialect."""
    assert all(check(task, "2.19", task_id=life.task_id) == [] for task in life)


@given(invalid_bodies("3.6"))
def test_invalid_bodies_have_their_fault(bad):
    """Each body has its one finding."""
    assert [(found.code, found.field) for found in check(bad.body, "3.6", task_id=bad.task_id)] == [
        (bad.code, bad.field)
    ]


def test_they_shrink_to_the_simplest():
    """The first type and state, the first payload, one poll for each state."""
    factory = TaskFactory(dialect="3.6")
    assert find(tasks("3.6"), lambda _: True) == factory.nth(0, "TRAINING", "CREATED")
    for state, simplest in (("FAILED", "TRAINING"), ("CANCELLED", "BATCH_PREDICTION")):
        assert find(tasks("3.6"), lambda task, state=state: task.state == state) == factory.nth(0, simplest, state)
    for task_type, simplest in (("AGENT_EXECUTION", "CREATED"), ("BATCH_PREDICTION", "RUNNING")):
        found = find(tasks("3.6"), lambda task, task_type=task_type: task.task_type == task_type)
        assert found == factory.nth(0, task_type, simplest)
    life = find(lifecycles("3.6", outcomes=["COMPLETED"]), lambda _: True)
    assert life == factory.lifecycle("TRAINING", "COMPLETED", n=0)
    assert str(find(invalid_bodies("3.6"), lambda _: True)) == "TRAINING-CREATED-missing-task_type"
    assert str(find(invalid_bodies("3.6"), lambda bad: bad.fault == "html")) == "TRAINING-CREATED-html-body"


@given(st.from_type(Task), st.from_type(TrainingTask))
def test_hypothesis_knows_the_models(task, training):
    """`st.from_type(Task)` works without a word, and so does each kind."""
    assert isinstance(task, Task)
    assert isinstance(training, TrainingTask)
    assert check(task) == []


@pytest.mark.parametrize("first", ["hypothesis", "mltask_fixtures.contract", "mltask_fixtures"])
def test_the_order_of_the_imports_does_not_matter(first):
    """Whichever is loaded first, `from_type` is known; importing hypothesis alone loads no pydantic."""
    program = f"import {first}, sys\n"
    if first == "hypothesis":
        program += "assert 'pydantic' not in sys.modules\n"
    program += "from hypothesis import strategies as st\nfrom mltask_fixtures import Task\n"
    program += "from hypothesis import find; print(find(st.from_type(Task), lambda _: True).state)"
    run = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert run.stdout == "CREATED\n", run.stderr


def test_impossible_strategies_are_refused_at_once():
    """What the dialect never shows is an error where the strategy is made."""
    for make in (lambda: tasks("2.19", types=["AGENT_EXECUTION"]), lambda: lifecycles("3.6", outcomes=["UNREACHABLE"]), lambda: invalid_bodies("3.6", types=["TRAINING"], faults=["whole_remote_number"])):  # fmt: skip
        with pytest.raises(ContradictionError):
            make()
    with pytest.raises(WrongUseError, match="did you mean missing"):
        invalid_bodies(faults=["mising"])
