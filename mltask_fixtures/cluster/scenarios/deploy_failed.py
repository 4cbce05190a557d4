"""Deployments that fail, and those that a second one meets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltask_fixtures.cluster.scenario import Need, Scenario, remove_model
from mltask_fixtures.cluster.scenarios._models import LOCAL_SETTINGS, local_model, model_zip, register
from mltask_fixtures.cluster.scenarios._training import INDEX, body, rows, train
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage


def _deploy(stage: Stage, model: bytes, *, times: int = 1) -> None:
    url = stage.file("sparse-tokenizer.zip", model)
    with stage.recorded():
        model_id = register(stage, local_model("sparse-tokenizer-in-vain", url, model))
        if model_id is None:
            return  # what is missing is told by the check
        started = [stage.ml("POST", f"models/{model_id}/_deploy")["task_id"] for _ in range(times)]
        for task_id in reversed(started):
            stage.wait(task_id)
        stage.model(model_id)


def play_broken(stage: Stage) -> None:
    """Deploy a model whose tokenizer cannot be read: registering does not look at it."""
    _deploy(stage, model_zip(broken=True))


def play_limit(stage: Stage) -> None:
    """Deploy where the node may hold no model."""
    _deploy(stage, model_zip())


def play_twice(stage: Stage) -> None:
    """Deploy it, and again before the first is done."""
    _deploy(stage, model_zip(filler=4_000_000), times=2)


def play_trained(stage: Stage) -> None:
    """Deploy the model of a k-means training."""
    stage.fill(INDEX, rows(100))
    with stage.recorded():
        asked = body({"centroids": 3, "iterations": 10, "distance_type": "COSINE"}, "petal_length", size=100)
        model_id = stage.wait(train(stage, "kmeans", asked)).get("model_id")
        if model_id is None:
            return  # what is missing is told by the check
        stage.afterwards(lambda: remove_model(stage, model_id))
        stage.wait(stage.ml("POST", f"models/{model_id}/_deploy")["task_id"])


_REGISTERED = (TaskState.CREATED, TaskState.COMPLETED)
_FAILED = {TaskType.REGISTER_MODEL: _REGISTERED, TaskType.DEPLOY_MODEL: (TaskState.CREATED, TaskState.FAILED)}

SCENARIOS = (
    Scenario(
        name="deploy-broken-tokenizer-failed",
        sentence="A local model whose tokenizer cannot be read is registered, and fails to be deployed.",
        play=play_broken,
        must_see=_FAILED,
        settings=LOCAL_SETTINGS,
        since="2.11.0",
        needs=(Need.THIS_COMPUTER,),
    ),
    Scenario(
        name="deploy-model-limit-failed",
        sentence="A local model is deployed on a node that may hold none.",
        play=play_limit,
        must_see=_FAILED,
        settings={**LOCAL_SETTINGS, "plugins.ml_commons.max_model_on_node": 0},
        since="2.11.0",
        needs=(Need.THIS_COMPUTER,),
    ),
    Scenario(
        name="deploy-twice-at-once",
        sentence="A local model is deployed twice at once: one task completes, the other fails as a duplicate.",
        play=play_twice,
        must_see={
            TaskType.REGISTER_MODEL: _REGISTERED,
            TaskType.DEPLOY_MODEL: (TaskState.COMPLETED, TaskState.FAILED),
        },
        settings=LOCAL_SETTINGS,
        since="2.11.0",
        needs=(Need.THIS_COMPUTER,),
    ),
    Scenario(
        name="deploy-trained-kmeans-completed",
        sentence="The model of a k-means training is deployed, as 2.x could.",
        play=play_trained,
        must_see={TaskType.DEPLOY_MODEL: (TaskState.COMPLETED,)},
        until="3.0.0",
    ),
    Scenario(
        name="deploy-trained-kmeans-failed",
        sentence="The model of a k-means training is deployed, as 3.x cannot any more.",
        play=play_trained,
        must_see={TaskType.DEPLOY_MODEL: (TaskState.FAILED,)},
        since="3.0.0",
    ),
)
