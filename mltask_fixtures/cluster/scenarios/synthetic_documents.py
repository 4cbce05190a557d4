"""Tasks that no released server makes by itself: documents written by hand, and what a real server answers about them.

These recordings are kept apart, and say in their metadata why they are synthetic.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cluster.scenario import TASKS, Need, Scenario
from mltask_fixtures.cluster.scenarios._models import REMOTE_SETTINGS
from mltask_fixtures.cluster.scenarios._training import trained
from mltask_fixtures.cluster.scenarios.batch_prediction import deployed, started
from mltask_fixtures.contract import TaskState, TaskType
from mltask_fixtures.contract.ids import mint_document_id, mint_node_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mltask_fixtures.cluster.scenario import Stage

_BEGAN = 1_669_800_000_000  # ms since 1970: a day on which such servers were new
_MAC = bytes.fromhex("04ef30f08cb5")
_NODES = [mint_node_id(bytes(range(16))), mint_node_id(bytes(range(16, 32)))]
_MODEL_BEFORE = mint_document_id(_BEGAN - 60_000, 1, _MAC)
_MODEL_DURING = mint_document_id(_BEGAN + 400, 3, _MAC)
_TASK = mint_document_id(_BEGAN + 20, 2, _MAC)


def _write(stage: Stage, document: Mapping[str, Any]) -> None:
    with stage.aside() as client:
        client.index(index=TASKS, id=_TASK, body=document, params={"refresh": "true"})


def _states(task_type: TaskType, end: TaskState) -> tuple[TaskState, ...]:
    """The states that GET shows of such a task: while it uploads, RUNNING is in memory only."""
    running = (TaskState.RUNNING,) if task_type is TaskType.LOAD_MODEL else ()
    return (TaskState.CREATED, *running, end)


def play(stage: Stage, task_type: TaskType, end: TaskState) -> None:
    """Write the task's document in each of its states, and poll each time."""
    trained(stage)
    deploys = task_type is TaskType.LOAD_MODEL
    states = _states(task_type, end)
    document: dict[str, Any] = {
        **({"model_id": _MODEL_BEFORE} if deploys else {}),
        "task_type": task_type,
        "function_name": "TEXT_EMBEDDING",
        "state": "CREATED",
        "worker_node": _NODES if deploys else _NODES[:1],
        "create_time": _BEGAN,
        "last_update_time": _BEGAN,
        "is_async": True,
    }
    with stage.recorded():
        for number, state in enumerate(states):
            document |= {"state": state, "last_update_time": _BEGAN + 450 * number}
            if state is TaskState.COMPLETED and not deploys:
                document["model_id"] = _MODEL_DURING
            if state is TaskState.FAILED:
                document["error"] = "model content changed"
            if state is TaskState.COMPLETED_WITH_ERROR:
                document["error"] = json.dumps({_NODES[1]: "Exceed max model per node limit"}, separators=(",", ":"))
            _write(stage, document)
            stage.see(_TASK)


def play_unreachable(stage: Stage) -> None:
    """Start a real batch job, write into its document what the server's own job was to write, and poll."""
    with deployed(stage) as (remote, model_id), stage.recorded():
        task_id = started(stage, model_id)
        stage.see(task_id)
        remote.fails = 503
        stage.refused(503, "GET", f"tasks/{task_id}")
        with stage.aside() as client:
            client.update(index=TASKS, id=task_id, body={"doc": {"state": "UNREACHABLE"}}, params={"refresh": "true"})
        stage.refused(503, "GET", f"tasks/{task_id}")
        remote.fails = 0
        stage.see(task_id)


_OLD = (
    "Servers before 2.7 make tasks of this type and later ones do not: the documents are written by hand, "
    "the answers are a later server's."
)

# Type, where it ends.
_ENDS = (
    (TaskType.UPLOAD_MODEL, TaskState.COMPLETED),
    (TaskType.UPLOAD_MODEL, TaskState.FAILED),
    (TaskType.LOAD_MODEL, TaskState.COMPLETED),
    (TaskType.LOAD_MODEL, TaskState.COMPLETED_WITH_ERROR),
)

SCENARIOS = (
    *(
        Scenario(
            name=f"{task_type.lower().replace('_', '-')}-{end.lower().replace('_', '-')}",
            sentence=f"A task of the type {task_type}, as servers before 2.7 made it, from CREATED to {end}.",
            play=partial(play, task_type=task_type, end=end),
            must_see={task_type: _states(task_type, end)},
            synthetic=_OLD,
            dialect="2.5",
        )
        for task_type, end in _ENDS
    ),
    Scenario(
        name="batch-prediction-unreachable",
        sentence="A batch job whose service was silent for too long is UNREACHABLE.",
        play=play_unreachable,
        must_see={TaskType.BATCH_PREDICTION: (TaskState.RUNNING, TaskState.UNREACHABLE)},
        settings=REMOTE_SETTINGS,
        since="2.19.0",
        needs=(Need.THIS_COMPUTER, Need.ISOLATION),
        synthetic=(
            "The state is in the vocabulary, but no released server writes it: its job for batch tasks loses the flag "
            "for that. It is written into the document by hand; the answers are a real server's."
        ),
        dialect="models",
    ),
)
