"""What a scenario is, and the stage it plays on.

A scenario is one file in `scenarios/` that declares `SCENARIO`, or `SCENARIOS` where several differ in data only;
nothing else has to know of it.
"""

from __future__ import annotations

import importlib
import pkgutil
import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mltask_fixtures._errors import OutsideError, WrongUseError
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from opensearchpy import OpenSearch

    from mltask_fixtures.cluster.report import Report
    from mltask_fixtures.cluster.stub import Remote

TASKS = ".plugins-ml-task"
"""The index of tasks."""

_MODEL_GOING_ON = {"REGISTERING", "DEPLOYING"}
_GOING_ON = {TaskState.CREATED, TaskState.RUNNING, TaskState.CANCELLING}

# Polls are dense where states change and rare where they do not: a short state is seen, and a recording stays short.
_FIRST_DELAY = 0.005  # seconds
_GROWTH = 1.15
_LONGEST_DELAY = 2.0  # seconds

_TASK_TIMEOUT = 120  # seconds
_RETRY_EVERY = 1.0  # seconds
_FIND_TIMEOUT = 30  # seconds

_KEY_SOON = ("master key has not been initialized", "Fetching master key timed out")
_KEY_WAIT = 60  # seconds; a new cluster makes the key for connectors' secrets about 20 s after its start


class Need(StrEnum):
    """What a scenario needs of a cluster beside ML Commons itself."""

    THIS_COMPUTER = "this computer"
    """It runs on this computer: it reads files and asks services that the scenario puts here."""
    OWN_NODE = "own node"
    """It is one that the recorder started, so that it may crash it."""
    TWO_NODES = "two nodes"
    """It has a second node, whose own settings let it take no local model."""
    ISOLATION = "isolation"
    """It and the recorder are in a network of their own, see `namespace`."""

    @property
    def words(self) -> str:
        """What is needed, and how to have it."""
        return _NEEDS[self]


