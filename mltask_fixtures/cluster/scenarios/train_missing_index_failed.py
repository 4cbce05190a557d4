"""A training that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltask_fixtures.cluster.scenario import Scenario
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage


def play(stage: Stage) -> None:
    """Train on an index that is not there, and delete the failed task."""
    with stage.recorded():
        started = stage.ml(
            "POST",
            "_train/kmeans",
            params={"async": "true"},
            body={
                "parameters": {"centroids": 3, "iterations": 10, "distance_type": "COSINE"},
                "input_query": {"_source": ["petal_length", "petal_width"], "size": 150},
                "input_index": ["iris_mistyped"],
            },
        )
        stage.wait(started["task_id"])
        stage.ml("DELETE", f"tasks/{started['task_id']}")


SCENARIO = Scenario(
    name="train-missing-index-failed",
    sentence="An asynchronous k-means training on an index that does not exist fails; the task is then deleted.",
    play=play,
    must_see={TaskType.TRAINING: (TaskState.CREATED, TaskState.FAILED)},
)
