"""What only a cluster of two nodes shows; the second takes no local model."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mltask_fixtures.cluster.scenario import MissedError, Need, Scenario, remove_model
from mltask_fixtures.cluster.scenarios._models import (
    LOCAL_SETTINGS,
    REMOTE_SETTINGS,
    embeddings_connector,
    local_model,
    model_zip,
    register,
    remote_model,
)
from mltask_fixtures.cluster.scenarios._training import INDEX, body, rows, train
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage

_POLLS = 60
_STEP_BACK = ["CREATED", "RUNNING", "CREATED"]
_REST = 2.0  # seconds


def _deploy(stage: Stage, model: bytes) -> None:
    url = stage.file("sparse-tokenizer.zip", model)
    with stage.recorded():
        model_id = register(stage, local_model("sparse-tokenizer-on-two", url, model))
        if model_id is None:
            return  # what is missing is told by the check
        stage.wait(stage.ml("POST", f"models/{model_id}/_deploy")["task_id"])
        stage.model(model_id)


def play_partly(stage: Stage) -> None:
    """Deploy on both: the first takes it, the second does not."""
    _deploy(stage, model_zip())


def play_failed(stage: Stage) -> None:
    """Deploy on both what the first cannot read and the second does not take."""
    _deploy(stage, model_zip(broken=True))


def play_remote(stage: Stage) -> None:
    """Deploy a remote model on both: the second's limit is for local ones."""
    with stage.remote() as remote:
        connector_id = stage.connector(embeddings_connector(remote.url))
        with stage.recorded():
            model_id = str(register(stage, remote_model("remote-on-two", connector_id)))
            stage.wait(stage.ml("POST", f"models/{model_id}/_deploy")["task_id"])
            stage.model(model_id)


def play_step_back(stage: Stage) -> None:
    """Poll a short training without pause until an answer is older than the one before; then wait for the end."""
    stage.fill(INDEX, rows(1000))
    with stage.recorded():
        asked = body({"centroids": 3, "iterations": 10, "distance_type": "COSINE"}, "petal_length", size=1000)
        task_id = train(stage, "kmeans", asked)
        seen: list[str] = []
        for _ in range(_POLLS):
            state = stage.see(task_id)["state"]
            seen += [state] if [state] != seen[-1:] else []
            if len(seen) == len(_STEP_BACK):
                break
        time.sleep(_REST)  # by now both nodes say the same
        model_id = stage.wait(task_id)["model_id"]
        stage.afterwards(lambda: remove_model(stage, model_id))
        if seen != _STEP_BACK:
            raise MissedError(f"no answer was older than the one before; seen: {', '.join(seen)}")


_CREATED = (TaskState.CREATED, TaskState.COMPLETED)

SCENARIOS = (
    Scenario(
        name="deploy-two-nodes-completed-with-error",
        sentence="A local model is deployed on two nodes, one of which takes none: COMPLETED_WITH_ERROR.",
        play=play_partly,
        must_see={
            TaskType.REGISTER_MODEL: _CREATED,
            TaskType.DEPLOY_MODEL: (TaskState.CREATED, TaskState.RUNNING, TaskState.COMPLETED_WITH_ERROR),
        },
        settings=LOCAL_SETTINGS,
        since="2.11.0",
        needs=(Need.THIS_COMPUTER, Need.TWO_NODES),
        attempts=10,
    ),
    Scenario(
        name="deploy-two-nodes-failed",
        sentence="A local model fails on both of two nodes, for another reason on each.",
        play=play_failed,
        must_see={TaskType.DEPLOY_MODEL: (TaskState.CREATED, TaskState.FAILED)},
        settings=LOCAL_SETTINGS,
        since="2.11.0",
        needs=(Need.THIS_COMPUTER, Need.TWO_NODES),
        attempts=10,
    ),
    Scenario(
        name="deploy-two-nodes-remote-completed",
        sentence="A remote model is deployed on both of two nodes.",
        play=play_remote,
        must_see={TaskType.DEPLOY_MODEL: (TaskState.COMPLETED,)},
        settings=REMOTE_SETTINGS,
        needs=(Need.THIS_COMPUTER, Need.TWO_NODES),
    ),
    Scenario(
        name="two-nodes-step-back",
        sentence="On two nodes an answer may be older than the one before it: a poller sees a state step back.",
        play=play_step_back,
        must_see={
            TaskType.TRAINING: (TaskState.CREATED, TaskState.RUNNING, TaskState.CREATED, TaskState.COMPLETED),
        },
        needs=(Need.TWO_NODES,),
        attempts=60,
    ),
)
