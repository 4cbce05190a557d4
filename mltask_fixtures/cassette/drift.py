"""What a server says otherwise than it was recorded: two recordings, or two exchanges, compared by field.

Exchanges are compared by what they mean, not by where they stand: answers to the same request with each other, the
polls of a task by the states of its life. Values are compared by their class: two ids are alike, and so are two times
and two numbers; a word such as `COMPLETED` is like itself only, and so is a text, whatever ids, numbers and places it
names.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from mltask_fixtures.cassette.match import key_of
from mltask_fixtures.cassette.normalise import NOT_YET
from mltask_fixtures.cassette.recording import Interaction, Recording
from mltask_fixtures.cassette.timeline import polled_task
from mltask_fixtures.contract import decode_document_id, is_node_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from mltask_fixtures.cassette.normalise import Promised

Kind: TypeAlias = Literal["new", "gone", "type", "value"]

_WORDS: Final[Mapping[Kind, str]] = {
    "new": "the server says it now, the recording does not",
    "gone": "the recording says it, the server does not any more",
    "type": "it is of another type",
    "value": "it is something else",
}

_ID: Final = re.compile(r"(?<![\w-])[\w-]{7}B[\w-]{12}(?![\w-])", re.ASCII)
_NODE: Final = re.compile(r"(?<![\w-])[\w-]{22}(?![\w-])", re.ASCII)
_UUID: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_HASH: Final = re.compile(r"\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,64}\b")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?")
_PLACE: Final = re.compile(r"(?:file:)?(?:/+[\w.+-]+){2,}")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)*")
_LONGEST: Final = 120

_NO_MATTER: Final = frozenset({"user-agent", "x-request-id", "accept-encoding", "connection", "content-length", "date"})
"""Headers that say nothing of the server, or follow from the rest."""


@dataclass(frozen=True)
class Drift:
    """One thing that a server says otherwise than it was recorded.

    Example:
        >>> str(Drift("GET tasks/{id}, TRAINING FAILED", "response.body.error", "gone", "'no such index'", ""))
        "GET tasks/{id}, TRAINING FAILED: response.body.error: gone; recorded 'no such index'"
    """

    exchange: str
    """Which one: the request with `{id}` for ids, and what is polled."""
    field: str
    """Where in it: `response.status`, `response.headers.content-type`, `response.body.state`, `request.body.name`;
    `exchange` if all of it is new or gone."""
    kind: Kind
    """`new`, `gone`, `type` (of JSON) or `value` (of another class, another word or text)."""
    recorded: str
    """What the recording has, as text; empty if nothing."""
    live: str
    """What the server says now, as text; empty if nothing."""

    def __str__(self) -> str:
        """Give it as one line."""
        seen = (f"{side} {text}" for side, text in (("recorded", self.recorded), ("now", self.live)) if text)
        return f"{self.exchange}: {self.field}: {self.kind}; {', '.join(seen)}"

    @property
    def meaning(self) -> str:
        """What has happened, in words."""
        return _WORDS[self.kind]


def drift(
    recorded: Recording | Interaction,
    live: Recording | Interaction,
    *,
    promised: Promised | None = None,
) -> list[Drift]:
    """List in what a server's answers differ from what was recorded; nothing if it says the same.

    Args:
        recorded: a recording, or one exchange.
        live: the same, as the server says it now.
        promised: the states that must be seen, by task type. Whether a task is seen CREATED, RUNNING or CANCELLING is
            luck where that is not among them, so it counts as no difference.

    Example:
        >>> from mltask_fixtures.cassette import load
        >>> one = load("3.6.0/train-missing-index-failed")
        >>> drift(one, one)
        []
        >>> drift(one, load("2.19.1/train-missing-index-failed"))[0].field
        'response.headers.x-opensearch-version'
    """
    if isinstance(recorded, Interaction) and isinstance(live, Interaction):
        return list(_of_exchange(_Exchange(recorded), _Exchange(live)))
    if isinstance(recorded, Recording) and isinstance(live, Recording):
        states = {str(kind): {str(state) for state in words} for kind, words in (promised or {}).items()}
        return _once(_of_recordings(_groups(recorded.interactions), _groups(live.interactions), states))
    raise TypeError("a recording is compared with a recording, an exchange with an exchange")


# ---------------------------------------------------------------------------------------------- which with which


class _Exchange:
    """An exchange, and what it is in words."""

    def __init__(self, interaction: Interaction) -> None:
        self.interaction = interaction
        request = interaction.request
        self.body = _json(interaction.response.body)
        self.asked = _json(request.body)
        key = key_of(request.method, request.uri, request.body)
        path = _without_ids(key.path).removeprefix("/_plugins/_ml/")
        self.request = f"{key.method} {path}{'?' if key.query else ''}{key.query}"
        self.polled = polled_task(request.method, request.uri)

    @property
    def state(self) -> str:
        return str(self.body.get("state", "")) if isinstance(self.body, dict) else ""

    @property
    def task_type(self) -> str:
        return str(self.body.get("task_type", "")) if isinstance(self.body, dict) else ""

    @property
    def answered(self) -> str:
        """What tells one poll of a task from another."""
        return f"{self.task_type} {self.state}".strip() or str(self.interaction.response.status)

    def __str__(self) -> str:
        return f"{self.request}, {self.answered}" if self.polled else self.request


def _groups(interactions: Iterable[Interaction]) -> dict[tuple[Any, ...], list[_Exchange]]:
    """The exchanges by what they are compared as: polls by their task, the n-th one of the recording."""
    tasks: dict[str, int] = {}
    groups: defaultdict[tuple[Any, ...], list[_Exchange]] = defaultdict(list)
    for interaction in interactions:
        exchange = _Exchange(interaction)
        which = tasks.setdefault(exchange.polled, len(tasks)) if exchange.polled else None
        group = groups[(exchange.request, which)]
        if not (exchange.polled and group and _same_poll(group[-1], exchange)):
            group.append(exchange)
    return groups


def _same_poll(before: _Exchange, now: _Exchange) -> bool:
    return before.answered == now.answered and not list(_of_exchange(before, now))


def _of_recordings(
    recorded: Mapping[tuple[Any, ...], list[_Exchange]],
    live: Mapping[tuple[Any, ...], list[_Exchange]],
    promised: Mapping[str, set[str]],
) -> Iterator[Drift]:
    shown = [_shown(groups) for groups in (recorded, live)]
    for key in dict.fromkeys([*recorded, *live]):
        before, now = (
            _lasting(groups.get(key, []), others, promised)
            for groups, others in ((recorded, shown[1]), (live, shown[0]))
        )
        yield from _of_group(before, now)


def _shown(groups: Mapping[tuple[Any, ...], list[_Exchange]]) -> set[tuple[str, str]]:
    return {(exchange.task_type, exchange.state) for group in groups.values() for exchange in group if exchange.polled}


def _lasting(
    group: list[_Exchange], others: Collection[tuple[str, str]], promised: Mapping[str, set[str]]
) -> list[_Exchange]:
    """Leave out polls that are there by luck."""
    return [
        exchange
        for number, exchange in enumerate(group, 1)
        if number == len(group)
        or not (promised and exchange.polled and exchange.state in NOT_YET)
        or exchange.state in promised.get(exchange.task_type, ())
        or (exchange.task_type, exchange.state) in others
    ]


def _of_group(recorded: Sequence[_Exchange], live: Sequence[_Exchange]) -> Iterator[Drift]:
    matcher = SequenceMatcher(None, [one.answered for one in recorded], [one.answered for one in live], autojunk=False)
    for _, begin, end, live_begin, live_end in matcher.get_opcodes():
        before, now = recorded[begin:end], live[live_begin:live_end]
        # Another state in the place of a recorded one is told at its field, and the rest is compared all the same.
        paired = min(len(before), len(now))
        for one, other in zip(before[:paired], now[:paired], strict=True):
            yield from _of_exchange(one, other)
        for one in before[paired:]:
            yield _alone(one, "gone")
        for one in now[paired:]:
            yield _alone(one, "new")


def _alone(exchange: _Exchange, kind: Kind) -> Drift:
    where, seen = "exchange", str(exchange)
    if exchange.polled and exchange.state:
        where, seen = "response.body.state", exchange.state
    return Drift(
        str(exchange), where, kind, recorded=seen if kind == "gone" else "", live=seen if kind == "new" else ""
    )


def _once(found: Iterable[Drift]) -> list[Drift]:
    return list(dict.fromkeys(found))


# ---------------------------------------------------------------------------------------------- one with another


def _of_exchange(recorded: _Exchange, live: _Exchange) -> Iterator[Drift]:
    before, now = recorded.interaction, live.interaction
    found = [
        *_of_values("request.method", before.request.method, now.request.method),
        *_of_values("request.path", _path(before.request.uri), _path(now.request.uri)),
        *_of_headers("request.headers", before.request.headers, now.request.headers),
        *_of_bodies("request.body", before.request.body, now.request.body),
        *_of_status(before.response.status, now.response.status),
        *_of_headers("response.headers", before.response.headers, now.response.headers),
        *_of_bodies("response.body", before.response.body, now.response.body),
    ]
    for one in found:
        yield replace(one, exchange=str(recorded))


def _path(uri: str) -> str:
    url = urlsplit(uri)
    return f"{url.path}?{url.query}" if url.query else url.path


def _of_status(recorded: int, live: int) -> Iterator[Drift]:
    if recorded != live:
        yield Drift("", "response.status", "value", str(recorded), str(live))


def _of_headers(where: str, recorded: Mapping[str, str], live: Mapping[str, str]) -> Iterator[Drift]:
    before, now = ({name.lower(): value for name, value in headers.items()} for headers in (recorded, live))
    for name in dict.fromkeys([*before, *now]):
        if name not in _NO_MATTER:
            yield from _of_keys(f"{where}.{name}", before, now, name)


def _of_bodies(where: str, recorded: bytes, live: bytes) -> Iterator[Drift]:
    before, now = _json(recorded), _json(live)
    if before is not None and now is not None:
        yield from _of_values(where, before, now)
    elif recorded or live:
        yield from _of_values(where, _text(recorded), _text(live))


def _of_keys(where: str, recorded: Mapping[str, Any], live: Mapping[str, Any], key: str) -> Iterator[Drift]:
    if key not in live:
        yield Drift("", where, "gone", _show(recorded[key]), "")
    elif key not in recorded:
        yield Drift("", where, "new", "", _show(live[key]))
    else:
        yield from _of_values(where, recorded[key], live[key])


def _of_values(where: str, recorded: Any, live: Any) -> Iterator[Drift]:
    if _type(recorded) != _type(live):
        yield Drift("", where, "type", f"{_type(recorded)} {_show(recorded)}", f"{_type(live)} {_show(live)}")
    elif isinstance(recorded, dict):
        before, now = _by_class(recorded), _by_class(live)
        for key in dict.fromkeys([*before, *now]):
            yield from _of_keys(f"{where}.{key}", before, now, key)
    elif isinstance(recorded, list):
        for number in range(max(len(recorded), len(live))):
            yield from _of_keys(
                f"{where}.{number}",
                {str(index): item for index, item in enumerate(recorded)},
                {str(index): item for index, item in enumerate(live)},
                str(number),
            )
    elif _class(recorded) != _class(live):
        yield Drift("", where, "value", _show(recorded), _show(live))


def _by_class(values: Mapping[str, Any]) -> dict[str, Any]:
    """An object with ids among its keys, as `{id}`, `{id}.2`, ... in their order."""
    named: dict[str, Any] = {}
    for key, value in values.items():
        name = number = _without_ids(key)
        count = 1
        while number in named:
            count += 1
            number = f"{name}.{count}"
        named[number] = value
    return named


def _type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "double"
    return "text" if isinstance(value, str) else "object" if isinstance(value, dict) else "list"


def _class(value: Any) -> str:
    """What two values have in common that say the same."""
    if isinstance(value, str):
        masked = _NUMBER.sub("{number}", _PLACE.sub("{path}", _TIME.sub("{time}", _without_ids(value))))
        return " ".join(masked.split())
    if isinstance(value, bool) or value is None:
        return str(value)
    return _time_or_number(value)


_FIRST_MS, _LAST_MS = 946_684_800_000, 4_102_444_800_000


def _time_or_number(value: float) -> str:
    return "time" if isinstance(value, int) and _FIRST_MS <= value <= _LAST_MS else "number"


def _without_ids(text: str) -> str:
    text = _ID.sub(lambda match: "{id}" if decode_document_id(match[0]) else match[0], text)
    text = _NODE.sub(lambda match: "{node}" if is_node_id(match[0]) else match[0], text)
    return _HASH.sub("{hash}", _UUID.sub("{id}", text))


def _show(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")


def _json(body: bytes) -> Any:
    """The values of JSON text; None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
