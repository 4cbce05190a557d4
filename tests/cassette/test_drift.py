from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mltask_fixtures.cassette import bundled, load
from mltask_fixtures.cassette.drift import Drift, drift
from mltask_fixtures.cassette.normalise import normalised
from mltask_fixtures.cassette.recording import Interaction, Recording, from_dict
from mltask_fixtures.cassette.store import find, read
from mltask_fixtures.cluster.scenario import scenarios

TASK = "Fbv-D6IBCct9EddYI47U"
OTHER = "hioEEKIBtIKbxdQ8TcYl"
NODE, OTHER_NODE = "GanmUFY6QEinVY1CADta6w", "804TOg9VTn2Sh6g4nAQKnA"


def exchange(answer=None, *, asked=None, method="GET", path=f"tasks/{TASK}", status=200, headers=None):
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    request = {"method": method, "uri": f"http://h:9200/_plugins/_ml/{path}", "headers": {}, "body": None}
    if asked is not None:
        request["body"] = json.dumps(asked).encode()
    response = {
        "status": {"code": status, "message": ""},
        "headers": headers or {"content-type": "application/json"},
        "body": {"string": body},
    }
    return Interaction({"request": request, "response": response})


def recording(*interactions):
    return Recording(Path("x.json"), {}, interactions)


def poll(state, task=TASK, **more):
    return exchange({"task_type": "TRAINING", "state": state, **more}, path=f"tasks/{task}")


def seen(found):
    return [(one.field, one.kind) for one in found]


@pytest.mark.parametrize("name", bundled())
def test_a_recording_does_not_drift_from_itself(name):
    """Neither as it is nor when it is normalised."""
    one = load(name)
    assert drift(one, one) == []
    path = find(name)
    promised = scenarios()[one.metadata["scenario"]].must_see
    assert drift(one, from_dict(path, normalised(read(path), promised=promised)), promised=promised) == []


@pytest.mark.parametrize(
    ("recorded", "live"),
    [
        (TASK, OTHER),
        (NODE, OTHER_NODE),
        (1795564643063, 1795565047134),
        ("2026-11-24T23:57:22Z", "2026-11-25T00:01:02.5Z"),
        (3, 41),
        (0.28, 1.5),
        (f"no task {TASK} on {NODE}", f"no task {OTHER} on {OTHER_NODE}"),
        ("/models/a.zip (No such file or directory)", "/tmp/b/c.zip (No such file or directory)"),
        ("Connection to 127.0.0.1:9219 refused", "Connection to 127.0.0.1:9236 refused"),
        ({NODE: {"stats": 1}}, {OTHER_NODE: {"stats": 2}}),
    ],
)
def test_values_of_one_class_are_alike(recorded, live):
    """Ids, nodes, times, numbers, and texts that name other ones of them."""
    assert drift(exchange({"x": recorded}), exchange({"x": live})) == []


@pytest.mark.parametrize(
    ("recorded", "live", "kind"),
    [
        ("COMPLETED", "FAILED", "value"),
        ("status_exception", "resource_not_found_exception", "value"),
        ("Fail to find task", "Failed to find task", "value"),
        (TASK, NODE, "value"),
        (TASK, "my-model", "value"),
        (1795564643063, 17, "value"),
        (True, False, "value"),
        (1, 1.0, "type"),
        (1, "1", "type"),
        ([NODE], NODE, "type"),
        (None, [], "type"),
        ({}, [], "type"),
    ],
)
def test_a_value_of_another_class_is_told(recorded, live, kind):
    """Words and texts by what they say, all else by what it is."""
    (found,) = drift(exchange({"x": recorded}), exchange({"x": live}))
    assert (found.field, found.kind) == ("response.body.x", kind)


def test_new_and_gone_are_told_at_their_place():
    """However deep, in objects and in lists."""
    before = {"hits": [{"a": 1, "b": 2}], "nodes": [NODE, OTHER_NODE]}
    after = {"hits": [{"a": 1, "c": 2}], "nodes": [NODE]}
    assert seen(drift(exchange(before), exchange(after))) == [
        ("response.body.hits.0.b", "gone"),
        ("response.body.hits.0.c", "new"),
        ("response.body.nodes.1", "gone"),
    ]


