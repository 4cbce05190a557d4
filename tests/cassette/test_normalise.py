from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltask_fixtures.cassette import bundled, store
from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette.judge import judge
from mltask_fixtures.cassette.normalise import EPOCH, GRID, normalised
from mltask_fixtures.cassette.recording import from_dict
from mltask_fixtures.contract import DIALECTS, decode_document_id, is_node_id, mint_document_id, mint_node_id
from mltask_fixtures.contract.wire import encode
from mltask_fixtures.factory import TaskFactory

PATH = Path("made-up.json")
HOST = "http://127.0.0.1:9219"
ID = re.compile(r"(?<![\w-])[\w-]{7}B[\w-]{12}(?![\w-])")
NODE = re.compile(r"(?<![\w-])[\w-]{8}[QRST][\w-]{13}(?![\w-])")


def exchange(method, path, answer, *, asked=None, status=200, headers=None, host=HOST):
    """An exchange as vcrpy keeps it."""
    body = answer if isinstance(answer, bytes) else encode(answer).encode()
    return {
        "request": {
            "method": method,
            "uri": f"{host}/_plugins/_ml/{path}",
            "headers": {"user-agent": ["opensearch-py/3.2.0 (Python 3.11.7)"]},
            "body": None if asked is None else json.dumps(asked).encode(),
        },
        "response": {
            "status": {"code": status, "message": "OK"},
            "headers": {
                "content-type": ["application/json; charset=UTF-8"],
                "content-length": [str(len(body))],
                **(headers or {}),
            },
            "body": {"string": body},
            "recorded_ms": 12.5,
        },
    }


def cassette(*exchanges, **metadata):
    return {"version": 1, "metadata": metadata, "interactions": list(exchanges)}


def bodies(result):
    return [json.loads(one["response"]["body"]["string"]) for one in result["interactions"]]


def polled(task_id, **body):
    return exchange("GET", f"tasks/{task_id}", body)


def doc_id(time, number=1, mac=b"abcdef"):
    return mint_document_id(time, number, mac)


NOW = 1_795_565_047_000
TASK = doc_id(NOW + 3)


def training(state, last=0, **more):
    return polled(
        TASK,
        **{
            "task_type": "TRAINING",
            "function_name": "KMEANS",
            "state": state,
            "input_type": "SEARCH_QUERY",
            "worker_node": [mint_node_id(b"0123456789abcdef")],
            "create_time": NOW,
            "last_update_time": NOW + last,
            "is_async": True,
            **more,
        },
    )


# ---------------------------------------------------------------------------------------------- the bundled recordings


@pytest.mark.parametrize("name", bundled())
def test_a_bundled_recording_keeps_to_its_dialect_when_it_is_normalised(name):
    """Ids and times of tasks and models still agree, so no finding comes up that was not there."""
    path = store.find(name)
    result = normalised(store.read(path))
    recording = from_dict(path, result)
    assert judge(recording.interactions, recording.dialect, recording.server) == []


@pytest.mark.parametrize("name", bundled())
def test_normalising_twice_is_normalising_once(name):
    """So it may be done to any recording at any time."""
    once = normalised(store.read(store.find(name)))
    assert normalised(once) == once
    assert our_format.deserialize(our_format.serialize(once)) == once


# ---------------------------------------------------------------------------------------------- ids and times


def test_an_id_holds_the_time_that_stands_for_its_own():
    """A mapped id decodes to the mapped time: after the creation, and before the answer that shows it."""
    start = exchange("POST", "_train/kmeans?async=true", {"task_id": TASK, "status": "CREATED"})
    model = doc_id(NOW + 80, 2)
    result = normalised(cassette(start, training("CREATED"), training("COMPLETED", 90, model_id=model)))
    started, created, completed = bodies(result)
    minted, of_model = (decode_document_id(one) for one in (started["task_id"], completed["model_id"]))
    assert result["interactions"][1]["request"]["uri"].endswith(started["task_id"])
    assert EPOCH < created["create_time"] < minted.time <= EPOCH + GRID
    assert created["last_update_time"] == created["create_time"] == completed["create_time"]
    assert EPOCH + 2 * GRID < of_model.time < completed["last_update_time"] <= EPOCH + 3 * GRID


def test_answers_come_on_a_grid():
    """Times on the way differ from run to run; their places on the grid do not."""
    result = normalised(cassette(training("CREATED"), training("RUNNING", 20), training("COMPLETED", 900)))
    assert [one["response"]["recorded_ms"] for one in result["interactions"]] == [100, 200, 300]


