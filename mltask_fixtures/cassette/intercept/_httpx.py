"""httpx, synchronous and asynchronous."""

from __future__ import annotations

from asyncio import get_running_loop
from functools import wraps
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cassette.failures import TransferFailedError
from mltask_fixtures.cassette.intercept import current, passing
from mltask_fixtures.cassette.intercept._arrival import (
    OS_ERRORS,
    arriving,
    arriving_async,
    failures_kept,
    with_length,
)
from mltask_fixtures.cassette.intercept._send import as_dict, send
from mltask_fixtures.cassette.replay import Answer, answer_of
from mltask_fixtures.cassette.request import Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import ModuleType

    from mltask_fixtures.cassette.failures import Failure
    from mltask_fixtures.cassette.intercept import Replacement


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
        asked = Request(request.method, str(request.url), request.read(), request.headers)
        try:
            answer = arriving(cassette, asked, _timeout(request))
            if answer is None:
                asked.headers = _values(request.headers)
                with cassette.sending(asked), failures_kept(cassette, asked):
                    if cassette.upstream:
                        kept = send(asked, cassette.upstream)
                    else:
                        with passing():
                            raw = original(transport, request)
                            content = b"".join(raw.stream)
                            raw.close()
                        kept = _dict(raw, content)
                    cassette.append(asked, kept)
                answer = answer_of(kept)
        except TransferFailedError as failed:
            raise _exception(failed.failure, httpx, request) from None
        return _response(httpx, answer)

    return handle_request


def _handle_async_request(original: Any, httpx: ModuleType) -> Any:
    @wraps(original)
    async def handle_async_request(transport: Any, request: Any) -> Any:
        cassette = current()
        if cassette is None:
            return await original(transport, request)
        asked = Request(request.method, str(request.url), await request.aread(), request.headers)
        try:
            answer = await arriving_async(cassette, asked, _timeout(request))
            if answer is None:
                asked.headers = _values(request.headers)
                with cassette.sending(asked), failures_kept(cassette, asked):
                    if upstream := cassette.upstream:
                        kept = await get_running_loop().run_in_executor(None, send, asked, upstream)
                    else:
                        with passing():
                            raw = await original(transport, request)
                            content = b"".join([part async for part in raw.stream])
                            await raw.aclose()
                        kept = _dict(raw, content)
                    cassette.append(asked, kept)
                answer = answer_of(kept)
        except TransferFailedError as failed:
            raise _exception(failed.failure, httpx, request) from None
        return _response(httpx, answer)

    return handle_async_request


def _timeout(request: Any) -> float | None:
    """Give the time that a request waits for its answer, in seconds."""
    seconds: float | None = request.extensions.get("timeout", {}).get("read")
    return seconds


def _exception(failure: Failure, httpx: Any, request: Any) -> Exception:
    """Give what a request raises."""
    if failure == "timeout":
        error: Exception = httpx.ReadTimeout("The read operation timed out", request=request)
    elif failure == "refused":
        error = httpx.ConnectError(str(OS_ERRORS[failure]()), request=request)
    else:
        error = httpx.ReadError(str(OS_ERRORS[failure]()), request=request)
    return error


def _values(headers: Any) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in headers.multi_items():
        values.setdefault(name, []).append(value)
    return values


def _dict(raw: Any, content: bytes) -> dict[str, Any]:
    reason = raw.extensions.get("reason_phrase", b"").decode("ascii", "replace")
    return as_dict(raw.status_code, reason, raw.headers.multi_items(), content)


def _response(httpx: Any, answer: Answer) -> Any:
    return httpx.Response(
        answer.status,
        headers=with_length(answer) if answer.missing else answer.headers,
        stream=_cut(httpx, answer) if answer.missing else httpx.ByteStream(answer.body),
        extensions={"http_version": b"HTTP/1.1", "reason_phrase": answer.reason.encode("ascii", "replace")},
    )


def _cut(httpx: Any, answer: Answer) -> Any:
    """Give a stream that ends too early."""
    received = len(answer.body)
    error = httpx.RemoteProtocolError(
        "peer closed connection without sending complete message body "
        f"(received {received} bytes, expected {received + answer.missing})"
    )

    class Cut(httpx.SyncByteStream, httpx.AsyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            yield answer.body
            raise error

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield answer.body
            raise error

    return Cut()
