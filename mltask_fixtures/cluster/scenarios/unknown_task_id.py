"""A task that nobody started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltask_fixtures.cluster.scenario import Scenario

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage

TASK_ID = "kP2vZZUB9xQ3nTmYb7Lc"  # has the form of one


def play(stage: Stage) -> None:
    """Ask for it."""
    with stage.recorded():
        stage.refused(404, "GET", f"tasks/{TASK_ID}")


SCENARIO = Scenario(
    name="unknown-task-id",
    sentence="A task id that the cluster does not know: 404.",
    play=play,
)