def test_an_id_that_the_scenario_made_up_stays():
    """The id of a task that never was is the same in every recording anyway."""
    made_up = doc_id(NOW - 90 * 86_400_000)
    missing = exchange("GET", f"tasks/{made_up}", {"error": "no"}, status=404)
    result = normalised(cassette(missing, training("COMPLETED", 9)))
    assert made_up in result["interactions"][0]["request"]["uri"]
    assert TASK not in result["interactions"][1]["request"]["uri"]


def test_what_was_made_before_the_recording_began_is_replaced_too():
    """A connector's id is seen in a request first."""
    connector = doc_id(NOW - 50, 7)
    start = exchange(
        "POST", "models/_register", {"task_id": TASK, "status": "CREATED"}, asked={"connector_id": connector}
    )
    result = normalised(cassette(start, training("COMPLETED", 9)))
    replaced = json.loads(result["interactions"][0]["request"]["body"])["connector_id"]
    assert replaced != connector
    assert EPOCH < decode_document_id(replaced).time <= EPOCH + GRID


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('"2026-11-24T23:57:22Z"', '"2025-01-01T00:00:00Z"'),
        ('"2026-11-24T23:57:22.123Z"', '"2025-01-01T00:00:00.001Z"'),
        ('"2026-11-24T23:57:22.123456789Z"', '"2025-01-01T00:00:00.001000000Z"'),
        ("1795564642", "1735689600"),
        ("1795564642123", "1735689600001"),
        ('"1795564642123"', '"1735689600001"'),
        ("1495564642123", "1495564642123"),
    ],
)
def test_a_time_keeps_its_form(written, expected):
    """Milliseconds, seconds and ISO; what lies far from the recording is no time of it."""
    answer = exchange("GET", "memory/x", b'{"when":%s}' % written.encode())
    result = normalised(cassette(answer, recorded_at="2026-11-24T23:57:30Z"))
    assert result["interactions"][0]["response"]["body"]["string"] == b'{"when":%s}' % expected.encode()


def test_nodes_are_numbered_alike_whatever_the_order_of_a_set():
    """Two nodes come in any order; the one that failed is told by the error, and comes last."""
    one, other = (mint_node_id(bytes([number]) * 16) for number in (1, 2))

    def recorded(nodes, failed):
        error = json.dumps({failed: "Exceed max local model per node limit"}, separators=(",", ":"))
        task = {**json.loads(training("COMPLETED_WITH_ERROR", 9)["response"]["body"]["string"]), "worker_node": nodes}
        undeployed = {node: {"stats": {}} for node in nodes}
        return cassette(polled(TASK, **task, error=error), exchange("POST", "models/_undeploy", undeployed))

    first = normalised(recorded([one, other], other))
    assert first == normalised(recorded([other, one], one)) == normalised(recorded([other, one], other))
    task, undeployed = bodies(first)
    assert task["worker_node"] == sorted(task["worker_node"]) == list(undeployed)
    assert set(json.loads(task["error"])) < set(task["worker_node"])


# ---------------------------------------------------------------------------------------------- polls


def test_polls_that_saw_nothing_new_are_one():
    """How many fit between two states is luck; in a replay the last answer holds."""
    states = ["CREATED", "CREATED", "RUNNING", "RUNNING", "RUNNING", "COMPLETED"]
    result = normalised(cassette(*(training(state, len(state)) for state in states), states={"TRAINING": states}))
    assert [body["state"] for body in bodies(result)] == ["CREATED", "RUNNING", "COMPLETED"]
    assert result["metadata"]["states"] == {"TRAINING": ["CREATED", "RUNNING", "COMPLETED"]}


def test_a_step_back_to_an_older_answer_is_left_out():
    """On two nodes a poll may be answered by the one that is behind: luck, unless the scenario is about it."""
    seen = [training("RUNNING", 9), training("CREATED"), training("RUNNING", 9), training("COMPLETED", 20)]
    result = normalised(cassette(training("CREATED"), *seen))
    assert [body["state"] for body in bodies(result)] == ["CREATED", "RUNNING", "COMPLETED"]


