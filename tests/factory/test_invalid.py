"""Each invalid body has one fault, and the check finds that one and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mltask_fixtures import DIALECTS, InvalidTaskError, TaskFactory, check, contract, parse_task
from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.factory.invalid import CATALOGUE

CODE = re.compile(r"""Finding\(\s*"([a-z_]+)"|"\w+": "([a-z_]+)",\n""")
PAIRS = [(dialect, *pair) for dialect in DIALECTS for pair in DIALECTS[dialect].pairs()]
OF_THE_MODELS = {"missing", "null", "wrong_type", "unknown_word", "unknown_key", "out_of_range", "time_order", "too_short", "too_long", "encoding", "not_json", "not_an_object", "duplicate_key", "too_deep"}  # fmt: skip


@pytest.mark.parametrize(("dialect", "task_type", "state"), PAIRS)
def test_each_fault_raises_its_finding_and_no_other(dialect, task_type, state):
    """Every fault of every type and state of every dialect, as a dict and as bytes."""
    seen = set()
    for bad in TaskFactory(8, dialect).invalid(task_type, state):
        for body in (bad.body, bad.raw):
            if bad.fault == "half_a_surrogate_pair" and isinstance(body, bytes):
                assert [(found.code, found.field) for found in check(body, dialect)] == [("encoding", "body")]
                continue
            findings = check(body, dialect, task_id=bad.task_id)
            assert [(found.code, found.field) for found in findings] == [(bad.code, bad.field)], (bad, findings)
        seen.add(bad.fault)
    assert len(seen) >= 30


def test_the_catalogue_covers_every_code_of_the_check():
    """No rule of the contract is without a fault, and no fault of the catalogue applies nowhere."""
    made = {bad.fault for dialect in DIALECTS for bad in TaskFactory(dialect=dialect).invalid()}
    assert made == {name for name, _, _ in CATALOGUE}
    room = Path(contract.__file__).parent
    said = {
        code
        for name in ("check.py", "reading.py")
        for match in CODE.finditer((room / name).read_text())
        for code in match.groups()
        if code
    }
    assert {"missing", "id_time", "not_json"} <= said
    assert said == {code for _, code, _ in CATALOGUE}


def test_what_the_models_forbid_is_no_task():
    """A fault that no dialect decides is refused by parse_task too, for the same reason."""
    for bad in TaskFactory(dialect="3.6").invalid("TRAINING", "COMPLETED"):
        if bad.code in OF_THE_MODELS and not (bad.code == "missing" and bad.field in {"model_id", "input_type"}):
            with pytest.raises(InvalidTaskError) as caught:
                parse_task(bad.body)
            assert [(found.code, found.field) for found in caught.value.findings] == [(bad.code, bad.field)]


def test_without_a_pair_each_fault_comes_once_for_each_field():
    """All faults of a dialect, few enough to parametrise a test with, each with a name of its own."""
    names = [str(bad) for bad in TaskFactory(dialect="3.6").invalid()]
    assert len(names) == len(set(names)) > 90
    assert [bad.fault for bad in TaskFactory(dialect="3.6").invalid(fault="null") if bad.field == "state"] == ["null"]


@pytest.mark.parametrize("bad", TaskFactory(dialect="1.3").invalid("TRAINING", "RUNNING", fault="backwards"))
def test_a_fault_names_its_parameter(bad, request):
    """One line parametrises a test, and the ids can be read."""
    assert request.node.callspec.id == "TRAINING-RUNNING-backwards-last_update_time"


def test_faults_below_json_are_bytes_and_others_are_dicts():
    """A dict stands for what `response.json()` gives; what no JSON object is comes as the bytes."""
    for bad in TaskFactory().invalid("TRAINING", "RUNNING"):
        if isinstance(bad.body, bytes):
            assert bad.raw == bad.body
        elif bad.fault != "half_a_surrogate_pair":
            assert json.loads(bad.raw) == bad.body


def test_the_same_seed_makes_the_same_faults():
    """Invalid bodies too depend on the seed alone, and use no payload up."""
    factory = TaskFactory(6, "3.6")
    assert [bad.raw for bad in factory.invalid("TRAINING")] == [
        bad.raw for bad in TaskFactory("6", "3.6").invalid("TRAINING")
    ]
    assert factory.build("TRAINING", "RUNNING") == factory.nth(0, "TRAINING", "RUNNING")


@pytest.mark.parametrize(
    ("fault", "words"), [("mising", "did you mean missing?"), ("colour", "there are: missing, null")]
)
def test_an_unknown_fault_is_refused_at_the_call(fault, words):
    """A misspelt fault is an error that names the nearest."""
    with pytest.raises(WrongUseError) as caught:
        TaskFactory().invalid(fault=fault)
    assert words in str(caught.value)
