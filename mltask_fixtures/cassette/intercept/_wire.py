"""HTTP/1.1 as bytes, for clients that are met where they would talk to a socket."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from mltask_fixtures.cassette.replay import Answer

GO_ON: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_NOT_REPEATED: Final = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive"})
_WITHOUT_BODY: Final = frozenset({204, 304})
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]+)[^\r\n]*\r\n")


class Sent(NamedTuple):
    """What a client has written, and whether that is all."""

    method: str
    target: str
    headers: dict[str, list[str]]
    body: bytes
    complete: bool
    waits: bool
    """Whether the body follows once the server says that it may."""


def read_request(raw: bytes) -> Sent | None:
    r"""Read a request; None while its head is not complete.

    Example:
        >>> read_request(b"POST /_train HTTP/1.1\r\nContent-Length: 2\r\n\r\n{").complete
        False
    """
    head, end, body = raw.partition(b"\r\n\r\n")
    if not end:
        return None
    line, *lines = head.decode("latin-1").split("\r\n")
    method, target, _version = line.split(" ", 2)
    headers: dict[str, list[str]] = {}
    framing: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        headers.setdefault(name, []).append(value.strip())
        framing[name.lower()] = value.strip().lower()
    if framing.get("transfer-encoding") == "chunked":
        body, complete = _joined(body)
    else:
        complete = len(body) >= int(framing.get("content-length", 0))
    waits = not complete and not body and framing.get("expect") == "100-continue"
    return Sent(method, target, headers, body, complete, waits)


def _joined(chunked: bytes) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    at = 0
    while size := _CHUNK.match(chunked, at):
        length = int(size[1], 16)
        if not length:
            return b"".join(parts), True
        parts.append(chunked[size.end() : size.end() + length])
        at = size.end() + length + 2
    return b"".join(parts), False


def write_answer(answer: Answer, method: str) -> bytes:
    """Write a recorded answer as a server would; an answer to HEAD keeps the length that it states."""
    bodiless = method == "HEAD" or answer.status in _WITHOUT_BODY
    dropped = _NOT_REPEATED - {"content-length"} if bodiless else _NOT_REPEATED
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
    lines += [f"{name}: {value}" for name, value in answer.headers if name.lower() not in dropped]
    if not bodiless:
        lines.append(f"Content-Length: {len(answer.body) + answer.missing}")
    head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
    return head if bodiless else head + answer.body
