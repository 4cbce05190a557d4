"""What the routes of tasks answer to requests that are unusual or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltask_fixtures.cluster.scenario import MissedError, Scenario
from mltask_fixtures.cluster.scenarios._training import INDEX, body, rows, trained
from mltask_fixtures.cluster.scenarios.unknown_task_id import TASK_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mltask_fixtures.cluster.scenario import Stage

_PARAMETERS = {"centroids": 3, "iterations": 10, "distance_type": "COSINE"}


def _expect(status: int, answer: tuple[int, Mapping[str, str], str]) -> None:
    if answer[0] != status:
        raise MissedError(f"{status} was expected, but the server answered {answer[0]}: {answer[2]:.300}")


def play_forms(stage: Stage) -> None:
    """Ask for one completed task in every form that is text."""
    task_id = trained(stage)
    path = f"tasks/{task_id}"
    with stage.recorded():
        stage.see(task_id)
        for params in (
            {"pretty": "true"},
            {"format": "yaml"},
            {"format": "nonsense"},
            {"filter_path": "state,model_id"},
            {"filter_path": "nope"},
            {"human": "true"},
            {"error_trace": "true"},
        ):
            _expect(200, stage.raw("GET", path, params=params))
        for headers in (
            {"accept": "application/yaml"},
            {"accept": "text/html"},
            {"accept-encoding": "gzip"},
            {"x-opaque-id": "my-request"},
            {"x-request-id": "my-request"},
        ):
            _expect(200, stage.raw("GET", path, headers=headers))
        _expect(200, stage.raw("GET", f"{path}/"))
        _expect(404, stage.raw("GET", f"tasks/{TASK_ID}", headers={"accept-encoding": "gzip"}))
        _expect(404, stage.raw("GET", f"tasks/{TASK_ID}", params={"format": "yaml"}))
        _expect(404, stage.raw("GET", f"tasks/{TASK_ID}", params={"pretty": "true"}))


def play_methods(stage: Stage) -> None:
    """Use every other method on a task's URL."""
    with stage.recorded():
        for method in ("POST", "PUT", "PATCH", "HEAD"):
            _expect(405, stage.raw(method, f"tasks/{TASK_ID}"))
        _expect(200, stage.raw("OPTIONS", f"tasks/{TASK_ID}"))


def play_no_id(stage: Stage) -> None:
    """Leave the id out, and ask for what is no route."""
    with stage.recorded():
        for path in ("tasks/", "tasks", f"tasks/{TASK_ID}/more", f"tasks//{TASK_ID}"):
            _expect(400, stage.raw("GET", path))
        _expect(400, stage.raw("POST", f"tasks/{TASK_ID}/_cancel_batch"))


def play_parameters(stage: Stage) -> None:
    """Give parameters that no task's URL has: that is looked at before the id."""
    with stage.recorded():
        for params in ({"wait_for_completion": "true"}, {"foo": "1", "bar": "2"}, {"pretty": "nope"}):
            stage.refused(400, "GET", f"tasks/{TASK_ID}", params=params)
        stage.refused(400, "DELETE", f"tasks/{TASK_ID}", params={"foo": "1"})


def play_search(stage: Stage) -> None:
    """Search for tasks: by id, by type and state, for nothing, and without a body."""
    task_id = trained(stage)
    find = {"query": {"ids": {"values": [task_id]}}}
    with stage.recorded():
        stage.see(task_id)
        stage.search(find)
        stage.search(find, method="GET")
        terms = [{"term": {"task_type": "TRAINING"}}, {"term": {"state": "FAILED"}}, find["query"]]
        stage.search({"query": {"bool": {"filter": terms}}})
        stage.search({"query": {"match_none": {}}})
        stage.refused(400, "POST", "tasks/_search", body={"query": {"nonsense": {}}})


def play_cancel(stage: Stage) -> None:
    """Cancel what cannot be: a task that is not there, and a training."""
    task_id = trained(stage)
    with stage.recorded():
        stage.refused(404, "POST", f"tasks/{TASK_ID}/_cancel")
        stage.refused((400, 404, 500), "POST", f"tasks/{task_id}/_cancel")
        stage.see(task_id)


def play_breakers(stage: Stage) -> None:
    """Train and predict while the breaker for a full disk is open: the task's own URL does not care."""
    task_id = trained(stage)
    stage.set({"plugins.ml_commons.disk_free_space_threshold": "1024tb"})
    asked = body(_PARAMETERS, "petal_length", "petal_width", size=100)
    with stage.recorded():
        stage.refused(429, "POST", "_train/kmeans", params={"async": "true"}, body=asked)
        stage.refused(429, "POST", "_train/kmeans", body=asked)
        stage.see(task_id)


def play_memory_breaker(stage: Stage) -> None:
    """Train while the breaker for a full memory is open."""
    stage.fill(INDEX, rows(100))
    stage.set({"plugins.ml_commons.jvm_heap_memory_threshold": 1})
    asked = body(_PARAMETERS, "petal_length", "petal_width", size=100)
    with stage.recorded():
        stage.refused(429, "POST", "_train/kmeans", params={"async": "true"}, body=asked)


def play_parent_breaker(stage: Stage) -> None:
    """Poll while OpenSearch's own breaker is open: then even a poll is refused, and the next one is not."""
    task_id = trained(stage)
    with stage.recorded():
        stage.see(task_id)
        with stage.for_a_moment({"indices.breaker.total.limit": "1mb"}):
            stage.refused(429, "GET", f"tasks/{task_id}")
        stage.see(task_id)


SCENARIOS = (
    Scenario(
        name="get-task-forms",
        sentence="A task in every form: pretty, YAML, filtered, gzip, with a trailing slash, with ids in headers.",
        play=play_forms,
    ),
    Scenario(
        name="wrong-method",
        sentence="Methods that a task's URL does not have: 405, and what is allowed.",
        play=play_methods,
    ),
    Scenario(
        name="empty-task-id",
        sentence="A task's URL without an id, and others that are no route: 400.",
        play=play_no_id,
    ),
    Scenario(
        name="unknown-parameter",
        sentence="Parameters that a task's URL does not have: 400, whatever the id.",
        play=play_parameters,
    ),
    Scenario(
        name="search-tasks",
        sentence="Tasks are searched for by id, type and state; a query that is none is refused.",
        play=play_search,
    ),
    Scenario(
        name="cancel-refused",
        sentence="A task that is not there, and a training, cannot be cancelled.",
        play=play_cancel,
        since="2.17.1",
    ),
    Scenario(
        name="disk-breaker-429",
        sentence="While the breaker for a full disk is open no training starts: 429; a poll is answered.",
        play=play_breakers,
        since="2.15.0",
    ),
    Scenario(
        name="memory-breaker-429",
        sentence="While the breaker for a full memory is open no training starts: 429.",
        play=play_memory_breaker,
        since="2.15.0",
    ),
    Scenario(
        name="get-task-429",
        sentence="While OpenSearch's own memory breaker is open a poll is refused, 429; the next one is answered.",
        play=play_parent_breaker,
    ),
)
