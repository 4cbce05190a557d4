"""A training that completes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltask_fixtures.cluster.scenario import Scenario, remove_model
from mltask_fixtures.cluster.scenarios._training import INDEX, MANY, body, rows, train
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage


def play(stage: Stage) -> None:
    """Train on three heaps of points, predict with the model, and delete both task and model."""
    fields = ("petal_length", "petal_width")
    stage.fill(INDEX, rows(MANY))
    with stage.recorded():
        task_id = train(stage, "kmeans", body({"centroids": 3, "iterations": 10, "distance_type": "COSINE"}, *fields))
        model_id = stage.wait(task_id).get("model_id")
        if model_id is None:
            return  # what is missing is told by the check
        stage.afterwards(lambda: remove_model(stage, model_id))
        stage.ml("POST", f"_predict/kmeans/{model_id}", body=body({}, *fields, size=3))
        stage.search({"query": {"term": {"model_id": model_id}}})
        stage.ml("DELETE", f"models/{model_id}")
        stage.ml("DELETE", f"tasks/{task_id}")


SCENARIO = Scenario(
    name="train-kmeans-completed",
    sentence="An asynchronous k-means training completes; its model predicts once, then model and task are deleted.",
    play=play,
    must_see={TaskType.TRAINING: (TaskState.CREATED, TaskState.RUNNING, TaskState.COMPLETED)},
)
