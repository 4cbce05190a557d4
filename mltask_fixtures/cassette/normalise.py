"""Make a recording stable: what luck decides is replaced, so that two recordings differ in what the server changed.

What stays is what the server said. What is replaced, everywhere in a recording and consistently:

- **Ids.** A document id becomes one of the same layout whose own time is the replaced time, a node id or another random
  UUID one of its form. An id of the scenario's own making, such as that of a task that never was, stays.
- **Times.** Answers come on a grid, `GRID` ms apart, from `EPOCH` on; `recorded_ms` is the answer's place on it. A time
  lies between the answer that first shows it and the one before. Between tasks, their ids and their models all holds
  that holds between the real times; times of one document that were equal stay equal.
- **Polls.** Of polls that follow each other the first of each new answer is kept, one task after the other: the last
  answer to a request holds in a replay. Where a scenario promises states, CREATED, RUNNING and CANCELLING are left out
  unless they are among them, or a task is last seen so: whether such a short state is seen is luck, and so is a step
  back to an older answer of another node, unless a state is promised twice. Of any other request that is made several
  times in a row the last answer is kept: it is the one that was waited for.
- **Counters and noise.** `took`, `_seq_no`, `_version`, `_primary_term`, scores, `model_version`, numbers of a
  prediction's clusters, sizes of indices and of what a breaker refuses, ports, temporary paths, versions in
  `user-agent`, hashes of builds, names of threads and of generated classes.

Doing it twice is doing it once.
"""

from __future__ import annotations

import gzip
import json
import re
import uuid
import zlib
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from mltask_fixtures.cassette.format import RECORDED_MS
from mltask_fixtures.cassette.match import key_of
from mltask_fixtures.cassette.order import Place
from mltask_fixtures.cassette.request import Request
from mltask_fixtures.cassette.seal import SealedInteraction, seal
from mltask_fixtures.cassette.timeline import polled_task
from mltask_fixtures.contract import decode_document_id, mint_document_id, mint_node_id
from mltask_fixtures.contract.wire import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from mltask_fixtures.cassette.replay import MLTaskCassette

EPOCH: Final = 1_735_689_600_000
"""2025-01-01, in ms since the epoch: when every normalised recording begins."""
GRID: Final = 100
"""Ms from one answer to the next."""

_DAY: Final = 86_400_000
_MAC: Final = bytes.fromhex("6d6c7461736b")
"""Stands for every node that mints: which one of several did is luck."""
_TASK_TIMES: Final = frozenset({"create_time", "last_update_time"})
NOT_YET: Final = frozenset({"CREATED", "RUNNING", "CANCELLING"})
"""The states that pass: whether polls see them is luck, unless something holds the task in them."""
_SAME_INSTANT: Final = 2
"""Ms within which the two times of a new task are one: the server reads its clock once for each."""
_SAME_STEP: Final = 10
"""Ms within which two times of another document are one: it is written in steps, such as registered and deployed."""
_APART: Final = 11
"""Ms between two events of one span: more than what is taken for one."""

_ID: Final = re.compile(r"(?<![\w-])[\w-]{7}B[\w-]{12}(?![\w-])", re.ASCII)
_NODE: Final = re.compile(
    r"(?<![\w-])[\w-]{8}[QRST][\w-][CGKOSWaeimquy26-][\w-]{10}[AQgw](?![\w-])",
    re.ASCII,
)
_UUID: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_ISO: Final = re.compile(r'"?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z"?')
_EPOCH_MS: Final = re.compile(r'"?(\d{13})"?')
_EPOCH_S: Final = re.compile(r'"?(\d{10})"?')

_JSON_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_YAML_LINE: Final = re.compile(r"^\s*(?:- )?(?:([\w.-]+): )?(\S.*)$", re.MULTILINE)

_CREATED: Final = re.compile(r"creat")
_AUTHORITY: Final = "127.0.0.1:9200"
_REMOTE_PORT: Final = 8080
_LOOPBACK: Final = re.compile(r"\b(127\.0\.0\.1|localhost):([1-9]\d{3,4})\b")
_TEMPORARY: Final = re.compile(r"/tmp/[\w.-]+")  # noqa: S108 - it is looked for, not used
_USER_AGENT: Final = re.compile(r"/[\w.+-]+|\s*\([^)]*\)")

