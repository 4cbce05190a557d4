"""What the trainings have in common: rows to train on, and the bodies of the calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mltask_fixtures.cluster.scenario import remove_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mltask_fixtures.cluster.scenario import Stage

INDEX = "iris_data"
MANY = 10_000  # as many as one search gives: enough for RUNNING to last some polls

# Length and width in mm of the petals of three kinds of iris, about which the rows scatter.
_KINDS = ((15, 2), (43, 13), (56, 20))


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Give measured petals, one a minute, the same each time."""
    for number in range(count):
        length, width = _KINDS[number % 3]
        yield {
            "petal_length": length + number % 7 - 3,
            "petal_width": width + number % 5 / 2 - 1,
            "kind": number % 3,
            "measured_at": f"2024-09-{1 + number // 1440:02}T{number // 60 % 24:02}:{number % 60:02}:00Z",
        }


def body(parameters: Mapping[str, Any], *fields: str, size: int = MANY, index: str = INDEX) -> dict[str, Any]:
    """Give the body that trains on these fields of the index."""
    return {
        "parameters": dict(parameters),
        "input_query": {"_source": list(fields), "size": size},
        "input_index": [index],
    }


def train(stage: Stage, algorithm: str, asked: Mapping[str, Any]) -> str:
    """Start a training and give the id of its task."""
    started = stage.ml("POST", f"_train/{algorithm}", params={"async": "true"}, body=asked)
    return str(started["task_id"])


def trained(stage: Stage) -> str:
    """Train quickly and give the id of the completed task; after that the cluster has an index of tasks."""
    stage.fill(INDEX, rows(100))
    asked = body({"centroids": 3, "iterations": 10, "distance_type": "COSINE"}, "petal_length", "petal_width", size=100)
    task_id = train(stage, "kmeans", asked)
    model_id = stage.wait(task_id)["model_id"]
    stage.afterwards(lambda: remove_model(stage, model_id))
    stage.forget()
    return task_id


def remove_index(stage: Stage, index: str) -> None:
    """Remove this index, if it is there."""
    stage.client.indices.delete(index=index, params={"ignore_unavailable": "true"})
