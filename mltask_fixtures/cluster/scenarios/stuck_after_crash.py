"""A task whose node crashed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mltask_fixtures.cluster.scenario import Need, Scenario
from mltask_fixtures.cluster.scenarios._training import INDEX, MANY, body, rows, train
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage


def play(stage: Stage) -> None:
    """Train for long, crash the node, start it again: the task says RUNNING for ever, and cannot be deleted."""
    stage.fill(INDEX, rows(MANY))
    with stage.recorded():
        parameters = {"target": "petal_width", "epochs": 3000, "learning_rate": 0.001}
        task_id = train(stage, "linear_regression", body(parameters, "petal_length", "petal_width", "kind"))
        stage.wait(task_id, until=TaskState.RUNNING)
        time.sleep(3)  # polls show a state before it is on the disk: crashed at once, the task is CREATED again
        stage.crash()
        stage.ml("GET", "profile/tasks")  # empty: nothing works at it any more
        stage.see(task_id)
        stage.search({"query": {"ids": {"values": [task_id]}}})
        time.sleep(2)
        stage.see(task_id)
        stage.refused(500, "DELETE", f"tasks/{task_id}")


SCENARIO = Scenario(
    name="stuck-after-crash",
    sentence="A node crashes while it trains and comes up again: the task says RUNNING for ever, nothing ends it.",
    play=play,
    must_see={TaskType.TRAINING: (TaskState.RUNNING,)},
    needs=(Need.OWN_NODE,),
)
