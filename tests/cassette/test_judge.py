"""What is judged in a recording: the cluster's answers, headers and all; what other hosts say is theirs."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import vcr
import yaml

from mltask_fixtures import TaskFactory, TaskServer, use_cassette
from mltask_fixtures.cassette import InvalidCassetteError, findings_of, store
from mltask_fixtures.cassette.recording import read_recording

FACTORY = TaskFactory(seed=4, dialect="3.6")
PAGE = b"<!doctype html><title>Models</title>"
FOREIGN = {
    "/": ("text/html; charset=utf-8", PAGE),
    "/logo.png": ("image/png", b"\x89PNG\r\n\x1a\n\x00\xff"),
    "/cut.json": ("application/json", b'{"cut":'),
    "/lines": ("application/json", b'{"a":1}\n{"a":2}\n'),
    "/nan": ("application/json", b"[NaN]"),
    "/bare": (None, PAGE),
    "/empty": ("application/json", b""),
}
"""What another service says, with the content type that it says it with."""


@pytest.fixture
def elsewhere():
    """A service that is no cluster, where another name of this computer finds it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            kind, body = FOREIGN[self.path]
            self.send_response(200)
            if kind:
                self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["yaml", "json"])
def mixed(request, tmp_path, elsewhere):
    """A recording by plain vcrpy of a test that asks a cluster and another service."""
    path = tmp_path / f"mixed.{request.param}"
    with TaskServer() as server:
        lifecycle = FACTORY.lifecycle("TRAINING", "COMPLETED")
        task_id = server.add(*lifecycle, task_id=lifecycle.task_id)
        foreign = [name for name in FOREIGN if name != "/logo.png" or request.param == "yaml"]  # vcrpy's JSON is text
        asked = [f"{server.url}/_plugins/_ml/tasks/{task_id}", *(elsewhere + name for name in foreign)] * 2
        with vcr.use_cassette(str(path), serializer=request.param):
            told = [requests.get(url, timeout=10).content for url in asked]
    return path, asked, told


def test_a_recording_of_mixed_traffic_is_loaded_and_replayed(mixed):
    """Pages, images, and JSON that is none are nobody's fault here; the cluster's answers are there beside them."""
    path, asked, told = mixed
    assert findings_of(path) == []
    with use_cassette(path):
        assert [requests.get(url, timeout=10).content for url in asked] == told


def rewritten(path, change):
    """Let a change at the first poll of a recording by vcrpy be a file of its own."""
    values = yaml.safe_load(path.read_text()) if path.suffix == ".yaml" else json.loads(path.read_text())
    change(values["interactions"][0]["response"])
    other = path.with_stem("other")
    other.write_text(yaml.safe_dump(values) if path.suffix == ".yaml" else json.dumps(values))
    return other


def test_an_answer_of_the_cluster_that_is_no_json_is_found_among_them(mixed):
    """The same page is a fault where a task was asked for, and the error says where."""
    path, asked, _ = mixed
    other = rewritten(path, lambda response: response.update(body={"string": PAGE.decode()}))
    found = findings_of(other)
    task = asked[0].rpartition("/")[2]
    assert [(one.code, one.field) for one in found] == [
        ("not_json", f"interaction 1 (GET /_plugins/_ml/tasks/{task}): body")
    ]
    with pytest.raises(InvalidCassetteError, match="a body is JSON"), use_cassette(other):
        pass


@pytest.mark.parametrize("kept", [[], ["content-length"], ["content-type"]], ids=["none", "length", "type"])
def test_headers_that_were_filtered_away_are_no_fault(mixed, kept):
    """Whoever records may leave out what he likes."""

    def fewer(response):
        response["headers"] = {name: values for name, values in response["headers"].items() if name in kept}

    assert findings_of(rewritten(mixed[0], fewer)) == []


def test_a_page_of_a_proxy_before_the_cluster_is_left_alone(mixed):
    """A gateway's page is what such code has to live with, so it is no fault of a recording."""

    def gateway(response):
        response["status"] = {"code": 502, "message": "Bad Gateway"}
        response["headers"] = {"Content-Type": ["text/html"]}
        response["body"] = {"string": PAGE.decode()}

    assert findings_of(rewritten(mixed[0], gateway)) == []


def test_another_route_of_the_cluster_has_to_be_readable(mixed, tmp_path):
    """Where a host is a cluster, what it calls JSON is JSON."""
    path, asked, _ = mixed
    values = yaml.safe_load(path.read_text()) if path.suffix == ".yaml" else json.loads(path.read_text())
    health = next(one for one in values["interactions"] if one["request"]["uri"].endswith("/cut.json"))
    health["request"]["uri"] = asked[0].partition("/_plugins")[0] + "/_cluster/health"
    other = tmp_path / "health.json"
    other.write_text(json.dumps(values, default=str))
    assert [one.code for one in findings_of(other)] == ["not_json"]


SERVERS = ["2.19.1", "3.6.0"]
CHANGES = {
    "the other server": lambda version: {"X-OpenSearch-Version": "OpenSearch/3.5.0 (opensearch)"},
    "the same server": lambda version: {"X-OpenSearch-Version": f"OpenSearch/{version[:-1]}9 (opensearch)"},
    "no charset": lambda version: {"content-type": "application/json"},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "name",
    [name for name in store.bundled() if name.endswith(("kmeans-completed", "unknown-task-id", "upload-model-failed"))],
)
def test_a_changed_header_of_a_bundled_recording_is_found(name, change, tmp_path):
    """A header that this server does not send is found wherever it stands, by both ways of reading."""
    path = tmp_path / "changed.json"
    values = json.loads(store.find(name).read_text())
    version = values["metadata"]["server"]["version"]
    headers = CHANGES[change](version)
    values["interactions"][-1]["response"]["headers"] |= headers
    path.write_text(json.dumps(values))
    found = findings_of(path)
    wrong = not (change == "the same server" and version.startswith("3"))
    assert [one.field.rpartition(": ")[2] for one in found] == [f"headers.{next(iter(headers))}"] * wrong
    assert read_recording(path).server == version
