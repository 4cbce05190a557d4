"""A training that completes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltask_fixtures.cluster.scenario import Scenario, remove_model
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mltask_fixtures.cluster.scenario import Stage

INDEX = "iris_data"
_ROWS = 10_000  # as many as one search gives: enough for RUNNING to last some polls

# Length and width in mm of the petals of three kinds of iris, about which the rows scatter.
_KINDS = ((15, 2), (43, 13), (56, 20))


def _rows() -> Iterator[dict[str, float]]:
    for number in range(_ROWS):
        length, width = _KINDS[number % 3]
        yield {"petal_length": length + number % 7 - 3, "petal_width": width + number % 5 / 2 - 1}


def play(stage: Stage) -> None:
    """Train on three heaps of points, predict with the model, and delete both task and model."""
    stage.fill(INDEX, _rows())
    with stage.recorded():
        started = stage.ml(
            "POST",
            "_train/kmeans",
            params={"async": "true"},
            body={
                "parameters": {"centroids": 3, "iterations": 10, "distance_type": "COSINE"},
                "input_query": {"_source": ["petal_length", "petal_width"], "size": _ROWS},
                "input_index": [INDEX],
            },
        )
        task_id = started["task_id"]
        model_id = stage.wait(task_id).get("model_id")
        if model_id is None:
            return  # what is missing is told by the check
        stage.afterwards(lambda: remove_model(stage, model_id))
        stage.ml(
            "POST",
            f"_predict/kmeans/{model_id}",
            body={
                "input_query": {"_source": ["petal_length", "petal_width"], "size": 3},
                "input_index": [INDEX],
            },
        )
        stage.ml("POST", "tasks/_search", body={"query": {"term": {"model_id": model_id}}})
        stage.ml("DELETE", f"models/{model_id}")
        stage.ml("DELETE", f"tasks/{task_id}")


SCENARIO = Scenario(
    name="train-kmeans-completed",
    sentence="An asynchronous k-means training completes; its model predicts once, then model and task are deleted.",
    play=play,
    must_see={TaskType.TRAINING: (TaskState.CREATED, TaskState.RUNNING, TaskState.COMPLETED)},
)
