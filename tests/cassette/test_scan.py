"""Hygiene: no planted secret reaches a file, and nothing that is none is taken for one."""

import base64
import gzip
import json
import re

import pytest
import secrets_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from mltask_fixtures.cassette import SecretFoundError, store, use_cassette
from mltask_fixtures.cassette.request import Request
from mltask_fixtures.cassette.scan import (
    _HINTS,
    _SHAPES,
    _look_through,
    _places,
    _surely_none,
    _texts,
    fingerprint_of,
    scan,
)
from mltask_fixtures.cassette.seal import finish, redacted_request, redacted_response
from mltask_fixtures.contract.ids import mint_document_id, mint_node_id


def kept(path, exchange, allowed=()):
    """Give what would be written of an exchange."""
    cassette = {
        "version": 1,
        "interactions": [
            {
                "request": redacted_request(Request(**exchange["request"])),
                "response": redacted_response(exchange["response"]),
            }
        ],
    }
    return finish(path, cassette, allowed)


def pieces(value):
    """What of a secret must not be found, however it is written."""
    yield value
    yield json.dumps(value)[1:-1]
    for line in value.splitlines():
        if len(line) > 30 and "KEY-----" not in line:
            yield line


@pytest.fixture(scope="module")
def planted():
    """Every planted secret: a title, the value, and the exchange that has it."""
    return secrets_corpus.corpus()


def test_no_planted_secret_reaches_a_file(planted, tmp_path):
    """Each is absent from the file and from the side files, or the file is refused, in words without the secret."""
    assert len(planted) >= 150
    removed = refused = 0
    for title, value, exchange in planted:
        try:
            text, bodies = kept(tmp_path / "c.json", exchange)
        except SecretFoundError as error:
            refused += 1
            text, bodies = str(error), {}
            assert "interaction 1" in text, title
        else:
            removed += 1
            stored = json.dumps(json.loads(text), ensure_ascii=False)
            decoded = re.findall(r'"base64": "([^"]*)"', stored)
            text += stored + "".join(base64.b64decode(one).decode("latin-1") for one in decoded)
        whole = text + "".join(body.decode("latin-1") for body in bodies.values())
        for piece in pieces(value):
            assert piece not in whole, f"{title}: {piece} is in {whole}"
    assert removed > 300
    assert refused > 150


def test_the_quick_look_misses_no_planted_secret(planted):
    """Where it says that nothing looks like a secret, the look at each text by itself finds none, redacted or not."""
    found = 0
    for title, _, exchange in planted:
        slow = _look_through("", _places(exchange))
        found += bool(slow)
        assert not (slow and _surely_none(_texts(exchange))), title
    assert found > 300


@pytest.mark.parametrize("kind", _SHAPES)
def test_no_key_of_a_shape_is_without_its_hint(kind):
    """Whatever the pattern matches has one of the texts in it that are quickly looked for."""
    hints, shape = _SHAPES[kind]

    @settings(deadline=None, max_examples=30)
    @given(st.from_regex(re.compile(shape), fullmatch=True))
    def has_one(key):
        assert any(hint in key for hint in hints)

    has_one()
    assert set(hints) <= set(_HINTS)


def test_an_access_key_in_the_place_of_a_task_id_is_no_id(tmp_path):
    """It has as many letters as an id, but no small one."""
    one = with_key()["interactions"][0]
    one["request"] |= {"uri": "http://h/_plugins/_ml/tasks/" + "AKIA" + "Q7ZX" * 4, "body": None}
    (found,) = scan({"interactions": [one]})
    assert found.kind == "AWS Access Key"


def test_the_bundled_recordings_pass():
    """Nothing in them looks like a secret, and redacting them changes nothing."""
    for name in store.bundled():
        cassette = store.read(store.find(name))
        assert scan(cassette) == []
        for one in cassette["interactions"]:
            assert redacted_request(Request(**one["request"])) == one["request"]
            assert redacted_response(one["response"]) == one["response"]


