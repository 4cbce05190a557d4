"""Test code that polls OpenSearch ML Commons tasks: factories, real recordings and a checker.

Every public name is loaded when it is first used, so importing the package costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mltask_fixtures._errors import MLTaskFixturesError
    from mltask_fixtures.cassette import use_cassette
    from mltask_fixtures.contract import (
        DIALECTS,
        AgentExecutionTask,
        BatchIngestTask,
        BatchPredictionTask,
        DeployModelTask,
        Dialect,
        ExecutionTask,
        Finding,
        FunctionName,
        InputType,
        InvalidTaskError,
        LoadModelTask,
        PredictionTask,
        RegisterModelTask,
        Task,
        TaskState,
        TaskType,
        TrainingAndPredictionTask,
        TrainingTask,
        UploadModelTask,
        check,
        parse_task,
    )
    from mltask_fixtures.factory import Lifecycle, TaskFactory
    from mltask_fixtures.server import TaskServer

__all__ = [
    "DIALECTS",
    "AgentExecutionTask",
    "BatchIngestTask",
    "BatchPredictionTask",
    "DeployModelTask",
    "Dialect",
    "ExecutionTask",
    "Finding",
    "FunctionName",
    "InputType",
    "InvalidTaskError",
    "Lifecycle",
    "LoadModelTask",
    "MLTaskFixturesError",
    "PredictionTask",
    "RegisterModelTask",
    "Task",
    "TaskFactory",
    "TaskServer",
    "TaskState",
    "TaskType",
    "TrainingAndPredictionTask",
    "TrainingTask",
    "UploadModelTask",
    "check",
    "parse_task",
    "use_cassette",
]
__version__ = "0.1.0"

_ROOMS = {
    "Lifecycle": "mltask_fixtures.factory",
    "MLTaskFixturesError": "mltask_fixtures._errors",
    "TaskFactory": "mltask_fixtures.factory",
    "TaskServer": "mltask_fixtures.server",
    "use_cassette": "mltask_fixtures.cassette",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ROOMS.get(name, "mltask_fixtures.contract")), name)
    globals()[name] = value
    if "mltask_fixtures._hypothesis" in sys.modules:  # hypothesis came before the models did
        sys.modules["mltask_fixtures._hypothesis"].register()
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
