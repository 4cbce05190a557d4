"""What the server answers: recorded exchanges first, then the tasks that were added, else what a real server says."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from mltask_fixtures.cassette.faults import error_page
from mltask_fixtures.cassette.match import Key, key_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mltask_fixtures.contract import Dialect

_TASK: Final = re.compile(r"/_plugins/_ml/tasks/(?!_search$)([^/]+)/?")
_ALLOWED: Final = "GET, DELETE"
_NOT_REPEATED: Final = frozenset({"content-length", "transfer-encoding", "connection", "x-opaque-id"})
"""Headers that belong to one transfer, not to the recorded answer."""


@dataclass(frozen=True)
class Answer:
    """A status, the headers and the bytes of one answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Received:
    """A request that the server got."""

    method: str
    path: str
    """With its query."""
    headers: Mapping[str, str]
    body: bytes


@dataclass
class _Sequence:
    """Answers in their order; the last one holds."""

    answers: list[Answer] = field(default_factory=list)
    faults: dict[int, Answer] = field(default_factory=dict)
    asked: int = 0
    played: int = 0

    def next(self) -> Answer:
        self.asked += 1
        if self.asked in self.faults:
            return self.faults[self.asked]
        self.played = min(self.played + 1, len(self.answers))
        return self.answers[self.played - 1]


class Answers:
    """Finds the answer for a request; not safe for threads, one event loop asks it."""

    def __init__(self, dialect: Dialect) -> None:
        """Take the dialect whose words answer what was neither recorded nor added."""
        self.dialect = dialect
        self._recorded: defaultdict[Key, _Sequence] = defaultdict(_Sequence)
        self._tasks: defaultdict[str, _Sequence] = defaultdict(_Sequence)

    def record(self, request: Key, answer: Answer) -> None:
        """Answer this request with this; with several, in their order."""
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _NOT_REPEATED}
        self._recorded[request].answers.append(Answer(answer.status, headers, answer.body))

    def add(self, task_id: str, body: bytes) -> None:
        """Show one more snapshot of a task."""
        self._tasks[task_id].answers.append(self._json(HTTPStatus.OK, body))

    def fault(self, task_id: str, at: int, status: int) -> None:
        """Let one poll of a task fail; the snapshots go on after it."""
        page = error_page(status, self.dialect)
        self._tasks[task_id].faults[at] = Answer(page.status, page.headers, page.body)

    def find(self, method: str, path: str, body: bytes) -> Answer:
        """Give the next answer for a request; the path has its query."""
        if sequence := self._recorded.get(key_of(method, path, body)):
            return sequence.next()
        route, _, _query = path.partition("?")
        task = _TASK.fullmatch(route)
        if task is None:
            reason = f"no handler found for uri [{path}] and method [{method}]"
            return self._text(HTTPStatus.BAD_REQUEST, {"error": reason})
        if method == "GET":
            return self._poll(unquote(task[1]))
        if method == "DELETE":
            return self._delete(unquote(task[1]))
        reason = f"Incorrect HTTP method for uri [{path}] and method [{method}], allowed: [{_ALLOWED}]"
        answer = self._text(HTTPStatus.METHOD_NOT_ALLOWED, {"error": reason, "status": 405})
        return Answer(answer.status, {"Allow": _ALLOWED.replace(" ", ""), **answer.headers}, answer.body)

    def _poll(self, task_id: str) -> Answer:
        if task_id in self._tasks and self._tasks[task_id].answers:
            return self._tasks[task_id].next()
        unknown = self.dialect.unknown_task
        return self._json(unknown.status, unknown.body())

    def _delete(self, task_id: str) -> Answer:
        sequence = self._tasks.pop(task_id, None)
        if sequence is None or not sequence.answers:
            unknown = self.dialect.unknown_task_deleted
            return self._json(unknown.status, unknown.body())
        shards = {"total": 1, "successful": 1, "failed": 0}
        deleted = {"_index": ".plugins-ml-task", "_id": task_id, "_version": 2, "result": "deleted"}
        return self._text(HTTPStatus.OK, {**deleted, "_shards": shards, "_seq_no": 1, "_primary_term": 1})

    def _text(self, status: int, body: Mapping[str, object]) -> Answer:
        return self._json(status, json.dumps(body, separators=(",", ":")).encode())

    def _json(self, status: int, body: bytes) -> Answer:
        return Answer(status, self.dialect.headers(), body)
