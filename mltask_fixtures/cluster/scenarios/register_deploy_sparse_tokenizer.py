"""A local model's life: registered, deployed, undeployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltask_fixtures.cluster.scenario import Need, Scenario
from mltask_fixtures.cluster.scenarios._models import LOCAL_SETTINGS, local_model, model_zip, register
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage


def play(stage: Stage) -> None:
    """Register it from a file that the server reads, deploy it, look at it, undeploy it, delete it."""
    model = model_zip()
    url = stage.file("sparse-tokenizer.zip", model)
    with stage.recorded():
        model_id = register(stage, local_model("sparse-tokenizer", url, model))
        if model_id is None:
            return  # what is missing is told by the check
        deployed = stage.ml("POST", f"models/{model_id}/_deploy")
        stage.wait(deployed["task_id"])
        stage.model(model_id)
        stage.search({"query": {"term": {"model_id": model_id}}, "sort": [{"create_time": "asc"}]})
        stage.ml("POST", f"models/{model_id}/_undeploy")
        stage.ml("DELETE", f"models/{model_id}")


SCENARIO = Scenario(
    name="register-deploy-sparse-tokenizer",
    sentence="A local sparse tokenizer is registered from a file, deployed, undeployed and deleted.",
    play=play,
    must_see={
        TaskType.REGISTER_MODEL: (TaskState.CREATED, TaskState.COMPLETED),
        TaskType.DEPLOY_MODEL: (TaskState.CREATED, TaskState.RUNNING, TaskState.COMPLETED),
    },
    settings=LOCAL_SETTINGS,
    since="2.11.0",
    needs=(Need.THIS_COMPUTER,),
)
