"""The quick yes: it never accepts what the full check refuses, and it is said where it is needed."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from mltask_fixtures import DIALECTS, TaskFactory
from mltask_fixtures.contract.agree import surely_agrees
from mltask_fixtures.contract.check import _looked_through
from mltask_fixtures.contract.ids import mint_document_id
from mltask_fixtures.contract.task import WIRE_ORDER
from mltask_fixtures.contract.vocabulary import FunctionName, InputType, TaskState, TaskType

PAIRS = [(name, *pair) for name, dialect in DIALECTS.items() for pair in dialect.pairs()]
_TIME = 1_767_030_135_146
_IDS = st.builds(mint_document_id, st.integers(_TIME - 700_000, _TIME + 700_000), st.integers(0, 99), st.just(bytes(6)))
_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 10**30),
    st.integers(_TIME - 3, _TIME + 3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=30),
    _IDS,
    st.sampled_from([*TaskType, *TaskState, *FunctionName, *InputType]).map(str),
    st.lists(st.one_of(st.text(max_size=3), st.just("KfEEGG7_SsKZVFqI4ko2FA"), st.none(), st.just([])), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.just("x" * 513),
    st.just("KfEEGG7_SsKZVFqI4ko2FA,54xOe0w8Qjyze00UuLDfdA"),
)
_EDITS = st.lists(
    st.tuples(st.sampled_from(["set", "drop", "move"]), st.sampled_from([*WIRE_ORDER, "foreign"]), _VALUES), max_size=3
)


def _edited(body, edits):
    for edit, key, value in edits:
        if edit == "set":
            body[key] = value
        elif key in body:
            moved = body.pop(key)
            if edit == "move":
                body[key] = moved
    return body


def _built(name, task_type, state, n):
    return TaskFactory(seed="agree", dialect=name).nth(n, task_type, state)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(PAIRS), st.integers(0, 30), st.sampled_from([*DIALECTS]), _EDITS, st.one_of(st.none(), _IDS))
def test_a_yes_is_never_wrong(pair, n, judged_by, edits, task_id):
    """Bodies of every dialect, changed at random and held to any dialect: where it says yes, the check finds nothing."""
    raw = to_json(_edited(_built(*pair, n).model_dump(), edits))
    if surely_agrees(raw, DIALECTS[judged_by], task_id):
        assert _looked_through(raw, DIALECTS[judged_by], "get", task_id) == []


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PAIRS), st.integers(0, 30), st.data())
def test_a_yes_is_never_wrong_about_bytes(pair, n, data):
    """A byte changed, taken out or put in anywhere is seen by the check as well, or is no fault."""
    raw = bytearray(_built(*pair, n).model_dump_json().encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    edit = data.draw(st.sampled_from(["change", "drop", "double", "cut"]))
    raw[at : at + 1] = {
        "change": bytes([data.draw(st.integers(0, 255))]),
        "drop": b"",
        "double": raw[at : at + 1] * 2,
        "cut": b"",
    }[edit]
    cut = bytes(raw[:at] if edit == "cut" else raw)
    if surely_agrees(cut, DIALECTS[pair[0]]):
        assert _looked_through(cut, DIALECTS[pair[0]], "get", None) == []


@pytest.mark.parametrize(("name", "task_type", "state"), PAIRS)
def test_the_usual_bodies_need_no_second_look(name, task_type, state):
    """What the factory builds is recognised at once, save for what only the check can read: maps and maps in texts."""
    task = _built(name, task_type, state, 0)
    hard = {"remote_job", "response", "user", "progress", "output_index"} & set(task.model_dump())
    forms = {form.name for form in DIALECTS[name].kinds[task_type].error_forms}
    if task.error is not None and ("NODES_AS_JSON" in forms or "NODES_AS_JAVA_MAP" in forms):
        hard.add("error")
    text = task.model_dump_json()
    if not text.isascii() or "\\u" in text:
        hard.add("text")
    assert surely_agrees(text.encode(), DIALECTS[name]) is not bool(hard)


def test_a_key_that_comes_twice_is_left_to_the_check():
    """The parser would keep the last of two; the bytes tell."""
    text = _built("3.6", TaskType.TRAINING, TaskState.CREATED, 0).model_dump_json()
    twice = text.replace('"state":', '"state":"RUNNING","state":', 1)
    assert json.loads(twice) == json.loads(text)
    assert surely_agrees(text.encode(), DIALECTS["3.6"])
    assert not surely_agrees(twice.encode(), DIALECTS["3.6"])
