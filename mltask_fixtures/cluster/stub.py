"""A tiny HTTP service on loopback that stands for a remote model."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIMENSION = 4


class _Embeddings(BaseHTTPRequestHandler):
    """Answers `POST /v1/embeddings` as the OpenAI API does, with vectors that depend on the texts' lengths only."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
        data = [
            {"object": "embedding", "index": index, "embedding": [len(text) / (n + 1) for n in range(_DIMENSION)]}
            for index, text in enumerate(texts)
        ]
        body = json.dumps({"object": "list", "data": data, "model": asked["model"]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """Say nothing: stderr is for progress."""


@contextmanager
def remote_model() -> Iterator[str]:
    """Serve a remote model on a free port of loopback for the while.

    Example:
        >>> with remote_model() as url:
        ...     url.startswith("http://127.0.0.1:")
        True
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Embeddings)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