def test_a_step_back_that_is_promised_is_kept():
    """By a state that has to be seen twice."""
    seen = [
        training(state, last) for state, last in (("CREATED", 0), ("RUNNING", 9), ("CREATED", 0), ("COMPLETED", 20))
    ]
    promised = {"TRAINING": ("CREATED", "RUNNING", "CREATED", "COMPLETED")}
    result = normalised(cassette(seen[0], *seen), promised=promised)
    assert [body["state"] for body in bodies(result)] == ["CREATED", "RUNNING", "CREATED", "COMPLETED"]


def test_an_end_that_comes_again_is_kept():
    """A batch job that has ended is asked for again, and says what its service says now."""
    seen = [training(state, 9) for state in ("COMPLETED", "FAILED", "FAILED", "COMPLETED")]
    assert [body["state"] for body in bodies(normalised(cassette(*seen)))] == ["COMPLETED", "FAILED", "COMPLETED"]


def test_what_comes_after_an_error_is_kept():
    """A remote service that is away for a while: the task is as it was."""
    error = exchange("GET", f"tasks/{TASK}", {"error": {"type": "status_exception"}}, status=503)
    result = normalised(cassette(training("RUNNING", 9), error, error, training("RUNNING", 9)))
    assert [one["response"]["status"]["code"] for one in result["interactions"]] == [200, 503, 200]


def test_a_state_that_is_not_promised_is_left_out_unless_it_is_the_last():
    """Whether a state of some milliseconds is seen must not change a recording."""
    states = [training("CREATED"), training("RUNNING", 9), training("COMPLETED", 20)]
    promised = {"TRAINING": ("RUNNING", "COMPLETED")}
    assert [body["state"] for body in bodies(normalised(cassette(*states), promised=promised))] == [
        "RUNNING",
        "COMPLETED",
    ]
    held = normalised(cassette(training("CREATED")), promised=promised)
    assert [body["state"] for body in bodies(held)] == ["CREATED"]


def test_what_stands_between_two_polls_keeps_them_apart():
    """A refused deletion changes nothing, and that is what the poll after it shows."""
    refused = exchange("DELETE", f"tasks/{TASK}", {"error": "no"}, status=500)
    result = normalised(cassette(training("RUNNING", 9), refused, training("RUNNING", 9)))
    assert [one["request"]["method"] for one in result["interactions"]] == ["GET", "DELETE", "GET"]


def test_tasks_that_are_polled_side_by_side_come_one_after_the_other():
    """In which order two threads came is luck."""
    other = doc_id(NOW + 5, 9)

    def of(task_id, state):
        body = json.loads(training(state, len(state))["response"]["body"]["string"])
        return polled(task_id, **body)

    a, b = ([of(task_id, state) for state in ("CREATED", "FAILED")] for task_id in (TASK, other))
    assert normalised(cassette(a[0], b[0], b[1], a[1])) == normalised(cassette(a[0], a[0], b[0], a[1], b[1]))


def test_of_a_request_that_waits_for_something_the_last_answer_is_kept():
    """A model is looked at until it says that it is deployed."""
    answers = [exchange("GET", "models/x", {"model_state": state}) for state in ("DEPLOYING", "DEPLOYING", "DEPLOYED")]
    assert bodies(normalised(cassette(*answers))) == [{"model_state": "DEPLOYED"}]


# ---------------------------------------------------------------------------------------------- noise


def test_counters_and_scores_say_nothing():
    """`took`, sequence numbers, terms, versions, scores, the number of a group's model."""
    hit = {"_index": "i", "_id": TASK, "_version": 7, "_seq_no": 41, "_primary_term": 3, "_score": 0.2876821}
    found = {"took": 12, "hits": {"max_score": 0.2876821, "hits": [hit]}, "model_version": "4"}
    gone = {"_index": "i", "_id": TASK, "_version": 9, "result": "deleted", "_seq_no": 44, "_primary_term": 3}
    search, deleted = bodies(
        normalised(cassette(exchange("POST", "tasks/_search", found), exchange("DELETE", f"tasks/{TASK}", gone)))
    )
    assert search["took"] == 1
    assert search["hits"]["max_score"] == 1.0
    assert search["model_version"] == "1"
    assert [search["hits"]["hits"][0][key] for key in ("_version", "_seq_no", "_primary_term", "_score")] == [
        1,
        0,
        1,
        1.0,
    ]
    assert [deleted[key] for key in ("_version", "_seq_no", "_primary_term")] == [2, 1, 1]


