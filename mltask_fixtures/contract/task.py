"""The task, as pydantic models: one kind per task type, a discriminated union on `task_type`.

The models accept what any released server or the documentation may say of a kind; `check` holds a body to one dialect.
Order of the keys and what may be absent: `MLTask.toXContent` of ML Commons.
"""

# The kinds narrow the types of inherited fields; that is sound, for every model is frozen.
# pyright: reportIncompatibleVariableOverride=false
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    StrictBool,
    StrictFloat,
    StrictStr,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from mltask_fixtures.contract.vocabulary import FunctionName, InputType, TaskState, TaskType
from mltask_fixtures.contract.wire import encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FIRST_TIME = 946_684_800_000
"""2000-01-01, in ms since the epoch: no task is older than the software."""
LAST_TIME = 4_102_444_800_000
"""2100-01-01, in ms since the epoch: what lies beyond was not counted in milliseconds."""
LONGEST_TEXT = 1_048_576
"""Characters in one text; far above any message that a server was seen to send."""
LONGEST_ID = 512
"""Characters in one id; a server's own have 20 or 22, names of hidden models more."""

WIRE_ORDER = (
    "task_id",
    "model_id",
    "task_type",
    "function_name",
    "state",
    "input_type",
    "progress",
    "output_index",
    "worker_node",
    "create_time",
    "last_update_time",
    "error",
    "user",
    "is_async",
    "remote_job",
    "response",
    "tenant_id",
)
"""The order in which every server writes the keys."""


class _AbsentNotNull:
    """None in Python says that the key is absent; an explicit null is refused, for no server sends one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        inner: CoreSchema = schema["schema"] if schema["type"] == "nullable" else schema
        return inner


_Optional = _AbsentNotNull()
_Text: TypeAlias = Annotated[StrictStr, Field(max_length=LONGEST_TEXT)]
_Id: TypeAlias = Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_ID)]
_Time: TypeAlias = Annotated[int, Field(strict=True, ge=FIRST_TIME, le=LAST_TIME)]

_FUNCTION = "one of the function names, in upper case"
_NODES = "a list of node ids, or before 2.5 one text with commas between them"
_JOB = "an object: what the remote service said of its job"
_ANSWER = "an object: what the agent said"


def _says(what: str) -> Any:
    """Say what a field holds; pydantic could read it from the source, at a cost that each process would pay."""
    return Field(description=what)


class Task(BaseModel):
    """One ML task as `GET /_plugins/_ml/tasks/<task_id>` shows it; each task type has a kind of its own.

    `Task.model_validate` and a field of type `Task` give the kind that `task_type` names. A key that a body does not
    have is None here and is left out again by `model_dump` and `model_dump_json`.

    Example:
        >>> task = Task.model_validate({
        ...     "model_id": "l7lamX8BO5w8y8Ra2oty", "task_type": "TRAINING", "function_name": "KMEANS",
        ...     "state": "COMPLETED", "input_type": "SEARCH_QUERY", "worker_node": "54xOe0w8Qjyze00UuLDfdA",
        ...     "create_time": 1647545342556, "last_update_time": 1647545342587, "is_async": True})
        >>> type(task).__name__, task.state
        ('TrainingTask', <TaskState.COMPLETED: 'COMPLETED'>)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    task_id: Annotated[
        _Id | None, _Optional, _says("the document id of the task; servers show it in the profile only")
    ] = None
    model_id: Annotated[_Id | None, _Optional, _says("the id of the model, a text of 1 to 512 characters")] = None
    task_type: Annotated[TaskType, _says("one of the task types")]
    function_name: Annotated[FunctionName | None, _Optional, _says(_FUNCTION)] = None
    state: Annotated[TaskState, _says("one of the task states")]
    input_type: Annotated[InputType | None, _Optional, _says("one of the input types")] = None
    progress: Annotated[StrictFloat | None, _Optional, _says("a number with a point, such as 0.5")] = None
    output_index: Annotated[_Text | None, _Optional, _says("the name of an index")] = None
    worker_node: Annotated[list[_Id] | _Text | None, _Optional, _says(_NODES)] = None
    create_time: Annotated[_Time, _says("whole milliseconds since the epoch, from 2000 to 2100")]
    last_update_time: Annotated[
        _Time, _says("whole milliseconds since the epoch, from 2000 to 2100, and not before create_time")
    ]
    error: Annotated[_Text | None, _Optional, _says("a text of at most 1,048,576 characters")] = None
    user: Annotated[dict[str, Any] | None, _Optional, _says("an object with the user's name and roles")] = None
    is_async: Annotated[StrictBool, _says("true or false")]
    tenant_id: Annotated[_Text | None, _Optional, _says("the id of the tenant, a text")] = None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Give `Task` itself the schema of the union of its kinds, which `defer_build` lets it know by now."""
        if cls is Task:
            return handler.generate_schema(AnyTask)
        return handler(source)

    @model_validator(mode="after")
    def _in_time_order(self) -> Self:
        if type(self) is Task:  # here, for a `__new__` in Python would cost each payload more
            raise TypeError("Task is the base of its kinds: call one of them, Task.model_validate or parse_task")
        if self.last_update_time < self.create_time:
            raise PydanticCustomError(
                "time_order",
                "last_update_time {last} lies before create_time {create}",
                {"last": self.last_update_time, "create": self.create_time},
            )
        return self

    @model_serializer(mode="wrap")
    def _as_body(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = handler(self)
        return {key: _plain(fields[key]) for key in WIRE_ORDER if fields.get(key) is not None}

    def model_dump_json(self, **options: Any) -> str:
        """Give the compact text that a server would send, byte for byte.

        Args:
            **options: pydantic's own options; with any of them the text is pydantic's, not a server's.

        Example:
            >>> BatchIngestTask(task_type="BATCH_INGEST", state="CREATED", create_time=1725491751455,
            ...                 last_update_time=1725491751455, is_async=True).model_dump_json()[:43]
            '{"task_type":"BATCH_INGEST","state":"CREATE'
        """
        if options:
            return super().model_dump_json(**options)
        return encode(self.model_dump())

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show the keys that the body has, in the body's order."""
        return ((key, value) for key in WIRE_ORDER if (value := getattr(self, key, None)) is not None)


