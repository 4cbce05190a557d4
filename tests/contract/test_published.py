"""What others published: genuine bodies agree with their server's dialect, edited ones are found out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mltask_fixtures.contract import check, parse_task

HERE = Path(__file__).parent
SAMPLES = [json.loads(line) for line in (HERE / "published_samples.jsonl").read_text().splitlines()]
GENUINE = [sample for sample in SAMPLES if sample["quality"].startswith("A")]
EDITED = [sample for sample in SAMPLES if sample["quality"] == "B-edited"]
EXAMPLES = re.findall(r"^\{.*?^\}", (HERE / "get-ml-task-api.txt").read_text(), re.MULTILINE | re.DOTALL)


def name(sample: dict) -> str:
    """Name a sample by its version, type and state."""
    return "-".join([sample["version"], sample["body"]["task_type"], sample["body"]["state"]])


def compact(body: dict) -> str:
    """Write a body as the server sent it: the samples hold no character that Java would write otherwise."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def test_all_samples_are_there():
    """The collection has not shrunk: 28 genuine bodies, 9 edited ones, 4 examples of the documentation."""
    assert (len(GENUINE), len(EDITED), len(EXAMPLES)) == (28, 9, 4)


@pytest.mark.parametrize("sample", GENUINE, ids=name)
def test_genuine_body_has_no_finding(sample):
    """A captured body agrees with its version's dialect, its own task id included."""
    assert (
        check(compact(sample["body"]), sample["version"], surface=sample["surface"], task_id=sample.get("task_id"))
        == []
    )


@pytest.mark.parametrize("sample", GENUINE, ids=name)
def test_genuine_body_is_dumped_to_the_same_bytes(sample):
    """Parsing and dumping gives the wire's bytes back; a search hit's body the same content in GET's order."""
    task = parse_task(compact(sample["body"]).encode())
    assert task.model_dump() == sample["body"]
    if sample["surface"] == "get":
        assert task.model_dump_json() == compact(sample["body"])


@pytest.mark.parametrize("sample", EDITED, ids=name)
def test_edited_body_is_found_out_in_words(sample):
    """A published body that was edited by hand has a finding against its version's dialect, with a reason."""
    findings = check(compact(sample["body"]), sample["version"], surface=sample["surface"])
    assert findings
    assert all(len(finding.rule.split()) > 3 for finding in findings)


EXPECTED = {
    "2.12-REGISTER_MODEL-COMPLETED": [("id_time", "model_id")],
    "3.x-DEPLOY_MODEL-CREATED": [("missing", "model_id")],
    "2.8-DEPLOY_MODEL-COMPLETED": [("id_time", "model_id")],
    "2.9-REGISTER_MODEL-COMPLETED": [("wrong_value", "is_async")],
    "2.13-REGISTER_MODEL-COMPLETED": [("unknown_word", "function_name"), ("id_time", "model_id")],
    "2.13-DEPLOY_MODEL-COMPLETED": [("id_time", "model_id")],
    "2.11-REGISTER_MODEL-COMPLETED": [("id_time", "model_id")],
    "2.7-UPLOAD_MODEL-REGISTERED": [("unknown_word", "state")],
    "2.4-UPLOAD_MODEL-COMPLETED": [("time_order", "last_update_time"), ("id_time", "model_id")],
}


@pytest.mark.parametrize("sample", EDITED, ids=name)
def test_edited_body_is_found_out_for_the_right_reason(sample):
    """The findings are the edits that the collection notes, and no others."""
    findings = check(compact(sample["body"]), sample["version"], surface=sample["surface"])
    assert EXPECTED[name(sample)] == [(finding.code, finding.field) for finding in findings]


@pytest.mark.parametrize("example", EXAMPLES)
def test_documented_example_agrees_with_the_documentation(example):
    """The documentation's own examples have no finding against its dialect."""
    assert check(example) == []
