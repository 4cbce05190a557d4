"""Over HTTP a task is answered as a real server answers it."""

from __future__ import annotations

import http.client
import json
import socket
from urllib.parse import urlsplit

import pytest
from opensearchpy import NotFoundError, OpenSearch, TransportError

from mltask_fixtures import InvalidTaskError, TaskFactory, TaskServer
from mltask_fixtures._errors import OutsideError, WrongUseError
from mltask_fixtures.contract import DIALECTS, check_exchange

FACTORY = TaskFactory(seed=2, dialect="3.6")


@pytest.fixture
def server():
    with TaskServer() as server:
        yield server


def ask(server, method, path, headers=None):
    """Send one request as it stands, and give status, headers and bytes."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


def test_polls_see_the_snapshots_in_order_and_the_last_holds(server):
    """Each poll moves the task on by one snapshot; at its end it stays."""
    states = ["CREATED", "RUNNING", "COMPLETED"]
    task_id = server.add(*(FACTORY.build("TRAINING", state) for state in states))
    with OpenSearch(server.url) as client:
        seen = [client.plugins.ml.get_task(task_id=task_id)["state"] for _ in range(5)]
    assert seen == [*states, "COMPLETED", "COMPLETED"]


def test_the_bytes_and_headers_are_a_servers(server):
    """The body is the wire's bytes; no header comes that OpenSearch does not send, and the opaque id comes back."""
    task = FACTORY.build("DEPLOY_MODEL", "FAILED")
    path = f"/_plugins/_ml/tasks/{server.add(task)}"
    status, headers, body = ask(server, "GET", path, {"X-Opaque-Id": "me"})
    assert (status, body) == (200, task.model_dump_json().encode())
    assert [name for name, _ in headers] == ["X-Opaque-Id", "content-length", "X-OpenSearch-Version", "content-type"]
    assert check_exchange("GET", path, status, dict(headers), body, dialect="3.6") == []


@pytest.mark.parametrize("line", ["2.7", "2.9", "2.19", "3.6"])
def test_an_unknown_id_is_answered_as_by_that_line(line):
    """Status and words of the unknown id are the line's own."""
    with TaskServer(dialect=line) as server:
        status, _, body = ask(server, "GET", "/_plugins/_ml/tasks/nope")
    assert (status, body) == (DIALECTS[line].unknown_task.status, DIALECTS[line].unknown_task.body())


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/_plugins/_ml/tasks/x", 405, "Incorrect HTTP method"),
        ("GET", "/_plugins/_ml/tasks/", 400, "no handler found for uri [/_plugins/_ml/tasks/] and method [GET]"),
        ("GET", "/other", 400, "no handler found for uri [/other]"),
    ],
)
def test_other_requests_are_refused_as_by_a_server(server, method, path, status, words):
    """Wrong methods and unknown routes have a server's status and words."""
    answered, _, body = ask(server, method, path)
    assert answered == status
    assert json.loads(body)["error"].startswith(words)


def test_head_has_no_body(server):
    """HEAD is 405 with a length and without a body, as live servers answer it."""
    status, headers, body = ask(server, "HEAD", "/_plugins/_ml/tasks/x")
    assert (status, body, dict(headers)["Allow"]) == (405, b"", "GET,DELETE")
    assert int(dict(headers)["content-length"]) > 100


def test_a_deleted_task_is_gone(server):
    """DELETE answers as a server does, and the next poll knows no such task."""
    task_id = server.add(FACTORY.build("TRAINING", "COMPLETED"))
    with OpenSearch(server.url) as client:
        assert client.plugins.ml.delete_task(task_id=task_id)["result"] == "deleted"
        with pytest.raises(NotFoundError, match="Failed to find task"):
            client.plugins.ml.get_task(task_id=task_id)
        with pytest.raises(NotFoundError):
            client.plugins.ml.delete_task(task_id=task_id)


def test_a_fault_comes_between_two_snapshots(server):
    """The second poll fails with the wished status; the third sees what the second would have."""
    task_id = server.add(FACTORY.build("TRAINING", "CREATED"), FACTORY.build("TRAINING", "COMPLETED"))
    server.fault(task_id, at=2, status=429)
    with OpenSearch(server.url) as client:
        assert client.plugins.ml.get_task(task_id=task_id)["state"] == "CREATED"
        with pytest.raises(TransportError) as caught:
            client.plugins.ml.get_task(task_id=task_id)
        assert caught.value.status_code == 429
        assert client.plugins.ml.get_task(task_id=task_id)["state"] == "COMPLETED"


def test_every_request_is_kept(server):
    """What came stands in `requests`, in order, with method, path and body."""
    ask(server, "GET", "/_plugins/_ml/tasks/a?pretty")
    ask(server, "POST", "/x")
    assert [(request.method, request.path) for request in server.requests] == [
        ("GET", "/_plugins/_ml/tasks/a?pretty"),
        ("POST", "/x"),
    ]


def test_a_body_that_no_such_server_sends_is_refused(server):
    """A snapshot is held to the server's dialect before it is shown."""
    with pytest.raises(InvalidTaskError, match=r"no 3\.6 server sends that body: 1 finding"):
        server.add(TaskFactory(dialect="documented").build("DEPLOY_MODEL", "CREATED"))
    with pytest.raises(WrongUseError, match="at least one snapshot"):
        server.add()


@pytest.mark.parametrize(("at", "status"), [(0, 503), (1, 200), (-1, 429)])
def test_an_impossible_fault_is_refused(server, at, status):
    """Polls count from 1, and a fault is an error of HTTP."""
    with pytest.raises(WrongUseError, match="polls count from 1"):
        server.fault("x", at=at, status=status)


def test_a_port_in_use_is_said():
    """A taken port is an error that names it and says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OutsideError, match=f"port {port} cannot be had .* take another"), TaskServer(port=port):
            pass


def test_only_this_computer_is_listened_to(server):
    """The server is bound to the loopback address."""
    assert urlsplit(server.url).hostname == "127.0.0.1"
    with pytest.raises(WrongUseError, match="with block"):
        _ = TaskServer().url


def test_a_recording_is_answered_request_by_request():
    """Polls see the recorded states in their order; a search finds what was recorded, however its body is written."""
    with TaskServer("3.6.0/train-kmeans-completed") as server, OpenSearch(server.url) as client:
        ask = client.transport.perform_request
        started = ask("POST", "/_plugins/_ml/_train/kmeans", params={"async": "true"}, body={})
        polls = [client.plugins.ml.get_task(task_id=started["task_id"]) for _ in range(40)]
        wanted = {"query": {"term": {"model_id": polls[-1]["model_id"]}}}
        found = ask("POST", "/_plugins/_ml/tasks/_search", body=wanted)
    assert list(dict.fromkeys(poll["state"] for poll in polls)) == ["CREATED", "RUNNING", "COMPLETED"]
    assert found["hits"]["hits"][0]["_id"] == started["task_id"]
    assert {request.method for request in server.requests} == {"GET", "POST"}
