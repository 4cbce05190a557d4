"""The rules of polling: any id, from a state on, other values, recorded times."""

from __future__ import annotations

import json
import threading
import time

import pytest
from opensearchpy import ConnectionError as NoConnection
from opensearchpy import OpenSearch

from mltask_fixtures import DIALECTS, TaskState, check, use_cassette
from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cassette import load

KMEANS, FAILED, DEPLOY = (
    "3.6.0/train-kmeans-completed",
    "3.6.0/train-missing-index-failed",
    "3.6.0/register-deploy-sparse-tokenizer",
)


@pytest.fixture
def client():
    with OpenSearch("http://any:9200") as client:
        yield client


def states(client, task_id, polls=60):
    """The states that polls of a task show, each once in a row."""
    seen = [client.plugins.ml.get_task(task_id=task_id)["state"] for _ in range(polls)]
    return [state for n, state in enumerate(seen) if n == 0 or seen[n - 1] != state]


def recorded_states(cassette, task_id):
    bodies = [
        json.loads(response["body"]["string"])
        for request, response in cassette.data
        if request.method == "GET" and request.uri.endswith(task_id)
    ]
    seen = [body["state"] for body in bodies if "state" in body]
    return [state for n, state in enumerate(seen) if n == 0 or seen[n - 1] != state]


# ------------------------------------------------------------------------------------------------------- any task id


@pytest.mark.parametrize("asked", ["my-task", "-_x", "MsBi1YsB0jLkkocYjD5f", 'with "quotes"', "ünïcode", "a" * 300])
def test_any_id_is_answered_as_if_it_had_been_recorded(client, asked):
    """Whatever id the code asks for, it sees the recorded lifecycle, and the body agrees with the dialect."""
    with use_cassette(KMEANS, any_task_id=True) as cassette:
        assert states(client, asked) == recorded_states(cassette, cassette.task_ids[0])


def test_the_id_asked_for_is_said_in_every_answer(client):
    """Deleting the task, and searching for it, names the id that the code knows, and no answer names the recorded one."""
    with use_cassette(KMEANS, any_task_id=True) as cassette:
        recorded = cassette.task_ids[0]
        states(client, "my-task", 3)
        deleted = client.plugins.ml.delete_task(task_id="my-task")
    assert deleted["_id"] == "my-task"
    assert recorded not in json.dumps(deleted)


def test_search_hits_name_the_id_asked_for(client, tmp_path):
    """A search that was recorded finds the task under the id that the code polls."""
    path = tmp_path / "searched.json"
    with use_cassette(KMEANS) as cassette:
        task_id = cassette.task_ids[0]
        task = client.plugins.ml.get_task(task_id=task_id)
    hit = {"_index": ".plugins-ml-task", "_id": task_id, "_version": 1, "_seq_no": 1, "_primary_term": 1}
    body = {
        "took": 1,
        "timed_out": False,
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "hits": {"total": {"value": 1, "relation": "eq"}, "max_score": 1.0, "hits": [{**hit, "_source": task}]},
    }
    query = json.dumps({"query": {"ids": {"values": [task_id]}}})
    _write(path, [("GET", f"tasks/{task_id}", None, task), ("POST", "tasks/_search", query, body)])
    with use_cassette(path, any_task_id=True):
        states(client, "mine", 1)
        query = {"query": {"ids": {"values": ["mine"]}}}
        found = client.transport.perform_request("POST", "/_plugins/_ml/tasks/_search", body=query)
    assert [hit["_id"] for hit in found["hits"]["hits"]] == ["mine"]


def test_several_tasks_are_matched_in_the_order_of_their_ids(client):
    """The first id that is asked for is the first recorded task, the second one the second; each keeps its own."""
    with use_cassette(DEPLOY, any_task_id=True) as cassette:
        first, second = cassette.task_ids[:2]
        kinds = [client.plugins.ml.get_task(task_id=task_id)["task_type"] for task_id in ("one", "two", "one", "two")]
        assert kinds == ["REGISTER_MODEL", "DEPLOY_MODEL"] * 2
        assert recorded_states(cassette, first)[-1] == states(client, "one")[-1]
        assert recorded_states(cassette, second)[-1] == states(client, "two")[-1]


def test_recorded_ids_stay_what_they_are(client):
    """An id that was recorded gets its own task, whichever is asked for first."""
    with use_cassette(DEPLOY, any_task_id=True) as cassette:
        second = cassette.task_ids[1]
        assert client.plugins.ml.get_task(task_id=second)["task_type"] == "DEPLOY_MODEL"
        assert client.plugins.ml.get_task(task_id="other")["task_type"] == "REGISTER_MODEL"


