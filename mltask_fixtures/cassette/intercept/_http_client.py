"""http.client, and what stands on it: urllib.request. A connection gets a wire that leads to the cassette."""

from __future__ import annotations

from email.parser import BytesParser
from functools import wraps
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from vcr.request import Request

from mltask_fixtures.cassette.failures import TransferFailedError
from mltask_fixtures.cassette.intercept import current, passing
from mltask_fixtures.cassette.intercept._arrival import OS_ERRORS, arriving, failures_kept
from mltask_fixtures.cassette.intercept._send import as_dict, send
from mltask_fixtures.cassette.replay import Answer, answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from mltask_fixtures.cassette.intercept import Replacement
    from mltask_fixtures.cassette.replay import MLTaskCassette

_PORTS: Final = {"http": 80, "https": 443}
_NOT_REPEATED: Final = frozenset({"content-length", "transfer-encoding", "connection"})


def replacements(module: ModuleType) -> Iterator[Replacement]:
    """Stand in place of connecting; an open connection to a real server is not used while a cassette is."""
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


class _Wire:
    """What a connection takes for its socket: the request goes in as bytes, the recorded answer comes out."""

    def __init__(self, connection: Any, cassette: MLTaskCassette, scheme: str) -> None:
        self.cassette = cassette
        self._connection, self._scheme = connection, scheme
        self._sent = bytearray()
        self._arrived: bytes | OSError | None = None

    def sendall(self, data: Any) -> None:
        self._sent += data
        if _is_whole(self._sent):
            self._arrived = self._ask(self._request())
            if isinstance(self._arrived, ConnectionRefusedError):
                raise self._arrived  # a client hears of it before it waits for an answer

    def makefile(self, _mode: str = "rb", *_: Any) -> BytesIO:
        arrived, self._arrived = self._arrived or self._ask(self._request()), None
        if isinstance(arrived, OSError):
            raise arrived
        return BytesIO(arrived)

    def _ask(self, request: Request) -> bytes | OSError:
        timeout = self._connection.timeout
        try:
            answer = arriving(self.cassette, request, timeout if isinstance(timeout, (int, float)) else None)
            if answer is None:
                upstream = self.cassette.upstream
                with failures_kept(self.cassette, request):
                    kept = send(request, upstream) if upstream else self._really(request)
                self.cassette.append(request, kept)
                answer = answer_of(kept)
        except TransferFailedError as failed:
            return OS_ERRORS[failed.failure]()
        return _message(answer, request.method)

    def _request(self) -> Request:
        head, _, body = bytes(self._sent).partition(b"\r\n\r\n")
        self._sent.clear()
        line, _, rest = head.partition(b"\r\n")
        method, target, _version = line.decode("latin-1").split(" ", 2)
        headers = dict(BytesParser().parsebytes(rest + b"\r\n\r\n", headersonly=True).items())
        if headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = _joined(body)
        return Request(method, self._uri(target), body or None, headers)

    def _uri(self, target: str) -> str:
        if not target.startswith("/"):
            return target
        connection = self._connection
        host = connection._tunnel_host or connection.host  # noqa: SLF001 - a tunnel's far end has no public name
        port = connection._tunnel_port if connection._tunnel_host else connection.port  # noqa: SLF001
        host = f"[{host}]" if ":" in host else host
        return f"{self._scheme}://{host}{'' if port == _PORTS[self._scheme] else f':{port}'}{target}"

    def _really(self, request: Request) -> dict[str, Any]:
        ours = self._connection
        options = {"context": ours._context} if self._scheme == "https" else {}  # noqa: SLF001 - its certificates
        with passing():
            real = type(ours)(ours.host, ours.port, timeout=ours.timeout, **options)
            try:
                if ours._tunnel_host:  # noqa: SLF001
                    real.set_tunnel(ours._tunnel_host, ours._tunnel_port, ours._tunnel_headers)  # noqa: SLF001
                target = request.uri if request.uri.startswith("/") else _target(request.uri)
                headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_REPEATED}
                real.request(request.method, target, request.body_bytes, headers)
                response = real.getresponse()
                return as_dict(response.status, response.reason, response.getheaders(), response.read())
            finally:
                real.close()

    def close(self) -> None:
        """Nothing is open."""

    def shutdown(self, *_: Any) -> None:
        """Nothing is open."""

    def settimeout(self, *_: Any) -> None:
        """A recorded answer takes no time."""

    def setsockopt(self, *_: Any) -> None:
        """There is no socket."""


def _target(uri: str) -> str:
    from urllib.parse import urlsplit

    url = urlsplit(uri)
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def _is_whole(sent: bytearray) -> bool:
    """Tell whether a request is there to its end."""
    head, end, body = bytes(sent).partition(b"\r\n\r\n")
    if not end:
        return False
    headers = BytesParser().parsebytes(head.partition(b"\r\n")[2] + end, headersonly=True)
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(headers.get("Content-Length") or 0)


def _message(answer: Answer, method: str) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
    lines += [f"{name}: {value}" for name, value in answer.headers if name.lower() not in _NOT_REPEATED]
    lines.append(f"Content-Length: {len(answer.body) + answer.missing}")
    head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
    return head if method == "HEAD" else head + answer.body


def _joined(chunked: bytes) -> bytes:
    body = b""
    while chunked:
        size, _, chunked = chunked.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if not length:
            break
        body, chunked = body + chunked[:length], chunked[length + 2 :]
    return body
