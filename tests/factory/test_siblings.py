"""The answers around a task are what a server of the dialect sends."""

from __future__ import annotations

import pytest

from mltask_fixtures import DIALECTS, TaskFactory
from mltask_fixtures.contract import check_exchange
from mltask_fixtures.factory import ContradictionError

PAIRS = [(dialect, task_type) for dialect in DIALECTS for task_type in DIALECTS[dialect].kinds]
NO_CALL = {"PREDICTION", "TRAINING_AND_PREDICTION", "EXECUTION"}


@pytest.mark.parametrize(("dialect", "task_type"), PAIRS)
def test_every_answer_agrees_with_its_model(dialect, task_type):
    """Start, search, deletion and errors of every type and dialect hold before the check of exchanges."""
    factory = TaskFactory(2, dialect)
    tasks = [task for state in factory.dialect.kinds[task_type].states for task in factory.batch(2, task_type, state)]
    answers = [factory.search(*tasks), factory.search(), factory.deleted(tasks[0]), *factory.errors(tasks[0])]
    answers += [factory.started(task) for task in tasks if task_type not in NO_CALL]
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
