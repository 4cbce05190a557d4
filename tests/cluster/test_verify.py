from __future__ import annotations

import copy
import json
import shutil
from collections import defaultdict
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from click.testing import CliRunner

from mltask_fixtures._errors import OutsideError
from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette import store
from mltask_fixtures.cassette.normalise import normalised
from mltask_fixtures.cli.coverage import command as coverage_command
from mltask_fixtures.cli.verify import command as verify_command
from mltask_fixtures.cluster.record import choose, look_at
from mltask_fixtures.cluster.verify import Verdict, compare, recorded_as, verify

VERSION = "3.6.0"
NAME = "train-missing-index-failed"
ROOT = {"version": {"number": VERSION, "distribution": "opensearch"}}
ML = [{"component": "opensearch-ml", "version": "3.6.0.0"}]
NODES = {"nodes": {"GanmUFY6QEinVY1CADta6w": {"settings": {}}}}


class _Replay(BaseHTTPRequestHandler):
    """Answers as the recorded server did; what stands around a recording it answers as any server does."""

    protocol_version = "HTTP/1.1"

    def _answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        answers = self.server.recorded.get((self.command, path))
        if answers:
            response = answers.pop(0) if len(answers) > 1 else answers[0]
            body = response["body"]["string"]
            body = body.encode() if isinstance(body, str) else body
            self._send(response["status"]["code"], body, response["headers"])
        else:
            said = {"/": ROOT, "/_cat/plugins": ML, "/_nodes": NODES, "/_cluster/settings": {"transient": {}}}
            self._send(200 if path in said else 404, json.dumps(said.get(path, {"error": "no"})).encode(), {})

    def _send(self, status, body, headers):
        self.send_response_only(status)
        for name, values in {"content-type": ["application/json"], **headers}.items():
            for value in values:
                if name.lower() != "content-length":
                    self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - the names that the base class looks for

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def live():
    """The URL of a server that says what the recording of a scenario says, and its answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Replay)
    server.recorded = defaultdict(list)
    for one in store.read(store.find(f"{VERSION}/{NAME}"))["interactions"]:
        path = one["request"]["uri"].removeprefix("http://127.0.0.1:9200").partition("?")[0]
        server.recorded[one["request"]["method"], path].append(one["response"])
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", server.recorded
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def altered(tmp_path):
    """A function that alters the recording in a folder of its own, and gives that folder."""

    def alter(change):
        recorded = normalised(store.read(store.find(f"{VERSION}/{NAME}")))
        change(_Altered(recorded["interactions"]))
        (tmp_path / VERSION).mkdir()
        (tmp_path / VERSION / f"{NAME}.json").write_text(our_format.serialize(recorded), "utf-8")
        return tmp_path

    return alter


class _Altered:
    """The exchanges of a recording, to be changed: the start, CREATED, FAILED, the deletion."""

    def __init__(self, interactions):
        self.interactions = interactions

    def body(self, number, change, side="response"):
        holder = self.interactions[number][side]
        raw = holder["body"]["string"] if side == "response" else holder["body"]
        values = json.loads(raw)
        change(values)
        text = json.dumps(values, separators=(",", ":"))
        holder["body"] = {"string": text} if side == "response" else text

    def set(self, number, key, value, side="response"):
        self.body(number, lambda values: values.update({key: value}), side)

    def drop(self, number, key):
        self.body(number, lambda values: values.pop(key))

    def header(self, number, name, value):
        headers = self.interactions[number]["response"]["headers"]
        headers.pop(name, None)
        if value is not None:
            headers[name] = [value]


START, CREATED, FAILED, DELETED = range(4)
BODY = "response.body"

# Each: what is altered in the recording, and the field and kind that have to be told.
ALTERATIONS = {
    "a state": (lambda of: of.set(FAILED, "state", "COMPLETED"), "GET", f"{BODY}.state", "value"),
    "a state that is not there": (lambda of: of.interactions.pop(CREATED), "GET", f"{BODY}.state", "new"),
    "a poll more": (
        lambda of: of.interactions.insert(FAILED, _other(of.interactions[CREATED], "CANCELLED")),
        "GET",
        f"{BODY}.state",
        "gone",
    ),
    "a field less": (lambda of: of.drop(FAILED, "error"), "GET", f"{BODY}.error", "new"),
    "a field more": (lambda of: of.set(CREATED, "progress", 0.5), "GET", f"{BODY}.progress", "gone"),
    "a type": (lambda of: of.set(CREATED, "create_time", "1735689600001"), "GET", f"{BODY}.create_time", "type"),
    "a form": (lambda of: of.set(CREATED, "worker_node", "node"), "GET", f"{BODY}.worker_node", "type"),
    "an id that is none": (lambda of: of.set(START, "task_id", "task-1"), "POST", f"{BODY}.task_id", "value"),
    "a time that is none": (
        lambda of: of.set(FAILED, "last_update_time", 7),
        "GET",
        f"{BODY}.last_update_time",
        "value",
    ),
    "a switch": (lambda of: of.set(FAILED, "is_async", False), "GET", f"{BODY}.is_async", "value"),
    "a word": (lambda of: of.set(FAILED, "function_name", "FIT_RCF"), "GET", f"{BODY}.function_name", "value"),
    "a text": (lambda of: of.set(FAILED, "error", "index not found"), "GET", f"{BODY}.error", "value"),
    "a header less": (
        lambda of: of.header(FAILED, "X-OpenSearch-Version", None),
        "GET",
        "response.headers.x-opensearch-version",
        "new",
    ),
    "a header's value": (
        lambda of: of.header(START, "content-type", "application/json"),
        "POST",
        "response.headers.content-type",
        "value",
    ),
    "a status": (
        lambda of: of.interactions[DELETED]["response"]["status"].update(code=202),
        "DELETE",
        "response.status",
        "value",
    ),
    "a request": (
        lambda of: of.set(START, "input_index", "iris_mistyped", side="request"),
        "POST",
        "request.body.input_index",
        "type",
    ),
    "an exchange less": (lambda of: of.interactions.pop(DELETED), "DELETE", "exchange", "new"),
}


def _other(interaction, state):
    other = copy.deepcopy(interaction)
    _Altered([other]).set(0, "state", state)
    return other


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_an_altered_recording_is_told_at_its_field(alteration, altered, live):
    """Seventeen alterations of one recording, each against the server's real answers: that field, and nothing else."""
    change, method, field, kind = ALTERATIONS[alteration]
    (verdict,) = verify(choose([NAME]), look_at(live[0]), altered(change))
    found = [(one.exchange.split(" ")[0], one.field, one.kind) for one in verdict.drift]
    assert found == [(method, field, kind)]


