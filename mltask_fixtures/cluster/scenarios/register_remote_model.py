"""A remote model's life: registered, deployed, asked, undeployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mltask_fixtures.cluster.scenario import Scenario, remove_model
from mltask_fixtures.cluster.stub import remote_model
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage

_KEY_SOON = "master key has not been initialized"
_KEY_WAIT = 60  # seconds; a new cluster makes the key for connectors' secrets about 20 s after its start


def _connector(url: str) -> dict[str, Any]:
    return {
        "name": "embeddings",
        "description": "a remote model on loopback",
        "version": "1",
        "protocol": "http",
        "parameters": {"model": "stub-embeddings"},
        "credential": {"key": "none"},
        "actions": [
            {
                "action_type": "predict",
                "method": "POST",
                "url": f"{url}/v1/embeddings",
                "headers": {"Content-Type": "application/json"},
                "request_body": '{ "model": "${parameters.model}", "input": ${parameters.input} }',
            },
        ],
    }


def play(stage: Stage) -> None:
    """Register it, deploy it, have it predict, undeploy it, delete it. The model must be on the server's computer."""
    with remote_model() as url:
        made = stage.patiently(
            lambda: stage.ml("POST", "connectors/_create", body=_connector(url)),
            while_=_KEY_SOON,
            seconds=_KEY_WAIT,
        )
        connector_id = made["connector_id"]
        stage.afterwards(lambda: stage.ml("DELETE", f"connectors/{connector_id}"))
        stage.show(url, as_="http://127.0.0.1:8080")
        with stage.recorded():
            registered = stage.ml(
                "POST",
                "models/_register",
                body={
                    "name": "remote-embeddings",
                    "function_name": "remote",
                    "description": "four numbers for each text",
                    "connector_id": connector_id,
                },
            )
            model_id = registered["model_id"]
            stage.afterwards(lambda: remove_model(stage, model_id))
            stage.wait(registered["task_id"])
            deployed = stage.ml("POST", f"models/{model_id}/_deploy")
            stage.wait(deployed["task_id"])
            stage.ml("GET", f"models/{model_id}")
            stage.ml("POST", f"models/{model_id}/_predict", body={"parameters": {"input": ["open", "search"]}})
            stage.ml("POST", f"models/{model_id}/_undeploy")
            stage.ml("DELETE", f"models/{model_id}")


SCENARIO = Scenario(
    name="register-remote-model",
    sentence="A remote model is registered on a connector, deployed, asked once, undeployed and deleted.",
    play=play,
    must_see={
        # CREATED lasts some milliseconds after the answer: most polls come too late for it.
        TaskType.REGISTER_MODEL: (TaskState.COMPLETED,),
        TaskType.DEPLOY_MODEL: (TaskState.COMPLETED,),
    },
    settings={
        "plugins.ml_commons.only_run_on_ml_node": False,
        "plugins.ml_commons.connector.private_ip_enabled": True,
        "plugins.ml_commons.trusted_connector_endpoints_regex": [r"^http://127\.0\.0\.1.*$"],
    },
)
