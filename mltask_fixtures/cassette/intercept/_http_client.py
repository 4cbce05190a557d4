"""http.client, and what stands on it: urllib.request. A connection gets a wire that leads to the cassette."""

from __future__ import annotations

from contextlib import closing
from functools import wraps
from http.client import HTTPException
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from mltask_fixtures.cassette.failures import TransferFailedError
from mltask_fixtures.cassette.intercept import current, passing
from mltask_fixtures.cassette.intercept._arrival import OS_ERRORS, arriving, failures_kept
from mltask_fixtures.cassette.intercept._send import as_dict, send
from mltask_fixtures.cassette.intercept._wire import Sent, read_request, write_answer
from mltask_fixtures.cassette.replay import answer_of
from mltask_fixtures.cassette.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from mltask_fixtures.cassette.intercept import Replacement
    from mltask_fixtures.cassette.replay import MLTaskCassette

_PORTS: Final = {"http": 80, "https": 443}


def replacements(module: ModuleType) -> Iterator[Replacement]:
    """Stand in place of connecting; an open connection to a real server is not used while a cassette is."""
    for name in ("HTTPConnection", "HTTPSConnection"):
        # A cassette of vcrpy that is open outside of ours has put classes of its own here.
        if real := getattr(getattr(module, name), "_baseclass", None):
            yield module, name, lambda _, real=real: real  # type: ignore[misc]
            setattr(module, name, real)
    yield module.HTTPConnection, "connect", lambda original: _connect(original, "http")
    yield module.HTTPSConnection, "connect", lambda original: _connect(original, "https")
    yield module.HTTPConnection, "putrequest", _putrequest


def _connect(original: Any, scheme: str) -> Any:
    @wraps(original)
    def connect(connection: Any) -> None:
        cassette = current()
        if cassette is None:
            original(connection)
        else:
            connection.sock = _Wire(connection, cassette, scheme)

    return connect


def _putrequest(original: Any) -> Any:
    @wraps(original)
    def putrequest(connection: Any, *args: Any, **options: Any) -> None:
        cassette, sock = current(), connection.sock
        if sock is not None and (sock.cassette if isinstance(sock, _Wire) else None) is not cassette:
            connection.close()
        original(connection, *args, **options)

    return putrequest


class _Broken(BytesIO):
    """What is read from a wire over which nothing comes: a response that is only half made cannot be closed."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def readline(self, *_: Any) -> bytes:
        raise self._error


class _Wire:
    """What a connection takes for its socket: the request goes in as bytes, the recorded answer comes out."""

    def __init__(self, connection: Any, cassette: MLTaskCassette, scheme: str) -> None:
        self.cassette = cassette
        self._connection, self._scheme = connection, scheme
        self._sent = bytearray()
        self._arrived: bytes | Exception | None = None
        cassette.wires.add(self)

    def hang_up(self) -> None:
        if self._connection.sock is self:
            self._connection.close()

    def sendall(self, data: Any) -> None:
        self._sent += data
        sent = read_request(bytes(self._sent))
        if sent is not None and sent.complete:
            self._arrived = self._ask(sent)
            if isinstance(self._arrived, ConnectionRefusedError):
                raise self._arrived  # a client hears of it before it waits for an answer

    def makefile(self, _mode: str = "rb", *_: Any) -> BytesIO:
        arrived, self._arrived = self._arrived, None
        if arrived is None:
            sent = read_request(bytes(self._sent))
            assert sent is not None  # noqa: S101 - the head was sent before the answer is read
            try:
                arrived = self._ask(sent)
            except Exception as error:  # noqa: BLE001 - it is raised where a socket would raise
                arrived = error
        return _Broken(arrived) if isinstance(arrived, Exception) else BytesIO(arrived)

    def _ask(self, sent: Sent) -> bytes | Exception:
        """Give the answer as it comes over a wire, or what a socket raises in its place."""
        raw = bytes(self._sent)
        self._sent.clear()
        request = Request(sent.method, self._uri(sent.target), sent.body or None, sent.headers)
        timeout = self._connection.timeout
        try:
            answer = arriving(self.cassette, request, timeout if isinstance(timeout, (int, float)) else None)
            if answer is None:
                upstream = self.cassette.upstream
                with self.cassette.sending(request), failures_kept(self.cassette, request):
                    kept = send(request, upstream) if upstream else self._really(request.method, raw)
                    self.cassette.append(request, kept)
                answer = answer_of(kept)
        except TransferFailedError as failed:
            return OS_ERRORS[failed.failure]()
        except (OSError, HTTPException) as error:
            return error
        return write_answer(answer, request.method)

    def _uri(self, target: str) -> str:
        if not target.startswith("/"):
            return target
        connection = self._connection
        host = connection._tunnel_host or connection.host  # noqa: SLF001 - a tunnel's far end has no public name
        port = connection._tunnel_port if connection._tunnel_host else connection.port  # noqa: SLF001
        host = f"[{host}]" if ":" in host else host
        return f"{self._scheme}://{host}{'' if port == _PORTS[self._scheme] else f':{port}'}{target}"

    def _really(self, method: str, raw: bytes) -> dict[str, Any]:
        """Send the same bytes over a connection of the same kind."""
        ours = self._connection
        options = {"context": ours._context} if self._scheme == "https" else {}  # noqa: SLF001 - its certificates
        real = type(ours)(ours.host, ours.port, timeout=ours.timeout, **options)
        if ours._tunnel_host:  # noqa: SLF001
            real.set_tunnel(ours._tunnel_host, ours._tunnel_port, ours._tunnel_headers)  # noqa: SLF001
        with passing(), closing(real):
            real.connect()
            real.sock.sendall(raw)
            with closing(real.response_class(real.sock, method=method)) as response:
                response.begin()
                return as_dict(response.status, response.reason, response.getheaders(), response.read())

    def close(self) -> None:
        """Nothing is open."""

    def shutdown(self, *_: Any) -> None:
        """Nothing is open."""

    def settimeout(self, *_: Any) -> None:
        """A recorded answer takes no time."""

    def setsockopt(self, *_: Any) -> None:
        """There is no socket."""
