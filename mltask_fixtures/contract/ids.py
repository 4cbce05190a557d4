"""Document ids and node ids: mint them as OpenSearch does, take them apart, recognise them.

A task id or model id is a document id: it holds the millisecond in which it was minted. A node id is a random
version 4 UUID. Both are URL-safe base64 without padding.

Source: `TimeBasedUUIDGenerator` and `RandomBasedUUIDGenerator` of the OpenSearch core.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from binascii import a2b_base64, b2a_base64
from struct import Struct
from typing import NamedTuple

_DOCUMENT_ID = re.compile(r"[A-Za-z0-9_-]{7}B[A-Za-z0-9_-]{12}")
_NODE_ID = re.compile(r"[A-Za-z0-9_-]{8}[QRST][A-Za-z0-9_-][CGKOSWaeimquy26-][A-Za-z0-9_-]{10}[AQgw]")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_PACK = Struct("<BBI6sBBB").pack
_TIME_HIGH_BYTE = 1
"""The highest of a time's six bytes from November 2004 to September 2039."""


class DocumentId(NamedTuple):
    """What a document id is made of."""

    time: int
    """When the id was minted, in ms since the epoch."""
    sequence: int
    """The minting node's running number, 24 bits."""
    mac: bytes
    """Six bytes that stay the same for one run of a node."""


def mint_document_id(time: int, sequence: int, mac: bytes) -> str:
    """Mint the 20 characters of a task id or model id.

    Args:
        time: when, in ms since the epoch.
        sequence: the minting node's running number; its low 24 bits count.
        mac: six bytes that stand for the minting node.

    Example:
        >>> mint_document_id(1647545342578, 0x97B995, bytes.fromhex("04ef30f08cb546b6"[:12]))[7]
        'B'
    """
    # The order of the bytes makes neighbouring ids compress well in the server's index.
    raw = _PACK(sequence & 255, sequence >> 16 & 255, time >> 16, mac, time >> 8 & 255, sequence >> 8 & 255, time & 255)
    return b2a_base64(raw, newline=False).translate(_URL_SAFE).decode()


def decode_document_id(document_id: str) -> DocumentId | None:
    """Take a task id or model id apart; None if it is none, such as the name of a hidden model.

    Example:
        >>> decode_document_id("l7lamX8BO5w8y8Ra2oty").time
        1647545342578
    """
    raw = _raw(document_id)
    if raw is None:
        return None
    return DocumentId(time=_time(raw), sequence=raw[1] << 16 | raw[13] << 8 | raw[0], mac=raw[6:12])


def minted_at(document_id: str) -> int | None:
    """Give the time that a task id or model id holds, in ms since the epoch; None if it is no such id.

    Example:
        >>> minted_at("l7lamX8BO5w8y8Ra2oty")
        1647545342578
    """
    raw = _raw(document_id)
    return None if raw is None else _time(raw)


def _raw(document_id: str) -> bytes | None:
    if not _DOCUMENT_ID.fullmatch(document_id):
        return None
    raw = a2b_base64(document_id.replace("-", "+").replace("_", "/"))
    return raw if raw[5] == _TIME_HIGH_BYTE else None


def _time(raw: bytes) -> int:
    return int.from_bytes(raw[2:6], "little") << 16 | raw[12] << 8 | raw[14]


def mint_node_id(random_bytes: bytes) -> str:
    """Mint the 22 characters of a node id.

    Args:
        random_bytes: 16 random bytes; the bits of version and variant are set in them.

    Example:
        >>> is_node_id(mint_node_id(bytes(16)))
        True
    """
    raw = bytearray(random_bytes)
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    return urlsafe_b64encode(raw)[:22].decode()


def is_node_id(text: str) -> bool:
    """Tell whether a text has the form of a node id.

    Example:
        >>> is_node_id("54xOe0w8Qjyze00UuLDfdA")
        True
    """
    return _NODE_ID.fullmatch(text) is not None
