"""Bad input gives every finding at once, never a crash; each rule of the table finds what breaks it."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltask_fixtures import TaskFactory
from mltask_fixtures.contract import DIALECTS, InvalidTaskError, Task, TaskState, check, check_exchange, parse_task
from mltask_fixtures.contract.reading import show

BODY = {
    "model_id": "l7lamX8BO5w8y8Ra2oty",
    "task_type": "TRAINING",
    "function_name": "KMEANS",
    "state": "COMPLETED",
    "input_type": "SEARCH_QUERY",
    "worker_node": ["54xOe0w8Qjyze00UuLDfdA"],
    "create_time": 1647545342556,
    "last_update_time": 1647545342587,
    "is_async": True,
}
TEXT = json.dumps(BODY)


def found(findings) -> list[tuple[str, str]]:
    """Code and field of each finding."""
    return [(finding.code, finding.field) for finding in findings]


BAD_TEXTS = {
    "empty": (b"", [("not_json", "body")]),
    "html": (b"<html>502 Bad Gateway</html>", [("not_json", "body")]),
    "truncated": (TEXT[:-20], [("not_json", "body")]),
    "trailing": (TEXT + "x", [("not_json", "body")]),
    "null": ("null", [("not_an_object", "body")]),
    "list": (f"[{TEXT}]", [("not_an_object", "body")]),
    "text": ('"CREATED"', [("not_an_object", "body")]),
    "number": ("7", [("not_an_object", "body")]),
    "duplicate key": (TEXT.replace("{", '{"state": "RUNNING", "is_async": true, ', 1), [("duplicate_key", "state"), ("duplicate_key", "is_async")]),
    "NaN": (TEXT.replace("1647545342556", "NaN"), [("not_json", "body")]),
    "Infinity": (TEXT.replace("1647545342556", "-Infinity"), [("not_json", "body")]),
    "utf-16": (TEXT.encode("utf-16"), [("encoding", "body")]),
    "latin-1": (TEXT.replace("KMEANS", "KMÉANS").encode("latin-1"), [("encoding", "body")]),
    "truncated utf-8": (b'{"error":"\xe2\x82', [("encoding", "body")]),
    "byte order mark": (b"\xef\xbb\xbf" + TEXT.encode(), [("not_json", "body")]),
    "lone surrogate": (TEXT.replace("KMEANS", "\ud800"), [("encoding", "body")]),
    "escaped lone surrogate": (TEXT.replace("KMEANS", "\\ud800"), [("not_json", "body")]),
    "deep nesting": ("[" * 100_000, [("too_deep", "body")]),
    "deep closed nesting": ('{"response":' * 100_000 + "1" + "}" * 100_000, [("too_deep", "body")]),
    "endless integer": (TEXT.replace("1647545342556", "9" * 10_000), [("not_json", "body")]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_a_bad_text_gives_its_finding(name):
    """What is wrong below the level of tasks is one finding in words, not a crash."""
    text, expected = BAD_TEXTS[name]
    with pytest.raises(InvalidTaskError) as caught:
        parse_task(text)
    assert found(caught.value.findings) == expected
    assert found(check(text)) == expected
    assert all(len(str(finding)) < 400 for finding in caught.value.findings)


BAD_VALUES = {
    "number as text": ({"create_time": "1647545342556"}, [("wrong_type", "create_time")]),
    "boolean as number": ({"is_async": 1}, [("wrong_type", "is_async")]),
    "boolean as text": ({"is_async": "true"}, [("wrong_type", "is_async")]),
    "number as boolean": ({"create_time": True}, [("wrong_type", "create_time")]),
    "float as time": ({"create_time": 1647545342556.0}, [("wrong_type", "create_time")]),
    "before 2000": ({"create_time": 946_684_799_999}, [("out_of_range", "create_time")]),
    "seconds": ({"create_time": 1647545342}, [("out_of_range", "create_time")]),
    "after 2100": ({"last_update_time": 4_102_444_800_001}, [("out_of_range", "last_update_time")]),
    "10^30": ({"last_update_time": 10**30}, [("out_of_range", "last_update_time")]),
    "negative": ({"create_time": -1}, [("out_of_range", "create_time")]),
    "update before create": ({"last_update_time": 1647545342555}, [("time_order", "last_update_time")]),
    "unknown key": ({"taskType": "TRAINING"}, [("unknown_key", "taskType")]),
    "unknown state": ({"state": "COMPLETE"}, [("unknown_word", "state")]),
    "unknown type": ({"task_type": "TRAIN"}, [("unknown_word", "task_type")]),
    "lower case": ({"function_name": "kmeans"}, [("unknown_word", "function_name")]),
    "state as list": ({"state": ["COMPLETED"]}, [("wrong_type", "state")]),
    "type as object": ({"task_type": {}}, [("wrong_type", "task_type")]),
    "type as null": ({"task_type": None}, [("null", "task_type")]),
    "null": ({"model_id": None, "error": None}, [("null", "model_id"), ("null", "error")]),
    "empty id": ({"model_id": ""}, [("too_short", "model_id")]),
    "long id": ({"model_id": "x" * 513}, [("too_long", "model_id")]),
    "nodes as object": ({"worker_node": {}}, [("wrong_type", "worker_node")]),
    "node as number": ({"worker_node": [7]}, [("wrong_type", "worker_node.0")]),
    "foreign key": ({"remote_job": {}}, [("unknown_key", "remote_job")]),
    "10 MB of text": ({"error": "x" * 10_000_000}, [("too_long", "error")]),
    "NaN": ({"progress": math.nan}, [("wrong_type", "progress")]),
    "bytes": ({"error": b"x"}, [("wrong_type", "error")]),
    "set": ({"user": {1}}, [("wrong_type", "user")]),
    "number as key": ({"user": {1: 2}}, [("wrong_type", "user")]),
    "lone surrogate": ({"error": "\ud800"}, [("encoding", "error")]),
    "many": (
        {"create_time": "x", "is_async": None, "stat": 1, "function_name": "NOPE"},
        [("unknown_word", "function_name"), ("wrong_type", "create_time"), ("null", "is_async"), ("unknown_key", "stat")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_VALUES)
def test_a_bad_value_gives_its_finding(name):
    """Each wrong value is found at its field, several of them together."""
    changes, expected = BAD_VALUES[name]
    with pytest.raises(InvalidTaskError) as caught:
        parse_task(BODY | changes)
    assert sorted(found(caught.value.findings)) == sorted(expected)
    assert set(expected) <= set(found(check(BODY | changes)))
    assert len(str(caught.value)) < 2_000


def test_deep_mappings_and_loops_end():
    """A mapping nested 100,000 deep, or inside itself, is a finding and no recursion."""
    deep: dict = {}
    inner = deep
    for _ in range(100_000):
        inner["response"] = inner = {}
    loop: dict = {**BODY}
    loop["user"] = loop
    for body in (deep, loop):
        assert ("too_deep") in [finding.code for finding in check(body, "3.6")]
        with pytest.raises(InvalidTaskError):
            parse_task(body)
    while deep:  # taken apart by hand: the interpreter would recurse
        deep = deep.pop("response")


def test_a_missing_type_hides_nothing_else():
    """Without a known type the rest is still looked at."""
    body = BODY | {"create_time": 1.5}
    del body["task_type"]
    with pytest.raises(InvalidTaskError) as caught:
        parse_task(body)
    assert found(caught.value.findings) == [("missing", "task_type"), ("wrong_type", "create_time")]


def test_the_error_lists_every_finding_in_words():
    """The text names each field, what stands there, and the rule; unknown words come with the nearest known one."""
    with pytest.raises(InvalidTaskError) as caught:
        parse_task(BODY | {"state": "COMPLETE", "create_time": "1647545342556"})
    assert str(caught.value).splitlines() == [
        "the body is no ML task: 2 findings",
        '  - state is "COMPLETE"; no server knows it; the nearest known word is COMPLETED [unknown_word]',
        '  - create_time is "1647545342556"; it is whole milliseconds since the epoch, from 2000 to 2100 [wrong_type]',
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_words_of_a_bad_body_reach_the_text_at_length(dialect):
    """A huge value is shown in a few characters, whatever the dialect."""
    body = BODY | {"error": "x" * 2_000_000, "worker_node": ["y" * 2_000_000]}
    assert all(len(str(finding)) < 600 for finding in check(body, dialect))


@pytest.mark.parametrize(
    "value",
    ["x" * 200, "\ud800" * 99, 10**5000, math.nan, None, True, b"x" * 99, {}, [], {"a": 1}, [1], {1}],
    ids=lambda value: type(value).__name__,
)
def test_any_value_is_shown_shortly(value):
    """No value is too large or too odd to be named in an error."""
    assert 0 < len(show(value)) < 500


# ------------------------------------------------------------------------------------------- rules of the table

PAIRS = [(dialect, *pair) for dialect in DIALECTS for pair in DIALECTS[dialect].pairs()]


@st.composite
def broken_by_the_table(draw):  # noqa: C901, PLR0912 - one branch for each rule
    """A valid body, the one rule that is broken in it, and the finding that this must give."""
    dialect, task_type, state = draw(st.sampled_from(PAIRS))
    body = TaskFactory(draw(st.integers(0, 50)), dialect).build(task_type, state).model_dump()
    kind = DIALECTS[dialect].kinds[task_type]
    breaks = {
        "drop": ("missing", draw(st.sampled_from(sorted(set(kind.keys) | set(kind.states[state]))))),
        "time_order": ("time_order", "last_update_time"),
        "type of time": ("wrong_type", "create_time"),
        "null": ("null", draw(st.sampled_from(sorted(body)))),
        "unknown key": ("unknown_key", "taskId"),
    }
    forbidden = sorted({"progress", "output_index", "user", "task_id"} - set(body))
    breaks["forbidden"] = ("forbidden_key", draw(st.sampled_from(forbidden)))
    foreign = sorted(set(TaskState) - set(kind.states))
    if foreign:
        breaks["state"] = ("unreachable_state", "state")
    if kind.not_async is not None:
        breaks["is_async"] = ("wrong_value", "is_async")
    if "worker_node" in body and DIALECTS[dialect].ordered:
        breaks["node"] = ("malformed_id", "worker_node")
        breaks["form"] = ("wrong_form", "worker_node")
    if kind.model_minted and "model_id" in body:
        breaks["model_id"] = ("id_time", "model_id")
    if DIALECTS[dialect].ordered:
        breaks["order"] = ("key_order", list(body)[-2])
    how = draw(st.sampled_from(sorted(breaks)))
    code, field = breaks[how]
    if how == "drop":
        del body[field]
    elif how == "time_order":
        body[field] = body["create_time"] - 1
    elif how == "type of time":
        body[field] = str(body[field])
    elif how == "null":
        body[field] = None
    elif how == "unknown key":
        body[field] = "x"
    elif how == "forbidden":
        body[field] = {"progress": 0.5, "user": {}}.get(field, "x")
    elif how == "state":
        body[field] = draw(st.sampled_from(foreign)).value
    elif how == "is_async":
        body[field] = not body[field]
    elif how == "node":
        body[field] = "node-1" if isinstance(body[field], str) else ["node-1"]
    elif how == "form":
        body[field] = body[field].split(",") if isinstance(body[field], str) else ",".join(body[field])
    elif how == "model_id":
        body[field] = "gnDIbI0BfUsSoeNT_jAw" if kind.model_minted == "during" else "DQmk2ZwBqLOthQZKMqU-"
        if kind.model_minted == "before":
            body["create_time"] = body["last_update_time"] = 1706927128091
    else:
        last = list(body)[-1]
        body = {key: body[key] for key in (*list(body)[:-2], last, field)}
    return dialect, body, (code, field)


@given(broken_by_the_table())
def test_what_the_table_forbids_is_found(broken):
    """Break one rule of the table in a valid body, and that rule is among the findings."""
    dialect, body, expected = broken
    assert expected in found(check(json.dumps(body), dialect))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_no_value_makes_the_check_fail(value):
    """Whatever stands under a key, the check gives findings and no other error."""
    for key in BODY:
        for dialect in ("documented", "2.4", "3.6"):
            check(BODY | {key: value}, dialect)
    check(value, "3.6") if value is not None else check(b"null")


@given(st.binary(max_size=300))
def test_no_bytes_make_the_check_fail(raw):
    """Any bytes at all give findings."""
    assert check(raw, "2.19")


def test_a_task_can_be_checked():
    """A model is held to a dialect as its body would be."""
    assert check(parse_task(TEXT), "2.9") == []
    assert found(check(parse_task(TEXT), "1.3")) == [("wrong_form", "worker_node")]


PARTLY = TaskFactory(1, "2.19").build("DEPLOY_MODEL", "COMPLETED_WITH_ERROR").model_dump()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("no text of an object", ("wrong_form", "error")),
        (json.dumps(dict.fromkeys(PARTLY["worker_node"], "x")), ("wrong_value", "error")),
        (json.dumps({"KfEEGG7_SsKZVFqI4ko2FA": "x"}), ("wrong_value", "error")),
        ("{}", ("wrong_form", "error")),
    ],
)
def test_the_error_of_a_task_that_completed_partly(error, expected):
    """It is JSON text about some, not all, of the task's nodes."""
    assert found(check(PARTLY | {"error": error}, "2.19")) == [expected]


