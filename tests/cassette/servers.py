"""Real HTTP servers on the loopback, for tests that record from one and see that a replay does not reach it."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BINARY = bytes(range(256)) * 3
LARGE = b"0123456789abcdef" * 131_072  # 2 MiB

_KINDS = {
    "binary": (200, (("Content-Type", "application/octet-stream"),), BINARY),
    "large": (200, (("Content-Type", "text/plain"),), LARGE),
    "empty": (204, (), b""),
    "moved": (302, (("Location", "/there"),), b""),
    "missing": (404, (), None),
    "busy": (lambda count: 503 if count == 1 else 200, (), None),
    "twice": (
        200,
        (("X-Twice", "one"), ("X-Twice", "two"), ("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/")),
        None,
    ),
}
"""What the last part of a path asks for: status, headers, content; where there is no content, what was asked is it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        """Say nothing."""

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _seen(self, body, count):
        url = urlsplit(self.path)
        seen = {"path": url.path, "query": parse_qs(url.query), "method": self.command, "count": count}
        if cookie := self.headers.get("Cookie"):
            seen["cookies"] = sorted(cookie.split("; "))
        return json.dumps({**seen, **({"body": json.loads(body)} if body else {})}).encode()

    def _answer(self):
        body = self._body()
        with self.server.lock:
            self.server.asked.append((self.command, self.path, body))
            count = len(self.server.asked)
        status, headers, content = _KINDS.get(urlsplit(self.path).path.rpartition("/")[2], (200, (), None))
        if callable(status):
            status = status(count)
        content = self._seen(body, count) if content is None else content
        if "gzip" in self.headers.get("Accept-Encoding", "") and self.server.gzip and content:
            content = gzip.compress(content)
            headers = (*headers, ("Content-Encoding", "gzip"))
        self.send_response(status)
        if not any(name == "Content-Type" for name, _ in headers):
            headers = (("Content-Type", "application/json"), *headers)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address, *, compressing, context, family):
        self.address_family = family
        self.asked, self.lock, self.gzip, self._context = [], threading.Lock(), compressing, context
        super().__init__(address, _Handler)

    def get_request(self):
        sock, address = super().get_request()
        return (self._context.wrap_socket(sock, server_side=True) if self._context else sock), address

    def handle_error(self, *_):
        """A client that goes away is none of our business."""

    @property
    def url(self):
        host = f"[{self.server_address[0]}]" if self.address_family == socket.AF_INET6 else self.server_address[0]
        return f"{'https' if self._context else 'http'}://{host}:{self.server_address[1]}"


@contextmanager
def serving(*, compressing=False, context=None, family=socket.AF_INET):
    """Serve what `_Handler` says; `asked` of what is given lists the requests that came."""
    host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    server = _Server((host, 0), compressing=compressing, context=context, family=family)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
