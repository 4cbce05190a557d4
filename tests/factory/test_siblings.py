"""The answers around a task are what a server of the dialect sends."""

from __future__ import annotations

import json
import re
from functools import cache
from urllib.parse import urlsplit

import pytest

from mltask_fixtures import DIALECTS, TaskFactory, TaskState, TaskType
from mltask_fixtures.cassette.store import bundled_folder
from mltask_fixtures.contract import check_exchange
from mltask_fixtures.factory import ContradictionError
from mltask_fixtures.factory.siblings import UNPROFILED, as_stored, hit

PAIRS = [(dialect, task_type) for dialect in DIALECTS for task_type in DIALECTS[dialect].kinds]
NO_CALL = {"PREDICTION", "TRAINING_AND_PREDICTION", "EXECUTION"}


@pytest.mark.parametrize(("dialect", "task_type"), PAIRS)
def test_every_answer_agrees_with_its_model(dialect, task_type):
    """Start, search, deletion and errors of every type and dialect hold before the check of exchanges."""
    factory = TaskFactory(2, dialect)
    tasks = [task for state in factory.dialect.kinds[task_type].states for task in factory.batch(2, task_type, state)]
    answers = [factory.search(*tasks), factory.search(), factory.deleted(tasks[0]), *factory.errors(tasks[0])]
    answers += [factory.started(task) for task in tasks if task_type not in NO_CALL]
    answers += [] if task_type in UNPROFILED else [factory.profile(*tasks), factory.profile()]
    answers += [factory.trained(task) for task in tasks if (task_type, task.state) == ("TRAINING", "COMPLETED")]
    for answer in answers:
        said = answer.method, answer.path, answer.status, answer.headers, answer.body
        assert check_exchange(*said, dialect=dialect) == []
        assert answer.headers["content-length"] == str(len(answer.body))
        assert ("X-OpenSearch-Version" in answer.headers) is (dialect[0] == "3")


@pytest.mark.parametrize(
    ("dialect", "pair", "function", "keys", "status"),
    [
        ("2.4", ("UPLOAD_MODEL", "CREATED"), None, ["task_id", "status"], "CREATED"),
        ("2.9", ("REGISTER_MODEL", "COMPLETED"), "REMOTE", ["task_id", "status"], "CREATED"),
        ("3.6", ("REGISTER_MODEL", "COMPLETED"), "REMOTE", ["task_id", "status", "model_id"], "CREATED"),
        ("3.6", ("REGISTER_MODEL", "COMPLETED"), "TEXT_EMBEDDING", ["task_id", "status"], "CREATED"),
        ("2.7", ("DEPLOY_MODEL", "CREATED"), None, ["task_id", "status"], "CREATED"),
        ("3.6", ("DEPLOY_MODEL", "CREATED"), "TEXT_EMBEDDING", ["task_id", "task_type", "status"], "CREATED"),
        ("3.6", ("DEPLOY_MODEL", "COMPLETED"), "REMOTE", ["task_id", "task_type", "status"], "COMPLETED"),
        ("2.17", ("BATCH_PREDICTION", "RUNNING"), None, ["task_id", "status"], "CREATED"),
        ("2.19", ("BATCH_PREDICTION", "RUNNING"), None, ["task_id", "status", "remote_job"], "CREATED"),
        ("2.17", ("BATCH_INGEST", "CREATED"), None, ["task_id", "task_type", "status"], "CREATED"),
        ("3.6", ("AGENT_EXECUTION", "CREATED"), None, ["task_id", "status", "response"], "RUNNING"),
    ],
)
def test_what_starts_a_task_answers_in_the_order_of_its_version(dialect, pair, function, keys, status):
    """The keys of each starting answer, and the id that is then polled."""
    factory = TaskFactory(dialect=dialect)
    task = factory.build(*pair, **({"function_name": function} if function else {}))
    body = factory.started(task).json()
    assert list(body) == keys
    assert body["status"] == status
    assert body["task_id"] == factory.task_id(task)
    if "model_id" in body:
        assert body["model_id"] == task.model_id


