"""A recording as a timeline: what was asked, what state the task was in, what changed since the poll before."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mltask_fixtures.cassette.recording import Recording

_TASK: Final = re.compile(r".*/_plugins/_ml/tasks/(?!_search$)([^/]+)/?")
_PREFIX: Final = "/_plugins/_ml/"
ABSENT: Final = "(absent)"
"""Stands for the value of a field that a body does not have."""


@dataclass(frozen=True)
class Seen:
    """One exchange, as far as a timeline shows it."""

    t_ms: float
    """When the answer came, in ms since the first request."""
    method: str
    uri: str
    status: int
    body: Any
    """The answer's JSON; None where it has none."""
    findings: int
    """In how many things the answer disagrees with its server's dialect."""


@dataclass(frozen=True)
class Step:
    """One line of a timeline; polls that saw nothing new are one line."""

    t_ms: float
    request: str
    polls: int
    status: int
    state: str
    model_id: str
    changed: tuple[str, ...]
    """The keys whose values differ from the poll before."""
    findings: int


def timeline(exchanges: Iterable[Seen]) -> Iterator[Step]:
    """Tell what happened, a line for each request and each change.

    Example:
        >>> step, = timeline([Seen(3, "GET", "http://h/_plugins/_ml/tasks/x", 404, None, 0)])
        >>> step.request, step.status
        ('GET tasks/x', 404)
    """
    last: dict[str, Mapping[str, Any]] = {}
    held: Step | None = None
    for seen in exchanges:
        step = _step(seen, last)
        if held is not None and _repeats(step, held):
            held = Step(**{**vars(held), "polls": held.polls + 1})
            continue
        if held is not None:
            yield held
        held = step
    if held is not None:
        yield held


def seen_in(recording: Recording) -> Iterator[Seen]:
    """Look at each exchange of a recording, and hold it to the dialect of the recording's server.

    Example:
        >>> from mltask_fixtures.cassette import load
        >>> [seen.status for seen in seen_in(load("3.6.0/unknown-task-id"))]
        [404]
    """
    from mltask_fixtures.cassette.judge import judged

    findings = Counter(number for number, _ in judged(recording.interactions, recording.dialect, recording.server))
    for number, one in enumerate(recording.interactions):
        request, response = one.request, one.response
        yield Seen(one.t_ms, request.method, request.uri, response.status, body_of(response.body), findings[number])


def changes(exchanges: Iterable[Seen]) -> dict[str, dict[str, list[Any]]]:
    """Tell of each polled task which values its fields had, one after the other, where they changed.

    A field that a body did not have is `ABSENT`.

    Example:
        >>> polls = [Seen(t, "GET", "/_plugins/_ml/tasks/x", 200, {"state": word}, 0) for t, word in enumerate("AAB")]
        >>> changes(polls)
        {'x': {'state': ['A', 'B']}}
    """
    bodies: dict[str, list[Mapping[str, Any]]] = {}
    for seen in exchanges:
        task_id = polled_task(seen.method, seen.uri)
        if task_id and isinstance(seen.body, dict) and "state" in seen.body:
            bodies.setdefault(task_id, []).append(seen.body)
    return {task_id: _changing(polls) for task_id, polls in bodies.items()}


def _changing(polls: list[Mapping[str, Any]]) -> dict[str, list[Any]]:
    values: dict[str, list[Any]] = {}
    for key in dict.fromkeys(key for body in polls for key in body):
        said = [body.get(key, ABSENT) for body in polls]
        values[key] = [value for number, value in enumerate(said) if not number or value != said[number - 1]]
    return {key: said for key, said in values.items() if len(said) > 1}


def polled_task(method: str, uri: str) -> str | None:
    """Give the id of the task that a request polls; None if it is no poll.

    Example:
        >>> polled_task("GET", "http://h:9200/_plugins/_ml/tasks/MsBi1YsB0jLkkocYjD5f")
        'MsBi1YsB0jLkkocYjD5f'
    """
    match = _TASK.fullmatch(urlsplit(uri).path)
    return unquote(match[1]) if match and method == "GET" else None


def _step(seen: Seen, last: dict[str, Mapping[str, Any]]) -> Step:
    path = urlsplit(seen.uri).path
    body: Mapping[str, Any] = seen.body if isinstance(seen.body, dict) else {}
    changed: tuple[str, ...] = ()
    if polled_task(seen.method, seen.uri) and "state" in body:
        before = last.get(path, {})
        changed = tuple(key for key in body if body[key] != before.get(key)) if before else ()
        changed += tuple(f"-{key}" for key in before if key not in body)
        last[path] = body
    return Step(
        t_ms=seen.t_ms,
        request=f"{seen.method} {path.removeprefix(_PREFIX)}",
        polls=1,
        status=seen.status,
        state=str(body.get("state") or body.get("status") or ""),
        model_id=str(body.get("model_id") or ""),
        changed=changed,
        findings=seen.findings,
    )


def _repeats(step: Step, held: Step) -> bool:
    same = (step.request, step.status, step.state, step.model_id, step.findings)
    return not step.changed and same == (held.request, held.status, held.state, held.model_id, held.findings)


def body_of(raw: bytes) -> Any:
    """Read an answer's JSON; None where it has none."""
    try:
        return json.loads(raw)
    except ValueError:
        return None
