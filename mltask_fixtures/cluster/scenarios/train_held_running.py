"""A training that takes some seconds, looked at from all sides while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltask_fixtures.cluster.scenario import Scenario, remove_model
from mltask_fixtures.cluster.scenarios._training import INDEX, MANY, body, rows, train
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage

_EPOCHS = 60  # some seconds


def play(stage: Stage) -> None:
    """Train for long; meanwhile ask the profile and the search, and try to delete the task."""
    stage.fill(INDEX, rows(MANY))
    with stage.recorded():
        parameters = {"target": "petal_width", "epochs": _EPOCHS, "learning_rate": 0.001}
        task_id = train(stage, "linear_regression", body(parameters, "petal_length", "petal_width", "kind"))
        stage.wait(task_id, until=TaskState.RUNNING)
        stage.ml("GET", f"profile/tasks/{task_id}")
        stage.ml("GET", "profile/tasks")
        stage.search({"query": {"ids": {"values": [task_id]}}})
        stage.refused(500, "DELETE", f"tasks/{task_id}")
        model_id = stage.wait(task_id).get("model_id")
        if model_id is None:
            return  # what is missing is told by the check
        stage.afterwards(lambda: remove_model(stage, model_id))
        stage.search({"query": {"ids": {"values": [task_id]}}})
        stage.ml("GET", "profile/tasks")
        stage.ml("DELETE", f"tasks/{task_id}")
        stage.refused(404, "GET", f"tasks/{task_id}")
        stage.refused(404, "DELETE", f"tasks/{task_id}")


SCENARIO = Scenario(
    name="train-held-running",
    sentence="A long training: profile, search and a refused deletion while it runs, then its end, deletion and a 404.",
    play=play,
    must_see={TaskType.TRAINING: (TaskState.CREATED, TaskState.RUNNING, TaskState.COMPLETED)},
)
