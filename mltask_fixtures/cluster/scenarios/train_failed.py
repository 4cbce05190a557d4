"""Trainings that fail, each for another reason."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cluster.scenario import Scenario
from mltask_fixtures.cluster.scenarios._training import INDEX, MANY, body, rows, train
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage

_FIELDS = ("petal_length", "petal_width")

# Name, what happens, algorithm, body.
_REASONS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    (
        "missing-target",
        "A linear regression is not told what to predict",
        "linear_regression",
        body({"epochs": 5}, *_FIELDS),
    ),
    (
        "unknown-target",
        "A linear regression is to predict a field that the rows lack",
        "linear_regression",
        body({"target": "sepal_width", "epochs": 5}, *_FIELDS),
    ),
    (
        "numeric-target",
        "A logistic regression is to predict a number, which it cannot",
        "logistic_regression",
        body({"target": "kind"}, *_FIELDS, "kind"),
    ),
    (
        "bad-centroids",
        "A k-means training is to find no heap at all",
        "kmeans",
        body({"centroids": 0, "iterations": 10, "distance_type": "COSINE"}, *_FIELDS),
    ),
    (
        "no-document",
        "A k-means training finds no document",
        "kmeans",
        {
            **body({"centroids": 3, "iterations": 10}, *_FIELDS),
            "input_query": {"query": {"match_none": {}}, "size": 10},
        },
    ),
)


def play(stage: Stage, algorithm: str, asked: dict[str, Any]) -> None:
    """Train, and delete the failed task."""
    stage.fill(INDEX, rows(100))
    with stage.recorded():
        task_id = train(stage, algorithm, asked)
        stage.wait(task_id)
        stage.ml("DELETE", f"tasks/{task_id}")


def play_timeout(stage: Stage) -> None:
    """Train for longer than the server grants, and see its watch end the task."""
    stage.fill(INDEX, rows(MANY))
    with stage.recorded():
        parameters = {"target": "petal_width", "epochs": 250, "learning_rate": 0.001}
        task_id = train(stage, "linear_regression", body(parameters, *_FIELDS, "kind"))
        stage.wait(task_id)
        stage.ml("DELETE", f"tasks/{task_id}")


SCENARIOS = (
    *(
        Scenario(
            name=f"train-{name}-failed",
            sentence=f"{what}: the training fails, and the task is deleted.",
            play=partial(play, algorithm=algorithm, asked=asked),
            must_see={TaskType.TRAINING: (TaskState.CREATED, TaskState.FAILED)},
        )
        for name, what, algorithm, asked in _REASONS
    ),
    Scenario(
        name="train-timeout-failed",
        sentence="A training runs for longer than ml_task_timeout_in_seconds: the server's watch lets it fail.",
        play=play_timeout,
        must_see={TaskType.TRAINING: (TaskState.CREATED, TaskState.RUNNING, TaskState.FAILED)},
        settings={"plugins.ml_commons.ml_task_timeout_in_seconds": 1},
    ),
)
