"""Make a recording fit to be kept: secrets out, texts replaced, held to the contract, looked through, as text."""

from __future__ import annotations

import contextlib
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette.judge import InvalidCassetteError, judge
from mltask_fixtures.cassette.recording import from_dict
from mltask_fixtures.cassette.redact import redact_body, redact_headers, redact_uri, redact_values
from mltask_fixtures.cassette.scan import SecretFoundError, scan

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from mltask_fixtures.cassette.request import Request

_VERSION = 1
"""Of vcrpy's structure."""


class Sealed(NamedTuple):
    """What is to be written."""

    text: str
    """Of the cassette file."""
    bodies: Mapping[str, bytes]
    """Large bodies, by the names of their side files."""


def seal(
    path: Path,
    interactions: Sequence[tuple[Request, Mapping[str, Any]]],
    metadata: Mapping[str, Any],
    *,
    replacing: Mapping[str, str],
    dialect: str | None,
    allowed_secrets: Collection[str] = (),
) -> Sealed:
    """Give what a cassette file and its side files are to hold.

    Args:
        path: of the file, for errors.
        interactions: vcrpy's requests and responses.
        metadata: what the recording says of itself.
        replacing: texts and what is shown in their place, everywhere.
        dialect: to judge by; None finds it out.
        allowed_secrets: the fingerprints of values that look like secrets and are none.

    Raises:
        InvalidCassetteError: an answer is none that this server gives.
        SecretFoundError: something still looks like a secret; the error names the place.
    """
    cassette = {
        "version": _VERSION,
        "metadata": redact_values(dict(metadata)),
        "interactions": [
            {"request": _request(request, replacing), "response": _response(response, replacing)}
            for request, response in interactions
        ],
    }
    recording = from_dict(path, cassette)
    if findings := judge(recording.interactions, dialect or recording.dialect, recording.server):
        raise InvalidCassetteError(path, findings)
    return finish(path, cassette, allowed_secrets)


def finish(path: Path, cassette: Mapping[str, Any], allowed_secrets: Collection[str] = ()) -> Sealed:
    """Look through a cassette whose secrets were removed, and make it text.

    Raises:
        SecretFoundError: something still looks like a secret.
    """
    if suspicions := scan(cassette, allowed_secrets):
        raise SecretFoundError(path, suspicions)
    return Sealed(*our_format.packed(cassette))


def redacted_request(request: Request) -> dict[str, Any]:
    """Take the secrets out of a request; its compression is undone, for a secret may hide in it."""
    headers = {
        name: [_text(value) for value in (values if isinstance(values, list) else [values])]
        for name, values in request.headers.items()
    }
    body = bytes(request.body_bytes) if request.body_bytes else None
    plain = _uncompressed(headers, body) if body else None
    if plain is not None:
        headers = {name: value for name, value in headers.items() if name.lower() != "content-encoding"}
    kept = redact_body(plain if plain is not None else body) if body else None
    return {
        "method": request.method,
        "uri": redact_uri(request.uri),
        "headers": _with_length(redact_headers(headers), body, kept),
        "body": kept,
    }


def redacted_response(response: Mapping[str, Any]) -> dict[str, Any]:
    """Take the secrets out of an answer."""
    body = response["body"]["string"] or b""
    kept = redact_body(body)
    return {
        **response,
        "headers": _with_length(redact_headers(response["headers"]), body, kept),
        "body": {"string": kept},
    }


def _uncompressed(headers: Mapping[str, list[str]], body: bytes) -> bytes | None:
    coding = next((values[0].lower() for name, values in headers.items() if name.lower() == "content-encoding"), "")
    if coding in ("gzip", "deflate"):
        for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
            with contextlib.suppress(zlib.error):
                return zlib.decompress(body, window)
    return None


def _with_length(headers: dict[str, Any], before: bytes | None, after: bytes | None) -> dict[str, Any]:
    """Let `Content-Length` say the length of what is kept."""
    if before == after or before is None or after is None:
        return headers
    length = {name: [str(len(after))] for name in headers if name.lower() == "content-length"}
    return {**headers, **length}


def _request(request: Request, replacing: Mapping[str, str]) -> dict[str, Any]:
    kept = redacted_request(request)
    if not replacing:
        return kept
    headers = {name: [_shown(text, replacing) for text in texts] for name, texts in kept["headers"].items()}
    return {
        **kept,
        "uri": _shown(kept["uri"], replacing),
        "headers": headers,
        "body": _shown_bytes(kept["body"], replacing) if kept["body"] else kept["body"],
    }


def _response(response: Mapping[str, Any], replacing: Mapping[str, str]) -> dict[str, Any]:
    kept = redacted_response(response)
    return {**kept, "body": {"string": _shown_bytes(kept["body"]["string"], replacing)}} if replacing else kept


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
