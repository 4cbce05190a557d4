"""A recording in memory: what was asked, what was answered, and where it comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mltask_fixtures.cassette import store
from mltask_fixtures.cassette.format import RECORDED_MS, USUAL, WRITERS
from mltask_fixtures.cassette.match import Key, key_of
from mltask_fixtures.cassette.request import Request
from mltask_fixtures.contract.agree import surely_agrees

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mltask_fixtures.contract import Dialect

_POLL: Final = re.compile(r"https?://[^/?#]+(/_plugins/_ml/tasks/(?!_search$)([A-Za-z0-9_-]+))")
_OK: Final = 200
_KEYS_OF_REQUEST: Final = 4
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
    """One request and its response; each is read when it is first asked for.

    It is also the pair of them that vcrpy keeps: `request, response = interaction`, the response as vcrpy's dict.
    """

    __slots__ = ("_request", "_response", "_values")

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Take vcrpy's dict of an interaction."""
        self._values: Mapping[str, Any] | None = {"request": values["request"], "response": decoded(values["response"])}
        self._request: RecordedRequest | None = None
        self._response: RecordedResponse | None = None

    @property
    def values(self) -> Mapping[str, Any]:
        """Vcrpy's dict of it, with any content encoding undone."""
        if self._values is None:
            self._values = self._read()
        return self._values

    def _read(self) -> Mapping[str, Any]:
        raise NotImplementedError

    @property
    def request(self) -> RecordedRequest:
        """What was asked."""
        if self._request is None:
            request = self.values["request"]
            self._request = RecordedRequest(
                request["method"], request["uri"], _joined(request["headers"]), _bytes(request.get("body"))
            )
        return self._request

    @property
    def response(self) -> RecordedResponse:
        """What was answered."""
        if self._response is None:
            response = self.values["response"]
            self._response = RecordedResponse(
                response["status"]["code"], _joined(response["headers"]), response["body"]["string"]
            )
        return self._response

    @property
    def t_ms(self) -> float:
        """When the answer came, in ms since the first request; 0 where the file does not say."""
        return float(self.values["response"].get(RECORDED_MS, 0))

    @property
    def asked(self) -> tuple[str, str, bytes | None]:
        """Method, URL and body of the request."""
        request = self.values["request"]
        return request["method"], request["uri"], request["body"]

    @property
    def key(self) -> Key:
        """What of the request decides its answer."""
        return key_of(*self.asked)

    @property
    def header_names(self) -> Iterable[str]:
        """The names of the response's headers."""
        names: Iterable[str] = self.values["response"]["headers"]
        return names

    def surely_agrees(self, rules: Dialect, server: Dialect | None = None) -> bool:  # noqa: ARG002 - see `_Poll`
        """Tell whether the check would certainly find nothing; no says nothing."""
        return False

    def __iter__(self) -> Iterator[Any]:
        """Give request and response."""
        yield Request(**self.values["request"])
        yield self.values["response"]

    def __getitem__(self, index: int) -> Any:
        """Give request or response."""
        return self.values["response"] if index == 1 else (*self,)[index]

    def __repr__(self) -> str:
        """Show the request and the status of its answer."""
        request, status = self.values["request"], self.values["response"]["status"]["code"]
        return f"<Interaction {request['method']} {request['uri']} {status}>"


