"""Other ways to register a local model: in chunks, with its deployment, over the old routes, and slowly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltask_fixtures.cluster.scenario import Need, Scenario, remove_group, remove_model
from mltask_fixtures.cluster.scenarios._models import LOCAL_SETTINGS, local_model, model_zip, sha256
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage

_BALLAST = 12_000_000  # bytes: copying them takes a second


def play_chunks(stage: Stage) -> None:
    """Upload it in one piece without a task, then deploy it with one."""
    model, name = model_zip(), "sparse-tokenizer-in-chunks"
    about = {
        "name": name,
        "version": "1.0.0",
        "description": "five words",
        "function_name": "SPARSE_TOKENIZE",
        "model_format": "TORCH_SCRIPT",
        "model_content_hash_value": sha256(model),
        "model_content_size_in_bytes": len(model),
        "total_chunks": 1,
        "model_config": {"model_type": "bert", "embedding_dimension": 5, "framework_type": "huggingface_transformers"},
    }
    stage.afterwards(lambda: remove_group(stage, name))
    with stage.recorded():
        model_id = stage.ml("POST", "models/_register_meta", body=about)["model_id"]
        stage.afterwards(lambda: remove_model(stage, model_id))
        stage.ml("POST", f"models/{model_id}/upload_chunk/0", body=model)
        stage.model(model_id)
        deployed = stage.ml("POST", f"models/{model_id}/_deploy")
        stage.wait(deployed["task_id"])
        stage.model(model_id)


def play_with_deployment(stage: Stage) -> None:
    """Register it with `deploy=true`: the second task is found by a search only."""
    model, name = model_zip(), "sparse-tokenizer-at-once"
    url = stage.file("sparse-tokenizer.zip", model)
    stage.afterwards(lambda: remove_group(stage, name))
    with stage.recorded():
        started = stage.ml("POST", "models/_register", params={"deploy": "true"}, body=local_model(name, url, model))
        model_id = stage.wait(started["task_id"]).get("model_id")
        if model_id is None:
            return  # what is missing is told by the check
        stage.afterwards(lambda: remove_model(stage, model_id))
        terms = [{"term": {"model_id": model_id}}, {"term": {"task_type": "DEPLOY_MODEL"}}]
        query = {"query": {"bool": {"filter": terms}}}
        with stage.aside():
            stage.wait(stage.find(query))
        (found,) = stage.search(query)["hits"]["hits"]
        stage.see(found["_id"])
        stage.model(model_id)


def play_old_routes(stage: Stage) -> None:
    """Use `_upload`, `_load` and `_unload`, which the server calls deprecated; the tasks have today's types."""
    model, name = model_zip(), "sparse-tokenizer-the-old-way"
    url = stage.file("sparse-tokenizer.zip", model)
    stage.afterwards(lambda: remove_group(stage, name))
    with stage.recorded():
        started = stage.ml("POST", "models/_upload", body=local_model(name, url, model))
        model_id = stage.wait(started["task_id"]).get("model_id")
        if model_id is None:
            return  # what is missing is told by the check
        stage.afterwards(lambda: remove_model(stage, model_id))
        loaded = stage.ml("POST", f"models/{model_id}/_load")
        stage.wait(loaded["task_id"])
        stage.ml("POST", f"models/{model_id}/_unload")


def play_held(stage: Stage) -> None:
    """Register and deploy a large one: each state lasts, and the profile says RUNNING where GET says CREATED."""
    model = model_zip(filler=_BALLAST)
    url = stage.file("sparse-tokenizer.zip", model)
    name = "sparse-tokenizer-with-ballast"
    stage.afterwards(lambda: remove_group(stage, name))
    with stage.recorded():
        task_id = stage.ml("POST", "models/_register", body=local_model(name, url, model))["task_id"]
        stage.wait(task_id, until=TaskState.CREATED)
        stage.ml("GET", f"profile/tasks/{task_id}")
        model_id = stage.wait(task_id).get("model_id")
        if model_id is None:
            return  # what is missing is told by the check
        stage.afterwards(lambda: remove_model(stage, model_id))
        deployed = stage.ml("POST", f"models/{model_id}/_deploy")["task_id"]
        stage.wait(deployed, until=TaskState.RUNNING)
        stage.ml("GET", "profile/tasks")
        stage.refused(500, "DELETE", f"tasks/{deployed}")
        stage.wait(deployed)


def play_deleted(stage: Stage) -> None:
    """Delete the task while it is CREATED: it never comes back, the work goes on."""
    model = model_zip(filler=_BALLAST)
    url = stage.file("sparse-tokenizer.zip", model)
    name = "sparse-tokenizer-forgotten"
    stage.afterwards(lambda: remove_group(stage, name))
    with stage.recorded():
        task_id = stage.ml("POST", "models/_register", body=local_model(name, url, model))["task_id"]
        stage.wait(task_id, until=TaskState.CREATED)
        stage.ml("DELETE", f"tasks/{task_id}")
        stage.refused(404, "GET", f"tasks/{task_id}")
    model_id = stage.find({"query": {"term": {"name.keyword": name}}}, among="models")
    stage.afterwards(lambda: remove_model(stage, model_id))


_NEEDS = (Need.THIS_COMPUTER,)
_BOTH = {
    TaskType.REGISTER_MODEL: (TaskState.CREATED, TaskState.COMPLETED),
    TaskType.DEPLOY_MODEL: (TaskState.CREATED, TaskState.COMPLETED),
}

SCENARIOS = (
    Scenario(
        name="register-chunks-deploy",
        sentence="A local model is uploaded in a chunk, without a task, and deployed, with one.",
        play=play_chunks,
        must_see={TaskType.DEPLOY_MODEL: (TaskState.CREATED, TaskState.COMPLETED)},
        settings=LOCAL_SETTINGS,
        since="2.11.0",
        needs=_NEEDS,
    ),
    Scenario(
        name="register-with-deployment",
        sentence="A local model is registered with deploy=true: the second task's id is told by a search only.",
        play=play_with_deployment,
        must_see={
            TaskType.REGISTER_MODEL: (TaskState.CREATED, TaskState.COMPLETED),
            TaskType.DEPLOY_MODEL: (TaskState.COMPLETED,),
        },
        settings=LOCAL_SETTINGS,
        since="2.11.0",
        needs=_NEEDS,
    ),
    Scenario(
        name="register-deploy-old-routes",
        sentence="A local model comes and goes over _upload, _load and _unload: the tasks have today's types.",
        play=play_old_routes,
        must_see=_BOTH,
        settings=LOCAL_SETTINGS,
        since="2.11.0",
        needs=_NEEDS,
    ),
    Scenario(
        name="register-deploy-held",
        sentence="A local model of some megabytes: GET says CREATED while the profile says RUNNING.",
        play=play_held,
        must_see={
            TaskType.REGISTER_MODEL: (TaskState.CREATED, TaskState.COMPLETED),
            TaskType.DEPLOY_MODEL: (TaskState.CREATED, TaskState.RUNNING, TaskState.COMPLETED),
        },
        settings=LOCAL_SETTINGS,
        since="2.11.0",
        needs=_NEEDS,
    ),
    Scenario(
        name="register-task-deleted",
        sentence="A registration's task is deleted while it is CREATED: 404 from then on, though the work goes on.",
        play=play_deleted,
        must_see={TaskType.REGISTER_MODEL: (TaskState.CREATED,)},
        settings=LOCAL_SETTINGS,
        since="2.11.0",
        needs=_NEEDS,
    ),
)