def test_one_id_too_many_is_an_error_that_names_the_others(client):
    """There is no task left for it, and none is invented."""
    with use_cassette(KMEANS, any_task_id=True) as cassette:
        states(client, "one", 1)
        with pytest.raises(NoConnection, match="has 1 task, and 'two' is one more; asked for before: one"):
            client.plugins.ml.get_task(task_id="two")
        assert cassette.unanswered, "so that it comes out even where the error is swallowed"
        cassette.unanswered.clear()


def test_without_the_option_an_unknown_id_is_refused(client):
    """By default only recorded ids are answered."""
    with use_cassette(KMEANS) as cassette:
        with pytest.raises(NoConnection, match="has no answer to GET /_plugins/_ml/tasks/my-task"):
            client.plugins.ml.get_task(task_id="my-task")
        cassette.unanswered.clear()


def test_threads_that_ask_for_an_id_share_its_task():
    """Eight threads that ask for the same unknown id at once use up one recorded task."""
    answers, errors = [], []
    with use_cassette(KMEANS, any_task_id=True, clock="real"):
        barrier = threading.Barrier(8)

        def poll():
            barrier.wait()
            try:
                with OpenSearch("http://any:9200") as client:
                    answers.append(client.plugins.ml.get_task(task_id="mine")["state"])
            except Exception as error:  # noqa: BLE001 - it is looked at below
                errors.append(error)

        threads = [threading.Thread(target=poll) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors
    assert len(answers) == 8


# ------------------------------------------------------------------------------------------------------ from a state


@pytest.mark.parametrize("state", ["RUNNING", TaskState.RUNNING])
def test_polls_begin_at_a_state(client, state):
    """The first poll shows the state; the rest is as recorded, and what was left out does not count as unplayed."""
    with use_cassette(KMEANS, start_at=state) as cassette:
        task_id = cassette.task_ids[0]
        unplayed = [line for line in cassette.unplayed if f"GET /_plugins/_ml/tasks/{task_id}" in line]
        assert states(client, task_id) == ["RUNNING", "COMPLETED"]
    assert len(unplayed) < len([1 for request, _ in cassette.data if request.uri.endswith(task_id)])


def test_a_task_that_never_shows_the_state_begins_at_its_beginning(client):
    """Of two tasks only the one that shows the state begins there."""
    with use_cassette(DEPLOY, start_at="COMPLETED") as cassette:
        assert [states(client, task_id) for task_id in cassette.task_ids] == [["COMPLETED"]] * len(cassette.task_ids)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("RUNING", r"start_at='RUNING' is no state; did you mean 'RUNNING'\?"),
        ("xyz", r"start_at='xyz' is no state; there are CREATED, RUNNING,"),
        ("EXPIRED", r"no task in .*train-kmeans-completed\.json is ever EXPIRED; it shows CREATED, RUNNING, COMPLETED"),
    ],
)
def test_a_wrong_state_is_an_error_that_helps(state, told):
    """A misspelt state names the nearest, a foreign one those that the recording shows."""
    with pytest.raises(WrongUseError, match=told), use_cassette(KMEANS, start_at=state):
        pass


# ------------------------------------------------------------------------------------------------------ other values


def test_a_field_is_overridden_where_it_was_recorded(client):
    """The text of an error is the test's own, in the answers that have one; the others are as recorded."""
    with use_cassette(FAILED, with_={"error": "no such index [iris]"}) as cassette:
        task_id = cassette.task_ids[0]
        bodies = [client.plugins.ml.get_task(task_id=task_id) for _ in range(20)]
    assert {body.get("error") for body in bodies if body["state"] == "FAILED"} == {"no such index [iris]"}
    assert {body.get("error") for body in bodies if body["state"] != "FAILED"} == {None}


def test_fields_of_one_state_change_in_its_polls_only(client):
    """Under a state's name a field changes the polls that show it; None takes a field away."""
    changes = {"COMPLETED": {"state": "FAILED", "model_id": None, "error": "out of memory"}}
    with use_cassette(KMEANS, with_=changes) as cassette:
        bodies = [client.plugins.ml.get_task(task_id=cassette.task_ids[0]) for _ in range(40)]
    assert [bodies[0]["state"], bodies[-1]["state"]] == ["CREATED", "FAILED"]
    assert bodies[-1]["error"] == "out of memory"
    assert "model_id" not in bodies[-1]
    assert check(bodies[-1], DIALECTS["3.6"]) == []