_WANTED: Final = 2_097_152
"""Bytes, in place of those that a breaker refuses: more than any scenario's limit."""
_METHOD = r"(?:DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT)"
_NOISE: Final[tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]] = (
    # The methods that a route allows are a Java set, whose order each process draws anew.
    (re.compile(rf"\b{_METHOD}(?:(, ?){_METHOD}\b)+"), lambda seen: seen[1].join(sorted(re.findall(_METHOD, seen[0])))),
    (re.compile(r"(299 OpenSearch-[\w.]+(?:-SNAPSHOT)?-)[0-9a-f]{7,40}"), r"\g<1>0000000"),
    (re.compile(r"\[T#\d+\]"), "[T#1]"),
    (re.compile(r"(\$\$Lambda)(?:\$\d+)?/(?:0x)?[0-9a-f]+"), r"\1"),
    (re.compile(r"(Generated(?:Method|Constructor)Accessor)\d+"), r"\1"),
    (re.compile(r"(?<=[\w;])@[0-9a-f]{5,8}\b"), "@0"),
    (re.compile(r"(seqNo|primary term) \[\d+\]"), r"\1 [1]"),
    (re.compile(r"(would be|real usage:) \[\d+/[\d.]+[kmgt]?b\]"), rf"\1 [{_WANTED}/2mb]"),
    (re.compile(r"(fielddata|request|in_flight_requests)=\d+/[\d.]+[kmgt]?b"), r"\1=0/0b"),
    (re.compile(r"((?:green|yellow|red),(?:open|close)(?:,[\w.-]+){6})(?:,[\d.]+[kmgt]?b){2}"), r"\1,1kb,1kb"),
)
"""What Java and a build put into texts, and what stands in its place."""

_FIXED: Final[Mapping[str, str]] = {
    "took": "1",
    "_primary_term": "1",
    "_score": "1.0",
    "max_score": "1.0",
    "model_version": '"1"',
}
"""Keys whose value is luck, and the value that they get unless it is null."""


Promised: TypeAlias = "Mapping[Any, Collection[str]]"
"""The states that have to be seen, by task type."""


class _Place(NamedTuple):
    """Where a scalar stands in a body."""

    path: tuple[str | int, ...]
    start: int
    end: int
    text: str
    """As it is written, with the quotes of a string."""

    @property
    def key(self) -> str:
        """The last name on the way to it."""
        return next((part for part in reversed(self.path) if isinstance(part, str)), "")

    @property
    def word(self) -> str:
        return self.text.strip('"')


@dataclass
class _Message:
    """One side of an exchange: its headers, and its body as text with every byte in it."""

    headers: dict[str, Any]
    body: str | None
    was_text: bool = True
    encoding: str = ""
    length: int = 0
    """Of the body as it came, in bytes."""
    places: list[_Place] = field(default_factory=list)
    values: Any = None

    def texts(self) -> Iterator[str]:
        for value in self.headers.values():
            yield from map(str, value if isinstance(value, (list, tuple)) else (value,))
        if self.body:
            yield self.body


@dataclass
class _Exchange:
    method: str
    uri: str
    request: _Message
    response: _Message
    raw: Mapping[str, Any]
    """What nothing is changed in: status and whatever else the file has."""

    @property
    def task_id(self) -> str | None:
        """The task that it polls."""
        return polled_task(self.method, self.uri)

    @property
    def body(self) -> Mapping[str, Any]:
        return self.response.values if isinstance(self.response.values, dict) else {}


