"""Train k-means on petals and wait for the model."""

from __future__ import annotations

import time
from typing import Any

FAILED = {"FAILED", "CANCELLED", "EXPIRED", "UNREACHABLE"}


class TrainingFailedError(Exception):
    """The training ended without a model."""


def train(client: Any, index: str, *, interval: float = 0.01, polls: int = 200) -> str:
    """Start a training, wait for its end, and give the model's id."""
    started = client.plugins.ml.train(
        algorithm_name="kmeans",
        params={"async": "true"},
        body={
            "parameters": {"centroids": 3, "iterations": 10, "distance_type": "COSINE"},
            "input_query": {"_source": ["petal_length", "petal_width"], "size": 10_000},
            "input_index": [index],
        },
    )
    return wait(client, started["task_id"], interval=interval, polls=polls)


def wait(client: Any, task_id: str, *, interval: float = 0.01, polls: int = 200) -> str:
    """Poll a task until it ends, and give the model's id."""
    for _ in range(polls):
        task = client.plugins.ml.get_task(task_id=task_id)
        if outcome(task) is not None:
            return outcome(task)
        time.sleep(interval)
    raise TimeoutError(f"task {task_id} did not end within {polls} polls")


def outcome(task: dict[str, Any]) -> str | None:
    """The model's id once a task is done; None while it goes on."""
    if task["state"] in FAILED:
        raise TrainingFailedError(task.get("error", task["state"]))
    return task["model_id"] if task["state"] == "COMPLETED" else None
