"""aiohttp, and what stands on it: opensearch-py's asynchronous client. The answers are made by vcrpy's stub."""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import TYPE_CHECKING, Any

from vcr.request import Request

from mltask_fixtures.cassette.failures import TransferFailedError
from mltask_fixtures.cassette.intercept import current, passing
from mltask_fixtures.cassette.intercept._arrival import OS_ERRORS, failures_kept
from mltask_fixtures.cassette.intercept._send import redirected
from mltask_fixtures.cassette.replay import as_vcr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from mltask_fixtures.cassette.failures import Failure
    from mltask_fixtures.cassette.intercept import Replacement
    from mltask_fixtures.cassette.replay import Answer, MLTaskCassette


def replacements(module: ModuleType) -> Iterator[Replacement]:
    """Stand in place of the one method that every request goes through."""
    yield module.ClientSession, "_request", _request


def _request(original: Any) -> Any:
    from vcr.stubs.aiohttp_stubs import vcr_request

    @wraps(original)
    async def request(session: Any, method: str, url: Any, **options: Any) -> Any:
        cassette = current()
        if cassette is None:
            return await original(session, method, url, **options)
        upstream = cassette.upstream
        full = session._build_url(url)  # noqa: SLF001 - the session's own base URL is part of what is asked

        async def send(session: Any, method: str, url: Any, **options: Any) -> Any:
            asked = Request(method, str(url), None, {})
            with passing(), failures_kept(cassette, asked):
                return await original(session, method, redirected(str(url), upstream) if upstream else url, **options)

        timeout = options.get("timeout", session.timeout)
        total = getattr(timeout, "total", timeout if isinstance(timeout, (int, float)) else None)
        arrival = _Arrival(cassette)
        try:
            response = await vcr_request(arrival, send)(session, method, full, **options)
            await arrival.wait(total)
        except TransferFailedError as failed:
            if failed.failure == "timeout" and total and cassette.write_protected:
                await asyncio.sleep(total)
            raise _exception(failed.failure, full) from None
        return _cut(response, arrival.answer) if arrival.answer and arrival.answer.missing else response

    return request


class _Arrival:
    """A cassette as vcrpy's stub asks it, for one request; it remembers how the answer comes."""

    def __init__(self, cassette: MLTaskCassette) -> None:
        self._cassette = cassette
        self.answer: Answer | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cassette, name)

    def play_response(self, request: Any) -> Any:
        self.answer = self._cassette.answer(request)
        return as_vcr(self.answer)

    async def wait(self, timeout: float | None) -> None:  # noqa: ASYNC109 - the client's own, in words
        delay = self.answer.delay if self.answer else 0
        if timeout and delay > timeout:
            raise TransferFailedError("timeout")
        if delay:
            await asyncio.sleep(delay)


def _exception(failure: Failure, url: Any) -> Exception:
    """Give what a request raises."""
    from aiohttp import ClientConnectorError, ClientOSError
    from aiohttp.client_reqrep import ConnectionKey

    if failure == "timeout":
        return TimeoutError()
    error = OS_ERRORS[failure]()
    if failure == "refused":
        key = ConnectionKey(url.host, url.port, url.scheme == "https", True, None, None, None)
        return ClientConnectorError(key, error)
    return ClientOSError(*error.args)


def _cut(response: Any, answer: Answer) -> Any:
    """Let a response end too early, whichever way it is read."""
    from aiohttp import ClientPayloadError

    error = ClientPayloadError(
        "Response payload is not completed: <ContentLengthError: 400, message='Not enough data to satisfy content "
        f"length header. Expected {len(answer.body) + answer.missing}, got {len(answer.body)}.'>"
    )

    async def read(*_: Any, **__: Any) -> Any:
        raise error

    response.content.set_exception(error)
    response.read = response.text = response.json = read
    return response
