"""Redaction: by name and by what a text says; twice is once, and the rest stays."""

import json

import pytest
import secrets_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette.redact import (
    is_secret,
    redact_body,
    redact_headers,
    redact_text,
    redact_uri,
    redact_values,
)


def test_redacting_twice_is_redacting_once():
    """Over the whole corpus of secrets, on all parts."""
    for title, _, exchange in secrets_corpus.corpus():
        for side in (exchange["request"], exchange["response"]):
            body = side["body"]["string"] if isinstance(side["body"], dict) else side["body"]
            if body:
                assert redact_body(redact_body(body)) == redact_body(body), title
            headers = redact_headers(side["headers"])
            assert redact_headers(headers) == headers, title
        uri = redact_uri(exchange["request"]["uri"])
        assert redact_uri(uri) == uri, title


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_bytes_without_a_secret_stay(body):
    """Whatever is no text is given back as it was, unless it names a secret."""
    redacted = redact_body(body)
    assert redacted == body or b"REDACTED" in redacted or b"://" in body


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_taken(text):
    """No text is too strange."""
    redact_text(text)
    redact_uri(f"http://h/{text}")
    redact_body(text.encode())


@pytest.mark.parametrize("writer", list(our_format.WRITERS))
def test_json_stays_in_the_hand_of_its_writer(writer):
    """Only the secret changes, neither the spaces nor the escapes around it."""
    body = our_format.WRITERS[writer]({"password": "x", "note": "ö", "n": [1, 2.5]})
    assert redact_body(body.encode()) == body.replace('"x"', '"REDACTED"').encode()


def test_json_that_nobody_writes_so_stays_json():
    """Strange spaces are given up where there is a secret, and only there."""
    assert json.loads(redact_body(b'{ "password" :"x",  "a":1 }')) == {"password": "REDACTED", "a": 1}
    assert redact_body(b'{ "pass" :"x",  "a":1 }') == b'{ "pass" :"x",  "a":1 }'


@pytest.mark.parametrize("name", secrets_corpus.NAMES)
def test_names_of_secrets(name):
    """In each spelling: with a dot, a dash, a line, or a capital."""
    assert is_secret(name)
    assert is_secret(f"my_{name}")


@pytest.mark.parametrize(
    "name",
    [
        "task_id", "model_id", "worker_node", "total_tokens", "max_tokens", "token_count", "tokens", "pad_token",
        "next_token", "token_id", "key", "keys", "author", "auth_type", "model_content_hash_value", "state", "access_mode",
        "tokenizer", "function_name", "connector_id", "session", "description", "id",
    ],
)  # fmt: skip
def test_names_of_other_things(name):
    """What only looks alike."""
    assert not is_secret(name)


def test_a_place_of_a_secret_is_no_secret():
    """A connector says where its key is to be put; that stays, and the key goes."""
    connector = {
        "credential": {"openAI_key": "hunter2"},
        "actions": [
            {"headers": {"Authorization": "Bearer ${credential.openAI_key}", "x-api-key": "${credential.key}"}}
        ],
    }
    assert redact_values(connector) == {**connector, "credential": {"openAI_key": "REDACTED"}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("http://h:9200/_search?q=a", "http://h:9200/_search?q=a"),
        ("https://u:p@h:9200/x?token=1&b=&pretty", "https://h:9200/x?token=REDACTED&b=&pretty"),
        ("https://u@h/", "https://h/"),
        ("http://h/x?a%70i_key=1", "http://h/x?a%70i_key=REDACTED"),
        (
            "http://h/x?X-Amz-Credential=a&X-Amz-Signature=b",
            "http://h/x?X-Amz-Credential=REDACTED&X-Amz-Signature=REDACTED",
        ),
        ("http://[::1/x?password=1", "http://[::1/x?password=REDACTED"),
    ],
)
def test_urls(before, after):
    """User, password and secret parameters go, the rest stays to the letter."""
    assert redact_uri(before) == after
