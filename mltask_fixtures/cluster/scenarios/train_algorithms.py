"""A training of each other algorithm that trains: they differ in parameters only."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cluster.scenario import Scenario, remove_model
from mltask_fixtures.cluster.scenarios._training import INDEX, body, rows, train
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage

_SIZE = 1000

# Algorithm, parameters, fields that it reads.
_ALGORITHMS: tuple[tuple[str, dict[str, Any], tuple[str, ...]], ...] = (
    (
        "linear_regression",
        {"target": "petal_width", "epochs": 5, "learning_rate": 0.001},
        ("petal_length", "petal_width"),
    ),
    (
        "fit_rcf",
        {
            "shingle_size": 8,
            "time_field": "measured_at",
            "date_format": "yyyy-MM-dd'T'HH:mm:ss'Z'",
            "time_zone": "UTC",
        },
        ("measured_at", "petal_length"),
    ),
    ("batch_rcf", {"shingle_size": 1}, ("petal_length",)),
    ("rcf_summarize", {"max_k": 3, "distance_type": "L2"}, ("petal_length", "petal_width")),
    ("sample_algo", {"sample_param": 1}, ("petal_length", "petal_width")),
    ("ad_libsvm", {}, ("petal_length", "petal_width")),
)


def play(stage: Stage, algorithm: str, parameters: dict[str, Any], fields: tuple[str, ...]) -> None:
    """Train, look at the task a last time, and delete it."""
    stage.fill(INDEX, rows(_SIZE))
    with stage.recorded():
        task_id = train(stage, algorithm, body(parameters, *fields, size=_SIZE))
        model_id = stage.wait(task_id).get("model_id")
        if model_id is None:
            return  # what is missing is told by the check
        stage.afterwards(lambda: remove_model(stage, model_id))
        stage.model(model_id)
        stage.ml("DELETE", f"tasks/{task_id}")


SCENARIOS = tuple(
    Scenario(
        name=f"train-{algorithm.replace('_', '-')}-completed",
        sentence=f"An asynchronous training of {algorithm} completes; its model is looked at and its task deleted.",
        play=partial(play, algorithm=algorithm, parameters=parameters, fields=fields),
        must_see={TaskType.TRAINING: (TaskState.CREATED, TaskState.COMPLETED)},
    )
    for algorithm, parameters, fields in _ALGORITHMS
)
