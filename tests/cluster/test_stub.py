from __future__ import annotations

import requests

from mltask_fixtures.cluster.stub import remote_model


def test_the_stub_answers_as_an_embeddings_service():
    """One vector for each text, the same each time."""
    with remote_model() as url:
        asked = {"model": "m", "input": ["open", "search"]}
        first, second = (requests.post(f"{url}/v1/embeddings", json=asked, timeout=10).json() for _ in range(2))
    assert first == second
    assert [one["embedding"] for one in first["data"]] == [[4.0, 2.0, 4 / 3, 1.0], [6.0, 3.0, 2.0, 1.5]]


def test_the_stub_takes_one_text_too():
    """OpenAI's API takes a text or a list of texts."""
    with remote_model() as url:
        answer = requests.post(f"{url}/v1/embeddings", json={"model": "m", "input": "open"}, timeout=10).json()
    assert len(answer["data"]) == 1
