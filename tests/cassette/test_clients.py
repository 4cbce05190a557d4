"""A recording made by any client replays under each other one, and each is answered as its own server would."""

import json
import time

import pytest
from clients import BINARY_CLIENTS, CLIENTS
from opensearchpy import OpenSearch
from servers import BINARY, serving

from mltask_fixtures.cassette import NoRecordedAnswerError, use_cassette

ASKED = (
    ("GET", "/_cat/plugins?format=json&h=name,component&v", None),
    ("GET", "/_cluster/missing", None),
    ("POST", "/some-index/_search", {"query": {"term": {"état": "ready, set & go"}}, "size": 1}),
    ("POST", "/some-index/_search", {"query": {"match_all": {}}}),
    ("PUT", "/some-index", {"settings": {}}),
)


def _ask_all(ask, url):
    return [
        (status, json.loads(body)) for status, body in (ask(method, url + path, body) for method, path, body in ASKED)
    ]


@pytest.mark.parametrize("compressing", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("recorder", CLIENTS)
def test_a_recording_of_one_client_replays_under_each_other_one(recorder, compressing, tmp_path):
    """Whoever recorded it, with or without compression, every client gets the same answers, and the server none."""
    path = tmp_path / "made.json"
    with serving(compressing=compressing) as server:
        with use_cassette(path, record="once"):
            recorded = _ask_all(CLIENTS[recorder], server.url)
        assert len(server.asked) == len(ASKED)
        different = {}
        for name, ask in CLIENTS.items():
            with use_cassette(path, strict=True) as cassette:
                replayed = _ask_all(ask, "http://another-host:9200")
                assert cassette.unplayed == []
            if replayed != recorded:
                different[name] = replayed
        assert different == {}
        assert len(server.asked) == len(ASKED)


@pytest.mark.parametrize("recorder", BINARY_CLIENTS)
def test_bodies_that_are_no_text_are_kept_byte_for_byte(recorder, tmp_path):
    """Every byte value comes back under every client that hands over raw bodies."""
    path = tmp_path / "binary.json"
    with serving(compressing=True) as server, use_cassette(path, record="once"):
        assert BINARY_CLIENTS[recorder]("GET", f"{server.url}/binary") == (200, BINARY)
    for ask in BINARY_CLIENTS.values():
        with use_cassette(path):
            assert ask("GET", "http://another-host/binary") == (200, BINARY)


@pytest.mark.parametrize("client", CLIENTS)
def test_what_was_not_recorded_is_an_error_that_one_can_read(client, tmp_path):
    """Under each client the error says which request it was, and what was recorded; nothing is sent."""
    path = tmp_path / "one.json"
    with serving() as server:
        with use_cassette(path, record="once"):
            CLIENTS[client]("GET", f"{server.url}/recorded")
        with (
            pytest.raises(Exception, match="has no answer to GET /recordad: it was not recorded") as caught,
            use_cassette(path),
        ):
            CLIENTS[client]("GET", f"{server.url}/recordad")
        assert "GET /recorded" in str(caught.value)
        causes = [caught.value, caught.value.__cause__, caught.value.__context__, getattr(caught.value, "info", None)]
        assert any(isinstance(cause, NoRecordedAnswerError) for cause in causes)
        assert len(server.asked) == 1


def test_the_wait_of_opensearch_py_ml(monkeypatch):
    """Its loop polls with the transport of opensearch-py once a second until the state is final.

    The package itself needs pandas, numpy and matplotlib, so its loop stands here as it is in `ml_common`.
    """
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with use_cassette("3.6.0/train-kmeans-completed") as cassette, OpenSearch("http://any:9200") as client:
        end = time.time() + 120
        ended, seen = False, []
        while not ended and time.time() < end:
            time.sleep(1)
            status = client.transport.perform_request(method="GET", url=f"/_plugins/_ml/tasks/{cassette.task_ids[0]}")
            seen.append(status["state"])
            ended = status["state"] in ("COMPLETED", "FAILED")
    assert (seen[0], seen[-1]) == ("CREATED", "COMPLETED")