def normalised(
    cassette: Mapping[str, Any],
    *,
    promised: Promised | None = None,
    replacing: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Give a recording in which what luck decides is replaced.

    Args:
        cassette: vcrpy's dict of it.
        promised: the states that the scenario has to show, by task type; None or nothing keeps every state.
        replacing: texts and what is shown in their place, everywhere; before all else.

    Example:
        >>> from mltask_fixtures.cassette import store
        >>> once = normalised(store.read(store.find("3.6.0/train-missing-index-failed")))
        >>> normalised(once) == once
        True
        >>> [interaction["response"]["recorded_ms"] for interaction in once["interactions"]]
        [100, 200, 300, 400]
    """
    exchanges = [_exchange(interaction, replacing or {}) for interaction in cassette["interactions"]]
    exchanges = _without_luck(
        exchanges, {str(kind): list(map(str, states)) for kind, states in (promised or {}).items()}
    )
    _Normaliser(exchanges, _recorded_at(cassette)).run()
    result = {**cassette, "interactions": [_interaction(exchange) for exchange in exchanges]}
    if "states" in (cassette.get("metadata") or {}):
        result["metadata"] = {**cassette["metadata"], "states": _states(exchanges)}
    return result


def stabilise(
    cassette: MLTaskCassette,
    *,
    promised: Promised,
    replacing: Mapping[str, str],
    dialect: str | None,
) -> None:
    """Normalise what a cassette has just recorded, before it is saved.

    Where its file says the same already, that file's word for when it was recorded, and by which version of this tool,
    is kept: then nothing in it changes.

    Args:
        cassette: it is changed in place.
        promised: the states that the scenario has to show, by task type.
        replacing: texts and what is shown in their place.
        dialect: to judge it by.

    Raises:
        InvalidCassetteError: an answer is none that this server gives.
    """
    interactions = [
        {
            "request": {
                "method": request.method,
                "uri": request.uri,
                "headers": dict(request.headers),
                "body": request.body_bytes or None,
            },
            "response": response,
        }
        for request, response in cassette.data
    ]
    result = normalised(
        {"metadata": cassette.metadata, "interactions": interactions}, promised=promised, replacing=replacing
    )
    cassette.data[:] = [(_request(one, number), one["response"]) for number, one in enumerate(result["interactions"])]
    cassette.metadata.update(result["metadata"])
    path = Path(cassette.path)
    if not path.exists():
        return
    before = path.read_text("utf-8")
    with suppress(ValueError):
        dated = {key: value for key, value in json.loads(before).get("metadata", {}).items() if key in _DATED}
        metadata = {**cassette.metadata, **dated}
        sealed = seal(
            path,
            [SealedInteraction(request, response, replacing) for request, response in cassette.data],
            metadata,
            dialect=dialect,
            allowed_secrets=cassette.allowed_secrets,
        )
        if sealed.text == before:
            cassette.metadata.update(dated)


def _request(interaction: Mapping[str, Any], number: int) -> Request:
    """Give the request of an interaction; it keeps the place that it has by now."""
    request = Request(**interaction["request"])
    request.place = Place(0, number)
    return request


_DATED: Final = ("recorded_at", "tool")


def _recorded_at(cassette: Mapping[str, Any]) -> int | None:
    said = str((cassette.get("metadata") or {}).get("recorded_at", ""))
    return _ms(match) if (match := _ISO.fullmatch(said)) else None


# ---------------------------------------------------------------------------------------------- in and out


def _exchange(interaction: Mapping[str, Any], replacing: Mapping[str, str]) -> _Exchange:
    request, response = interaction["request"], interaction["response"]
    asked = _message(request["headers"], request.get("body"), replacing)
    said = _message(response["headers"], (response.get("body") or {}).get("string"), replacing)
    return _Exchange(request["method"], _shown(request["uri"], replacing), asked, said, response)


def _shown(text: str, replacing: Mapping[str, str]) -> str:
    for literal, shown in replacing.items():
        text = text.replace(literal, shown)
    return text


def _message(headers: Mapping[str, Any], body: Any, replacing: Mapping[str, str]) -> _Message:
    message = _Message({name: _header_shown(value, replacing) for name, value in headers.items()}, None)
    if body is None:
        return message
    message.was_text = isinstance(body, str)
    raw = body.encode() if isinstance(body, str) else bytes(body)
    message.length = len(raw)
    names = {name.lower(): name for name in message.headers}
    coding = str(_first(message.headers.get(names.get("content-encoding", ""), ""))).lower()
    if raw and coding in _CODINGS:
        with suppress(OSError, EOFError, zlib.error):  # where the header stayed although the coding was undone
            raw, message.encoding = _CODINGS[coding].undo(raw), coding
    message.body = _shown(raw.decode("utf-8", "surrogateescape"), replacing)
    _read(message)
    return message


def _header_shown(value: Any, replacing: Mapping[str, str]) -> Any:
    if isinstance(value, (list, tuple)):
        return [_header_shown(one, replacing) for one in value]
    return _shown(value.decode("latin-1") if isinstance(value, bytes) else str(value), replacing)


def _read(message: _Message) -> None:
    assert message.body is not None  # noqa: S101 - only called where there is one
    try:
        message.values = json.loads(message.body)
        message.places = list(_in_json(message.body))
    except (ValueError, RecursionError):
        message.values, message.places = None, list(_in_yaml(message.body))


class _Coding(NamedTuple):
    undo: Callable[[bytes], bytes]
    do: Callable[[bytes], bytes]


_CODINGS: Final = {
    "gzip": _Coding(gzip.decompress, lambda raw: gzip.compress(raw, mtime=0)),
    "deflate": _Coding(zlib.decompress, zlib.compress),
}


def _interaction(exchange: _Exchange) -> dict[str, Any]:
    request = {
        "method": exchange.method,
        "uri": exchange.uri,
        "body": _bytes(exchange.request),
        "headers": exchange.request.headers,
    }
    response = {
        **exchange.raw,
        "headers": exchange.response.headers,
        "body": {"string": _bytes(exchange.response)},
    }
    return {"request": request, "response": response}


def _bytes(message: _Message) -> str | bytes | None:
    if message.body is None:
        return None
    raw = message.body.encode("utf-8", "surrogateescape")
    if message.encoding:
        raw = _CODINGS[message.encoding].do(raw)
    return raw.decode() if message.was_text else raw


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) and value else value


def _in_json(text: str) -> Iterator[_Place]:
    """Every scalar of valid JSON text, however it is laid out."""
    path: list[str | int] = []
    key_next = False
    for match in _JSON_TOKEN.finditer(text):
        part = match[0]
        if part in "{[":
            path.append("" if part == "{" else 0)
            key_next = part == "{"
        elif part in "}]":
            path.pop()
            key_next = False
        elif part == ",":
            last = path[-1]
            key_next = isinstance(last, str)
            if not isinstance(last, str):
                path[-1] = last + 1
        elif part == ":":
            continue
        elif key_next:
            path[-1], key_next = json.loads(part), False
        else:
            yield _Place(tuple(path), match.start(), match.end(), part)


def _in_yaml(text: str) -> Iterator[_Place]:
    """Every scalar of YAML as OpenSearch writes it, a line each, by its own key only."""
    if not text.startswith("---"):
        return
    for match in _YAML_LINE.finditer(text):
        if match[2] != "---":
            yield _Place((match[1] or "",), match.start(2), match.end(2), match[2])


# ---------------------------------------------------------------------------------------------- which polls stay


def _without_luck(exchanges: list[_Exchange], promised: Mapping[str, Sequence[str]]) -> list[_Exchange]:
    last = {task_id: exchange for exchange in exchanges if (task_id := exchange.task_id)}
    ends = {id(exchange) for exchange in last.values()}
    ends |= {id(exchange) for exchange in exchanges if exchange.body.get("state") not in NOT_YET}
    kept = [exchange for exchange in exchanges if id(exchange) in ends or _is_promised(exchange, promised)]
    result: list[_Exchange] = []
    for run, polling in _runs(kept):
        result += _new_answers(run, promised) if polling else run
    return result


def _is_promised(exchange: _Exchange, promised: Mapping[str, Sequence[str]]) -> bool:
    if not promised or exchange.task_id is None:
        return True
    return exchange.body.get("state") in promised.get(str(exchange.body.get("task_type")), ())


def _runs(exchanges: Iterable[_Exchange]) -> Iterator[tuple[list[_Exchange], bool]]:
    """Stretches of requests that change nothing, and what stands between them."""
    run: list[_Exchange] = []
    for exchange in exchanges:
        if _repeatable(exchange):
            run.append(exchange)
            continue
        yield run, True
        yield [exchange], False
        run = []
    yield run, True


def _repeatable(exchange: _Exchange) -> bool:
    body = exchange.request.body
    return key_of(exchange.method, exchange.uri, body.encode("utf-8", "surrogateescape") if body else None).repeatable


def _new_answers(run: list[_Exchange], promised: Mapping[str, Sequence[str]]) -> Iterator[_Exchange]:
    """Of polls of tasks those that saw something new, one task after the other; of other requests the last."""
    for polling, group in groupby(run, lambda exchange: exchange.task_id is not None):
        if polling:
            polls: defaultdict[str, list[_Exchange]] = defaultdict(list)
            for exchange in group:
                polls[exchange.uri].append(exchange)
            for answers in polls.values():
                yield from _in_new_states(answers, promised)
        else:
            for _, same in groupby(group, _asked):
                yield list(same)[-1]


def _in_new_states(answers: list[_Exchange], promised: Mapping[str, Sequence[str]]) -> Iterator[_Exchange]:
    """Of polls of one task those that differ from the one before and are no step back, unless steps back are promised.

    An error in between begins anew: what comes after it is kept. So is an end that comes again after another one.
    """
    seen: list[tuple[Any, ...]] = []
    for answer in answers:
        said = _asked(answer), _said(answer)
        states = promised.get(str(answer.body.get("task_type")), ())
        steps_back = said in seen and answer.body.get("state") in NOT_YET and len(set(states)) == len(states)
        if said in seen[-1:] or steps_back:
            continue
        seen = [*seen, said] if "state" in answer.body else [said]
        yield answer


def _asked(exchange: _Exchange) -> tuple[Any, ...]:
    asked = exchange.request
    return exchange.method, exchange.uri, repr(sorted(asked.headers.items())), asked.body


def _said(exchange: _Exchange) -> tuple[Any, ...]:
    """An answer without what may differ between two polls that saw the same."""
    said = exchange.response
    return (
        repr(exchange.raw.get("status")),
        repr(sorted((name, value) for name, value in said.headers.items() if name.lower() != "x-request-id")),
        _edited(said, lambda place: "0" if place.key in ("last_update_time", "took") else None),
    )


def _states(exchanges: Iterable[_Exchange]) -> dict[str, list[str]]:
    """The states that the polls of each task show, in order, by task type."""
    states: defaultdict[str, list[str]] = defaultdict(list)
    now: dict[str, str] = {}
    for exchange in exchanges:
        task_id, body = exchange.task_id, exchange.body
        if task_id and "task_type" in body and "state" in body and now.get(task_id) != body["state"]:
            now[task_id] = body["state"]
            states[body["task_type"]].append(body["state"])
    return dict(states)


# ---------------------------------------------------------------------------------------------- ids, times, noise


class _Event(NamedTuple):
    """Something whose time is replaced: the minting of an id, or a time that a document shows."""

    document: str
    time: int | None
    """In ms as the server said it; None for the minting of the document's id."""


@dataclass
class _Known:
    """What is known of an event."""

    real: int
    shown: int
    """The number of the exchange by which it has happened."""
    rank: int
    """Among events of the same millisecond: creation, minting, the rest."""


class _Normaliser:
    """Finds what is to be replaced in exchanges, and replaces it in place."""

    def __init__(self, exchanges: list[_Exchange], recorded_at: int | None) -> None:
        self.exchanges = exchanges
        self.events: dict[_Event, _Known] = {}
        self.same: dict[_Event, _Event] = {}
        """Events that are another one: a server reads its clock once for each time of a document."""
        self.times: defaultdict[str, list[_Event]] = defaultdict(list)
        """The times of each document."""
        self.never_later: set[tuple[_Event, _Event]] = set()
        """What is never later than what, and has to stay so."""
        self.ids: dict[str, str] = {}
        self.when: dict[_Event, int] = {}
        self.arrivals: list[int] = []
        self.around = self._now(recorded_at)
        self.ports: dict[str, int] = {}
        self.folders: dict[str, int] = {}
        self.sequence: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self.versions: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def run(self) -> None:
        for number, exchange in enumerate(self.exchanges):
            self._find(number, exchange)
        self._place_on_grid()
        self._mint()
        for number, exchange in enumerate(self.exchanges):
            self._replace(number, exchange)

    # -------------------------------------------------------------------------------------- finding

    def _now(self, recorded_at: int | None) -> int | None:
        """The newest time that an answer shows of its own accord, else when the file says it was recorded."""
        newest = 0
        asked: set[str] = set()
        for exchange in self.exchanges:
            for text in (exchange.uri, *exchange.request.texts()):
                asked |= set(_ID.findall(text))
            for place in exchange.response.places:
                if place.key in _TASK_TIMES and (match := _EPOCH_MS.fullmatch(place.text)):
                    newest = max(newest, int(match[1]))
            for text in exchange.response.texts():
                minted = (decode_document_id(found) for found in _ID.findall(text) if found not in asked)
                newest = max([newest, *(document.time for document in minted if document)])
        return newest or recorded_at

    def _recent(self, time: int) -> bool:
        return self.around is not None and abs(time - self.around) <= _DAY

    def _find(self, number: int, exchange: _Exchange) -> None:
        for text in (exchange.uri, *exchange.request.texts()):
            self._find_ids(number, text, own=True)
        for text in exchange.response.texts():
            self._find_ids(number, text, own=False)
        for message in (exchange.request, exchange.response):
            documents = _Documents(exchange, message)
            for place in message.places:
                if (time := self._time(place)) is not None:
                    self._find_time(number, place, time, documents)
            for place in message.places:
                if place.path[-1:] == ("task_type",):
                    self._find_order(place, documents)

    def _find_ids(self, number: int, text: str, *, own: bool) -> None:
        found = [match for pattern in (_ID, _NODE, _UUID) for match in pattern.finditer(text)]
        for match in sorted(found, key=lambda one: one.start()):
            if match[0] in self.ids:
                continue
            if match.re is not _ID:
                self.ids[match[0]] = ""
            elif (document := decode_document_id(match[0])) and (not own or self._recent(document.time)):
                self.ids[match[0]] = ""
                self.events[_Event(match[0], None)] = _Known(document.time, number, rank=1)

    def _time(self, place: _Place) -> int | None:
        """The ms since the epoch that a scalar says, if it is a time about now."""
        for pattern, factor in ((_EPOCH_MS, 1), (_EPOCH_S, 1000)):
            if match := pattern.fullmatch(place.text):
                return int(match[1]) * factor if self._recent(int(match[1]) * factor) else None
        if match := _ISO.fullmatch(place.text):
            return time if self._recent(time := _ms(match)) else None
        return None

    def _find_time(self, number: int, place: _Place, time: int, documents: _Documents) -> None:
        event = _Event(documents.of(place.path), time)
        rank = 0 if _CREATED.match(place.key) else 2
        if known := self.events.get(event):
            known.rank = min(known.rank, rank)
            return
        state = documents.beside(place.path, "state")
        if state in ("", *NOT_YET):
            apart = _SAME_INSTANT if state else _SAME_STEP
            for other in self.times[event.document]:
                if self.events[other].shown == number and abs((other.time or 0) - time) <= apart:
                    self.same[event] = other
        if event not in self.same:
            self.events[event] = _Known(time, number, rank)
            self.times[event.document].append(event)

    def _find_order(self, place: _Place, documents: _Documents) -> None:
        """See what holds between the times of a task, its id and its model."""
        task, model = documents.of(place.path), _Event(documents.beside(place.path, "model_id"), None)
        created, updated = (
            self._event(task, documents.beside(place.path, key)) for key in ("create_time", "last_update_time")
        )
        minted = _Event(task, None)
        for pair in ((created, minted), (created, updated), (created, model), (model, updated), (model, created)):
            one, other = (self.events.get(event) for event in pair)
            if one and other and one.real <= other.real:
                self.never_later.add(pair)

    def _event(self, document: str, word: str) -> _Event:
        event = _Event(document, int(word) if word.isdecimal() else -1)
        return self.same.get(event, event)

    # -------------------------------------------------------------------------------------- deciding

    def _place_on_grid(self) -> None:
        """Put each event into the span before the answer by which it has happened."""
        shown = {event: known.shown for event, known in self.events.items()}
        self._lower(shown)
        bound = {event for pair in self.never_later for event in pair}
        documents = {event.document: number for number, event in enumerate(self.events)}

        def in_span(event: _Event) -> tuple[Any, ...]:
            known = self.events[event]
            if event in bound:
                return 0, known.real, known.rank
            return 1, documents[event.document], known.rank, known.real

        spans: defaultdict[int, list[_Event]] = defaultdict(list)
        for event in sorted(self.events, key=in_span):
            spans[shown[event]].append(event)
        now = 0
        for number in range(len(self.exchanges)):
            for count, event in enumerate(spans[number]):
                self.when[event] = EPOCH + now + 1 + count * _APART
            now += -(-(len(spans[number]) * _APART + 1) // GRID) * GRID
            self.arrivals.append(now)
        for event in self.events.keys() - bound:
            # A document says that it was created when its id was minted.
            if self.events[event].rank == 0:
                self.when[event] = self.when.get(_Event(event.document, None), self.when[event])
        self._lower(self.when)

    def _lower(self, values: dict[_Event, int]) -> None:
        """Let nothing have a higher value than what it is never later than."""
        moved = True
        while moved:
            moved = False
            for one, other in self.never_later:
                if values[one] > values[other]:
                    values[one], moved = values[other], True

    def _mint(self) -> None:
        late = self._nodes_in_errors()
        numbers: Counter[str] = Counter()
        for found in sorted(self.ids, key=late.__contains__):
            kind = "document" if _Event(found, None) in self.events else "uuid" if _UUID.fullmatch(found) else "node"
            numbers[kind] += 1
            noise = sha256(f"{kind} {numbers[kind]}".encode()).digest()
            if kind == "document":
                self.ids[found] = mint_document_id(self.when[_Event(found, None)], numbers[kind], _MAC)
            elif kind == "node":
                self.ids[found] = mint_node_id(noise[:16])
            else:
                self.ids[found] = str(uuid.UUID(bytes=noise[:16], version=4))

    def _nodes_in_errors(self) -> set[str]:
        """The nodes that errors of tasks name: they come last, however the server's sets are ordered."""
        errors = (
            place.text
            for exchange in self.exchanges
            for place in exchange.response.places
            if place.path[-1:] == ("error",) and exchange.task_id
        )
        return {node for error in errors for node in _NODE.findall(error.replace("\\", " "))}

    # -------------------------------------------------------------------------------------- replacing

    def _replace(self, number: int, exchange: _Exchange) -> None:
        for message in (exchange.request, exchange.response):
            if message.body is not None:
                documents = _Documents(exchange, message)
                message.body = _edited(message, lambda place, known=documents: self._scalar(place, known))
                message.body = self._text(message.body, exchange)
                _read(message)
                message.body = _in_order(message)
                _read(message)
                _measure(message)
            message.headers = {name: self._header(name, value, exchange) for name, value in message.headers.items()}
        exchange.uri = self._text(exchange.uri, exchange)
        exchange.raw = {**exchange.raw, RECORDED_MS: self.arrivals[number]}

    def _scalar(self, place: _Place, documents: _Documents) -> str | None:
        """What stands in place of a scalar; None where nothing else does."""
        if place.text == "null":
            return None
        if (time := self._time(place)) is not None:
            event = _Event(documents.of(place.path), time)
            return _written(place.text, self.when[self.same.get(event, event)])
        if place.key in _FIXED:
            return _FIXED[place.key]
        if place.key == "bytes_wanted" and place.text != "0":
            return str(_WANTED)
        if place.key == "_seq_no":
            seen = self.sequence[documents.beside(place.path, "_index")]
            return str(seen.setdefault(place.text, len(seen)))
        if place.key == "_version":
            seen = self.versions[documents.beside(place.path, "_id")]
            deleted = documents.beside(place.path, "result") == "deleted"
            return str(max(seen.setdefault(place.text, len(seen) + 1), 2 if deleted else 1))
        if place.path[:2] == ("prediction_result", "rows") and place.text.isdigit():
            return "0"
        return None

    def _text(self, text: str, exchange: _Exchange) -> str:
        if self.ids:
            text = self._known_ids.sub(lambda match: self.ids[match[0]], text)
        own = urlsplit(exchange.uri).netloc
        text = _LOOPBACK.sub(lambda match: self._port(match, own), text)
        text = _TEMPORARY.sub(self._folder, text)
        for pattern, instead in _NOISE:
            text = pattern.sub(instead, text)
        return text

    @cached_property
    def _known_ids(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self.ids)))

    def _port(self, match: re.Match[str], own: str) -> str:
        if match[0] in (own, _AUTHORITY):
            return f"{match[1]}:9200" if match[0] == own else match[0]
        return f"{match[1]}:{_REMOTE_PORT + self.ports.setdefault(match[0], len(self.ports))}"

    def _folder(self, match: re.Match[str]) -> str:
        number = self.folders.setdefault(match[0], len(self.folders) + 1)
        return f"/tmp/{number}"  # noqa: S108 - it is written down, not used

    def _header(self, name: str, value: Any, exchange: _Exchange) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._header(name, one, exchange) for one in value]
        return _USER_AGENT.sub("", value) if name.lower() == "user-agent" else self._text(value, exchange)