def _plain(value: Any) -> Any:
    """An enum's member as the text that `json.loads` would give."""
    return value.value if isinstance(value, (TaskType, TaskState, FunctionName, InputType)) else value


class _WithFunction(Task):
    function_name: Annotated[FunctionName, _says(_FUNCTION)]  # pyright: ignore[reportGeneralTypeIssues] - required
    worker_node: Annotated[list[_Id] | _Text, _says(_NODES)]  # pyright: ignore[reportGeneralTypeIssues] - required


class TrainingTask(_WithFunction):
    """Training an algorithm (`POST _train/<algorithm>?async=true`)."""

    task_type: Literal[TaskType.TRAINING]


class PredictionTask(_WithFunction):
    """A prediction; it lives in memory only, so only the documentation's dialect has it as an answer."""

    task_type: Literal[TaskType.PREDICTION]


class TrainingAndPredictionTask(_WithFunction):
    """Training and predicting in one; it lives in memory only."""

    task_type: Literal[TaskType.TRAINING_AND_PREDICTION]


class ExecutionTask(_WithFunction):
    """Executing an algorithm; no server ever wrote one."""

    task_type: Literal[TaskType.EXECUTION]


class UploadModelTask(_WithFunction):
    """Registering a model, as servers before 2.7 called it."""

    task_type: Literal[TaskType.UPLOAD_MODEL]


class LoadModelTask(_WithFunction):
    """Deploying a model, as servers before 2.7 called it."""

    task_type: Literal[TaskType.LOAD_MODEL]


class RegisterModelTask(_WithFunction):
    """Registering a model (`POST models/_register`)."""

    task_type: Literal[TaskType.REGISTER_MODEL]


class DeployModelTask(_WithFunction):
    """Deploying a model to nodes (`POST models/<model_id>/_deploy`)."""

    task_type: Literal[TaskType.DEPLOY_MODEL]


class BatchIngestTask(Task):
    """Ingesting files in bulk (`POST _batch_ingestion`); servers show no function and no node."""

    task_type: Literal[TaskType.BATCH_INGEST]


class BatchPredictionTask(_WithFunction):
    """A batch job of a remote model (`POST models/<model_id>/_batch_predict`)."""

    task_type: Literal[TaskType.BATCH_PREDICTION]
    remote_job: Annotated[dict[str, Any] | None, _Optional, _says(_JOB)] = None


class AgentExecutionTask(_WithFunction):
    """An agent at work (`POST agents/<agent_id>/_execute?async=true`)."""

    task_type: Literal[TaskType.AGENT_EXECUTION]
    response: Annotated[dict[str, Any] | None, _Optional, _says(_ANSWER)] = None


AnyTask: TypeAlias = Annotated[
    TrainingTask
    | PredictionTask
    | TrainingAndPredictionTask
    | ExecutionTask
    | UploadModelTask
    | LoadModelTask
    | RegisterModelTask
    | DeployModelTask
    | BatchIngestTask
    | BatchPredictionTask
    | AgentExecutionTask,
    Field(discriminator="task_type"),
]


class UnknownKind(Task):
    """Every field of every kind: finds what else is wrong with a body whose `task_type` is unknown."""

    task_type: Any = None
    remote_job: Annotated[dict[str, Any] | None, _Optional, _says(_JOB)] = None
    response: Annotated[dict[str, Any] | None, _Optional, _says(_ANSWER)] = None


KINDS: Mapping[TaskType, type[Task]] = {
    TaskType.TRAINING: TrainingTask,
    TaskType.PREDICTION: PredictionTask,
    TaskType.TRAINING_AND_PREDICTION: TrainingAndPredictionTask,
    TaskType.EXECUTION: ExecutionTask,
    TaskType.UPLOAD_MODEL: UploadModelTask,
    TaskType.LOAD_MODEL: LoadModelTask,
    TaskType.REGISTER_MODEL: RegisterModelTask,
    TaskType.DEPLOY_MODEL: DeployModelTask,
    TaskType.BATCH_INGEST: BatchIngestTask,
    TaskType.BATCH_PREDICTION: BatchPredictionTask,
    TaskType.AGENT_EXECUTION: AgentExecutionTask,
}
"""The kind of each task type."""
