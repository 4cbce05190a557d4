"""A remote model's life: registered, deployed, asked, undeployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltask_fixtures.cluster.scenario import Need, Scenario
from mltask_fixtures.cluster.scenarios._models import REMOTE_SETTINGS, embeddings_connector, register, remote_model
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage


def play(stage: Stage) -> None:
    """Register it, deploy it, have it predict, undeploy it, delete it. The model must be on the server's computer."""
    with stage.remote() as remote:
        connector_id = stage.connector(embeddings_connector(remote.url))
        with stage.recorded():
            model_id = str(register(stage, remote_model("remote-embeddings", connector_id)))
            deployed = stage.ml("POST", f"models/{model_id}/_deploy")
            stage.wait(deployed["task_id"])
            stage.model(model_id)
            stage.ml("POST", f"models/{model_id}/_predict", body={"parameters": {"input": ["open", "search"]}})
            stage.ml("POST", f"models/{model_id}/_undeploy")
            stage.ml("DELETE", f"models/{model_id}")


def play_refused(stage: Stage) -> None:
    """Try what a remote registration refuses at once: no task comes of it."""
    unknown = "kP2vZZUB9xQ3nTmYb7Lc"
    with stage.remote() as remote:
        connector_id = stage.connector(embeddings_connector(remote.url))
        with stage.recorded():
            stage.refused(404, "POST", "models/_register", body=remote_model("remote-nowhere", unknown))
            grouped = {**remote_model("remote-grouped", connector_id), "model_group_id": unknown}
            stage.refused((404, 500), "POST", "models/_register", body=grouped)
            nameless = {**remote_model("remote-nameless", connector_id), "function_name": "remotely"}
            stage.refused(400, "POST", "models/_register", body=nameless)


def play_limit(stage: Stage) -> None:
    """Deploy where no deployment may run: the answer says COMPLETED, the task FAILED."""
    with stage.remote() as remote:
        connector_id = stage.connector(embeddings_connector(remote.url))
        with stage.recorded():
            model_id = str(register(stage, remote_model("remote-limited", connector_id)))
            deployed = stage.ml("POST", f"models/{model_id}/_deploy")
            stage.wait(deployed["task_id"])
            stage.model(model_id)


SCENARIOS = (
    Scenario(
        name="register-remote-model",
        sentence="A remote model is registered on a connector, deployed, asked once, undeployed and deleted.",
        play=play,
        must_see={
            # CREATED lasts some milliseconds after the answer: most polls come too late for it.
            TaskType.REGISTER_MODEL: (TaskState.COMPLETED,),
            TaskType.DEPLOY_MODEL: (TaskState.COMPLETED,),
        },
        settings=REMOTE_SETTINGS,
        needs=(Need.THIS_COMPUTER,),
    ),
    Scenario(
        name="register-remote-model-created",
        sentence="A remote model is registered, deployed and deleted; its registration is seen while it is CREATED.",
        play=play,
        must_see={
            TaskType.REGISTER_MODEL: (TaskState.CREATED, TaskState.COMPLETED),
            TaskType.DEPLOY_MODEL: (TaskState.COMPLETED,),
        },
        settings=REMOTE_SETTINGS,
        needs=(Need.THIS_COMPUTER,),
        attempts=20,
    ),
    Scenario(
        name="register-remote-model-refused",
        sentence="Registrations of remote models that are refused at once: no connector, no group, no such function.",
        play=play_refused,
        settings=REMOTE_SETTINGS,
        since="2.11.0",
        needs=(Need.THIS_COMPUTER,),
    ),
    Scenario(
        name="deploy-remote-limit-failed",
        sentence="A remote model is deployed where no deployment may run: the answer says COMPLETED, its task FAILED.",
        play=play_limit,
        must_see={TaskType.DEPLOY_MODEL: (TaskState.FAILED,)},
        settings={**REMOTE_SETTINGS, "plugins.ml_commons.max_deploy_model_tasks_per_node": 0},
        since="2.11.0",
        needs=(Need.THIS_COMPUTER,),
    ),
)
