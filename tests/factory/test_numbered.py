"""`nth`, `stream`, `ndjson` and `documents`: payload n is a pure function of the seed and of n."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltask_fixtures import DIALECTS, TaskFactory, check, parse_task
from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.factory import ContradictionError, UnknownOverrideError

NUMBERS = st.integers(0, 10**12)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_line_is_what_the_model_dumps(dialect):
    """Of every pair of every dialect: the fast line is the payload's own dump, and agrees with the dialect."""
    factory = TaskFactory("lines", dialect)
    many = 12 * len(factory.dialect.pairs())
    for n, (task_id, line) in enumerate(factory.documents(0, many)):
        task = factory.nth(n)
        assert line == f"{task.model_dump_json()}\n".encode()
        assert task_id == factory.task_id(task)
        assert check(line, dialect, task_id=task_id) == []


@given(st.integers() | st.text(), NUMBERS, st.sampled_from(list(DIALECTS)))
def test_payload_n_is_the_same_alone_and_in_a_stream(seed, n, dialect):
    """However far n lies, what `nth` makes alone is what a stream and the lines begin with there."""
    factory = TaskFactory(seed, dialect)
    task = TaskFactory(seed, dialect).nth(n)
    assert next(factory.stream(start=n)) == task
    assert next(factory.ndjson(n, n + 1)) == f"{task.model_dump_json()}\n".encode()


def test_nth_counts_as_build_does_and_moves_nothing():
    """Payload n is the one that the n-th build makes, and asking for it uses none up."""
    factory, other = TaskFactory(5), TaskFactory(5)
    assert [factory.nth(n, "TRAINING", "FAILED") for n in (2, 0, 1)][1:] == other.batch(2, "TRAINING", "FAILED")
    assert factory.build("TRAINING", "FAILED") == factory.nth(0, "TRAINING", "FAILED")


def test_the_types_and_states_take_turns_in_the_order_of_the_dialect():
    """Without a type or a state, payload n is payload n // P of pair n % P."""
    factory = TaskFactory(dialect="3.6")
    pairs = factory.dialect.pairs()
    tasks = list(islice(factory.stream(), 2 * len(pairs)))
    assert [(task.task_type, task.state) for task in tasks] == pairs * 2
    assert tasks[len(pairs) + 3] == factory.nth(1, *pairs[3])
    assert {task.task_type for task in islice(factory.stream(state="RUNNING"), 20)} == {
        task_type for task_type, state in pairs if state == "RUNNING"
    }


def test_overrides_hold_for_every_payload():
    """What is given stands in each payload of a stream and in each line."""
    factory = TaskFactory(dialect="2.19")
    assert all(task.tenant_id == "t" for task in islice(factory.stream(tenant_id="t"), 60))
    lines = list(factory.ndjson(0, 60, "TRAINING", tenant_id="t"))
    assert [parse_task(line) for line in lines] == list(islice(factory.stream("TRAINING", tenant_id="t"), 60))
    assert lines[7] == f"{factory.nth(7, 'TRAINING', tenant_id='t').model_dump_json()}\n".encode()


def test_another_process_writes_the_same_lines():
    """Shards that two processes write are the lines that one writes."""
    program = "import sys; from mltask_fixtures import TaskFactory; a, b = map(int, sys.argv[1:])\n"
    program += "sys.stdout.buffer.writelines(TaskFactory('s', '3.6').ndjson(a, b))"
    shards = [
        subprocess.run([sys.executable, "-c", program, str(a), str(b)], check=True, capture_output=True).stdout
        for a, b in ((0, 57), (57, 100))
    ]
    assert b"".join(shards) == b"".join(TaskFactory("s", "3.6").ndjson(0, 100))


def test_a_stream_makes_nothing_before_it_is_asked():
    """An endless stream costs nothing until a payload is taken."""
    assert next(TaskFactory().stream("TRAINING", "CREATED", start=10**15)).state == "CREATED"


@pytest.mark.parametrize("n", [-1, 1.0, "3", None, True])
def test_an_impossible_number_is_refused(n):
    """Payloads are counted by whole numbers from 0; the refusal comes at the call."""
    factory = TaskFactory()
    for ask in (factory.nth, lambda n: factory.stream(start=n), lambda n: factory.ndjson(n, 3), lambda n: factory.ndjson(0, n)):  # fmt: skip
        with pytest.raises(WrongUseError, match=r"there is no payload .*; they are counted from 0"):
            ask(n)


def test_impossible_wishes_are_refused_at_the_call():
    """A range that ends before it begins, a pair that the dialect never shows, a misspelt key: no line is made."""
    factory = TaskFactory(dialect="2.19")
    with pytest.raises(WrongUseError, match="the first comes after the last"):
        factory.ndjson(5, 4)
    with pytest.raises(ContradictionError, match="only ever seen as CREATED, COMPLETED, FAILED"):
        factory.ndjson(0, 1, "REGISTER_MODEL", "RUNNING")
    with pytest.raises(ContradictionError, match=r"2\.19 shows no UNREACHABLE task"):
        factory.stream(state="UNREACHABLE")
    with pytest.raises(ContradictionError, match=r"2\.19 server never shows such a task"):
        factory.stream("AGENT_EXECUTION")
    with pytest.raises(ContradictionError, match="nearest known word is TRAINING"):
        factory.stream("TRAININ")
    with pytest.raises(UnknownOverrideError, match="did you mean tenant_id"):
        factory.documents(0, 1, tenant="x")
