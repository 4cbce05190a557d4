"""A recording in memory: what was asked, what was answered, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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


def from_vcr(path: Path, metadata: Mapping[str, Any], requests: list[Any], responses: list[Any]) -> Recording:
    """Make a recording of vcrpy's requests and responses."""
    return Recording(path, metadata, tuple(map(_interaction, requests, responses)))


def _interaction(request: Any, response: Mapping[str, Any]) -> Interaction:
    body = request.body
    if isinstance(body, str):
        body = body.encode()
    elif hasattr(body, "read"):
        body = body.read()
    elif body is not None and not isinstance(body, bytes):
        body = b"".join(body)
    return Interaction(
        RecordedRequest(request.method, request.uri, _joined(request.headers), body or b""),
        RecordedResponse(int(response["status"]["code"]), _joined(response["headers"]), _bytes(response["body"])),
        float(response.get("recorded_ms", 0)),
    )


def _joined(headers: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: ", ".join(map(str, values)) if isinstance(values, (list, tuple)) else str(values)
        for name, values in headers.items()
    }


def _bytes(body: Mapping[str, Any]) -> bytes:
    content = body.get("string") or b""
    return content.encode() if isinstance(content, str) else bytes(content)