def test_the_numbers_of_a_batch_job_on_2_19():
    """2.19 turns every number of a remote answer into a double, 3.6 does not."""
    body = TaskFactory(1, "3.6").build("BATCH_PREDICTION", "RUNNING").model_dump()
    del body["remote_job"]["dlq"]
    assert check(body, "3.6") == []
    assert {code for code, _ in found(check(body, "2.19"))} == {"wrong_form"}


# ------------------------------------------------------------------------------------------- whole exchanges

ANSWERS = {
    "task": ("GET", "/_plugins/_ml/tasks/mwlamX8BO5w8y8Ra2oty", 200, TEXT.replace(" ", ""), []),
    "unknown id": ("GET", "/_plugins/_ml/tasks/nope", 404, DIALECTS["3.6"].unknown_task.body().decode(), []),
    "unknown id, old words": ("GET", "/_plugins/_ml/tasks/nope", 404, DIALECTS["2.9"].unknown_task.body().decode(), [("wrong_answer", "error")]),
    "no handler": ("GET", "/_plugins/_ml/tasks/", 400, '{"error":"no handler found for uri [/_plugins/_ml/tasks/] and method [GET]"}', []),
    "train": ("POST", "/_plugins/_ml/_train/kmeans?async=true", 200, '{"task_id":"mwlamX8BO5w8y8Ra2oty","status":"CREATED"}', []),
    "train at once": ("POST", "/_plugins/_ml/_train/kmeans", 200, '{"model_id":"l7lamX8BO5w8y8Ra2oty","status":"COMPLETED"}', []),
    "register without id": ("POST", "/_plugins/_ml/models/_register", 200, '{"status":"CREATED"}', [("wrong_answer", "model_id")]),
    "pretty": ("GET", "/_plugins/_ml/tasks/x?pretty", 200, "anything", []),
    "yaml": ("GET", "/_plugins/_ml/tasks/x?format=yaml", 200, "state: x", []),
    "other api": ("GET", "/_cluster/health", 200, '{"status":"green"}', []),
    "other api, truncated": ("GET", "/_cluster/health", 200, '{"status":', [("not_json", "body")]),
    "html from a proxy": ("GET", "/_plugins/_ml/tasks/x", 502, "<html>", [("not_json", "body")]),
    "error without reason": ("GET", "/_plugins/_ml/tasks/x", 500, '{"error":{"type":"x"},"status":500}', [("wrong_answer", "error")]),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_judged_by_its_route(name):
    """Tasks, errors and the answers that start tasks each have their model; other APIs only have to be readable."""
    method, path, status, body, expected = ANSWERS[name]
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    findings = check_exchange(method, path, status, headers, body.encode(), dialect="3.6")
    assert sorted({(code, field.partition(".")[0]) for code, field in found(findings)}) == expected


def test_hits_of_a_search_are_judged_in_any_order():
    """The source of a hit is a task whose keys stand in any order; what is wrong is named with its place."""
    source = dict(reversed(BODY.items()))
    hit = {"_index": ".plugins-ml-task", "_id": "nope", "_version": 3, "_seq_no": 2, "_primary_term": 1, "_score": 1.0}
    shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
    hits = {"total": {"value": 1, "relation": "eq"}, "max_score": 1.0, "hits": [{**hit, "_source": source}]}
    answer = {"took": 3, "timed_out": False, "_shards": shards, "hits": hits}
    judge = lambda: found(  # noqa: E731 - said twice
        check_exchange("POST", "/_plugins/_ml/tasks/_search", 200, {}, json.dumps(answer).encode(), dialect="3.6")
    )
    assert judge() == []
    source["state"] = "REGISTERED"
    assert judge() == [("unknown_word", "hits.hits.0._source.state")]


def test_an_unknown_server_is_judged_by_the_models_alone():
    """Without a dialect a body has to be a task of any version."""
    path = "/_plugins/_ml/tasks/x"
    assert check_exchange("GET", path, 200, {}, TEXT.encode(), dialect=None) == []
    assert found(check_exchange("GET", path, 200, {}, b"{}", dialect=None))[0] == ("missing", "task_type")


def test_task_itself_is_no_kind():
    """Task is what its kinds have in common: it dispatches, and cannot be made."""
    assert type(Task.model_validate(BODY)).__name__ == "TrainingTask"
    with pytest.raises(TypeError, match="parse_task"):
        Task(**BODY)
