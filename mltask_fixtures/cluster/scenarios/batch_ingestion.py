"""Batch ingestions from a store of objects, as 2.17 to 2.19 could.

The store is a service of ours, to which the node's Java is redirected; see `namespace.JAVA_OPTIONS`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cluster.scenario import MissedError, Need, Scenario
from mltask_fixtures.cluster.scenarios._training import remove_index, trained
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage

_INDEX = "ingested"
_ROWS = b'{"chapter":"one","embedding":[0.1,0.2]}\n{"chapter":"two","embedding":[0.3,0.4]}\n'


def _body(*, index: str = _INDEX, path: str = "rows.jsonl", source: str = "s3") -> dict[str, Any]:
    return {
        "index_name": index,
        "field_map": {"chapter": "$.chapter", "chapter_embedding": "$.embedding"},
        "ingest_fields": ["$.chapter"],
        # The service takes any key; these are none of anybody's.
        "credential": {
            "region": "us-east-1",
            "access_key": "not-a-key",
            "secret_key": "not-a-key",
            "session_token": "not-a-key",
        },
        "data_source": {"type": source, "source": [f"s3://bucket/{path}"]},
    }


def _start(stage: Stage, body: dict[str, Any]) -> str:
    from opensearchpy.exceptions import SerializationError

    try:
        return str(stage.ml("POST", "_batch_ingestion", body=body)["task_id"])
    except SerializationError as cut:
        # Once in a while 2.19.1 sends its answer and an error over it, so that neither arrives whole.
        raise MissedError(f"the answer to the call that starts the ingestion was cut: {cut}") from cut


def play(stage: Stage, body: dict[str, Any]) -> None:
    """Ingest, and delete the task."""
    trained(stage)  # without an index of tasks the server cannot count those that run, and refuses
    with stage.remote() as remote:
        remote.objects["/bucket/rows.jsonl"] = _ROWS
        stage.afterwards(lambda: remove_index(stage, _INDEX))
        with stage.recorded():
            task_id = _start(stage, body)
            stage.wait(task_id)
            stage.search({"query": {"ids": {"values": [task_id]}}})
            stage.ml("DELETE", f"tasks/{task_id}")


def play_refused(stage: Stage) -> None:
    """Ask for what is refused at once: no source, and more than may run."""
    trained(stage)
    nowhere = {name: value for name, value in _body().items() if name != "data_source"}
    with stage.recorded():
        stage.refused(400, "POST", "_batch_ingestion", body=nowhere)
        with stage.for_a_moment({"plugins.ml_commons.max_batch_ingestion_tasks": 0}):
            stage.refused(429, "POST", "_batch_ingestion", body=_body())


def play_gone(stage: Stage) -> None:
    """Ask a server that has no such route any more."""
    with stage.recorded():
        stage.refused(400, "POST", "_batch_ingestion", body=_body())


def _scenario(name: str, sentence: str, body: dict[str, Any], *states: TaskState) -> Scenario:
    return Scenario(
        name=f"batch-ingest-{name}",
        sentence=sentence,
        play=partial(play, body=body),
        must_see={TaskType.BATCH_INGEST: states},
        since="2.17.0",
        until="3.0.0",
        needs=(Need.THIS_COMPUTER, Need.ISOLATION),
    )


SCENARIOS = (
    _scenario(
        "completed",
        "Two rows are ingested from a store of objects; the task is searched for and deleted.",
        _body(),
        TaskState.CREATED,
        TaskState.COMPLETED,
    ),
    _scenario(
        "no-object-failed",
        "The store of objects has no such object: the ingestion fails.",
        _body(path="missing.jsonl"),
        TaskState.CREATED,
        TaskState.FAILED,
    ),
    _scenario(
        "bad-index-failed",
        "Rows are to go into an index with an impossible name: the ingestion fails.",
        _body(index="Not_An_Index"),
        TaskState.FAILED,
    ),
    _scenario(
        "unknown-source-failed",
        "Rows are to come from a kind of store that the server does not know: the ingestion fails.",
        _body(source="nope"),
        TaskState.FAILED,
    ),
    Scenario(
        name="batch-ingest-refused",
        sentence="Ingestions that are refused at once: without a source, 400, and one more than may run, 429.",
        play=play_refused,
        since="2.18.0",
        until="3.0.0",
    ),
    Scenario(
        name="batch-ingest-no-route",
        sentence="From 3.0 on no route starts a batch ingestion: 400.",
        play=play_gone,
        since="3.0.0",
    ),
)
