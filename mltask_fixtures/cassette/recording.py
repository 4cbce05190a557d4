"""A recording in memory: what was asked, what was answered, and where it comes from."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cassette.format import RECORDED_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_VERSION_HEADER = "x-opensearch-version"
_ROOT = re.compile(r"[a-z]+://[^/?#]*/?")


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


class Interaction:
    """One request and its response; each is read when it is first asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Take vcrpy's dict of an interaction."""
        self.values = {"request": values["request"], "response": decoded(values["response"])}

    @cached_property
    def request(self) -> RecordedRequest:
        """What was asked."""
        request = self.values["request"]
        return RecordedRequest(
            request["method"], request["uri"], _joined(request["headers"]), _bytes(request.get("body"))
        )

    @cached_property
    def response(self) -> RecordedResponse:
        """What was answered."""
        response = self.values["response"]
        return RecordedResponse(response["status"]["code"], _joined(response["headers"]), response["body"]["string"])

    @property
    def t_ms(self) -> float:
        """When the answer came, in ms since the first request; 0 where the file does not say."""
        return float(self.values["response"].get(RECORDED_MS, 0))

    def __repr__(self) -> str:
        """Show the request and the status of its answer."""
        request, status = self.values["request"], self.values["response"]["status"]["code"]
        return f"<Interaction {request['method']} {request['uri']} {status}>"


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


def dialect_of(metadata: Mapping[str, Any], interactions: Iterable[Interaction]) -> str | None:
    """Find out which dialect a recording's server speaks; None where nothing tells."""
    if said := metadata.get("dialect"):
        return str(said)
    for interaction in interactions:
        values = interaction.values
        for name in values["response"]["headers"]:
            if name.lower() == _VERSION_HEADER and (
                version := re.match(r"OpenSearch/([\w.-]+)", interaction.response.headers[name])
            ):
                return version[1]
        if values["request"]["method"] == "GET" and _ROOT.fullmatch(values["request"]["uri"]):
            try:
                about = json.loads(interaction.response.body)["version"]
                if about["distribution"] == "opensearch":
                    return str(about["number"])
            except (ValueError, KeyError, TypeError):
                continue
    return None


def from_dict(path: Path, cassette: Mapping[str, Any]) -> Recording:
    """Make a recording of vcrpy's dict of a cassette."""
    return Recording(path, cassette.get("metadata") or {}, tuple(map(Interaction, cassette["interactions"])))


def decoded(response: Mapping[str, Any]) -> dict[str, Any]:
    """Give vcrpy's dict of a response with its body as bytes and any content encoding undone, as `vcr` undoes it."""
    body = _bytes((response.get("body") or {}).get("string"))
    response = {**response, "body": {"string": body}}
    if not body or not any(name.lower() == "content-encoding" for name in response["headers"]):
        return response
    # Imported where it is needed, because vcr imports every HTTP client that is installed.
    from vcr.filters import decode_response

    headers = {name: [values] if isinstance(values, str) else values for name, values in response["headers"].items()}
    result: dict[str, Any] = decode_response({**response, "headers": headers})
    return result


def _joined(headers: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: ", ".join(map(str, values)) if isinstance(values, (list, tuple)) else str(values)
        for name, values in headers.items()
    }


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytearray) else b"".join(map(_bytes, body))