def test_status_and_headers_are_compared():
    """Names without regard to case; what follows from the client or the body does not matter."""
    before = exchange({}, headers={"Content-Type": "application/json", "content-length": "2", "X-Opaque-Id": "a"})
    after = exchange(
        {}, status=404, headers={"content-type": "application/yaml", "content-length": "9", "Warning": "old"}
    )
    assert seen(drift(before, after)) == [
        ("response.status", "value"),
        ("response.headers.content-type", "value"),
        ("response.headers.x-opaque-id", "gone"),
        ("response.headers.warning", "new"),
    ]


def test_text_that_is_no_json_is_compared_as_text():
    """YAML, and an answer that has become JSON."""
    yaml = b'---\nstate: "COMPLETED"\ncreate_time: 1795564643063\n'
    assert drift(exchange(yaml), exchange(yaml.replace(b"4643063", b"4649999"))) == []
    assert seen(drift(exchange(yaml), exchange(yaml.replace(b"COMPLETED", b"FAILED")))) == [("response.body", "value")]


def test_polls_are_compared_by_state_and_not_by_number():
    """One run sees CREATED five times, another once."""
    before = recording(poll("CREATED"), poll("CREATED"), poll("RUNNING"), poll("COMPLETED", model_id=TASK))
    after = recording(
        poll("CREATED", OTHER), poll("RUNNING", OTHER), poll("RUNNING", OTHER), poll("COMPLETED", OTHER, model_id=OTHER)
    )
    assert drift(before, after) == []


def test_a_state_that_is_not_seen_any_more_is_told_as_the_state():
    """With the request and what was polled."""
    (found,) = drift(
        recording(poll("CREATED"), poll("RUNNING"), poll("FAILED")), recording(poll("CREATED"), poll("FAILED"))
    )
    assert found == Drift("GET tasks/{id}, TRAINING RUNNING", "response.body.state", "gone", "RUNNING", "")


def test_another_state_in_its_place_is_told_once():
    """And what else is said otherwise with it."""
    found = drift(recording(poll("CREATED"), poll("FAILED", error="no")), recording(poll("CREATED"), poll("COMPLETED")))
    assert seen(found) == [("response.body.state", "value"), ("response.body.error", "gone")]


def test_a_passing_state_that_is_not_promised_is_luck():
    """So neither side has to see it; one that is promised has to be seen."""
    short, long = recording(poll("COMPLETED")), recording(poll("CREATED"), poll("RUNNING"), poll("COMPLETED"))
    promised = {"TRAINING": ("RUNNING", "COMPLETED")}
    assert seen(drift(short, long)) == [("response.body.state", "new")] * 2
    assert drift(recording(poll("RUNNING"), poll("COMPLETED")), long, promised=promised) == []
    assert [one.live for one in drift(short, long, promised=promised)] == ["RUNNING"]


def test_tasks_are_compared_in_the_order_of_their_first_poll():
    """Ids say nothing across runs."""
    before = recording(poll("COMPLETED"), poll("FAILED", OTHER))
    after = recording(poll("COMPLETED", OTHER), poll("COMPLETED"))
    assert [str(one) for one in drift(before, after)] == [
        "GET tasks/{id}, TRAINING FAILED: response.body.state: value; recorded 'FAILED', now 'COMPLETED'"
    ]


def test_an_exchange_that_is_only_on_one_side_is_told_whole():
    """With its request."""
    deleted = exchange({}, method="DELETE")
    assert drift(recording(deleted), recording()) == [
        Drift("DELETE tasks/{id}", "exchange", "gone", "DELETE tasks/{id}", "")
    ]
    assert drift(recording(), recording(deleted)) == [
        Drift("DELETE tasks/{id}", "exchange", "new", "", "DELETE tasks/{id}")
    ]


def test_a_request_is_compared_too():
    """A scenario that asks something else is no proof."""
    before, after = (exchange({}, method="POST", path="_train/kmeans", asked={"n": value}) for value in (1, "1"))
    assert seen(drift(before, after)) == [("request.body.n", "type")]


def test_a_recording_is_not_compared_with_an_exchange():
    """That is a mistake of the caller."""
    one = exchange({})
    with pytest.raises(TypeError, match="compared with a recording, an exchange with an exchange"):
        drift(recording(one), one)


def test_what_drifted_is_said_in_words():
    """For those who read a list of it."""
    (one,) = drift(exchange({"x": 1}), exchange({}))
    assert one.meaning == "the recording says it, the server does not any more"
    assert str(replace(one, exchange="GET x")) == "GET x: response.body.x: gone; recorded 1"