_NEEDS = {
    Need.THIS_COMPUTER: "needs a cluster on this computer",
    Need.OWN_NODE: "crashes the node, so it needs one that is started for it: record with --server",
    Need.TWO_NODES: "needs two nodes, the second of which takes no model: record with --server",
    Need.ISOLATION: "needs a network of its own (Linux, root, iproute2): record with --server",
}


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
        until: the first server version that cannot play it any more; "" where none is known.
        needs: what it needs beside.
        attempts: how often it is played at most until all is seen.
        synthetic: why no server does this by itself, where the scenario writes a task's document by hand; the recording
            is then kept apart, with this reason in it.
        dialect: that the recording is held to; "" for the server's own, `models` for the models alone.
    """

    name: str
    sentence: str
    play: Callable[[Stage], None]
    must_see: Mapping[TaskType, tuple[TaskState, ...]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    since: str = "2.9.0"
    until: str = ""
    needs: tuple[Need, ...] = ()
    attempts: int = 5
    synthetic: str = ""
    dialect: str = ""

    def runs_on(self, version: str) -> bool:
        """Whether a server of this version can play it.

        Example:
            >>> Scenario(name="x", sentence="", play=print, since="2.17.1").runs_on("2.9.0")
            False
        """
        return _ordered(version) >= _ordered(self.since) and not (
            self.until and _ordered(version) >= _ordered(self.until)
        )

    def left_out(self, version: str, offers: Collection[Need]) -> str:
        """Say why it cannot be played on a cluster of this version that offers this; "" if it can.

        Example:
            >>> Scenario(name="x", sentence="", play=print, until="3.0.0").left_out("3.6.0", ())
            'cannot be played from OpenSearch 3.0.0 on'
        """
        if not self.runs_on(version):
            if _ordered(version) < _ordered(self.since):
                return f"needs OpenSearch {self.since}"
            return f"cannot be played from OpenSearch {self.until} on"
        if lacking := [need for need in self.needs if need not in offers]:
            return lacking[-1].words
        if Need.TWO_NODES in offers and Need.TWO_NODES not in self.needs:
            return "needs a cluster every node of which takes models"
        return ""


def _ordered(version: str) -> list[int]:
    return [int(part) for part in version.split("-", 1)[0].split(".")]


@cache
def scenarios() -> dict[str, Scenario]:
    """Every scenario there is, by name: one or several for each file in `scenarios/`; a leading `_` is for helpers."""
    package = importlib.import_module("mltask_fixtures.cluster.scenarios")
    names = [one.name for one in pkgutil.iter_modules(package.__path__) if not one.name.startswith("_")]
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    found = [one for module in modules for one in getattr(module, "SCENARIOS", None) or (module.SCENARIO,)]
    return {scenario.name: scenario for scenario in sorted(found, key=lambda scenario: scenario.name)}


class MissedError(OutsideError):
    """A state that the scenario has to show was not seen."""


class Stage:
    """What a scenario plays on: a client of the cluster, and what has to be tidied up after it.

    Attributes:
        client: opensearch-py, talking to the cluster.
        states: the states seen so far, by type of task, in order.
        shown_as: literal text and what the recording shows in its place.
        version: of the server.
        offers: what the cluster has beside ML Commons.
    """

    client: OpenSearch
    states: dict[str, list[str]]
    shown_as: dict[str, str]

    def __init__(
        self,
        connect: Callable[[], OpenSearch],
        capture: Callable[[Stage], AbstractContextManager[Any]],
        report: Report,
        *,
        version: str = "",
        offers: Collection[Need] = (),
        crash: Callable[[], None] | None = None,
    ) -> None:
        """Make a stage.

        Args:
            connect: makes a client.
            capture: records what is done over HTTP inside of it.
            report: told about each state when it is seen.
            version: of the server.
            offers: what the cluster has beside ML Commons.
            crash: lets the node crash and come up again; None where that must not be.
        """
        self.client = connect()
        self.states = {}
        self.shown_as = {}
        self.version = version
        self.offers = offers
        self._connect = connect
        self._capture = capture
        self._report = report
        self._crash = crash
        self._tidy_up = ExitStack()
        self._error = ""
        self._last: dict[str, str] = {}

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

    def ml(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """What ML Commons answers to this request, decoded.

        Args:
            method: of HTTP.
            path: below `/_plugins/_ml/`.
            params: of the query.
            body: sent as JSON.
            headers: more of them.

        Raises:
            OpenSearchException: as opensearch-py does.
        """
        # Not `client.plugins.ml`: its verbs came one by one, over many releases.
        return self.client.transport.perform_request(
            method, f"/_plugins/_ml/{path}", params=params, body=body, headers=headers
        )

    def refused(self, status: int | tuple[int, ...], method: str, path: str, **more: Any) -> Any:
        """What ML Commons answers to this request, which has to be an error of this status.

        Args:
            status: of HTTP; several where versions differ.
            method: of HTTP.
            path: below `/_plugins/_ml/`.
            more: as `ml` takes it.

        Raises:
            OutsideError: it is another answer.
        """
        from opensearchpy.exceptions import TransportError

        expected = (status,) if isinstance(status, int) else status
        try:
            answer = self.ml(method, path, **more)
        except TransportError as error:
            if error.status_code not in expected:
                raise
            return error.info
        raise MissedError(f"{method} {path} was to be refused with {status}, but was answered {answer!r:.200}")

    def raw(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, str], str]:
        """Status, headers and text of whatever is answered to this request, which is sent as it stands.

        Args:
            method: of HTTP.
            path: below `/_plugins/_ml/`.
            params: of the query.
            body: sent as it is.
            headers: more of them.
        """
        connection = self.client.transport.get_connection()
        answer: tuple[int, Mapping[str, str], str] = connection.perform_request(
            method, f"/_plugins/_ml/{path}", params, body, headers=headers, ignore=range(300, 600)
        )
        return answer

    def see(self, task_id: str) -> dict[str, Any]:
        """Poll this task once; it is deleted when the scenario is over.

        Returns:
            The body.
        """
        if task_id not in self._last:
            self._last[task_id] = ""
            self.afterwards(lambda: self.ml("DELETE", f"tasks/{task_id}"))
        task: dict[str, Any] = self.ml("GET", f"tasks/{task_id}")
        if task["state"] != self._last[task_id]:
            self._last[task_id] = task["state"]
            self.states.setdefault(task["task_type"], []).append(task["state"])
            self._error = str(task.get("error", ""))
            self._report.seen(f"{task['task_type']} {task['state']} {self._error}".rstrip())
        return task

    def forget(self) -> None:
        """Take what was seen so far for preparation: the recording does not show it."""
        self.states.clear()
        self._last = dict.fromkeys(self._last, "")

    def wait(self, task_id: str, *, until: TaskState | None = None) -> dict[str, Any]:
        """Poll this task until it ends, or is in this state.

        Returns:
            The last body.

        Raises:
            OutsideError: it did not end in time.
        """
        end = time.monotonic() + _TASK_TIMEOUT
        state, delay = "", _FIRST_DELAY
        while True:
            task = self.see(task_id)
            if task["state"] != state:
                state, delay = task["state"], _FIRST_DELAY
            if state not in _GOING_ON or state == until:
                return task
            if time.monotonic() > end:
                raise OutsideError(f"task {task_id} is still {state} after {_TASK_TIMEOUT} s.")
            time.sleep(delay)
            delay = min(delay * _GROWTH, _LONGEST_DELAY)

    def find(self, query: Mapping[str, Any], *, among: str = "tasks") -> str:
        """The id of what this search finds among tasks or models, asked again until it does.

        Raises:
            OutsideError: nothing is found in time.
        """
        end = time.monotonic() + _FIND_TIMEOUT
        while not (hits := self.ml("POST", f"{among}/_search", body=query)["hits"]["hits"]):
            if time.monotonic() > end:
                raise OutsideError(f"{query} finds nothing among {among} within {_FIND_TIMEOUT} s.")
            time.sleep(_RETRY_EVERY / 4)
        found: str = hits[0]["_id"]
        return found

    @contextmanager
    def remote(self) -> Iterator[Remote]:
        """Serve a remote inference and batch service that the cluster can reach, for the while."""
        from mltask_fixtures.cluster.namespace import ADDRESS, PORT
        from mltask_fixtures.cluster.stub import remote_service

        host, port = (ADDRESS, PORT) if Need.ISOLATION in self.offers else ("127.0.0.1", 0)
        with remote_service(host, port) as service:
            self.show(service.url, as_=f"http://{host}:{PORT}")
            yield service

    def file(self, name: str, content: bytes) -> str:
        """Put a file where the server can read it, and remove it afterwards.

        Returns:
            Its `file:` URL.
        """
        folder = Path(tempfile.mkdtemp(prefix="mltask-fixtures-"))
        self.afterwards(lambda: shutil.rmtree(folder))
        folder.chmod(0o755)  # the server's account is another than ours
        path = folder / name
        path.write_bytes(content)
        path.chmod(0o644)
        self.show(str(folder), as_="/models")
        return path.as_uri()

    def connector(self, connector: Mapping[str, Any]) -> str:
        """Make a connector, and remove it afterwards.

        Returns:
            Its id.
        """
        made = self.patiently(
            lambda: self.ml("POST", "connectors/_create", body=connector), while_=_KEY_SOON, seconds=_KEY_WAIT
        )
        connector_id: str = made["connector_id"]
        self.afterwards(lambda: self.ml("DELETE", f"connectors/{connector_id}"))
        return connector_id

    def crash(self) -> None:
        """Let the node crash and come up again.

        Raises:
            WrongUseError: this node is not ours to crash.
        """
        if self._crash is None:
            raise WrongUseError("this node was not started by the recorder, so it is not crashed.")
        from mltask_fixtures.cassette.intercept import passing

        with passing():  # what waits for the node is no part of the recording
            self._crash()
        self._reconnect()

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

    @contextmanager
    def aside(self) -> Iterator[OpenSearch]:
        """Give a client whose requests do not get into the recording."""
        from mltask_fixtures.cassette.intercept import passing

        client = self._connect()
        try:
            with passing():
                yield client
        finally:
            client.close()

    def model(self, model_id: str) -> dict[str, Any]:
        """Look at this model, once it has got over its deployment: for a moment it lags behind its task."""
        end = time.monotonic() + _FIND_TIMEOUT
        with self.aside() as client:
            while time.monotonic() < end:
                model = client.transport.perform_request("GET", f"/_plugins/_ml/models/{model_id}")
                if model.get("model_state") not in _MODEL_GOING_ON:
                    break
                time.sleep(_RETRY_EVERY / 4)
        model = self.ml("GET", f"models/{model_id}")
        return dict(model)

    def search(self, query: Mapping[str, Any], *, method: str = "POST") -> dict[str, Any]:
        """Search for tasks, after what was written last can be found: without a refresh that takes up to a second."""
        with self.aside() as client:
            client.indices.refresh(index=TASKS, params={"ignore_unavailable": "true"})
        return dict(self.ml(method, "tasks/_search", body=query))

    @contextmanager
    def for_a_moment(self, settings: Mapping[str, Any]) -> Iterator[None]:
        """Give the cluster these transient settings inside, without that in the recording."""
        with self.aside() as client:
            client.cluster.put_settings(body={"transient": dict(settings)})
        try:
            yield
        finally:
            with self.aside() as client:
                client.cluster.put_settings(body={"transient": dict.fromkeys(settings)})

    def fill(self, index: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Make this index of these rows, and remove it afterwards."""
        from opensearchpy.helpers import bulk

        self.client.indices.delete(index=index, params={"ignore_unavailable": "true"})
        self.afterwards(lambda: self.client.indices.delete(index=index))
        bulk(self.client, ({"_index": index, **row} for row in rows), refresh=True)

    def patiently(self, call: Callable[[], Any], *, while_: Collection[str], seconds: float) -> Any:
        """What this call answers, made again for some seconds while its error says one of these."""
        from opensearchpy.exceptions import TransportError

        end = time.monotonic() + seconds
        while True:
            try:
                return call()
            except TransportError as error:
                if not any(text in str(error.info) for text in while_) or time.monotonic() > end:
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


def remove_group(stage: Stage, name: str) -> None:
    """Remove the model group of this name, which a registration that failed leaves behind.

    Raises:
        NotFoundError: it is gone.
    """
    found = stage.ml("POST", "model_groups/_search", body={"query": {"term": {"name.keyword": name}}})
    for hit in found["hits"]["hits"]:
        stage.ml("DELETE", f"model_groups/{hit['_id']}")