def test_the_changed_body_is_what_a_server_would_send():
    """Its keys stand in the server's order, its text is the server's, and its length is told right."""
    import urllib3

    with use_cassette(FAILED, with_={"error": 'a "quoted" ümlaut \x1f'}) as cassette, urllib3.PoolManager() as pool:
        for _ in range(20):
            url = f"http://any:9200/_plugins/_ml/tasks/{cassette.task_ids[0]}"
            answer = pool.request("GET", url)
    assert rb'"error":"a \"quoted\" ' + "ümlaut".encode() + rb' \u001F","is_async":true}' in answer.data
    assert int(answer.headers["content-length"]) == len(answer.data)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"error": "boom"}, r"error is there; a 3\.6 TRAINING task that is CREATED has no such key \[forbidden_key\]"),
        ({"state": "EXPIRED"}, r"a TRAINING task is only ever seen as .* \[unreachable_state\]"),
        ({"last_update_time": 1}, r"last_update_time is 1; .* \[out_of_range\]"),
        ({"COMPLETED": {"model_id": None}}, r"model_id is missing; a 3\.6 TRAINING task that is COMPLETED has it"),
        ({"COMPLETED": {"is_async": "yes"}}, r"interaction \d+ and 1 more: is_async is \"yes\""),
    ],
)
def test_what_the_server_never_says_is_refused_at_once(changes, told):
    """A value that contradicts the dialect is an error when the cassette is opened; it names the rule."""
    with pytest.raises(WrongUseError, match=told), use_cassette(KMEANS, with_=changes):
        pytest.fail("it was opened")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"eror": "x"}, r"with_: a task has no field 'eror'; did you mean 'error'\?"),
        ({"RUNING": {"error": "x"}}, r"with_: a task has no field 'RUNING'; did you mean 'RUNNING'\?"),
        ({"COMPLETED": {"modelid": "x"}}, r"with_: a task has no field 'modelid'; did you mean 'model_id'\?"),
        ({"COMPLETED": "x"}, r"under a state stand fields, such as \{'COMPLETED': "),
        ({"CANCELLED": {"error": "x"}}, r"is ever CANCELLED; it shows COMPLETED, CREATED, RUNNING"),
    ],
)
def test_unknown_fields_and_states_name_the_nearest(changes, told):
    """A misspelt field or state is an error that says what was meant."""
    with pytest.raises(WrongUseError, match=told), use_cassette(KMEANS, with_=changes):
        pytest.fail("it was opened")


def searched(client, query):
    """Search for tasks; older clients have no method for it."""
    return client.transport.perform_request("POST", "/_plugins/_ml/tasks/_search", body=query)


@pytest.mark.parametrize("server", ["2.19.1", "3.6.0"])
@pytest.mark.parametrize("any_task_id", [False, True])
def test_what_a_search_finds_of_a_task_says_the_same(client, server, any_task_id):
    """The source of a hit has the same new values as the polls of its task, and is what a server would store."""
    changes = {"COMPLETED": {"state": "FAILED", "model_id": None, "error": "out of memory"}}
    query = {"query": {"term": {"model_id": "AgApH5QBbWx0YXNrfQAt"}}}
    with use_cassette(f"{server}/train-kmeans-completed", with_=changes, any_task_id=any_task_id) as cassette:
        task_id = "mine" if any_task_id else cassette.task_ids[0]
        polled = [client.plugins.ml.get_task(task_id=task_id) for _ in range(40)][-1]
        (hit,) = searched(client, query)["hits"]["hits"]
        assert polled["error"] == "out of memory"
        assert hit["_id"] == task_id
        assert hit["_source"] == polled
        assert [*hit["_source"]][-1] == "error"
        assert check(hit["_source"], server, surface="search_source") == []


def test_a_search_finds_other_tasks_as_they_were(client, tmp_path):
    """A task that no poll shows is none of those that are changed."""
    values = json.loads(load("3.6.0/register-with-deployment").path.read_text())
    del values["interactions"][4]  # the one poll of the task that the search finds
    (tmp_path / "other.json").write_text(json.dumps(values))
    search = load(tmp_path / "other.json").interactions[3]
    with use_cassette(tmp_path / "other.json", with_={"worker_node": ["KfEEGG7_SsKZVFqI4ko2FA"]}) as cassette:
        told = searched(client, json.loads(search.request.body))
        assert client.plugins.ml.get_task(task_id=cassette.task_ids[0])["worker_node"] == ["KfEEGG7_SsKZVFqI4ko2FA"]
    assert told == json.loads(search.response.body)


