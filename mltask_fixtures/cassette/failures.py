"""Requests that found no answer: how they are recorded, and the words for them.

A recording keeps them in its metadata, for vcrpy has no place for an exchange without an answer: so plain vcrpy reads
the file and does not see them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from mltask_fixtures.cassette.match import Key, key_of
from mltask_fixtures.cassette.redact import redact_body, redact_uri
from mltask_fixtures.cassette.store import DamagedCassetteError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mltask_fixtures.cassette.request import Request

Failure: TypeAlias = Literal["timeout", "reset", "refused"]
FAILURES: Final = get_args(Failure)
"""No answer came in time; the connection was reset; there was none."""
_FAILURES: Final = "failures"
_FARTHEST: Final = 20


class TransferFailedError(Exception):
    """A request finds no answer; each client raises its own exception for it."""

    def __init__(self, failure: Failure) -> None:
        """Take the word for what happened."""
        self.failure: Failure = failure
        super().__init__(failure)


class Failures:
    """The requests of a recording that found no answer, each with how many of its kind came before it."""

    def __init__(self) -> None:
        """Begin without any."""
        self._kept: list[dict[str, Any]] = []
        """Those that the file had."""
        self._added: list[dict[str, Any]] = []
        self._asked: Counter[Key] = Counter()

    @classmethod
    def read(cls, path: Path, metadata: Mapping[str, Any]) -> Failures:
        """Take them out of a recording's metadata.

        Raises:
            DamagedCassetteError: what stands there are no failures.
        """
        failures = cls()
        entries = metadata.get(_FAILURES, [])
        for number, entry in enumerate(entries if isinstance(entries, list) else [entries], 1):
            if not isinstance(entry, dict) or entry.get("failure") not in FAILURES or not _is_place(entry):
                raise DamagedCassetteError(
                    f"{path} is no cassette: failure {number} of its metadata has not method, uri, at and one of the "
                    f"failures {', '.join(FAILURES)}"
                )
            failures._kept.append(entry)
            failures.count(_key(entry))
        return failures

    def count(self, key: Key, times: int = 1) -> None:
        """Count a request that was answered, or was before."""
        self._asked[key] += times

    def add(self, request: Request, failure: Failure, recorded_ms: float) -> None:
        """Keep one that was not."""
        body = request.body_bytes
        key = key_of(request.method, request.uri, body)
        self._asked[key] += 1
        entry = {"method": request.method, "uri": request.uri, "at": self._asked[key], "failure": failure}
        if key.body:
            entry["body"] = bytes(body or b"").decode("utf-8", "replace")
        self._added.append({**entry, "recorded_ms": recorded_ms})

    def as_metadata(
        self, metadata: Mapping[str, Any], replacing: Mapping[str, str], *, anew: bool
    ) -> dict[str, list[dict[str, Any]]]:
        """Give what a file says of them, without secrets.

        Args:
            metadata: what the file says now, which may be more than was read from it: others record, too.
            replacing: texts and what is shown in their place.
            anew: whether those of requests that were made again are dropped.
        """
        there = metadata.get(_FAILURES, [])
        kept = [entry for entry in there if not (anew and _key(entry) in self._asked)]
        entries = [*kept, *(_sealed(entry, replacing) for entry in self._added)]
        return {_FAILURES: entries} if entries or there else {}

    def at(self) -> dict[Key, dict[int, Failure]]:
        """Say which request of each kind found no answer, counted from 1."""
        found: dict[Key, dict[int, Failure]] = {}
        for entry in (*self._kept, *self._added):
            found.setdefault(_key(entry), {})[entry["at"]] = entry["failure"]
        return found


def _key(entry: Mapping[str, Any]) -> Key:
    body = entry.get("body")
    return key_of(entry["method"], entry["uri"], body.encode() if isinstance(body, str) else None)


def _is_place(entry: Mapping[str, Any]) -> bool:
    at = entry.get("at")
    return isinstance(entry.get("method"), str) and isinstance(entry.get("uri"), str) and isinstance(at, int) and at > 0


def _sealed(entry: Mapping[str, Any], replacing: Mapping[str, str]) -> dict[str, Any]:
    sealed = {**entry, "uri": redact_uri(entry["uri"])}
    if "body" in entry:
        sealed["body"] = redact_body(entry["body"].encode()).decode()
    for literal, shown in replacing.items():
        for name in ("uri", "body"):
            if name in sealed:
                sealed[name] = sealed[name].replace(literal, shown)
    return sealed


def failure_of(error: BaseException) -> Failure | None:
    """Say in our words what an exception of any client means; None if it is something else.

    Example:
        >>> failure_of(ConnectionRefusedError(111, "Connection refused"))
        'refused'
    """
    for cause in _causes(error):
        if isinstance(cause, ConnectionRefusedError):
            return "refused"
        if isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
            return "timeout"
        if isinstance(cause, ConnectionError) or type(cause).__name__ == "ServerDisconnectedError":
            return "reset"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an exception and those that it came from, the first one last."""
    rest, seen = [error], 0
    while rest and seen < _FARTHEST:
        cause = rest.pop(0)
        seen += 1
        yield cause
        more = [cause.__cause__, cause.__context__, *cause.args]
        rest += [other for other in more if isinstance(other, BaseException)]
