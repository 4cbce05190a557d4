"""Faults on top of recorded traffic: what a poll gets in place of its recorded answer.

The recorded answers go on after a fault. One table says what servers and the proxies before them answer; the answers
come from a live server where contract and status are named in the same breath: the parent breaker's 429 of 3.6.0, the
core's block of a cluster that has not come up (`GatewayService.STATE_NOT_RECOVERED_BLOCK`), nginx's error page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, get_args

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cassette.failures import TransferFailedError
from mltask_fixtures.cassette.judge import rules_of
from mltask_fixtures.cassette.replay import Answer
from mltask_fixtures.cassette.timeline import polled_task
from mltask_fixtures.contract import DIALECTS
from mltask_fixtures.contract.wire import encode

if TYPE_CHECKING:
    from mltask_fixtures.cassette.match import Key
    from mltask_fixtures.cassette.replay import Following, MLTaskCassette
    from mltask_fixtures.contract import Dialect

Word: TypeAlias = Literal["timeout", "reset", "refused", "truncated"]
Fault: TypeAlias = int | Word | timedelta
"""An HTTP status of 400 or more, a word, or how long the answer takes."""
Faults: TypeAlias = Mapping[Any, Fault]
"""What happens at the nth poll of a task, or at each poll of a range; polls count from 1. The keys of a `Mapping` have
one exact type for a checker, which would refuse polls beside ranges, so they are looked at when they are used."""
WORDS: Final = get_args(Word)
_FIRST_ERROR, _LAST_ERROR = 400, 599


class ErrorPage(NamedTuple):
    """An error as it comes over the wire."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes


def error_page(status: int, dialect: Dialect) -> ErrorPage:
    """Give what a server of this dialect, or a proxy before it, answers with an error status.

    Example:
        >>> from mltask_fixtures import DIALECTS
        >>> error_page(503, DIALECTS["3.6"]).body[:60]
        b'{"error":{"root_cause":[{"type":"cluster_block_exception","r'
    """
    phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else ""
    if status in _PROXY:
        # A proxy's own page does not tell that there is an OpenSearch behind it.
        text = _NGINX.format(status=status, phrase=phrase).encode()
        return ErrorPage(status, phrase, {"content-type": "text/html"}, text)
    if status == HTTPStatus.UNAUTHORIZED:
        headers = {"WWW-Authenticate": 'Basic realm="OpenSearch Security"', "content-type": "text/plain; charset=UTF-8"}
        return ErrorPage(status, phrase, headers, b"Unauthorized")
    if status == HTTPStatus.NOT_FOUND == dialect.unknown_task.status:
        body = dialect.unknown_task.body()
    else:
        cause = _CAUSES.get(status, {"type": "status_exception", "reason": phrase})
        body = encode({"error": {"root_cause": [cause], **cause}, "status": status}).encode()
    return ErrorPage(status, phrase, dialect.headers(), body)


_PROXY: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
_NGINX: Final = (
    "<html>\r\n<head><title>{status} {phrase}</title></head>\r\n<body>\r\n"
    "<center><h1>{status} {phrase}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_CAUSES: Final[Mapping[int, dict[str, Any]]] = {
    HTTPStatus.TOO_MANY_REQUESTS: {
        "type": "circuit_breaking_exception",
        "reason": (
            "[parent] Data too large, data for [<http_request>] would be [1073479680/1023.7mb], which is larger than "
            "the limit of [1020054732/972.7mb], real usage: [1073479680/1023.7mb], new bytes reserved: [0/0b], usages "
            "[request=0/0b, fielddata=0/0b, in_flight_requests=0/0b]"
        ),
        "bytes_wanted": 1073479680,
        "bytes_limit": 1020054732,
        "durability": "TRANSIENT",
    },
    HTTPStatus.SERVICE_UNAVAILABLE: {
        "type": "cluster_block_exception",
        "reason": "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];",
    },
    HTTPStatus.FORBIDDEN: {
        "type": "security_exception",
        "reason": (
            "no permissions for [cluster:admin/opensearch/ml/tasks/get] and User [name=test, backend_roles=[], "
            "requestedTenant=null]"
        ),
    },
}
"""What the core and the security plugin say; any other status has the envelope and HTTP's own phrase."""