def test_a_search_finds_tasks_as_they_are_stored():
    """A hit has versions and numbers, and the task's content in the stored document's order."""
    factory = TaskFactory(dialect="3.6")
    tasks = factory.batch(3, "TRAINING", "COMPLETED")
    hits = factory.search(*tasks).json()["hits"]
    assert hits["total"] == {"value": 3, "relation": "eq"}
    assert [hit["_source"] for hit in hits["hits"]] == [task.model_dump() for task in tasks]
    assert [hit["_id"] for hit in hits["hits"]] == [factory.task_id(task) for task in tasks]
    assert list(hits["hits"][0]["_source"])[:4] == ["last_update_time", "create_time", "is_async", "function_name"]


@cache
def recordings():
    """Read the successful answers of every bundled cassette: its path, version, method, path of the URL, body."""
    folder = bundled_folder()
    return [
        (path, path.parent.name, interaction["request"]["method"], urlsplit(interaction["request"]["uri"]).path, body)
        for version in ("2.19.1", "3.6.0")
        for path in sorted((folder / version).glob("*.json"))
        for interaction in json.loads(path.read_text())["interactions"]
        if interaction["response"]["status"]["code"] == 200
        if (body := (interaction["response"]["body"] or {}).get("json")) is not None
    ]


def recorded(route):
    """Go through the recorded answers of a route."""
    return [one for one in recordings() if re.fullmatch(route, one[3])]


def test_a_source_has_its_keys_in_the_order_of_the_recorded_ones():
    """Every recorded hit, its keys shuffled, is put into the very order in which the server sent it."""
    seen = set()
    for path, version, _, _, body in recorded("/_plugins/_ml/tasks/_search"):
        for sent in body["hits"]["hits"]:
            source = sent["_source"]
            pair = TaskType(source["task_type"]), TaskState(source["state"])
            made = hit(
                {key: source[key] for key in sorted(source)}, sent["_id"], 0, as_stored(*pair, DIALECTS[version])
            )
            assert list(made["_source"]) == list(source), path
            assert [key for key in made if key != "_source"] == [key for key in sent if key not in ("_source", "sort")]
            seen.add(pair)
    assert len(seen) > 8


def test_a_task_is_written_as_often_as_the_recorded_ones():
    """From one recorded answer about a task to the next its version grows as ours does; a deletion is one more.

    A recording counts the versions of a task from the first that it saw.
    """
    first, ours, grown = {}, {}, 0
    for path, version, method, _, body in recorded("/_plugins/_ml/tasks/[^/]+"):
        for sent in body["hits"]["hits"] if "hits" in body else [body] if method == "DELETE" else []:
            task = path, sent["_id"]
            if "_source" in sent:
                pair = TaskType(sent["_source"]["task_type"]), TaskState(sent["_source"]["state"])
                ours[task] = as_stored(*pair, DIALECTS[version])[0]
            elif task in first:
                ours[task] += 1
            else:
                continue
            since, number = first.setdefault(task, (ours[task], sent["_version"]))
            assert sent["_version"] - number == ours[task] - since, path
            grown += ours[task] > since
    assert grown > 8


def test_the_profile_shows_what_the_recorded_ones_show():
    """A running task by its node and its id, which stands first; RUNNING since its creation, whatever GET says."""
    kinds = set()
    for path, version, _, _, body in recorded("/_plugins/_ml/profile/tasks(/.*)?"):
        assert (
            check_exchange("GET", "/_plugins/_ml/profile/tasks", 200, {}, json.dumps(body).encode(), dialect=version)
            == []
        )
        for node, held in body.get("nodes", {}).items():
            for task_id, shown in held["tasks"].items():
                known = {key: value for key, value in shown.items() if key not in ("task_id", "task_type", "state")}
                factory = TaskFactory(dialect=version)
                factory.task_id = lambda _, task_id=task_id: task_id
                task = factory.build(shown["task_type"], "CREATED", **known)
                assert factory.profile(task).json() == {"nodes": {node: {"tasks": {task_id: shown}}}}, path
                assert list(factory.profile(task).json()["nodes"][node]["tasks"][task_id]) == list(shown)
                kinds.add(task.task_type)
    assert kinds == {"TRAINING", "REGISTER_MODEL", "DEPLOY_MODEL"}
    factory = TaskFactory(dialect="3.6")
    assert factory.profile(factory.build("TRAINING", "FAILED")).body == b"{}"
    with pytest.raises(ContradictionError, match=r"no profile of a 3\.6 server shows a AGENT_EXECUTION task"):
        factory.profile(factory.build("AGENT_EXECUTION", "CREATED"))


