"""The cassette that answers requests: vcrpy's, with an index, a lock and the rules of polling.

Per request it costs the same whatever the cassette's size, and any number of threads may ask it at once.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from weakref import WeakSet

from mltask_fixtures._errors import MLTaskFixturesError
from mltask_fixtures.cassette import store
from mltask_fixtures.cassette.clock import Clock
from mltask_fixtures.cassette.failures import Failure, Failures
from mltask_fixtures.cassette.format import RECORDED_MS
from mltask_fixtures.cassette.judge import InvalidCassetteError, judge
from mltask_fixtures.cassette.match import Key, key_of
from mltask_fixtures.cassette.order import Order
from mltask_fixtures.cassette.recording import decoded, read_recording
from mltask_fixtures.cassette.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mltask_fixtures.cassette.seal import Sealed, SealedInteraction

RECORD_MODES: Final = ("none", "once", "new", "all")
"""Record never; if there is no file; what the file does not answer; everything anew."""


class NoRecordedAnswerError(MLTaskFixturesError, LookupError):
    """A request came that the cassette does not answer; nothing was sent."""


class Answer(NamedTuple):
    """A recorded answer as clients take it."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    """One pair for each value, in the recorded order."""
    body: bytes
    """With its content encoding undone."""
    missing: int = 0
    """How many bytes of the body were lost on its way."""
    delay: float = 0
    """How long it takes to come, in seconds."""

    @property
    def sets_cookies(self) -> bool:
        """Whether a session has something to remember."""
        return any(name.lower() == "set-cookie" for name, _ in self.headers)


Following: TypeAlias = "Callable[[Key], Answer | None]"
Rule: TypeAlias = "Callable[[Following, Key], Answer | None]"
"""What stands between a request and the recorded answer, which it may ask for with any key, change, or do without."""


class _Queue:
    """The answers to one key in their order, and how many of them were played."""

    __slots__ = ("numbers", "played")

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.played = 0


class _Recorded(tuple[Any, Any]):  # noqa: SLOT001 - a tuple has no slots beside its items
    """A request with its response, and what of them is to be written."""

    sealed: SealedInteraction


class MLTaskCassette:
    """A recording that is in use; `mltask_replay` gives it to a test.

    Answers to the same request are played in their order. When they are used up, the last one holds for requests that
    change nothing, as it does on a server; with `strict` it does not.

    It has the names of vcrpy's cassette and takes its place under vcrpy's stubs, without importing vcrpy, which imports
    every HTTP client that is installed.
    """

    def __init__(
        self,
        path: Path,
        *,
        record: str = "none",
        strict: bool = False,
        upstream: str | None = None,
        replacing: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        dialect: str | None = None,
        allowed_hosts: tuple[str, ...] = (),
        anew: bool = False,
        allow_secrets: Iterable[str] = (),
    ) -> None:
        """Open a file, which need not exist when something is to be recorded.

        Args:
            path: of the file.
            record: `none`, `once`, `new` or `all`.
            strict: whether a request after the last recorded answer is an error.
            upstream: the URL of the cluster that recorded requests are sent to, whatever host they name.
            replacing: texts and what a recording shows in their place.
            metadata: what a recording says of itself.
            dialect: to judge a recording by; None finds it out.
            allowed_hosts: addresses that may be connected to in replay.
            anew: whether what the file holds is left out of account, and replaced.
            allow_secrets: the fingerprints of values that look like secrets, are none, and may be recorded.
        """
        self.path = self._path = path
        self.record_mode = record
        self.strict = strict
        self.upstream = upstream
        self.allowed_hosts = allowed_hosts
        self.is_open = True
        self.outer: MLTaskCassette | None = None
        """The cassette in whose place this one answers until it is closed."""
        self.wires: WeakSet[Any] = WeakSet()
        """The connections that lead here; they `hang_up` when the cassette is closed."""
        self.abandoned = False
        """Whether what was recorded is dropped: the test failed."""
        self.allowed_secrets = tuple(allow_secrets)
        """The fingerprints of values that look like secrets, are none, and may be recorded."""
        self.unanswered: list[str] = []
        """The requests that no recorded answer was there for."""
        self.data: list[Any] = []
        """Each request with vcrpy's dict of its response; those of the file are made when they are looked at."""
        self.play_counts: Counter[int] = Counter()
        self.dirty = False
        self.write_protected = record == "none"
        """Whether a request without a recorded answer is refused, not sent."""
        self._replacing = dict(replacing or {})
        self._metadata = dict(metadata or {})
        self._dialect = dialect
        self._anew = anew
        self._lock = threading.RLock()
        self._queues: dict[Key, _Queue] = {}
        self._answers: dict[int, Answer] = {}
        self._loaded_count = 0
        self._order = Order()
        self._began = time.monotonic()
        self.clock = Clock(is_virtual=False)
        self._answering: Following = self._play
        self._failures = Failures()
        if not anew:
            self._load()

    def __len__(self) -> int:
        """Count the interactions."""
        return len(self.data)

    # ------------------------------------------------------------------------------------------------ what tests see

    @property
    def metadata(self) -> dict[str, Any]:
        """What the recording says of itself: server, scenario, states, when it was made."""
        return self._metadata

    @property
    def task_ids(self) -> list[str]:
        """The ids of the tasks that were polled when it was recorded, in the order of their first poll."""
        from mltask_fixtures.cassette.timeline import polled_task

        polls = (polled_task(request.method, request.uri) for request, _ in self.data)
        return list(dict.fromkeys(task_id for task_id in polls if task_id))

    @property
    def unplayed(self) -> list[str]:
        """The recorded requests whose answers were not played, in words."""
        with self._lock:
            numbers = sorted(number for queue in self._queues.values() for number in queue.numbers[queue.played :])
        return [f"interaction {number + 1}: {_shown(self.data[number][0])}" for number in numbers]

    @property
    def requests(self) -> list[Any]:
        """What was asked, in the order of the file."""
        return [request for request, _ in self.data]

    @property
    def responses(self) -> list[dict[str, Any]]:
        """What was answered, as vcrpy's dicts, in the order of the file."""
        return [response for _, response in self.data]

    @property
    def play_count(self) -> int:
        """How many answers were given."""
        return sum(self.play_counts.values())

    @property
    def all_played(self) -> bool:
        """Whether each recorded answer was given at least once."""
        return len(self.play_counts) == len(self.data)

    # ------------------------------------------------------------------------------------------------ for the clients

    def answer(self, request: Request) -> Answer | None:
        """Give the next recorded answer to a request, or None if it is to be sent and recorded.

        Raises:
            NoRecordedAnswerError: nothing answers it, and nothing is to be recorded.
        """
        with self._lock:
            return self._answering(self._key(request))

    def _play(self, key: Key) -> Answer | None:
        queue = self._queues.get(key)
        if queue is None or not self._plays(queue, key):
            if not self.write_protected:
                return None
            self.unanswered.append(str(key)[:300])
            raise NoRecordedAnswerError(self._refusal(key))
        if queue.played < len(queue.numbers):
            queue.played += 1
        number = queue.numbers[queue.played - 1]
        self.play_counts[number] += 1
        return self.recorded_answer(number)

    def add_rule(self, rule: Rule) -> None:
        """Let a rule have its say before those that are there, as long as nothing is recorded."""
        if self.write_protected:
            self._answering = partial(rule, self._answering)

    @property
    def recorded(self) -> Mapping[Key, Sequence[int]]:
        """The recorded requests, each with the numbers of its answers."""
        return {key: queue.numbers for key, queue in self._queues.items()}

    @property
    def failures(self) -> Mapping[Key, Mapping[int, Failure]]:
        """The recorded requests that found no answer: which ones of each kind, counted from 1."""
        return self._failures.at()

    @property
    def dialect(self) -> str | None:
        """The name of the dialect that its server speaks; None where that is not known."""
        return self._dialect

    def recorded_answer(self, number: int) -> Answer:
        """Give the answer with this number."""
        answer = self._answers.get(number)
        if answer is None:
            answer = self._answers[number] = answer_of(self.data[number][1])
        return answer

    def recorded_ms(self, number: int) -> float:
        """Say when the answer with this number came, in ms since the recording began; 0 where that is not known."""
        return float(self.data[number][1].get(RECORDED_MS, 0))

    def show(self, number: int, answer: Answer) -> None:
        """Answer this in place of the recorded answer with this number."""
        self._answers[number] = answer

    def leave_out(self, key: Key, count: int) -> None:
        """Begin the answers to a request later."""
        del self._queues[key].numbers[:count]

    def played(self, key: Key) -> int:
        """Say how many of the answers to a request were played."""
        return self._queues[key].played if key in self._queues else 0

    def go_to(self, key: Key, played: int) -> None:
        """Count so many of the answers to a request as played."""
        if key in self._queues:
            self._queues[key].played = played

    def _key(self, request: Request) -> Key:
        """Say what decides the answer to a request."""
        return key_of(request.method, request.uri, request.body_bytes)

    def _plays(self, queue: _Queue, key: Key) -> bool:
        if self.record_mode == "all":
            return False
        return queue.played < len(queue.numbers) or (self.write_protected and not self.strict and key.repeatable)

    @contextmanager
    def sending(self, request: Request) -> Iterator[None]:
        """Hold a request's place in the recording while it is sent; `append` keeps the answer inside."""
        with self._lock:
            request.place = self._order.begin()
        try:
            yield
        finally:
            with self._lock:
                self._order.end()

    def append(self, request: Any, response: Mapping[str, Any]) -> None:
        """Keep an exchange that has just taken place."""
        if getattr(request, "place", None) is None:
            with self.sending(request):
                self.append(request, response)
            return
        answer = decoded(response)
        answer[RECORDED_MS] = round((time.monotonic() - self._began) * 1000, 1)
        exchange = _Recorded((request, answer))
        exchange.sealed = self._seal(request, answer)
        with self._lock:
            self.data.append(exchange)
            self._failures.count(self._key(request))
            self.dirty = True

    def append_failure(self, request: Request, failure: Failure) -> None:
        """Keep that a request has just found no answer."""
        with self._lock:
            self._failures.add(request, failure, round((time.monotonic() - self._began) * 1000, 1))
            self.dirty = True

    def can_play_response_for(self, request: Request) -> bool:
        """Tell vcrpy's stubs whether `play_response` has something; where nothing may be sent, it raises."""
        with self._lock:
            if self.write_protected:
                return True
            key = self._key(request)
            queue = self._queues.get(key)
            return queue is not None and self._plays(queue, key)

    def play_response(self, request: Request) -> dict[str, Any]:
        """Give vcrpy's stubs the next answer; they may change what they get."""
        answer = self.answer(request)
        assert answer is not None  # noqa: S101 - they ask can_play_response_for first
        headers: dict[str, list[str]] = {}
        for name, value in answer.headers:
            headers.setdefault(name, []).append(value)
        return {
            "status": {"code": answer.status, "message": answer.reason},
            "headers": headers,
            "body": {"string": answer.body},
        }

    def _refusal(self, key: Key) -> str:
        if queue := self._queues.get(key):
            times = "once" if len(queue.numbers) == 1 else f"{len(queue.numbers)} times"
            why = f"it was recorded {times}, and as often it was answered"
            advice = "strict=False lets the last answer hold" if key.repeatable else "the request changes something"
            near = [f"{advice}; --mltask-record new records it once more"]
        else:
            why = "it was not recorded; recorded were" if self._queues else "the cassette is empty"
            near = [f"  {name}" for name in _nearest(key, list(self._queues))]
            near.append("record it with --mltask-record new --mltask-url URL, or change the request")
        return "\n".join([f"{self._path} has no answer to {str(key)[:300]}: {why}", *near])

    # ------------------------------------------------------------------------------------------------ the file

    def _load(self) -> None:
        path: Path = self._path
        if not path.exists():
            return
        with _no_collection():
            recording = read_recording(path)
            if findings := judge(recording.interactions, self._dialect or recording.dialect, recording.server):
                raise InvalidCassetteError(path, findings)
            queues = self._queues
            for number, interaction in enumerate(recording.interactions):
                key = interaction.key
                queue = queues.get(key)
                if queue is None:
                    queue = queues[key] = _Queue()
                queue.numbers.append(number)
        self.data += recording.interactions
        self._loaded_count = len(self.data)
        self._metadata = {**recording.metadata, **self._metadata}
        self._dialect = self._dialect or recording.dialect
        self._failures = Failures.read(path, self._metadata)
        self.write_protected = self.record_mode in ("none", "once")
        if self.record_mode == "new":
            for key, queue in self._queues.items():
                self._failures.count(key, len(queue.numbers))

    def save(self) -> None:
        """Write what was recorded, without secrets and held to the contract; nothing if nothing was.

        Raises:
            InvalidCassetteError: an answer is none that this server gives; the file is left as it was.
            OutsideError: the file cannot be written; what was there is untouched.
        """
        with self._lock:
            if not self.dirty:
                return
            self._in_order()
            if self._anew:
                store.write(self._path, *self._sealed(None))  # whatever was there, also what cannot be read
            else:
                store.update(self._path, self._sealed)
            self.dirty = False

    def _seal(self, request: Request, response: Mapping[str, Any]) -> SealedInteraction:
        # Imported where something is recorded: what looks for secrets is large.
        from mltask_fixtures.cassette.seal import SealedInteraction

        return SealedInteraction(request, response, self._replacing)

    def _sealed(self, current: Mapping[str, Any] | None) -> Sealed:
        """Add what was recorded to what the file holds now, which may be more than was loaded: others record, too."""
        from mltask_fixtures.cassette.seal import seal

        recorded = self.data[self._loaded_count :]
        kept = [] if self._anew or current is None else _exchanges(current)
        if kept and self.record_mode == "all":
            anew = {_key(request) for request, _ in recorded}
            old = {(_key(request), answer_of(response)) for request, response in self.data[: self._loaded_count]}
            kept = [one for one in kept if _key(one[0]) not in anew or (_key(one[0]), answer_of(one[1])) not in old]
        metadata = {**(current or {}).get("metadata", {}), **self._metadata} if not self._anew else self._metadata
        metadata = {**metadata, **self._failures.as_metadata(metadata, self._replacing, anew=self.record_mode == "all")}
        exchanges = [*kept, *recorded]
        return seal(
            self._path,
            [one.sealed if isinstance(one, _Recorded) else self._seal(*one) for one in exchanges],
            metadata,
            dialect=self._dialect,
            allowed_secrets=self.allowed_secrets,
        )

    def _in_order(self) -> None:
        """Sort what was recorded; see `order`."""
        self.data[self._loaded_count :] = sorted(
            self.data[self._loaded_count :], key=lambda kept: self._order.rank(kept[0].place, partial(_shown, kept[0]))
        )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let no garbage be looked for while much is built and nothing thrown away; it would take longer than the rest."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _exchanges(cassette: Mapping[str, Any]) -> list[tuple[Request, dict[str, Any]]]:
    """Take the exchanges out of vcrpy's dict of a cassette."""
    return [
        (Request(**interaction["request"]), decoded(interaction["response"]))
        for interaction in cassette["interactions"]
    ]


def _key(request: Request) -> Key:
    return key_of(request.method, request.uri, request.body_bytes)


def answer_of(response: Mapping[str, Any]) -> Answer:
    """Take an answer out of vcrpy's dict."""
    body: bytes = response["body"]["string"]
    headers = []
    for name, values in response["headers"].items():
        lower = name.lower()
        if lower == "transfer-encoding":
            continue
        if lower == "content-length" and body:
            values = [str(len(body))]  # noqa: PLW2901 - a body that was edited by hand may have another
        headers += [(name, str(value)) for value in (values if isinstance(values, (list, tuple)) else [values])]
    status = response["status"]
    return Answer(status["code"], status["message"] or "", tuple(headers), body)


def _shown(request: Any) -> str:
    return str(key_of(request.method, request.uri, request.body_bytes))[:300]


def _nearest(key: Key, known: list[Key]) -> list[str]:
    """The recorded requests that look most like this one: of the same method first, at most five."""
    names = [str(other)[:200] for other in known]
    near = get_close_matches(str(key)[:200], names, 5, cutoff=0.3)
    alike = [name for name in near if name.split(" ")[0] == key.method]
    return list(dict.fromkeys([*alike, *near])) or names[:5]
