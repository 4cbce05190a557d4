"""A small HTTP server on this computer that answers as ML Commons does, for clients in any process and language."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Self

from mltask_fixtures._errors import OutsideError, WrongUseError
from mltask_fixtures.cassette.match import key_of
from mltask_fixtures.contract import DIALECTS, Dialect, InvalidTaskError, Task, check, mint_document_id
from mltask_fixtures.server.answers import Answer, Answers, Received

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from mltask_fixtures.cassette import Recording

_LOOPBACK: Final = "127.0.0.1"
_STARTING: Final = 10
"""Seconds in which the server has to be up."""
_MAC: Final = b"mltask"


class TaskServer:
    """Serve recordings, or tasks that a test adds, over HTTP on 127.0.0.1.

    Args:
        *recordings: names such as `3.6.0/train-kmeans-completed`, or files; each request gets its recorded answers in
            their order, and the last one holds.
        dialect: whose words answer everything else; by default the newest line, or that of the first recording.
        port: to listen on; 0 takes a free one.

    Raises:
        WrongUseError: a recording does not exist, or the extra `server` is not installed.
        OutsideError: the port is in use.

    Example:
        >>> import urllib.request
        >>> from mltask_fixtures import TaskFactory, TaskServer
        >>> factory = TaskFactory(dialect="3.6")
        >>> with TaskServer() as server:
        ...     task_id = server.add(factory.build("TRAINING", "RUNNING"), factory.build("TRAINING", "COMPLETED"))
        ...     with urllib.request.urlopen(f"{server.url}/_plugins/_ml/tasks/{task_id}") as answer:
        ...         answer.headers["X-OpenSearch-Version"]
        'OpenSearch/3.6.0 (opensearch)'
    """

    def __init__(self, *recordings: str | Path, dialect: Dialect | str | None = None, port: int = 0) -> None:
        """Read the recordings; nothing listens until the `with` block begins."""
        loaded = _load(recordings)
        if dialect is None:
            dialect = str(loaded[0].metadata.get("dialect", "3.6")) if loaded else "3.6"
        self._answers = Answers(DIALECTS[dialect] if isinstance(dialect, str) else dialect)
        for recording in loaded:
            for exchange in recording.interactions:
                request, response = exchange.request, exchange.response
                self._answers.record(
                    key_of(request.method, request.uri, request.body),
                    Answer(response.status, response.headers, response.body),
                )
        self._port = port
        self._added = 0
        self._socket: socket.socket | None = None
        self.requests: list[Received] = []
        """Every request that came, in order."""

    @property
    def url(self) -> str:
        """The address to give to a client, such as `http://127.0.0.1:40123`."""
        if self._socket is None:
            raise WrongUseError("the server is not listening: use it in a with block")
        return f"http://{_LOOPBACK}:{self._socket.getsockname()[1]}"

    def add(self, *snapshots: Task | Mapping[str, Any], task_id: str | None = None) -> str:
        """Show a task: each poll gets the next snapshot, and the last one holds.

        Args:
            *snapshots: the task's bodies in their order.
            task_id: the id to answer to; by default one that is minted at the first snapshot's `create_time`.

        Returns:
            The id to poll.

        Raises:
            InvalidTaskError: a body disagrees with the server's dialect.
        """
        if not snapshots:
            raise WrongUseError("a task needs at least one snapshot to show")
        bodies = []
        for snapshot in snapshots:
            if findings := check(snapshot, self._answers.dialect):
                raise InvalidTaskError(findings, what=f"no {self._answers.dialect.name} server sends that body")
            bodies.append(snapshot if isinstance(snapshot, Task) else Task.model_validate(snapshot))
        self._added += 1
        task_id = task_id or mint_document_id(bodies[0].create_time, self._added, _MAC)
        for body in bodies:
            self._answers.add(task_id, body.model_dump_json().encode())
        return task_id

    def fault(self, task_id: str, *, at: int, status: int) -> None:
        """Let the poll number `at` (from 1) of a task fail with an HTTP status; the snapshots go on after it.

        Raises:
            WrongUseError: the status is no error, or `at` is no poll.
        """
        if not (400 <= status <= 599) or at < 1:  # noqa: PLR2004 - HTTP's errors
            raise WrongUseError(f"poll {at} cannot fail with {status}: polls count from 1, errors are 400 to 599")
        self._answers.fault(task_id, at, status)

    def __enter__(self) -> Self:
        """Begin to listen."""
        try:
            import uvicorn
        except ImportError:
            raise WrongUseError('serving needs one more package: pip install "mltask-fixtures[server]"') from None
        self._socket = _bind(self._port)
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            http="h11",
            proxy_headers=False,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            # OpenSearch sends neither.
            server_header=False,
            date_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="mltask-server", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _STARTING
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise OutsideError(f"the server did not begin to listen on {self.url}")
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening; what came stays in `requests`."""
        self._server.should_exit = True
        self._thread.join(_STARTING)
        if self._socket is not None:
            self._socket.close()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        path = scope["raw_path"].decode()
        if scope["query_string"]:
            path += "?" + scope["query_string"].decode()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.requests.append(Received(scope["method"], path, headers, body))
        answer = self._answers.find(scope["method"], path, body)
        said = {"content-length": str(len(answer.body)), **answer.headers}
        if "x-opaque-id" in headers:
            said = {"X-Opaque-Id": headers["x-opaque-id"], **said}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in said.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})


def _load(recordings: tuple[str | Path, ...]) -> list[Recording]:
    if not recordings:
        return []
    from mltask_fixtures.cassette import load

    return [load(recording) for recording in recordings]


def _bind(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_LOOPBACK, port))
    except OSError as error:
        listening.close()
        raise OutsideError(f"port {port} cannot be had ({error.strerror}); take another, or 0 for a free one") from None
    listening.listen(128)
    return listening
