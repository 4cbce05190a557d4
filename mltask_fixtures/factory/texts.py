"""The keys of a payload that hold free text, put into the forms in which the servers send them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mltask_fixtures.contract import Dialect, ErrorForm, Kind, TaskState, TaskType
from mltask_fixtures.contract.wire import encode, in_map_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faker import Faker

_STATUS: Final[Mapping[TaskState, str]] = {
    TaskState.COMPLETED: "completed",
    TaskState.FAILED: "failed",
    TaskState.CANCELLED: "cancelled",
    TaskState.CANCELLING: "cancelling",
    TaskState.EXPIRED: "expired",
}
"""The remote service's word for a batch job whose task is in the state; `in_progress` for every other."""
_A_DAY_LATER: Final = 86_400


def error_text(fake: Faker, task_type: TaskType, state: TaskState, kind: Kind, nodes: list[str]) -> str:
    """Make the `error` of a task in the form of its dialect.

    Args:
        fake: a seeded Faker that has our provider.
        task_type: whose messages are taken.
        state: COMPLETED_WITH_ERROR leaves at least one node without an error.
        kind: the dialect's rules for the type.
        nodes: the node ids of the task.
    """
    message: str = fake.ml_error_message(task_type)
    failed = nodes[1:] if state is TaskState.COMPLETED_WITH_ERROR else nodes
    form = kind.error_forms[0] if kind.error_forms else ErrorForm.MESSAGE
    if form is ErrorForm.NODES_AS_JSON:
        return encode(in_map_order(dict.fromkeys(failed, message)))
    if form is ErrorForm.NODES_AS_JAVA_MAP:
        return "{" + ", ".join(f"{node}={message}" for node in in_map_order(dict.fromkeys(failed))) + "}"
    if form is ErrorForm.STACK_TRACE:
        return (
            f"java.lang.IllegalArgumentException: {message}\n"
            "\tat org.opensearch.ml.engine.ModelHelper.lambda$downloadAndSplit$3(ModelHelper.java:167)\n"
            "\tat java.base/java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1136)\n"
            "\tat java.base/java.lang.Thread.run(Thread.java:833)\n"
        )
    return message


def remote_job(fake: Faker, state: TaskState, create_time: Any, dialect: Dialect) -> dict[str, Any]:
    """Make what a remote service says of a batch job, as the server keeps it."""
    status = _STATUS.get(state, "in_progress")
    created = create_time // 1_000 if isinstance(create_time, int) else 0
    total = fake.random_int(1, 500)
    done = total if status == "completed" else fake.random_int(0, total)
    job = {
        "id": fake.bothify("batch_????????????????"),
        "object": "batch",
        "endpoint": "/v1/embeddings",
        "errors": None,
        "input_file_id": fake.bothify("file-????????????????"),
        "completion_window": "24h",
        "status": status,
        "output_file_id": fake.bothify("file-????????????????") if status == "completed" else None,
        "created_at": created,
        "expires_at": created + _A_DAY_LATER,
        "request_counts": {"total": total, "completed": done, "failed": 0},
        **dict.fromkeys(dialect.remote_adds),
    }
    kept: dict[str, Any] = as_kept("remote_job", job, dialect)
    return kept


def as_kept(key: str, value: Any, dialect: Dialect) -> Any:
    """Put a map into the form in which the server keeps it; what is no map of texts stays for the check to refuse."""
    if not (isinstance(value, dict) and all(isinstance(name, str) for name in value)):
        return value
    return in_map_order(_as_doubles(value) if key == "remote_job" and dialect.remote_numbers == "doubles" else value)


def _as_doubles(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_doubles(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def response(fake: Faker, state: TaskState, memory_id: str) -> dict[str, Any]:
    """Make what an agent's task shows in a state."""
    said: dict[str, Any] = {"memory_id": memory_id}
    if state is TaskState.FAILED:
        said["error_message"] = fake.ml_error_message(TaskType.AGENT_EXECUTION)
    if state is TaskState.COMPLETED:
        answer = {"name": "response", "dataAsMap": {"response": fake.ml_agent_answer()}}
        said["inference_results"] = [{"output": [{"name": "memory_id", "result": memory_id}, answer]}]
    return in_map_order(said)