def test_times_of_one_step_are_one():
    """A model's document is written in steps, and each step reads the clock once for each of its times."""
    model = {"created_time": NOW, "last_registered_time": NOW + 40, "last_deployed_time": NOW + 90}
    answers = [exchange("GET", "models/x", {**model, "last_updated_time": NOW + last}) for last in (90, 97)]
    first, second = (bodies(normalised(cassette(answer, recorded_at="2026-11-25T00:05:00Z")))[0] for answer in answers)
    assert first == second
    assert first["created_time"] < first["last_registered_time"] < first["last_deployed_time"]


def test_a_breaker_wants_more_than_there_is():
    """How much memory a node has just used is luck; nothing wanted stays nothing."""
    wanted = [{"bytes_wanted": 634843824, "bytes_limit": 1048576}, {"bytes_wanted": 0, "bytes_limit": 0}]
    found = [bodies(normalised(cassette(exchange("GET", "x", one))))[0]["bytes_wanted"] for one in wanted]
    assert found == [2097152, 0]


def test_a_score_that_is_null_stays_null():
    """A sorted search has none, and that is the server's word."""
    assert bodies(normalised(cassette(exchange("POST", "tasks/_search", {"max_score": None})))) == [{"max_score": None}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("connect to 127.0.0.1:43211 failed", "connect to 127.0.0.1:8080 failed"),
        ("asked 127.0.0.1:9219 itself", "asked 127.0.0.1:9200 itself"),
        ("nothing on 127.0.0.1:9", "nothing on 127.0.0.1:9"),
        ("/tmp/opensearch-8127/x.zip", "/tmp/1/x.zip"),
        ("at a.B$$Lambda$4711/0x00007f1a.run", "at a.B$$Lambda.run"),
        ("a.B@1f2e3d4c", "a.B@0"),
        ("opensearch[n][generic][T#14]", "opensearch[n][generic][T#1]"),
        ("required seqNo [530], primary term [4]", "required seqNo [1], primary term [1]"),
        (
            "[parent] would be [634843824/605.4mb], larger than [1048576/1mb], usages [request=7/7b, fielddata=0/0b]",
            "[parent] would be [2097152/2mb], larger than [1048576/1mb], usages [request=0/0b, fielddata=0/0b]",
        ),
        ("7,yellow,open,iris_data,x-y,1,1,100,0,9.9kb,9.9kb", "7,yellow,open,iris_data,x-y,1,1,100,0,1kb,1kb"),
        ("task 0f8fad5b-d9cb-469f-a165-70867728950e", None),
    ],
)
def test_what_java_and_the_computer_put_into_texts_is_replaced(text, expected):
    """Ports, folders, threads, hashes, generated classes; a random UUID by another one."""
    (body,) = bodies(normalised(cassette(exchange("GET", "x", {"error": text}))))
    if expected is None:
        assert body["error"] != text
        assert re.fullmatch(r"task [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", body["error"])
    else:
        assert body["error"] == expected


def test_headers_lose_versions_and_hashes():
    """The client's version and the build that warns are no part of what the server says."""
    warning = '299 OpenSearch-2.19.1-0123456789abcdef0123456789abcdef01234567 "[POST] is deprecated!"'
    kept = normalised(cassette(exchange("POST", "models/x/_load", {}, headers={"Warning": [warning]})))
    (one,) = kept["interactions"]
    assert one["request"]["headers"] == {"user-agent": ["opensearch-py"]}
    assert one["response"]["headers"]["Warning"] == ['299 OpenSearch-2.19.1-0000000 "[POST] is deprecated!"']


@pytest.mark.parametrize("spaces", ["compact", "pretty", "yaml", "gzip"])
def test_a_body_keeps_its_layout(spaces):
    """Byte for byte apart from what is replaced, with the length that it then has."""
    values = {"task_id": TASK, "create_time": NOW, "took": 1234}
    text = {
        "compact": encode(values),
        "gzip": encode(values),
        "pretty": json.dumps(values, indent=2, separators=(",", " : ")) + "\n",
        "yaml": f'---\ntask_id: "{TASK}"\ncreate_time: {NOW}\ntook: 1234\n',
    }[spaces]
    body = gzip.compress(text.encode()) if spaces == "gzip" else text.encode()
    headers = {"content-encoding": ["gzip"]} if spaces == "gzip" else {}
    response = normalised(cassette(exchange("GET", "x", body, headers=headers)))["interactions"][0]["response"]
    assert response["headers"]["content-length"] == [str(len(response["body"]["string"]))]
    said = response["body"]["string"]
    said = (gzip.decompress(said) if spaces == "gzip" else said).decode()
    replaced = ID.search(said)[0]
    assert said == text.replace(TASK, replaced).replace(str(NOW), str(EPOCH + 12)).replace("1234", "1")


