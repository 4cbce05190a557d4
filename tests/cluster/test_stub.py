from __future__ import annotations

import pytest
import requests

from mltask_fixtures.cluster.stub import BATCH_ID, remote_service


@pytest.fixture
def remote():
    """The service, and a way to ask it."""
    with remote_service() as service:
        yield service


def ask(remote, method, path, **more):
    return requests.request(method, remote.url + path, timeout=10, **more)


def test_the_stub_answers_as_an_embeddings_service(remote):
    """One vector for each text, the same each time."""
    asked = {"model": "m", "input": ["open", "search"]}
    first, second = (ask(remote, "POST", "/v1/embeddings", json=asked).json() for _ in range(2))
    assert first == second
    assert [one["embedding"] for one in first["data"]] == [[4.0, 2.0, 4 / 3, 1.0], [6.0, 3.0, 2.0, 1.5]]


def test_the_stub_takes_one_text_too(remote):
    """OpenAI's API takes a text or a list of texts."""
    answer = ask(remote, "POST", "/v1/embeddings", json={"model": "m", "input": "open"}).json()
    assert len(answer["data"]) == 1


def test_a_batch_job_has_the_status_that_the_scenario_sets(remote):
    """From one request to the next."""
    assert ask(remote, "POST", "/batches", json={}).json()["status"] == "validating"
    assert ask(remote, "GET", f"/batches/{BATCH_ID}").json()["status"] == "in_progress"
    remote.batch = "completed"
    assert ask(remote, "GET", f"/batches/{BATCH_ID}").json()["request_counts"]["completed"] == 2
    assert ask(remote, "POST", f"/batches/{BATCH_ID}/cancel").json()["status"] == "cancelling"
    remote.answer = {"odd": 1}
    assert ask(remote, "GET", f"/batches/{BATCH_ID}").json() == {"odd": 1}


def test_it_fails_as_it_is_told(remote):
    """About batch jobs, and only then."""
    remote.fails = 503
    assert ask(remote, "GET", f"/batches/{BATCH_ID}").status_code == 503
    assert ask(remote, "POST", f"/batches/{BATCH_ID}/cancel").status_code == 503
    assert ask(remote, "POST", "/batches", json={}).status_code == 200


def test_it_says_one_text_after_the_other_in_a_chat(remote):
    """The last one holds."""
    remote.says = ["a", "b"]
    said = [
        ask(remote, "POST", "/chat/completions", json={}).json()["choices"][0]["message"]["content"] for _ in range(3)
    ]
    assert said == ["a", "b", "b"]


def test_its_store_has_the_objects_that_were_put_there(remote):
    """By path; the others are 404, and a HEAD has no body."""
    remote.objects["/bucket/rows.jsonl"] = b"{}"
    assert ask(remote, "GET", "/bucket/rows.jsonl?x-id=GetObject").content == b"{}"
    assert ask(remote, "HEAD", "/bucket/rows.jsonl").headers["content-length"] == "2"
    assert ask(remote, "GET", "/bucket/other.jsonl").status_code == 404
    assert ask(remote, "POST", "/nowhere").status_code == 404
    assert remote.asked[0] == "GET /bucket/rows.jsonl?x-id=GetObject"
