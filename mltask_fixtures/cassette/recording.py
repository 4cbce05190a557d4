"""A recording in memory: what was asked, what was answered, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vcr.filters import decode_response

from mltask_fixtures.cassette.format import RECORDED_MS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class RecordedRequest:
    """A request as it was sent, secrets removed."""

    method: str
    uri: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class RecordedResponse:
    """The answer to it, its content encoding undone."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Interaction:
    """One request and its response."""

    request: RecordedRequest
    response: RecordedResponse
    t_ms: float
    """When the answer came, in ms since the first request; 0 where the file does not say."""


@dataclass(frozen=True)
class Recording:
    """A cassette's content."""

    path: Path
    metadata: Mapping[str, Any]
    interactions: tuple[Interaction, ...]

    @property
    def dialect(self) -> str | None:
        """The name of the dialect that judges it; None where the server is not known.

        It is the metadata's word, else the version in a header or in the answer of `GET /`.
        """
        return dialect_of(self.metadata, self.interactions)


def dialect_of(metadata: Mapping[str, Any], interactions: tuple[Interaction, ...]) -> str | None:
    """Find out which dialect a recording's server speaks; None where nothing tells."""
    import json
    import re
    from urllib.parse import urlsplit

    if said := metadata.get("dialect"):
        return str(said)
    for interaction in interactions:
        headers = {name.lower(): value for name, value in interaction.response.headers.items()}
        if version := re.match(r"OpenSearch/([\w.-]+)", headers.get("x-opensearch-version", "")):
            return version[1]
        if interaction.request.method == "GET" and urlsplit(interaction.request.uri).path in ("", "/"):
            try:
                about = json.loads(interaction.response.body)["version"]
                if about["distribution"] == "opensearch":
                    return str(about["number"])
            except (ValueError, KeyError, TypeError):
                continue
    return None


def from_dict(path: Path, cassette: Mapping[str, Any]) -> Recording:
    """Make a recording of vcrpy's dict of a cassette."""
    metadata = cassette.get("metadata") or {}
    return Recording(path, metadata, tuple(_interaction(**interaction) for interaction in cassette["interactions"]))


def _interaction(request: Mapping[str, Any], response: Mapping[str, Any]) -> Interaction:
    answer = decode_response({**response, "body": {"string": _bytes(response["body"].get("string"))}})
    return Interaction(
        RecordedRequest(request["method"], request["uri"], _joined(request["headers"]), _bytes(request.get("body"))),
        RecordedResponse(answer["status"]["code"], _joined(answer["headers"]), answer["body"]["string"]),
        float(response.get(RECORDED_MS, 0)),
    )


def _joined(headers: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: ", ".join(map(str, values)) if isinstance(values, (list, tuple)) else str(values)
        for name, values in headers.items()
    }


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, (bytes, bytearray)) else b"".join(body)
