"""A small HTTP service of our own that stands for a remote inference and batch service, and for a store of objects.

It answers `POST /v1/embeddings`, `POST /chat/completions`, `POST /batches`, `GET /batches/<id>`,
`POST /batches/<id>/cancel` and `GET /<bucket>/<object>`; what it answers is set in process, by its scenario.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIMENSION = 4
_LONGEST_DELAY = 30  # seconds

BATCH_ID = "batch_1"
"""The id of every batch job."""
_CREATED = 1_700_000_000  # seconds since 1970: the same in every recording


@dataclass
class Remote:
    """The service as its scenario sees it; changing a field changes the next answer.

    Args:
        url: where it answers.
        batch: the status that it says of a batch job.
        answer: what it says of a batch job in place of everything; None for the usual.
        fails: the HTTP status that it answers about a batch job with, 0 for none.
        says: what it says in a chat, one text after the other; the last one holds.
        delay: seconds that an answer to a chat takes.
        objects: what the store holds, by path, such as `/bucket/rows.jsonl`.
        asked: method and path of each request so far.
    """

    url: str
    batch: str = "in_progress"
    answer: Any = None
    fails: int = 0
    says: list[str] = field(default_factory=lambda: ["I am a stub."])
    delay: float = 0.0
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


class _Server(ThreadingHTTPServer):
    remote: Remote


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - no other server uses it

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        remote = self.server.remote
        remote.asked.append(f"POST {self.path}")
        if self.path == "/v1/embeddings":
            self._answer(_embeddings(json.loads(body)))
        elif self.path == "/chat/completions":
            remote.over.wait(min(remote.delay, _LONGEST_DELAY))
            text = remote.says.pop(0) if len(remote.says) > 1 else remote.says[0]
            self._answer(_chat(text))
        elif self.path == "/batches":
            self._answer(_batch("validating"))
        elif self.path.endswith("/cancel"):
            self._about_batch("cancelling")
        else:
            self._refuse(404)

    def do_GET(self) -> None:
        remote = self.server.remote
        remote.asked.append(f"GET {self.path}")
        if self.path.startswith("/batches/"):
            self._about_batch(remote.batch)
        elif (found := remote.objects.get(self.path.partition("?")[0])) is not None:
            self._send(200, "binary/octet-stream", found)
        else:
            self._refuse(404)

    do_HEAD = do_GET  # noqa: N815 - the name that the base class looks for

    def _about_batch(self, status: str) -> None:
        remote = self.server.remote
        if remote.fails:
            self._refuse(remote.fails)
        else:
            self._answer(_batch(status) if remote.answer is None else remote.answer)

    def _answer(self, body: Any) -> None:
        self._send(200, "application/json", json.dumps(body).encode())

    def _refuse(self, status: int) -> None:
        self._send(status, "application/json", json.dumps({"error": {"message": "the stub says no"}}).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """Say nothing: stderr is for progress."""


def _embeddings(asked: dict[str, Any]) -> dict[str, Any]:
    """Answer as the OpenAI API does, with vectors that depend on the texts' lengths only."""
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    data = [
        {"object": "embedding", "index": index, "embedding": [len(text) / (n + 1) for n in range(_DIMENSION)]}
        for index, text in enumerate(texts)
    ]
    return {"object": "list", "data": data, "model": asked["model"]}


def _chat(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": _CREATED,
        "model": "stub-chat",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }


def _batch(status: str) -> dict[str, Any]:
    """Answer as the OpenAI batch API does."""
    done = status == "completed"
    return {
        "id": BATCH_ID,
        "object": "batch",
        "endpoint": "/v1/embeddings",
        "input_file_id": "file-1",
        "completion_window": "24h",
        "status": status,
        "output_file_id": "file-2" if done else None,
        "created_at": _CREATED,
        "expires_at": _CREATED + 86_400,
        "request_counts": {"total": 2, "completed": 2 if done else 0, "failed": 0},
    }


@contextmanager
def remote_service(host: str = "127.0.0.1", port: int = 0) -> Iterator[Remote]:
    """Serve on this address of this computer for the while.

    Args:
        host: an address of this computer.
        port: 0 for a free one.

    Example:
        >>> with remote_service() as remote:
        ...     remote.url.startswith("http://127.0.0.1:")
        True
    """
    server = _Server((host, port), _Handler)
    server.daemon_threads = True
    server.remote = Remote(f"http://{host}:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.remote
    finally:
        server.remote.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
