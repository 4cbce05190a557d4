"""Ids are minted and taken apart as the server does it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltask_fixtures.contract import decode_document_id, is_node_id, mint_document_id, mint_node_id

IN_2004, IN_2039 = 2**40, 2**41 - 1
BODIES = [
    json.loads(line)["body"] for line in (Path(__file__).parent / "published_samples.jsonl").read_text().splitlines()
]


@given(st.integers(IN_2004, IN_2039), st.integers(0, 2**24 - 1), st.binary(min_size=6, max_size=6))
def test_what_is_minted_is_decoded(time, sequence, mac):
    """Time, sequence and node of an id come back as they went in."""
    minted = mint_document_id(time, sequence, mac)
    assert len(minted) == 20
    assert decode_document_id(minted) == (time, sequence, mac)


@pytest.mark.parametrize("body", [body for body in BODIES if "model_id" in body], ids=lambda body: body["model_id"])
def test_a_servers_own_id_is_minted_again(body):
    """Taking a published id apart and minting it again gives the same characters."""
    assert mint_document_id(*decode_document_id(body["model_id"])) == body["model_id"]


def test_the_documented_id_holds_its_time():
    """The id in the documentation's training example was minted while that training ran."""
    assert decode_document_id("l7lamX8BO5w8y8Ra2oty").time == 1647545342578


@pytest.mark.parametrize(
    "text", ["", "my-hidden-model", "l7lamX8BO5w8y8Ra2ot", "l7lamX8AO5w8y8Ra2oty", "l7lamX8BO5w8y8Ra2o/y"]
)
def test_other_texts_are_no_document_ids(text):
    """Names, wrong lengths, impossible times and other alphabets are not decoded."""
    assert decode_document_id(text) is None


@given(st.binary(min_size=16, max_size=16))
def test_any_random_bytes_make_a_node_id(random_bytes):
    """A minted node id is recognised."""
    assert is_node_id(mint_node_id(random_bytes))


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body["create_time"]))
def test_published_node_ids_are_recognised(body):
    """Every node id that a server published has the form."""
    nodes = body["worker_node"]
    assert all(map(is_node_id, nodes.split(",") if isinstance(nodes, str) else nodes))


@pytest.mark.parametrize("text", ["", "node-1", "KfEEGG7_SsKZVFqI4ko2FB", "KfEEGG7_AsKZVFqI4ko2FA"])
def test_other_texts_are_no_node_ids(text):
    """Placeholders, a wrong version and a wrong last character are refused."""
    assert not is_node_id(text)