def _measure(message: _Message) -> None:
    """Say the new length where the old one was said."""
    body = _bytes(message) or b""
    length = len(body.encode() if isinstance(body, str) else body)
    for name, value in message.headers.items():
        if name.lower() == "content-length" and str(_first(value)) == str(message.length):
            message.headers[name] = [str(length)] if isinstance(value, list) else str(length)


class _Documents:
    """Tells to which document a place in a message belongs."""

    def __init__(self, exchange: _Exchange, message: _Message) -> None:
        self.exchange, self.message = exchange, message
        asked = _ID.findall(urlsplit(exchange.uri).path)
        self.asked = asked[-1] if asked else f"{exchange.method} {urlsplit(exchange.uri).path}"
        self.words = {place.path: place.word for place in message.places}

    def _prefix(self, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """The way to the document: a hit of a search, or what an id is the key of."""
        for end in range(len(path), 0, -1):
            part = path[end - 1]
            if isinstance(part, str) and _ID.fullmatch(part):
                return path[:end]
            if (*path[:end], "_id") in self.words:
                return path[:end]
        return ()

    def of(self, path: tuple[str | int, ...]) -> str:
        """The document's id; where it has none, what was asked."""
        prefix = self._prefix(path)
        if not prefix:
            return self.words.get(("_id",), self.asked)
        last = prefix[-1]
        return self.words.get((*prefix, "_id")) or str(last)

    def beside(self, path: tuple[str | int, ...], key: str) -> str:
        """The scalar of this name beside another one."""
        return self.words.get((*path[:-1], key), "")


def _edited(message: _Message, change: Any) -> str:
    """The body with some of its scalars changed."""
    text, parts, end = message.body or "", [], 0
    for place in message.places:
        if (instead := change(place)) is not None:
            parts += [text[end : place.start], instead]
            end = place.end
    return "".join([*parts, text[end:]])


def _in_order(message: _Message) -> str:
    """The body with node ids in their own order, in lists and as keys: a server's sets have none."""
    text = message.body or ""
    if message.values is None or len(_NODE.findall(text)) <= 1:
        return text
    try:
        return encode(_sorted(message.values)) if encode(message.values) == text else text
    except ValueError:  # a number that JSON has not
        return text


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        items = [(key, _sorted(item)) for key, item in value.items()]
        return dict(sorted(items) if all(map(_NODE.fullmatch, value)) else items)
    if isinstance(value, list):
        nodes = all(isinstance(item, str) and _NODE.fullmatch(item) for item in value)
        return sorted(value) if nodes else [_sorted(item) for item in value]
    if isinstance(value, str) and value.startswith("{") and _NODE.search(value):
        try:
            return encode(_sorted(json.loads(value)))
        except (ValueError, RecursionError):
            return value
    return value


def _ms(match: re.Match[str]) -> int:
    whole = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    return int(whole.timestamp()) * 1000 + int((match[2] or "")[:3].ljust(3, "0"))


def _written(text: str, time: int) -> str:
    """A time in the form that another one has."""
    quote = '"' if text.startswith('"') else ""
    if match := _ISO.fullmatch(text):
        whole, ms = divmod(time, 1000)
        fraction = f".{ms:03}".ljust(len(match[2]) + 1, "0")[: len(match[2]) + 1] if match[2] else ""
        return f"{quote}{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z{quote}"
    return f"{quote}{time if _EPOCH_MS.fullmatch(text) else time // 1000}{quote}"