def test_a_bad_profile_is_found():
    """The tasks in a profile are held to their model."""
    factory = TaskFactory(dialect="3.6")
    body = factory.profile(factory.build("TRAINING", "RUNNING")).body.replace(b'"is_async":true', b'"is_async":1')
    (found,) = check_exchange("GET", "/_plugins/_ml/profile", 200, {}, body, dialect="3.6")
    assert (found.code, found.field.split(".")[0], found.field.split(".")[-1]) == ("wrong_type", "nodes", "is_async")


def test_a_training_at_once_answers_as_the_recorded_one():
    """The path names the algorithm; the answer has the model and nothing to poll."""
    at_once = [one for one in recorded("/_plugins/_ml/_train/kmeans") if "model_id" in one[4]]
    assert len(at_once) > 1
    for _, version, method, path, body in at_once:
        factory = TaskFactory(dialect=version)
        answer = factory.trained(factory.build("TRAINING", "COMPLETED", function_name="KMEANS"))
        assert (answer.method, answer.path, list(answer.json())) == (method, path, list(body))
        assert answer.json()["status"] == body["status"]
    with pytest.raises(ContradictionError, match="a training answers at once as COMPLETED, not as FAILED TRAINING"):
        factory.trained(factory.build("TRAINING", "FAILED"))


@pytest.mark.parametrize(
    ("dialect", "name", "status", "words"),
    [
        ("2.7", "task_not_found", 500, b'"type":"m_l_resource_not_found_exception","reason":"Fail to find task"'),
        ("2.12", "task_not_found", 404, b'"type":"status_exception","reason":"Fail to find task"'),
        ("3.6", "task_not_found", 404, b'"reason":"Failed to find task"'),
        ("2.17", "task_not_found_to_delete", 500, b'"reason":"Fail to find task"'),
        ("3.6", "task_not_found_to_cancel", 404, b'"reason":"Fail to find task"'),
        ("2.19", "task_runs", 500, b"Try after some time."),
        ("3.6", "empty_id", 400, b'{"error":"no handler found for uri [/_plugins/_ml/tasks/] and method [GET]"}'),
        ("3.6", "wrong_method", 405, b'"status":405'),
        ("3.6", "no_credentials", 401, b"Unauthorized"),
        ("2.12", "ml_breaker_open", 500, b"m_l_limit_exceeded_exception"),
        ("3.6", "ml_breaker_open", 429, b'"bytes_wanted":0,"bytes_limit":0,"durability":"TRANSIENT"'),
    ],
)
def test_errors_have_the_words_of_their_version(dialect, name, status, words):
    """Status and text of an error differ between the lines, as the servers do."""
    (answer,) = [answer for answer in TaskFactory(dialect=dialect).errors() if answer.name == name]
    assert answer.status == status
    assert words in answer.body


def test_errors_are_told_apart_by_name():
    """No dialect has two errors of one name, and old lines do not know the newer ones."""
    for dialect in DIALECTS:
        names = [answer.name for answer in TaskFactory(dialect=dialect).errors()]
        assert len(names) == len(set(names))
    assert "not_a_batch_job" not in [answer.name for answer in TaskFactory(dialect="2.12").errors()]


@pytest.mark.parametrize("answer", TaskFactory(dialect="1.3").errors()[:1])
def test_an_answer_names_its_parameter(answer, request):
    """One line parametrises a test, and the ids can be read."""
    assert request.node.callspec.id == answer.name == "task_not_found"


def test_only_batch_predictions_are_cancelled():
    """Cancelling answers OK for a batch job; for everything else no server has such an answer."""
    factory = TaskFactory(dialect="2.17")
    answer = factory.cancelled(factory.build("BATCH_PREDICTION", "RUNNING"))
    assert (answer.path.rpartition("/")[2], answer.body) == ("_cancel_batch", b'{"status":"OK"}')
    with pytest.raises(ContradictionError, match=r"a 2\.17 server cancels no TRAINING task"):
        factory.cancelled(factory.build("TRAINING", "RUNNING"))
    with pytest.raises(ContradictionError, match="no call to a documented server starts a EXECUTION task"):
        TaskFactory().started(TaskFactory().build("EXECUTION", "CREATED"))
