"""What the task API may answer: words, ids, models, the table of dialects, and the check that reads it."""

from typing import TYPE_CHECKING, Any

from mltask_fixtures.contract.check import InvalidTaskError, check, parse_task
from mltask_fixtures.contract.dialect import (
    DIALECTS,
    Dialect,
    ErrorAnswer,
    ErrorForm,
    Kind,
    NewerServerWarning,
    UnknownDialectError,
)
from mltask_fixtures.contract.ids import (
    DocumentId,
    decode_document_id,
    is_node_id,
    mint_document_id,
    mint_node_id,
)
from mltask_fixtures.contract.reading import Finding
from mltask_fixtures.contract.task import (
    KINDS,
    AgentExecutionTask,
    BatchIngestTask,
    BatchPredictionTask,
    DeployModelTask,
    ExecutionTask,
    LoadModelTask,
    PredictionTask,
    RegisterModelTask,
    Task,
    TrainingAndPredictionTask,
    TrainingTask,
    UploadModelTask,
)
from mltask_fixtures.contract.vocabulary import FunctionName, InputType, TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.contract.responses import check_exchange

__all__ = [
    "DIALECTS",
    "KINDS",
    "AgentExecutionTask",
    "BatchIngestTask",
    "BatchPredictionTask",
    "DeployModelTask",
    "Dialect",
    "DocumentId",
    "ErrorAnswer",
    "ErrorForm",
    "ExecutionTask",
    "Finding",
    "FunctionName",
    "InputType",
    "InvalidTaskError",
    "Kind",
    "LoadModelTask",
    "NewerServerWarning",
    "PredictionTask",
    "RegisterModelTask",
    "Task",
    "TaskState",
    "TaskType",
    "TrainingAndPredictionTask",
    "TrainingTask",
    "UnknownDialectError",
    "UploadModelTask",
    "check",
    "check_exchange",
    "decode_document_id",
    "is_node_id",
    "mint_document_id",
    "mint_node_id",
    "parse_task",
]


def __getattr__(name: str) -> Any:
    if name != "check_exchange":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mltask_fixtures.contract import responses  # whose models are loaded for those who read answers only

    return responses.check_exchange