def test_a_hit_that_no_server_stores_is_refused():
    """Four polls and two hits of one task would be wrong, and all are counted."""
    told = r"interaction 2 and 5 more: state is EXPIRED; in 3\.6 a TRAINING task is only ever seen as "
    with pytest.raises(WrongUseError, match=told), use_cassette("3.6.0/train-held-running", with_={"state": "EXPIRED"}):
        pytest.fail("it was opened")


def test_overrides_of_a_recording_without_polls_are_refused(tmp_path):
    """Where there is no task, there is nothing to override."""
    _write(tmp_path / "none.json", [("GET", "stats", None, {})])
    with (
        pytest.raises(WrongUseError, match="has no polls of a task"),
        use_cassette(tmp_path / "none.json", with_={"error": "x"}),
    ):
        pytest.fail("it was opened")


def test_the_file_keeps_what_was_recorded(tmp_path, client):
    """Overriding, starting later and answering any id change no recording."""
    with use_cassette(KMEANS) as cassette:
        before = cassette.path.read_bytes()
    changes = {"COMPLETED": {"state": "FAILED", "model_id": None, "error": "out of memory"}}
    with use_cassette(KMEANS, any_task_id=True, start_at="RUNNING", with_=changes) as cassette:
        states(client, "mine")
        states(client, "mine")
    assert cassette.path.read_bytes() == before


# ----------------------------------------------------------------------------------------------------- recorded times


def test_answers_come_at_their_recorded_times(client):
    """Polled each 50 ms, a task is in each state for as long as it was when it was recorded."""
    with use_cassette(KMEANS, clock="recorded") as cassette:
        task_id = cassette.task_ids[0]
        when = {}
        for number, (request, response) in enumerate(cassette.data):
            if request.uri.endswith(task_id) and request.method == "GET":
                when.setdefault(json.loads(response["body"]["string"])["state"], cassette.recorded_ms(number))
        first, began, seen = min(when.values()), time.monotonic(), {}
        while "COMPLETED" not in seen:
            state = client.plugins.ml.get_task(task_id=task_id)["state"]
            seen.setdefault(state, (time.monotonic() - began) * 1000)
            time.sleep(0.05)
    assert list(seen) == list(when)
    for state, at in seen.items():
        assert at >= when[state] - first - 1, "nothing is seen before it was there"


def test_a_slow_poller_sees_what_the_server_said_then(client):
    """One poll a minute sees a task of a second completed with its second poll."""
    with use_cassette(KMEANS, clock="recorded") as cassette:
        task_id = cassette.task_ids[0]
        first = client.plugins.ml.get_task(task_id=task_id)["state"]
        time.sleep(60)
        assert [first, client.plugins.ml.get_task(task_id=task_id)["state"]] == ["CREATED", "COMPLETED"]


def test_what_changes_something_waits_for_its_time(client):
    """A deletion answers when it did, though the code asks at once."""
    with use_cassette(KMEANS, clock="recorded") as cassette:
        task_id = cassette.task_ids[0]
        client.plugins.ml.get_task(task_id=task_id)
        began = time.monotonic()
        client.plugins.ml.delete_task(task_id=task_id)
        took = time.monotonic() - began
        times = [cassette.recorded_ms(n) for n in range(len(cassette.data))]
    assert took >= (times[-1] - times[1]) / 1000 - 1
    assert cassette.clock.skipped > 0


def test_strict_and_recorded_waits_for_each_answer(client):
    """With `strict` no poll is left out: each waits for its own recorded time."""
    with use_cassette(KMEANS, clock="recorded", strict=True) as cassette:
        task_id = cassette.task_ids[0]
        count = sum(1 for request, _ in cassette.data if request.uri.endswith(task_id) and request.method == "GET")
        seen = [client.plugins.ml.get_task(task_id=task_id)["state"] for _ in range(count)]
        assert cassette.clock.skipped > 0
    assert seen[-1] == "COMPLETED"


def _write(path, exchanges):
    """A file made of answers that were recorded, in another order or under another route."""
    interactions = [
        {
            "request": {"method": method, "uri": f"http://any:9200/_plugins/_ml/{uri}", "headers": {}, "body": body},
            "response": {
                "status": {"code": 200, "message": "OK"},
                "headers": {"content-type": ["application/json; charset=UTF-8"]},
                "body": {"string": json.dumps(answer, separators=(",", ":"), ensure_ascii=False)},
            },
        }
        for method, uri, body, answer in exchanges
    ]
    path.write_text(json.dumps({"version": 1, "interactions": interactions}))
