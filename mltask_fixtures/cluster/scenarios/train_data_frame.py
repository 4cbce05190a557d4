"""Trainings on rows that come with the call, not from an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mltask_fixtures.cluster.scenario import Scenario, remove_model
from mltask_fixtures.cluster.scenarios._training import rows, train
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage

_FIELDS = ("petal_length", "petal_width")


def _body() -> dict[str, Any]:
    """The rows in the form of ML Commons: columns, then values each with its type."""
    values = [
        {"values": [{"column_type": "DOUBLE", "value": float(row[name])} for name in _FIELDS]} for row in rows(30)
    ]
    return {
        "parameters": {"centroids": 3, "iterations": 10, "distance_type": "COSINE"},
        "input_data": {
            "column_metas": [{"name": name, "column_type": "DOUBLE"} for name in _FIELDS],
            "rows": values,
        },
    }


def play(stage: Stage) -> None:
    """Train with a task, and delete it."""
    with stage.recorded():
        task_id = train(stage, "kmeans", _body())
        model_id = stage.wait(task_id).get("model_id")
        if model_id is None:
            return  # what is missing is told by the check
        stage.afterwards(lambda: remove_model(stage, model_id))
        stage.ml("DELETE", f"tasks/{task_id}")


def play_at_once(stage: Stage) -> None:
    """Train without a task: the answer is the model."""
    with stage.recorded():
        model_id = stage.ml("POST", "_train/kmeans", body=_body())["model_id"]
        stage.afterwards(lambda: remove_model(stage, model_id))
        stage.model(model_id)


SCENARIOS = (
    Scenario(
        name="train-data-frame-completed",
        sentence="An asynchronous training on rows that come with the call: its input_type is DATA_FRAME.",
        play=play,
        must_see={TaskType.TRAINING: (TaskState.CREATED, TaskState.COMPLETED)},
    ),
    Scenario(
        name="train-at-once",
        sentence="A synchronous training: the answer is the model, and there is no task.",
        play=play_at_once,
    ),
)