def test_bytes_that_are_no_text_stay():
    """CBOR and SMILE bodies pass, with ids of the same length in them."""
    body = b"\xbfgtask_idt" + TASK.encode() + b"\xff"
    answer = exchange("GET", f"tasks/{TASK}?format=cbor", body)
    (one,) = normalised(cassette(answer, recorded_at="2026-11-25T00:05:00Z"))["interactions"]
    said = one["response"]["body"]["string"]
    assert len(said) == len(body)
    assert said.startswith(b"\xbfgtask_idt")
    assert TASK.encode() not in said


def test_texts_are_replaced_first():
    """The folder of a scenario's files is shown as it says, not as any folder for temporary files."""
    answer = exchange("GET", "x", {"error": "/tmp/mltask-fixtures-x/a.zip (No such file or directory)"})
    (body,) = bodies(normalised(cassette(answer), replacing={"/tmp/mltask-fixtures-x": "/models"}))
    assert body == {"error": "/models/a.zip (No such file or directory)"}


# ---------------------------------------------------------------------------------------------- whatever a server says

DIALECT = st.sampled_from(["2.19", "3.6"])


@st.composite
def recordings(draw):
    """Some tasks, each started and polled through some states, then a search that shows them all."""
    dialect = draw(DIALECT)
    factory = TaskFactory(seed=draw(st.integers(0, 10**6)), dialect=dialect)
    pairs = DIALECTS[dialect].pairs()
    exchanges, hits = [], []
    for number in range(draw(st.integers(1, 4))):
        task_type, state = draw(st.sampled_from(pairs))
        body = factory.build(task_type, state).model_dump()
        task_id = doc_id(body["create_time"] + draw(st.integers(0, 30)), number)
        exchanges += [exchange("POST", "models/_register", {"task_id": task_id, "status": "CREATED"})] * draw(
            st.booleans()
        )
        exchanges += [polled(task_id, **body)] * draw(st.integers(1, 3))
        hits.append(
            {
                "_index": ".plugins-ml-task",
                "_id": task_id,
                "_version": 2,
                "_seq_no": number,
                "_primary_term": 1,
                "_source": body,
            }
        )
    shards = {"total": 1, "successful": 1, "failed": 0}
    found = {"took": 3, "timed_out": False, "_shards": shards, "hits": {"total": {"value": len(hits)}, "hits": hits}}
    exchanges += [exchange("POST", "tasks/_search", found, asked={})] * draw(st.booleans())
    return cassette(*exchanges, dialect=dialect)


@given(recordings())
@settings(max_examples=25, deadline=None)
def test_what_agrees_with_a_dialect_agrees_afterwards(made):
    """Whichever tasks a recording shows, in whichever order: no finding comes up, and once is enough."""
    before = judge(from_dict(PATH, made).interactions, made["metadata"]["dialect"])
    result = normalised(made)
    assert judge(from_dict(PATH, result).interactions, made["metadata"]["dialect"]) == before
    assert normalised(result) == result


@given(recordings(), st.integers(-(10**4), 10**4), st.binary(min_size=6, max_size=6), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_another_run_gives_the_same(made, later, mac, polls):
    """At another time, by another node, polled another number of times, with other counters: the same recording."""

    def again(text):
        text = ID.sub(lambda match: _minted_again(match[0], later * 1000, mac), text)
        text = NODE.sub(
            lambda match: mint_node_id(mac + match[0].encode()[:10]) if is_node_id(match[0]) else match[0], text
        )
        text = re.sub(r"(?<!\w)1\d{12}(?!\w)", lambda match: str(int(match[0]) + later * 1000), text)
        text = re.sub(r"(?<![\w.])1\d{9}(?!\w)", lambda match: str(int(match[0]) + later), text)
        return text.replace('"took":3', '"took":4').replace("127.0.0.1:9219", "127.0.0.1:9236")

    exchanges = []
    for one in made["interactions"]:
        other = eval(again(repr(one)), {})
        exchanges += [other] * (polls if one["request"]["method"] == "GET" else 1)
    assert normalised({**made, "interactions": exchanges}) == normalised(made)


def _minted_again(text, later, mac):
    document = decode_document_id(text)
    return mint_document_id(document.time + later, document.sequence, mac) if document else text