def test_what_is_as_recorded_is_one_line(live):
    """And exit code 0; the recording is the bundled one."""
    done = CliRunner().invoke(verify_command, ["--url", live[0], NAME], standalone_mode=False)
    assert (done.stdout, done.return_value) == (f"{NAME}: as recorded\n", 0)


def test_what_differs_is_told_by_exchange_and_field(altered, live):
    """A line for each difference, exit code 1; or JSON."""
    folder = altered(lambda of: of.set(FAILED, "error", "index not found"))
    words = ["--url", live[0], "--cassettes", str(folder), NAME]
    done = CliRunner().invoke(verify_command, words, standalone_mode=False)
    assert done.return_value == 1
    assert done.stdout == (
        f"{NAME}: 1 difference\n"
        "  GET tasks/{id}, TRAINING FAILED: response.body.error: value; "
        "recorded 'index not found', now 'no such index [iris_mistyped]'\n"
    )


def test_a_program_reads_json(altered, live):
    """The same, field by field."""
    folder = altered(lambda of: of.drop(FAILED, "error"))
    done = CliRunner().invoke(
        verify_command, ["--url", live[0], "--cassettes", str(folder), NAME, "--json"], standalone_mode=False
    )
    (verdict,) = json.loads(done.stdout)
    assert verdict["scenario"] == NAME
    assert verdict["left_out"] == ""
    assert [(one["field"], one["kind"]) for one in verdict["drift"]] == [("response.body.error", "new")]


