"""The answers around a task: what starts it, a search that finds it, its deletion, and every error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mltask_fixtures.contract import Dialect, FunctionName, Task, TaskState, TaskType, check_exchange
from mltask_fixtures.contract.answers import TASKS, Refusal, Start, line_of, refusals
from mltask_fixtures.contract.check import InvalidTaskError
from mltask_fixtures.contract.wire import encode, map_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INDEX: Final = ".plugins-ml-task"
"""Where a server keeps its tasks."""
_PREFIX: Final = "/_plugins/_ml/"
_WAITING: Final = (TaskState.CREATED, TaskState.RUNNING)
UNPROFILED: Final = frozenset({TaskType.BATCH_INGEST, TaskType.BATCH_PREDICTION, TaskType.AGENT_EXECUTION})
"""The types that no node was seen to hold in memory."""
_REFRESHED: Final = (2, 19)


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


def as_stored(task_type: TaskType, state: TaskState, dialect: Dialect) -> tuple[int, frozenset[str]]:
    """Give how often a task was written by the time it is in a state, and the keys that its last update added."""
    kind = dialect.kinds[task_type]
    before = [one for one in _WAITING if one in kind.states]
    if state is TaskState.CANCELLED and TaskState.CANCELLING in kind.states:
        before.append(TaskState.CANCELLING)
    version = before.index(state) + 1 if state in before else len(before) + 1
    return version, frozenset(kind.states[state])


def hit(
    body: Mapping[str, Any], task_id: str, number: int, stored: tuple[int, frozenset[str]], index: str = INDEX
) -> dict[str, Any]:
    """Give what a search finds of a task.

    The keys of a stored document are in the order of a HashMap, where a later one of the same bucket comes later.
    """
    version, late = stored
    source = {key: body[key] for key in map_order(sorted(body, key=late.__contains__))}
    said = {"_index": index, "_id": task_id, "_version": version, "_seq_no": number, "_primary_term": 1}
    return {**said, "_score": 1.0, "_source": source}


def search_answer(total: int, hits: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Give the answer of a search; `hits.hits` is its last key."""
    found = {"total": {"value": total, "relation": "eq"}, "max_score": 1.0 if total else None, "hits": list(hits)}
    shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
    return {"took": 2, "timed_out": False, "_shards": shards, "hits": found}


def found(dialect: Dialect, tasks: Sequence[Task], ids: Sequence[str]) -> Answer:
    """Answer a search."""
    hits = [
        hit(task.model_dump(), task_id, number, as_stored(task.task_type, task.state, dialect))
        for number, (task, task_id) in enumerate(zip(tasks, ids, strict=True))
    ]
    return answer(dialect, "search", "POST", f"{TASKS}_search", encode(search_answer(len(hits), hits)).encode())


def profiled(dialect: Dialect, tasks: Sequence[Task], ids: Sequence[str]) -> Answer:
    """Answer what runs now; memory holds a task as RUNNING from its start, and never updates its time."""
    nodes: dict[str, Any] = {}
    for task, task_id in zip(tasks, ids, strict=True):
        if task.state in _WAITING:
            running = {"state": TaskState.RUNNING.value, "last_update_time": task.create_time}
            node = task.worker_node.split(",") if isinstance(task.worker_node, str) else task.worker_node or []
            body = {"task_id": task_id, **task.model_dump(), **running}
            nodes.setdefault(node[0], {"tasks": {}})["tasks"][task_id] = body
    body = {"nodes": nodes} if nodes else {}
    return answer(dialect, "profile", "GET", f"{_PREFIX}profile/tasks", encode(body).encode())


def trained(dialect: Dialect, task: Task) -> Answer:
    """Answer a training that the caller waited for: the model, and no task."""
    body = {"model_id": task.model_id, "status": task.state.value}
    path = f"{_PREFIX}_train/{str(task.function_name).lower()}"
    return answer(dialect, "trained", "POST", path, encode(body).encode())


def deleted(dialect: Dialect, task: Task, task_id: str) -> Answer:
    """Answer the deletion of a task, which is one more write."""
    body = {
        "_index": INDEX,
        "_id": task_id,
        "_version": as_stored(task.task_type, task.state, dialect)[0] + 1,
        "result": "deleted",
        # Recorded of 2.19.1 and 3.6.0; the documentation shows an answer without it.
        **({"forced_refresh": True} if dialect.ordered and line_of(dialect) >= _REFRESHED else {}),
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "_seq_no": 42,
        "_primary_term": 1,
    }
    return answer(dialect, "deleted", "DELETE", TASKS + task_id, encode(body).encode())


def cancelled(dialect: Dialect, task_id: str) -> Answer:
    """Answer the cancelling of a batch job; the state follows with a later poll."""
    route = "_cancel_batch" if line_of(dialect) == (2, 17) else "_cancel"
    return answer(dialect, "cancelled", "POST", f"{TASKS}{task_id}/{route}", b'{"status":"OK"}')


def refused(dialect: Dialect, task_id: str, model_id: str) -> list[Answer]:
    """Answer with each error."""
    return [_refused(dialect, refusal, task_id, model_id) for refusal in refusals(dialect)]


def _refused(dialect: Dialect, refusal: Refusal, task_id: str, model_id: str) -> Answer:
    path = refusal.path.replace("{task_id}", task_id).replace("{model_id}", model_id)
    if line_of(dialect) == (2, 17):
        path = path.replace("/_cancel", "/_cancel_batch")
    body = refusal.body(task_id=task_id)
    return answer(dialect, refusal.name, refusal.method, path, body, status=refusal.status, headers=refusal.headers)
