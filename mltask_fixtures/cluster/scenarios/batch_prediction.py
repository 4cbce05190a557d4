"""Batch jobs of a remote service, in every state that the service can name, and every way it can fail.

ML Commons refuses loopback and private addresses when it asks for a job's status, so all of this plays in a network of
its own.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cluster.scenario import MissedError, Need, Scenario
from mltask_fixtures.cluster.scenarios._models import REMOTE_SETTINGS, embeddings_connector, register, remote_model
from mltask_fixtures.cluster.stub import BATCH_ID
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mltask_fixtures.cluster.scenario import Stage
    from mltask_fixtures.cluster.stub import Remote

_HELD = 3  # polls that see the job run

_REFUSED = (400, 401, 404, 429, 500, 503)


def _connector(url: str) -> dict[str, Any]:
    """The connector to embeddings, with the actions of batch jobs."""
    connector = embeddings_connector(url)
    headers = {"Content-Type": "application/json"}
    batch = {
        "action_type": "batch_predict",
        "method": "POST",
        "url": f"{url}/batches",
        "headers": headers,
        "request_body": '{ "input_file_id": "${parameters.input_file_id}", "endpoint": "/v1/embeddings", '
        '"completion_window": "24h" }',
    }
    status = {
        "action_type": "batch_predict_status",
        "method": "GET",
        "url": f"{url}/batches/${{parameters.id}}",
        "headers": headers,
        "request_body": "{}",  # an action without one is not taken
    }
    cancel = {
        "action_type": "cancel_batch_predict",
        "method": "POST",
        "url": f"{url}/batches/${{parameters.id}}/cancel",
        "headers": headers,
        "request_body": "{}",
    }
    return {**connector, "actions": [*connector["actions"], batch, status, cancel]}


@contextmanager
def deployed(stage: Stage) -> Iterator[tuple[Remote, str]]:
    """Give the service, and the id of a deployed model on it."""
    with stage.remote() as remote:
        model_id = register(stage, remote_model("remote-batches", stage.connector(_connector(remote.url))))
        stage.wait(stage.ml("POST", f"models/{model_id}/_deploy")["task_id"])
        stage.forget()
        yield remote, str(model_id)


def started(stage: Stage, model_id: str) -> str:
    """Start a batch job and give the id of its task."""
    asked = {"parameters": {"input_file_id": "file-1"}}
    return str(stage.ml("POST", f"models/{model_id}/_batch_predict", body=asked)["task_id"])


def _until(stage: Stage, task_id: str, state: TaskState) -> None:
    """Poll until the job is in this state, and once more: a poll carries the time of the change before it."""
    for _ in range(10):
        if stage.see(task_id)["state"] == state:
            stage.see(task_id)
            return
    raise MissedError(f"the job did not become {state}")


def play(stage: Stage, status: str, state: TaskState) -> None:
    """Start a job, see it run, have the service say this status, search for the task and delete it."""
    with deployed(stage) as (remote, model_id), stage.recorded():
        task_id = started(stage, model_id)
        for _ in range(_HELD):
            stage.see(task_id)
        remote.batch = status
        _until(stage, task_id, state)
        stage.search({"query": {"ids": {"values": [task_id]}}})
        if state is not TaskState.CANCELLING:
            stage.ml("DELETE", f"tasks/{task_id}")
            stage.refused(404, "GET", f"tasks/{task_id}")


def play_cancel(stage: Stage) -> None:
    """Start a job, cancel it, see it be cancelled, and then cancelled."""
    with deployed(stage) as (remote, model_id), stage.recorded():
        task_id = started(stage, model_id)
        for _ in range(_HELD):
            stage.see(task_id)
        stage.refused(500, "DELETE", f"tasks/{task_id}")
        stage.ml("POST", f"tasks/{task_id}/_cancel")
        remote.batch = "cancelling"
        _until(stage, task_id, TaskState.CANCELLING)
        remote.batch = "cancelled"
        _until(stage, task_id, TaskState.CANCELLED)
        stage.ml("POST", f"tasks/{task_id}/_cancel")


def play_errors(stage: Stage, status: int) -> None:
    """Poll while the service answers with this error: so does the poll, and the job goes on afterwards."""
    with deployed(stage) as (remote, model_id), stage.recorded():
        task_id = started(stage, model_id)
        stage.see(task_id)
        remote.fails = status
        stage.refused(status, "GET", f"tasks/{task_id}")
        stage.refused(status, "GET", f"tasks/{task_id}")
        remote.fails = 0
        stage.see(task_id)
        remote.batch = "completed"
        _until(stage, task_id, TaskState.COMPLETED)


def play_not_final(stage: Stage) -> None:
    """Have the service change its mind: a job that has completed fails, and completes again."""
    with deployed(stage) as (remote, model_id), stage.recorded():
        task_id = started(stage, model_id)
        stage.see(task_id)
        for status, state in (
            ("completed", TaskState.COMPLETED),
            ("failed", TaskState.FAILED),
            ("completed", TaskState.COMPLETED),
        ):
            remote.batch = status
            _until(stage, task_id, state)


def play_odd(stage: Stage) -> None:
    """Have the service answer what is no status: the state stays."""
    with deployed(stage) as (remote, model_id), stage.recorded():
        task_id = started(stage, model_id)
        for answer in ({}, {"status": ""}, {"status": "InProgress"}, {"state": 7}):
            remote.answer = {"id": BATCH_ID, **answer}
            stage.see(task_id)
        remote.answer = {"id": BATCH_ID, "status": "not_completed"}  # the status is searched for, not compared
        stage.see(task_id)
        remote.answer = None
        remote.batch = "completed"
        stage.see(task_id)


def play_limit(stage: Stage) -> None:
    """Start one job more than may run."""
    with deployed(stage) as (remote, model_id):
        stage.set({"plugins.ml_commons.max_batch_inference_tasks": 1})
        with stage.recorded():
            task_id = started(stage, model_id)
            stage.see(task_id)
            asked = {"parameters": {"input_file_id": "file-1"}}
            stage.refused(429, "POST", f"models/{model_id}/_batch_predict", body=asked)
            remote.batch = "completed"
            _until(stage, task_id, TaskState.COMPLETED)


def play_off(stage: Stage) -> None:
    """Poll and start while the feature is off: both are refused, and the job goes on afterwards."""
    off = {"plugins.ml_commons.offline_batch_inference_enabled": False}
    with deployed(stage) as (remote, model_id), stage.recorded():
        task_id = started(stage, model_id)
        stage.see(task_id)
        with stage.for_a_moment(off):
            stage.refused(500, "GET", f"tasks/{task_id}")
            stage.refused(500, "POST", f"tasks/{task_id}/_cancel")
            asked = {"parameters": {"input_file_id": "file-1"}}
            stage.refused(500, "POST", f"models/{model_id}/_batch_predict", body=asked)
        remote.batch = "completed"
        _until(stage, task_id, TaskState.COMPLETED)


def play_model_gone(stage: Stage) -> None:
    """Delete the model of a job that runs: polling the task is 404 from then on, though the task is there."""
    with deployed(stage) as (remote, model_id), stage.recorded():
        task_id = started(stage, model_id)
        stage.see(task_id)
        remote.batch = "completed"
        _until(stage, task_id, TaskState.COMPLETED)
        stage.ml("POST", f"models/{model_id}/_undeploy")
        stage.ml("DELETE", f"models/{model_id}")
        stage.refused(404, "GET", f"tasks/{task_id}")
        stage.search({"query": {"ids": {"values": [task_id]}}})


def _scenario(name: str, sentence: str, play: Any, *states: TaskState, since: str = "2.19.0") -> Scenario:
    return Scenario(
        name=f"batch-prediction-{name}",
        sentence=sentence,
        play=play,
        must_see={TaskType.BATCH_PREDICTION: (TaskState.RUNNING, *states)},
        settings=REMOTE_SETTINGS,
        since=since,
        needs=(Need.THIS_COMPUTER, Need.ISOLATION),
    )


# The status that the service says, and the state that comes of it.
_ENDS = (
    ("completed", TaskState.COMPLETED),
    ("failed", TaskState.FAILED),
    ("expired", TaskState.EXPIRED),
    ("cancelled", TaskState.CANCELLED),
)

SCENARIOS = (
    *(
        _scenario(
            status,
            f"A batch job runs until its service says {status!r}; the task is searched for and deleted.",
            partial(play, status=status, state=state),
            state,
        )
        for status, state in _ENDS
    ),
    _scenario(
        "cancel",
        "A batch job is cancelled: a deletion is refused while it runs, then CANCELLING, then CANCELLED.",
        play_cancel,
        TaskState.CANCELLING,
        TaskState.CANCELLED,
    ),
    *(
        _scenario(
            f"remote-{status}",
            f"The service of a batch job answers {status}: a poll answers the same, and the job goes on afterwards.",
            partial(play_errors, status=status),
            TaskState.COMPLETED,
        )
        for status in _REFUSED
    ),
    _scenario(
        "not-final",
        "A batch job that has completed is asked about again and has failed: its end states are not final.",
        play_not_final,
        TaskState.COMPLETED,
        TaskState.FAILED,
    ),
    _scenario(
        "odd-status",
        "The service of a batch job says what is no status, and then a word with a status in it.",
        play_odd,
        TaskState.COMPLETED,
    ),
    _scenario(
        "limit-429",
        "One batch job more than may run is refused: 429.",
        play_limit,
        TaskState.COMPLETED,
    ),
    _scenario(
        "switched-off",
        "Batch jobs are switched off while one runs: polling, cancelling and starting are refused, 500.",
        play_off,
        TaskState.COMPLETED,
    ),
    _scenario(
        "model-gone-404",
        "The model of a batch job is deleted: polling its task is 404, though a search still finds it.",
        play_model_gone,
        TaskState.COMPLETED,
    ),
)
