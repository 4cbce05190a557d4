"""Send a request to the cluster that is recorded from, whatever host it names."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from mltask_fixtures.cassette.intercept import passing

if TYPE_CHECKING:
    from urllib3 import PoolManager

    from mltask_fixtures.cassette.request import Request

_NOT_SENT = frozenset({"host", "content-length", "connection", "transfer-encoding"})


def redirected(uri: str, upstream: str) -> str:
    """Put another scheme, host and port into a URL, and the path of the upstream before its own.

    Example:
        >>> redirected("http://any-host:9200/_cat?v", "https://me:secret@real:9201/prefix")
        'https://me:secret@real:9201/prefix/_cat?v'
    """
    asked, there = urlsplit(uri), urlsplit(upstream)
    return urlunsplit((there.scheme, there.netloc, there.path.rstrip("/") + asked.path, asked.query, ""))


def send(request: Request, upstream: str) -> dict[str, Any]:
    """Send a request there and give vcrpy's dict of the answer, its content encoding not undone."""
    from urllib3.util import make_headers

    there = urlsplit(upstream)
    headers = {
        name: ", ".join(values) if isinstance(values, list) else values
        for name, values in request.headers.items()
        if name.lower() not in _NOT_SENT
    }
    if there.username:
        credentials = f"{unquote(there.username)}:{unquote(there.password or '')}"
        headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        headers |= make_headers(basic_auth=credentials)
    uri = redirected(request.uri, urlunsplit(there._replace(netloc=there.netloc.rpartition("@")[2])))
    with passing():
        response = _pools().request(
            request.method,
            uri,
            body=request.body_bytes,
            headers=headers,
            redirect=False,
            retries=False,
            preload_content=True,
            decode_content=False,
        )
    return as_dict(response.status, response.reason or "", response.headers.items(), response.data)


def as_dict(status: int, reason: str, headers: Any, body: bytes) -> dict[str, Any]:
    """Give vcrpy's dict of an answer."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return {"status": {"code": status, "message": reason}, "headers": values, "body": {"string": body}}


@cache
def _pools() -> PoolManager:
    from urllib3 import PoolManager

    return PoolManager()
