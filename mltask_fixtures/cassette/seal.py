"""Make a recording fit to be kept: secrets out, texts replaced, held to the contract, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette.judge import InvalidCassetteError, judge
from mltask_fixtures.cassette.recording import from_dict
from mltask_fixtures.cassette.redact import redact_body, redact_headers, redact_uri

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mltask_fixtures.cassette.request import Request

_VERSION = 1
"""Of vcrpy's structure."""


def seal(
    path: Path,
    interactions: Sequence[tuple[Request, Mapping[str, Any]]],
    metadata: Mapping[str, Any],
    *,
    replacing: Mapping[str, str],
    dialect: str | None,
) -> str:
    """Give the text of a cassette file.

    Args:
        path: of the file, for errors.
        interactions: vcrpy's requests and responses.
        metadata: what the recording says of itself.
        replacing: texts and what is shown in their place, everywhere.
        dialect: to judge by; None finds it out.

    Raises:
        InvalidCassetteError: an answer is none that this server gives.
    """
    cassette = {
        "version": _VERSION,
        **({"metadata": dict(metadata)} if metadata else {}),
        "interactions": [
            {"request": _request(request, replacing), "response": _response(response, replacing)}
            for request, response in interactions
        ],
    }
    recording = from_dict(path, cassette)
    if findings := judge(recording.interactions, dialect or recording.dialect):
        raise InvalidCassetteError(path, findings)
    return our_format.serialize(cassette)


def _request(request: Request, replacing: Mapping[str, str]) -> dict[str, Any]:
    body = request.body_bytes
    return {
        "method": request.method,
        "uri": _shown(redact_uri(request.uri), replacing),
        "headers": redact_headers(
            {
                name: [_shown(_text(value), replacing) for value in (values if isinstance(values, list) else [values])]
                for name, values in request.headers.items()
            }
        ),
        "body": _shown_bytes(redact_body(bytes(body)), replacing) if body else None,
    }


def _response(response: Mapping[str, Any], replacing: Mapping[str, str]) -> dict[str, Any]:
    body = _shown_bytes(redact_body(response["body"]["string"] or b""), replacing)
    return {**response, "headers": redact_headers(response["headers"]), "body": {"string": body}}


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _shown(text: str, replacing: Mapping[str, str]) -> str:
    for literal, shown in replacing.items():
        text = text.replace(literal, shown)
    return text


def _shown_bytes(body: bytes, replacing: Mapping[str, str]) -> bytes:
    for literal, shown in replacing.items():
        body = body.replace(literal.encode(), shown.encode())
    return body
