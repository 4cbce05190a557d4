"""Sealing: an exchange is made fit to be kept when it is recorded, and judged by what its server turns out to be."""

import json

import pytest

from mltask_fixtures.cassette import InvalidCassetteError, store
from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette.judge import rules_of
from mltask_fixtures.cassette.request import Request
from mltask_fixtures.cassette.seal import SealedInteraction, seal

URI = "http://h:9200/_plugins/_ml/tasks/BQApH5QBAAAAAAAAkgAd"


def sealed(body, version=None):
    """Seal one poll."""
    raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    headers = {"X-OpenSearch-Version": [f"OpenSearch/{version} (opensearch)"]} if version else {}
    answer = {"status": {"code": 200, "message": "OK"}, "headers": headers, "body": {"string": raw}}
    return SealedInteraction(Request("GET", URI, None, {}), answer, {})


def body_of(name):
    """Give the first body of a task in a bundled recording."""
    for one in store.read(store.find(name))["interactions"]:
        if one["request"]["method"] == "GET" and "/_ml/tasks/" in one["request"]["uri"]:
            return one["response"]["body"]["string"]
    raise LookupError(name)


@pytest.mark.parametrize("told", [None, "3.5.0", "3.6.0"])
def test_it_is_judged_by_the_dialect_that_is_known_in_the_end(tmp_path, told):
    """Whichever its own answer tells, the same is found."""
    one = sealed({**json.loads(body_of("3.6.0/train-kmeans-completed")), "state": "CANCELLING"}, told)
    codes = {finding.code for finding in one.findings(rules_of("3.6"))}
    assert codes == {"unreachable_state", *(["wrong_header"] if told == "3.5.0" else [])}
    with pytest.raises(InvalidCassetteError, match=r"interaction 1 \(GET /_plugins/_ml/tasks/BQ\w+\): state"):
        seal(tmp_path / "c.json", [one], {"dialect": "3.6"}, dialect=None)


def test_a_large_body_is_judged_again(tmp_path):
    """One that lies in a side file is read from there."""
    task = json.loads(body_of("3.6.0/train-kmeans-completed"))
    one = sealed({**task, "function_name": "x" * our_format.LARGE_BODY})
    assert one.piece.bodies
    assert [finding.field.rpartition(": ")[2] for finding in one.findings(rules_of("3.6"))] == ["function_name"]


def test_the_dialect_is_what_the_first_answer_tells(tmp_path):
    """Where neither the caller nor the metadata says it."""
    body = body_of("3.6.0/train-kmeans-completed")
    told = sealed(body, "3.6.0")
    assert told.spoken == "3.6.0"
    assert sealed(body).spoken is None
    text, bodies = seal(tmp_path / "c.json", [sealed(body), told], {}, dialect=None)
    assert not our_format.edited(text)
    assert len(json.loads(text)["interactions"]) == 2
    assert bodies == {}