def test_a_server_that_refuses_what_it_did_is_a_difference(live):
    """A scenario that cannot be played any more tells why, and the others go on."""
    url, recorded = live
    refusal = b'{"error":{"root_cause":[],"type":"illegal_argument_exception","reason":"no"},"status":400}'
    recorded["POST", "/_plugins/_ml/_train/kmeans"][0].update(
        status={"code": 400, "message": ""}, body={"string": refusal}
    )
    (verdict,) = verify(choose([NAME]), look_at(url))
    (one,) = verdict.drift
    assert (one.exchange, one.field, one.kind) == ("the scenario", "exchange", "value")
    assert one.live.endswith("answered 400: no")


def test_a_state_that_never_comes_is_a_difference(live):
    """After all attempts."""
    url, recorded = live
    for key, answers in recorded.items():
        if key[0] == "GET":
            del answers[0]
    (verdict,) = verify(choose([NAME]), look_at(url))
    assert [(one.field, one.kind) for one in verdict.drift] == [("response.body.state", "gone")]
    assert "TRAINING was to be seen CREATED, FAILED, but CREATED was not" in verdict.drift[0].live


def test_what_was_not_recorded_is_left_out(live, tmp_path):
    """With what to do about it."""
    assert [str(one) for one in verify(choose([NAME]), look_at(live[0]), tmp_path)] == [
        f"{NAME}: left out, it was not recorded from 3.6.0: mltask-fixtures record"
    ]


def test_what_a_cluster_cannot_play_is_left_out(live):
    """It is told, and is no difference."""
    old = replace(look_at(live[0]), version="1.3.0")
    assert [str(one) for one in verify(choose([NAME]), old)] == [f"{NAME}: left out, it needs OpenSearch 2.9.0"]


def test_a_newer_patch_is_compared_with_the_newest_recording_of_its_line(tmp_path):
    """A patch should say what the one before said."""
    (scenario,) = choose([NAME])
    for version in ("3.6.0", "3.6.1", "3.7.0"):
        (tmp_path / version).mkdir()
        shutil.copy(store.find(f"{VERSION}/{NAME}"), tmp_path / version)
    for version, expected in (("3.6.0", "3.6.0"), ("3.6.2", "3.6.1"), ("3.7.4", "3.7.0")):
        assert recorded_as(scenario, version, tmp_path).parent.name == expected
    assert recorded_as(scenario, "2.19.1", tmp_path) is None


def test_a_version_is_compared_with_another_one():
    """What 3.6.0 says otherwise than 2.19.1 is a header."""
    (scenario,) = choose([NAME])
    verdict = compare(scenario, store.find(f"2.19.1/{NAME}"), store.find(f"3.6.0/{NAME}"))
    assert {(one.field, one.kind) for one in verdict.drift} == {("response.headers.x-opensearch-version", "new")}
    assert str(verdict).startswith(f"{NAME}: {len(verdict.drift)} differences\n  POST _train/kmeans?async=true: ")


def test_a_dead_cluster_is_no_difference(free_port):
    """It is told as what it is."""
    with pytest.raises(OutsideError, match="nothing answers on"):
        CliRunner().invoke(
            verify_command, ["--url", f"http://127.0.0.1:{free_port}"], standalone_mode=False, catch_exceptions=False
        )


@pytest.mark.parametrize("command", [verify_command, coverage_command], ids=lambda command: command.name)
def test_each_help_has_an_example(command):
    """Whoever asks for help can copy a line."""
    assert "Example:\n    mltask-fixtures" in CliRunner().invoke(command, ["--help"]).output


@pytest.mark.parametrize("words", [[], ["--url", "http://127.0.0.1:9", "--server", "3.6.0"]])
def test_one_cluster_has_to_be_named(words):
    """Neither none nor two."""
    done = CliRunner().invoke(verify_command, words)
    assert done.exit_code == 2
    assert "which cluster? Give its --url" in done.stderr


def test_a_verdict_says_what_came_of_it():
    """For lists of it."""
    assert str(Verdict("x")) == "x: as recorded"
    assert str(Verdict("x", left_out="needs two nodes")) == "x: left out, it needs two nodes"
