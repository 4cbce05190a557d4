"""The answers around a task: what starts it, a search that finds it, its deletion, and every error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mltask_fixtures.contract import Dialect, FunctionName, Task, check_exchange
from mltask_fixtures.contract.answers import TASKS, Refusal, Start, line_of
from mltask_fixtures.contract.check import InvalidTaskError
from mltask_fixtures.contract.wire import encode, in_map_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_INDEX: Final = ".plugins-ml-task"
_PREFIX: Final = "/_plugins/_ml/"


@dataclass(frozen=True)
class Answer:
    """One answer as a server sends it, and the call that it answers; pytest shows its name as an id."""

    name: str
    method: str
    path: str
    """Of the call, with its query."""
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def __name__(self) -> str:
        """The answer's name."""
        return self.name

    def json(self) -> Any:
        """Give the body as `response.json()` gives it."""
        return json.loads(self.body)


def answer(dialect: Dialect, name: str, method: str, path: str, body: bytes, **said: Any) -> Answer:
    """Put a body into an answer and hold it to the contract.

    Raises:
        InvalidTaskError: the answer disagrees with its model or the dialect, which would be a fault of this package.
    """
    status, extra = said.get("status", 200), said.get("headers", {})
    headers = {**dialect.headers(), **extra, "content-length": str(len(body))}
    if findings := check_exchange(method, path, status, headers, body, dialect=dialect):
        raise InvalidTaskError(findings, what=f"the answer {name} is none of a {dialect.name} server")
    return Answer(name, method, path, status, headers, body)


def started(dialect: Dialect, start: Start, task: Task, task_id: str, model_id: str) -> Answer:
    """Answer the call that starts a task."""
    remote = task.function_name is FunctionName.REMOTE
    body: dict[str, Any] = {"task_id": task_id}
    if start.task_type:
        body["task_type"] = task.task_type.value
    body["status"] = start.remote_status if remote and start.remote_status else start.status
    if start.model_id and remote:
        body["model_id"] = model_id
    if start.job:
        said = {**(task.model_dump().get(start.job) or {})}
        if start.job == "response":
            said = {key: said[key] for key in ("memory_id", "parent_interaction_id") if key in said}
        if said:
            body[start.job] = said
    holes = {"{algorithm}": str(task.function_name or "").lower(), "{model_id}": model_id, "{agent_id}": model_id}
    path = _PREFIX + start.path
    for hole, value in holes.items():
        path = path.replace(hole, value)
    return answer(dialect, f"started-{task.task_type}", "POST", path, encode(body).encode())


def found(dialect: Dialect, tasks: Sequence[Task], ids: Sequence[str]) -> Answer:
    """Answer a search; the sources have the order of the stored documents."""
    hits = [
        {
            "_index": _INDEX,
            "_id": task_id,
            "_version": 1 + number % 4,
            "_seq_no": number,
            "_primary_term": 1,
            "_score": 1.0,
            "_source": in_map_order(task.model_dump()),
        }
        for number, (task, task_id) in enumerate(zip(tasks, ids, strict=True))
    ]
    body = {
        "took": 3,
        "timed_out": False,
        "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
        "hits": {
            "total": {"value": len(hits), "relation": "eq"},
            "max_score": 1.0 if hits else None,
            "hits": hits,
        },
    }
    return answer(dialect, "search", "POST", f"{TASKS}_search", encode(body).encode())


def deleted(dialect: Dialect, task_id: str) -> Answer:
    """Answer the deletion of a task."""
    body = {
        "_index": _INDEX,
        "_id": task_id,
        "_version": 4,
        "result": "deleted",
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "_seq_no": 42,
        "_primary_term": 1,
    }
    return answer(dialect, "deleted", "DELETE", TASKS + task_id, encode(body).encode())


def cancelled(dialect: Dialect, task_id: str) -> Answer:
    """Answer the cancelling of a batch job; the state follows with a later poll."""
    route = "_cancel_batch" if line_of(dialect) == (2, 17) else "_cancel"
    return answer(dialect, "cancelled", "POST", f"{TASKS}{task_id}/{route}", b'{"status":"OK"}')


def refused(dialect: Dialect, refusal: Refusal, task_id: str, model_id: str) -> Answer:
    """Answer with an error."""
    path = refusal.path.replace("{task_id}", task_id).replace("{model_id}", model_id)
    if line_of(dialect) == (2, 17):
        path = path.replace("/_cancel", "/_cancel_batch")
    body = refusal.body(task_id=task_id)
    return answer(dialect, refusal.name, refusal.method, path, body, status=refusal.status, headers=refusal.headers)