HARMLESS = [
    {"model_content_hash_value": "e8f9d1a4" * 8, "model_content_size_in_bytes": 83408741},
    {"total_tokens": 17, "prompt_tokens": 3, "max_tokens": 512, "token_count": 9, "usage": {"tokens": 4}},
    {"tokens": [{"token": "secretly", "start_offset": 0, "end_offset": 8, "type": "<ALPHANUM>", "position": 0}]},
    {"all_config": json.dumps({"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "eos_token_id": 2})},
    {
        "headers": {"Authorization": "Bearer ${credential.openAI_key}"},
        "request_body": '{ "input": ${parameters.input} }',
    },
    {"description": "a basic sentence model with bearer authentication and a token budget: none"},
    {
        "url": "https://artifacts.example.org/models/ml-models/huggingface/sentence-transformers/all-MiniLM-L6-v2/1.0.1/torch_script/all-MiniLM-L6-v2-torch_script.zip"
    },
    {"name": "huggingface/sentence-transformers/msmarco-distilbert-base-tas-b", "version": "1.0.2"},
    {
        "error": "org.opensearch.ml.common.exception.MLResourceNotFoundException: IllegalArgumentException[Unrecognized token 'abc': was expecting]"
    },
    {
        "build_hash": "0a1b2c3d4e" * 4,
        "cluster_uuid": "Qm9yZGVyX0NvbGxpZTEyMw",
        "uuid": "5f3c9b1e-8a53-4a8e-9f0e-3d0a6a1b2c3d",
    },
    {"_scroll_id": "FGluY2x1ZGVfY29udGV4dF91dWlkDXF1ZXJ5QW5kRmV0Y2gBFk1yZy1ENklCQ2N0OUVkZFlQN1daAAAAAAAAAAEW"},
    {"pit": {"id": "o463QQEPbXktaW5kZXgtMDAwMDAxFnNOWU43ckt3U3lPaFVpbGdEUWh0dlEAFmhGX0R2V1Q1UWdLR3dOdw"}},
    {"embedding": [0.0123456789, -0.98765432101234, 1.0e-7], "inference_results": [{"output": [{"data": [0.1]}]}]},
    {"auth_type": "basic", "api_version": "2024-02-01", "key": "COMPLETED", "doc_count": 3, "sort": [1795564650392]},
    {"image": "iVBORw0KGgo" + "AbC1" * 400},
]


@pytest.mark.parametrize("values", HARMLESS, ids=lambda values: next(iter(values)))
def test_what_is_no_secret_stays(values, tmp_path):
    """Counts, hashes, names, placeholders, words: neither removed nor refused."""
    body = json.dumps(values).encode()
    exchange = {
        "request": {"method": "POST", "uri": "http://h/_plugins/_ml/models/_register", "headers": {}, "body": body},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": body}},
    }
    text, _ = kept(tmp_path / "c.json", exchange)
    (one,) = json.loads(text)["interactions"]
    assert one["request"]["body"]["json"] == values
    assert one["response"]["body"]["json"] == values


@settings(deadline=None)
@given(st.integers(0, 2**41), st.randoms(use_true_random=False))
def test_ids_are_no_secrets(milliseconds, rng):
    """Document ids and node ids, alone, in a list, in a path, with the number of a chunk."""
    entropy = rng.randbytes(16)
    task, node = mint_document_id(milliseconds, rng.randrange(1 << 24), rng.randbytes(6)), mint_node_id(entropy)
    body = {"task_id": task, "worker_node": [node, f"{node},{node}"], "_id": f"{task}_12", "memory_id": task}
    one = {
        "request": {"method": "GET", "uri": f"http://h/_plugins/_ml/tasks/{task}", "headers": {}, "body": None},
        "response": {
            "status": {"code": 200, "message": "OK"},
            "headers": {},
            "body": {"string": json.dumps(body).encode()},
        },
    }
    assert scan({"interactions": [one]}) == []
    assert redacted_response(one["response"]) == one["response"]


def key():
    return "sk-" + "a1B2c3D4" * 6


def with_key():
    one = {
        "request": {
            "method": "POST",
            "uri": "http://h/x",
            "headers": {},
            "body": json.dumps({"parameters": {"note": key()}}).encode(),
        },
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": b"{}"}},
    }
    return {"version": 1, "interactions": [one]}


def test_a_refusal_names_the_place_the_kind_and_what_to_do_and_not_the_secret(tmp_path):
    """The words of the error."""
    with pytest.raises(SecretFoundError) as error:
        finish(tmp_path / "c.json", with_key())
    fingerprint = fingerprint_of(key())
    assert str(error.value) == (
        f"{tmp_path / 'c.json'} was not written: 1 value looks like a secret\n"
        f"  - interaction 1 (POST /x): request.body.parameters.note: looks like a secret (OpenAI key); fingerprint {fingerprint}\n"
        f"keep it out of the traffic, or, if it is no secret, record again with --mltask-allow-secret {fingerprint}"
    )
    assert error.value.exit_code == 1


def test_a_fingerprint_lets_one_value_through(tmp_path):
    """That value, and no other."""
    assert scan(with_key(), [fingerprint_of(key())]) == []
    assert len(scan(with_key(), [fingerprint_of("another")])) == 1


def test_a_secret_in_a_path_or_a_key_is_not_named(tmp_path):
    """Where the place itself would tell the secret, it has a dot."""
    one = with_key()["interactions"][0]
    one["request"]["uri"] = f"http://h/keys/{key()}/x"
    one["response"]["body"] = {"string": json.dumps({key(): {"a": key()}}).encode()}
    found = scan({"interactions": [one]})
    assert len(found) == 4
    assert all(key() not in str(suspicion) for suspicion in found)


def test_the_metadata_is_looked_through(tmp_path):
    """What a recording says of itself is in the file, too."""
    (found,) = scan({"metadata": {"server": {"note": key()}}, "interactions": []})
    assert found.place == "metadata.server.note"


def test_a_secret_in_a_compressed_request_is_found(tmp_path):
    """Its compression is undone before it is looked at, and the headers say so."""
    body = gzip.compress(json.dumps({"password": "hunter2", "a": 1}).encode())
    sent = {"Content-Encoding": "gzip", "Content-Length": str(len(body))}
    request = redacted_request(Request("POST", "http://h/x", body, sent))
    assert request["body"] == b'{"password": "REDACTED", "a": 1}'
    assert request["headers"] == {"Content-Length": [str(len(request["body"]))]}


def test_a_recording_with_a_secret_is_refused_and_the_older_file_stays(tmp_path):
    """At the end of the block, whatever the code inside did; with its fingerprint it is written."""
    path = tmp_path / "c.json"
    one = with_key()["interactions"][0]
    with pytest.raises(SecretFoundError), use_cassette(path, record="once") as cassette:
        cassette.append(Request(**one["request"]), one["response"])
    assert not path.exists()
    with use_cassette(path, record="once", allow_secrets=[fingerprint_of(key())]) as cassette:
        cassette.append(Request(**one["request"]), one["response"])
    assert key() in path.read_text()
