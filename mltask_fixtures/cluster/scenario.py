"""What a scenario is, and the stage it plays on.

A scenario is one file in `scenarios/` that declares `SCENARIO`; nothing else has to know of it.
"""

from __future__ import annotations

import importlib
import pkgutil
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from mltask_fixtures._errors import OutsideError
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from opensearchpy import OpenSearch

    from mltask_fixtures.cluster.report import Report

_GOING_ON = {TaskState.CREATED, TaskState.RUNNING, TaskState.CANCELLING}

# Polls are dense where states change and rare where they do not: a short state is seen, and a recording stays short.
_FIRST_DELAY = 0.01  # seconds
_GROWTH = 1.5
_LONGEST_DELAY = 0.25  # seconds

_TASK_TIMEOUT = 120  # seconds
_RETRY_EVERY = 1.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scripted piece of work on a cluster that makes task lifecycles happen.

    Args:
        name: what the recording is called.
        sentence: what happens, for people.
        play: does it. What is done inside `with stage.recorded():` is recorded; all around it is preparation.
        must_see: the states that polling has to see for the recording to be worth keeping, by type of task.
        settings: cluster settings that it needs; they are put back afterwards.
        since: the first server version that can play it.
    """

    name: str
    sentence: str
    play: Callable[[Stage], None]
    must_see: Mapping[TaskType, tuple[TaskState, ...]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    since: str = "2.9.0"

    def runs_on(self, version: str) -> bool:
        """Whether a server of this version can play it.

        Example:
            >>> Scenario(name="x", sentence="", play=print, since="2.17.1").runs_on("2.9.0")
            False
        """
        return _ordered(version) >= _ordered(self.since)


def _ordered(version: str) -> list[int]:
    return [int(part) for part in version.split("-", 1)[0].split(".")]


@cache
def scenarios() -> dict[str, Scenario]:
    """Every scenario there is, by name: one for each file in `scenarios/`."""
    package = importlib.import_module("mltask_fixtures.cluster.scenarios")
    modules = (
        importlib.import_module(f"{package.__name__}.{one.name}") for one in pkgutil.iter_modules(package.__path__)
    )
    found: list[Scenario] = sorted((module.SCENARIO for module in modules), key=lambda scenario: scenario.name)
    return {scenario.name: scenario for scenario in found}


class MissedError(OutsideError):
    """A state that the scenario has to show was not seen."""


class Stage:
    """What a scenario plays on: a client of the cluster, and what has to be tidied up after it.

    Attributes:
        client: opensearch-py, talking to the cluster.
        states: the states seen so far, by type of task, in order.
        shown_as: literal text and what the recording shows in its place.
    """

    client: OpenSearch
    states: dict[str, list[str]]
    shown_as: dict[str, str]

    def __init__(
        self,
        connect: Callable[[], OpenSearch],
        capture: Callable[[Stage], AbstractContextManager[Any]],
        report: Report,
    ) -> None:
        """Make a stage.

        Args:
            connect: makes a client.
            capture: records what is done over HTTP inside of it.
            report: told about each state when it is seen.
        """
        self.client = connect()
        self.states = {}
        self.shown_as = {}
        self._connect = connect
        self._capture = capture
        self._report = report
        self._tidy_up = ExitStack()
        self._error = ""

    def __enter__(self) -> Self:
        """Begin; nothing is made yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Tidy up, last made first: also after a failure and Ctrl-C."""
        self._tidy_up.close()
        self.client.close()

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record what is done inside."""
        try:
            with self._capture(self):
                # A connection that is open already would pass the recorder by, and one that it made goes on with it.
                self._reconnect()
                yield
        finally:
            self._reconnect()

    def ml(self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Any = None) -> Any:
        """What ML Commons answers to this request, decoded.

        Args:
            method: of HTTP.
            path: below `/_plugins/_ml/`.
            params: of the query.
            body: sent as JSON.

        Raises:
            OpenSearchException: as opensearch-py does.
        """
        # Not `client.plugins.ml`: its verbs came one by one, over many releases.
        return self.client.transport.perform_request(method, f"/_plugins/_ml/{path}", params=params, body=body)

    def wait(self, task_id: str) -> dict[str, Any]:
        """Poll this task until it ends.

        Returns:
            The last body.

        Raises:
            OutsideError: it did not end in time.
        """
        end = time.monotonic() + _TASK_TIMEOUT
        state, delay = "", _FIRST_DELAY
        while True:
            task: dict[str, Any] = self.ml("GET", f"tasks/{task_id}")
            if task["state"] != state:
                state, delay = task["state"], _FIRST_DELAY
                self.states.setdefault(task["task_type"], []).append(state)
                self._error = str(task.get("error", ""))
                self._report.say(f"  {task['task_type']} {state} {self._error}".rstrip())
            if state not in _GOING_ON:
                return task
            if time.monotonic() > end:
                raise OutsideError(f"task {task_id} is still {state} after {_TASK_TIMEOUT} s.")
            time.sleep(delay)
            delay = min(delay * _GROWTH, _LONGEST_DELAY)

    def _reconnect(self) -> None:
        self.client.close()
        self.client = self._connect()

    def check(self, must_see: Mapping[TaskType, tuple[TaskState, ...]]) -> None:
        """See that these states were seen.

        Raises:
            MissedError: one was not.
        """
        for task_type, wanted in must_see.items():
            seen = self.states.get(task_type, [])
            if missed := [state for state in wanted if state not in seen]:
                raise MissedError(
                    f"{task_type} was to be seen {', '.join(wanted)}, but {', '.join(missed)} was not; "
                    f"seen: {', '.join(seen) or 'nothing'}. {self._error}".rstrip(),
                )

    def afterwards(self, undo: Callable[[], object]) -> None:
        """Call this when the scenario is over, however it ends; what is gone already is fine."""
        self._tidy_up.callback(self._undo, undo)

    def _undo(self, undo: Callable[[], object]) -> None:
        from opensearchpy.exceptions import NotFoundError, OpenSearchException

        try:
            undo()
        except NotFoundError:
            pass
        except OpenSearchException as error:
            self._report.say(f"  could not tidy up: {error}")

    def show(self, literal: str, *, as_: str) -> None:
        """Have the recording show other text in place of this one; to be said before it starts."""
        self.shown_as[literal] = as_

    def set(self, settings: Mapping[str, Any]) -> None:
        """Give the cluster these transient settings, and put back afterwards what was there."""
        if not settings:
            return
        before = self.client.cluster.get_settings(params={"flat_settings": "true"})["transient"]
        back = {name: before.get(name) for name in settings}
        self.afterwards(lambda: self.client.cluster.put_settings(body={"transient": back}))
        self.client.cluster.put_settings(body={"transient": dict(settings)})

    def fill(self, index: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Make this index of these rows, and remove it afterwards."""
        from opensearchpy.helpers import bulk

        self.client.indices.delete(index=index, params={"ignore_unavailable": "true"})
        self.afterwards(lambda: self.client.indices.delete(index=index))
        bulk(self.client, ({"_index": index, **row} for row in rows), refresh=True)

    def patiently(self, call: Callable[[], Any], *, while_: str, seconds: float) -> Any:
        """What this call answers, made again for some seconds while its error says this."""
        from opensearchpy.exceptions import TransportError

        end = time.monotonic() + seconds
        while True:
            try:
                return call()
            except TransportError as error:
                if while_ not in str(error.info) or time.monotonic() > end:
                    raise
                time.sleep(_RETRY_EVERY)


def remove_model(stage: Stage, model_id: str) -> None:
    """Remove this model from the cluster, deployed or not.

    Raises:
        NotFoundError: it is gone.
    """
    stage.ml("GET", f"models/{model_id}")  # of a model just gone, deleting says 500 and not 404
    stage.ml("POST", f"models/{model_id}/_undeploy")
    stage.ml("DELETE", f"models/{model_id}")
