"""The keys of a payload that hold free text, put into the forms in which the servers send them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from mltask_fixtures.contract import Dialect, ErrorForm, Kind, TaskState, TaskType
from mltask_fixtures.contract.wire import encode, in_map_order, map_order
from mltask_fixtures.factory.draws import TextRandom

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from faker.generator import Generator

    from mltask_fixtures.factory.provider import MLTaskProvider

_STATUS: Final[Mapping[TaskState, str]] = {
    TaskState.COMPLETED: "completed",
    TaskState.FAILED: "failed",
    TaskState.CANCELLED: "cancelled",
    TaskState.CANCELLING: "cancelling",
    TaskState.EXPIRED: "expired",
}
"""The remote service's word for a batch job whose task is in the state; `in_progress` for every other."""
_A_DAY_LATER: Final = 86_400


class Texts:
    """Makes the texts of payloads, each from a number of its own, so that no text moves another.

    Args:
        source: the faker generator whose locale gives the words; by default one of faker's default locale, which is
            made when the first text is.
    """

    def __init__(self, source: Generator | None = None) -> None:
        """Keep the source; faker is imported when the first text is made."""
        self._source = source
        self._random = TextRandom()

    @cached_property
    def _provider(self) -> MLTaskProvider:
        from faker import Factory
        from faker.generator import Generator

        from mltask_fixtures.factory.provider import MLTaskProvider, lorem_of

        source = self._source or Factory.create(providers=["faker.providers.lorem"])
        generator = Generator()
        generator.random = self._random
        generator.add_provider(lorem_of(source))
        return MLTaskProvider(generator)

    def error(self, seed: int, task_type: TaskType, state: TaskState, kind: Kind, nodes: Sequence[str]) -> str:
        """Make the `error` of a task in the form of its dialect.

        Args:
            seed: the number that the text depends on.
            task_type: whose messages are taken.
            state: COMPLETED_WITH_ERROR leaves at least one node without an error.
            kind: the dialect's rules for the type.
            nodes: the node ids of the task.
        """
        provider = self._provider
        self._random.seed(seed)
        message = provider.ml_error_message(task_type)
        failed = nodes[1:] if state is TaskState.COMPLETED_WITH_ERROR else nodes
        form = kind.error_forms[0] if kind.error_forms else ErrorForm.MESSAGE
        if form is ErrorForm.NODES_AS_JSON:
            return encode(dict.fromkeys(map_order(failed), message))
        if form is ErrorForm.NODES_AS_JAVA_MAP:
            return "{" + ", ".join(f"{node}={message}" for node in map_order(failed)) + "}"
        if form is ErrorForm.STACK_TRACE:
            return (
                f"java.lang.IllegalArgumentException: {message}\n"
                "\tat org.opensearch.ml.engine.ModelHelper.lambda$downloadAndSplit$3(ModelHelper.java:167)\n"
                "\tat java.base/java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1136)\n"
                "\tat java.base/java.lang.Thread.run(Thread.java:833)\n"
            )
        return message

    def remote_job(self, seed: int, state: TaskState, create_time: int, dialect: Dialect) -> dict[str, Any]:
        """Make what a remote service says of a batch job, as the server keeps it; no state changes its ids."""
        draw = self._random
        draw.seed(seed)
        digits = f"{draw.getrandbits(320):080x}"
        done, total = sorted((int(digits[:4], 16) % 500, 1 + int(digits[4:8], 16) % 500))
        status = _STATUS.get(state, "in_progress")
        created, number = create_time // 1_000, float if dialect.remote_numbers == "doubles" else int
        values = {
            "id": f"batch_{digits[8:32]}",
            "object": "batch",
            "endpoint": "/v1/embeddings",
            "errors": None,
            "input_file_id": f"file-{digits[32:56]}",
            "completion_window": "24h",
            "status": status,
            "output_file_id": f"file-{digits[56:]}" if status == "completed" else None,
            "created_at": number(created),
            "expires_at": number(created + _A_DAY_LATER),
            "request_counts": {
                "total": number(total),
                "completed": number(total if status == "completed" else done),
                "failed": number(0),
            },
            **dict.fromkeys(dialect.remote_adds),
        }
        return in_map_order(values)

    def response(self, seed: int, state: TaskState, memory_id: str) -> dict[str, Any]:
        """Make what an agent's task shows in a state."""
        provider = self._provider
        self._random.seed(seed)
        said: dict[str, Any] = {"memory_id": memory_id}
        if state is TaskState.FAILED:
            said["error_message"] = provider.ml_error_message(TaskType.AGENT_EXECUTION)
        if state is TaskState.COMPLETED:
            answer = {"name": "response", "dataAsMap": {"response": provider.ml_agent_answer()}}
            said["inference_results"] = [{"output": [{"name": "memory_id", "result": memory_id}, answer]}]
        return in_map_order(said)


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