def checked(faults: Any) -> Faults:
    """See that faults are such.

    Raises:
        WrongUseError: one is at no poll, or is no fault; the error names the nearest.
    """
    if not isinstance(faults, Mapping):
        raise WrongUseError(f"faults={faults!r:.80}: they are a mapping, such as {{2: 429, 5: 'timeout'}}")
    for at, fault in faults.items():
        first = at.start if isinstance(at, range) else at
        if not isinstance(first, int) or isinstance(first, bool) or first < 1 or (isinstance(at, range) and not at):
            raise WrongUseError(f"faults: {at!r:.80} is no poll; polls count from 1, several are a range(2, 5)")
        _check_fault(fault)
    return faults


def _check_fault(fault: Any) -> None:
    if isinstance(fault, timedelta):
        if fault < timedelta():
            raise WrongUseError(f"faults: an answer cannot take {fault}")
    elif isinstance(fault, int) and not isinstance(fault, bool):
        if not _FIRST_ERROR <= fault <= _LAST_ERROR:
            raise WrongUseError(f"faults: {fault} is no error of HTTP; errors are {_FIRST_ERROR} to {_LAST_ERROR}")
    elif fault not in WORDS:
        near = get_close_matches(str(fault), WORDS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(WORDS)}, a status, and a timedelta"
        raise WrongUseError(f"faults: there is no fault {fault!r:.80}; {hint}")


class AtPolls:
    """Faults at chosen polls of each task."""

    def __init__(self, cassette: MLTaskCassette, faults: Faults) -> None:
        """Take faults that were checked."""
        self._cassette, self._faults = cassette, faults
        self._dialect = rules_of(cassette.dialect).dialect or DIALECTS["3.6"]
        self._polls: Counter[str] = Counter()

    def __call__(self, following: Following, key: Key) -> Answer | None:
        """Give the fault of this poll, or what was recorded."""
        task_id = polled_task(key.method, key.path)
        if task_id is None:
            return following(key)
        self._polls[task_id] += 1
        fault = self._at(self._polls[task_id])
        if fault is None:
            return following(key)
        if isinstance(fault, timedelta):
            answer = following(key)
            return answer and answer._replace(delay=answer.delay + fault.total_seconds())
        if isinstance(fault, int):
            page = error_page(fault, self._dialect)
            headers = {**page.headers, "content-length": str(len(page.body))}
            return Answer(page.status, page.reason, tuple(headers.items()), page.body)
        if fault == "truncated":
            return self._truncated(following, key)
        raise TransferFailedError(fault)

    def _at(self, poll: int) -> Fault | None:
        for at, fault in self._faults.items():
            if poll in at if isinstance(at, range) else poll == at:
                return fault
        return None

    def _truncated(self, following: Following, key: Key) -> Answer | None:
        played = self._cassette.played(key)
        answer = following(key)
        self._cassette.go_to(key, played)
        if answer is None:
            return None
        arrived = len(answer.body) // 2
        return answer._replace(body=answer.body[:arrived], missing=len(answer.body) - arrived)


class AsRecorded:
    """Requests that found no answer when they were recorded find none in replay.

    Where the last one of a kind found none, that holds, as a last answer does.
    """

    def __init__(self, cassette: MLTaskCassette) -> None:
        """Take which request of each kind failed, and how many there were."""
        self._failures = cassette.failures
        recorded = cassette.recorded
        self._last = {
            key: len(failures) + len(recorded.get(key, ()))
            for key, failures in self._failures.items()
            if key.repeatable and not cassette.strict
        }
        self._asked: Counter[Key] = Counter()

    def __call__(self, following: Following, key: Key) -> Answer | None:
        """Fail, or give what was recorded."""
        self._asked[key] += 1
        at = min(self._asked[key], self._last.get(key, self._asked[key]))
        if failure := self._failures.get(key, {}).get(at):
            raise TransferFailedError(failure)
        return following(key)