class _Poll(Interaction):
    """What most interactions of a large file are, as it stands in the file: a GET that was answered by plain JSON."""

    __slots__ = ("_kept", "_path", "_task_id")

    def __init__(self, kept: Mapping[str, Any]) -> None:
        self._values = self._request = self._response = None
        self._kept = kept
        self._path: str | None = None
        self._task_id: str | None = None
        if poll := _POLL.fullmatch(kept["request"]["uri"]):
            self._path, self._task_id = poll.groups()

    def _read(self) -> Mapping[str, Any]:
        request, response = self._kept["request"], self._kept["response"]
        body = WRITERS[USUAL](response["body"]["json"]).encode()
        when = {RECORDED_MS: self._kept[RECORDED_MS]} if RECORDED_MS in self._kept else {}
        headers = {name: [value] for name, value in response["headers"].items()}
        return {
            "request": {**request, "headers": {name: [value] for name, value in request["headers"].items()}},
            "response": {**response, "headers": headers, "body": {"string": body}, **when},
        }

    def __getitem__(self, index: int) -> Any:
        if index != 1:
            return super().__getitem__(index)
        # What is played needs no lists of one text, and is played once as a rule.
        response = self._kept["response"]
        body = WRITERS[USUAL](response["body"]["json"]).encode()
        return {**response, "body": {"string": body}, RECORDED_MS: self._kept.get(RECORDED_MS, 0)}

    @property
    def asked(self) -> tuple[str, str, bytes | None]:
        request = self._kept["request"]
        return request["method"], request["uri"], None

    @property
    def header_names(self) -> Iterable[str]:
        names: Iterable[str] = self._kept["response"]["headers"]
        return names

    @property
    def key(self) -> Key:
        return super().key if self._path is None else Key("GET", self._path, "", "")

    def surely_agrees(self, rules: Dialect, server: Dialect | None = None) -> bool:
        response = self._kept["response"]
        if self._path is None or response["status"]["code"] != _OK:
            return False
        return surely_agrees(response["body"]["json"], rules, self._task_id, response["headers"], server)


def _is_poll(one: Any, known: set[tuple[str, ...]]) -> bool:
    """Tell whether an interaction stands in the file just as it is needed, so that it can be read later.

    Args:
        one: as it was parsed.
        known: the names of headers that were seen and mean nothing here; it is added to.
    """
    try:
        request, response = one["request"], one["response"]
        status, body, headers = response["status"], response["body"], response["headers"]
        if request["method"] != "GET" or request["body"] is not None or len(request) != _KEYS_OF_REQUEST:
            return False
        if type(request["uri"]) is not str or len(body) != 1 or type(body["json"]) is not dict:
            return False
        if type(status["code"]) is not int or type(status["message"]) is not str:
            return False
        for value in (*headers.values(), *request["headers"].values()):
            if type(value) is not str:
                return False
    except (KeyError, TypeError, AttributeError):
        return False
    if (names := tuple(headers)) not in known:
        if any(name.lower() == "content-encoding" for name in names):
            return False
        known.add(names)
    return type(one.get(RECORDED_MS, 0.0)) in (float, int)


def read_recording(path: Path) -> Recording:
    """Read a recording; what is plain in it is only looked at when it is asked for.

    Raises:
        DamagedCassetteError: it is damaged or something else; the error says where.
        OutsideError: it cannot be read at all.
    """
    parsed = store.parse(path)
    if parsed is None:
        return from_dict(path, store.read(path))
    known: set[tuple[str, ...]] = set()
    interactions = parsed["interactions"]
    hard = [number for number, one in enumerate(interactions) if not _is_poll(one, known)]
    read = dict(zip(hard, store.completed(path, [(number + 1, interactions[number]) for number in hard]), strict=True))
    kept = tuple(Interaction(read[number]) if number in read else _Poll(one) for number, one in enumerate(interactions))
    return Recording(path, parsed.get("metadata") or {}, kept)


def as_read(written: Mapping[str, Any], interaction: Mapping[str, Any]) -> Interaction:
    """Give an interaction as it would be read from a file.

    Args:
        written: as it is to stand in the file, parsed.
        interaction: vcrpy's dict of it.
    """
    return _Poll(written) if _is_poll(written, set()) else Interaction(interaction)


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

    @property
    def server(self) -> str | None:
        """The version of the server that gave the answers, where the file says so.

        It may be newer than the dialect: a server shows the tasks of older ones as they were.
        """
        return server_of(self.metadata)


def server_of(metadata: Mapping[str, Any]) -> str | None:
    """Give the version of the server that metadata tell."""
    said = metadata.get("server")
    version = said.get("version") if isinstance(said, Mapping) else None
    return version if isinstance(version, str) else None


def dialect_of(metadata: Mapping[str, Any], interactions: Iterable[Interaction]) -> str | None:
    """Find out which dialect a recording's server speaks; None where nothing tells."""
    if said := metadata.get("dialect"):
        return str(said)
    for interaction in interactions:
        for name in interaction.header_names:
            if name.lower() == _VERSION_HEADER and (
                version := re.match(r"OpenSearch/([\w.-]+)", interaction.response.headers[name])
            ):
                return version[1]
        method, uri, _ = interaction.asked
        if method == "GET" and _ROOT.fullmatch(uri):
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
