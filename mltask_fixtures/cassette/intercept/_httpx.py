"""httpx, synchronous and asynchronous."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from vcr.request import Request

from mltask_fixtures.cassette.intercept import current, passing
from mltask_fixtures.cassette.intercept._send import as_dict, send
from mltask_fixtures.cassette.replay import Answer, answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from mltask_fixtures.cassette.intercept import Replacement
    from mltask_fixtures.cassette.replay import MLTaskCassette


def replacements(module: ModuleType) -> Iterator[Replacement]:
    """Stand in place of the two transports that open connections."""
    yield module.HTTPTransport, "handle_request", lambda original: _handle_request(original, module)
    yield module.AsyncHTTPTransport, "handle_async_request", lambda original: _handle_async_request(original, module)


def _handle_request(original: Any, httpx: ModuleType) -> Any:
    @wraps(original)
    def handle_request(transport: Any, request: Any) -> Any:
        cassette = current()
        if cassette is None:
            return original(transport, request)
        body = request.read()
        asked = Request(request.method, str(request.url), body, dict(request.headers))
        if response := _played(cassette, asked, httpx):
            return response
        if cassette.upstream:
            return _kept(cassette, asked, send(asked, cassette.upstream), httpx)
        with passing():
            raw = original(transport, request)
            content = b"".join(raw.stream)
            raw.close()
        return _kept(cassette, asked, _dict(raw, content), httpx)

    return handle_request


def _handle_async_request(original: Any, httpx: ModuleType) -> Any:
    @wraps(original)
    async def handle_async_request(transport: Any, request: Any) -> Any:
        cassette = current()
        if cassette is None:
            return await original(transport, request)
        body = await request.aread()
        asked = Request(request.method, str(request.url), body, dict(request.headers))
        if response := _played(cassette, asked, httpx):
            return response
        if cassette.upstream:
            return _kept(cassette, asked, send(asked, cassette.upstream), httpx)
        with passing():
            raw = await original(transport, request)
            content = b"".join([part async for part in raw.stream])
            await raw.aclose()
        return _kept(cassette, asked, _dict(raw, content), httpx)

    return handle_async_request


def _played(cassette: MLTaskCassette, asked: Request, httpx: ModuleType) -> Any:
    answer = cassette.answer(asked)
    if answer is None:
        return None
    return _response(httpx, answer)


def _kept(cassette: MLTaskCassette, asked: Request, kept: dict[str, Any], httpx: ModuleType) -> Any:
    cassette.append(asked, kept)
    return _response(httpx, answer_of(kept))


def _dict(raw: Any, content: bytes) -> dict[str, Any]:
    reason = raw.extensions.get("reason_phrase", b"").decode("ascii", "replace")
    return as_dict(raw.status_code, reason, raw.headers.multi_items(), content)


def _response(httpx: Any, answer: Answer) -> Any:
    return httpx.Response(
        answer.status,
        headers=list(answer.headers),
        stream=httpx.ByteStream(answer.body),
        extensions={"http_version": b"HTTP/1.1", "reason_phrase": answer.reason.encode("ascii", "replace")},
    )
