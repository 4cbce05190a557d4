"""aiohttp, and what stands on it: opensearch-py's asynchronous client. A connection gets a wire that leads to us.

Everything above the connection stays aiohttp's own: redirects, cookies, time-outs, streaming, decoding.
"""

from __future__ import annotations

import asyncio
from functools import wraps
from inspect import unwrap
from typing import TYPE_CHECKING, Any, Final

from mltask_fixtures.cassette.failures import TransferFailedError
from mltask_fixtures.cassette.intercept import current, passing
from mltask_fixtures.cassette.intercept._arrival import OS_ERRORS, failures_kept
from mltask_fixtures.cassette.intercept._send import as_dict, send
from mltask_fixtures.cassette.intercept._wire import GO_ON, Sent, read_request, write_answer
from mltask_fixtures.cassette.replay import answer_of
from mltask_fixtures.cassette.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from mltask_fixtures.cassette.failures import Failure
    from mltask_fixtures.cassette.intercept import Replacement
    from mltask_fixtures.cassette.replay import Answer, MLTaskCassette

_FOR_EVER: Final = 3600
"""Seconds after which a request that gets no answer gives up, if its session has no time-out."""


def replacements(module: ModuleType) -> Iterator[Replacement]:
    """Stand in place of connecting."""
    from aiohttp import connector

    yield module.ClientSession, "_request", _request
    yield connector.BaseConnector, "connect", lambda original: _connect(original, connector)


def _request(original: Any) -> Any:
    """Leave out a stub of vcrpy whose cassette was opened outside of ours: it would answer before we are asked."""
    aiohttps_own = unwrap(original)

    @wraps(original)
    async def request(session: Any, *args: Any, **options: Any) -> Any:
        mine = original if current() is None else aiohttps_own
        return await mine(session, *args, **options)

    return request


def _connect(original: Any, module: Any) -> Any:
    class Connection(module.Connection):  # type: ignore[misc]
        """One that is never pooled: it leads to a cassette, and to one only."""

        def release(self) -> None:
            self._notify_release()
            self._protocol = None

        def close(self) -> None:
            if self._protocol is not None and self._protocol.transport is not None:
                self._protocol.transport.give_up()
            self.release()

        def __del__(self) -> None:
            """Nothing is open."""

    @wraps(original)
    async def connect(connector: Any, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109 - aiohttp's name
        cassette = current()
        if cassette is None:
            return await original(connector, req, traces, timeout)
        loop = asyncio.get_running_loop()
        protocol = module.ResponseHandler(loop)

        async def open_real() -> Any:
            with passing():
                return await original(connector, req, traces, timeout)

        protocol.connection_made(_Wire(cassette, protocol, req, open_real))
        return Connection(connector, req.connection_key, protocol, loop)

    return connect


class _Wire(asyncio.Transport):
    """What aiohttp takes for its transport: the request goes in as bytes, the recorded answer comes out."""

    def __init__(self, cassette: MLTaskCassette, protocol: Any, req: Any, open_real: Callable[[], Any]) -> None:
        super().__init__()
        self._cassette, self._protocol, self._req, self._open_real = cassette, protocol, req, open_real
        self._sent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._told_to_go_on = self._closing = False
        self._recording: asyncio.Task[None] | None = None

    def write(self, data: Any) -> None:
        self._sent += data
        sent = read_request(bytes(self._sent))
        if sent is None:
            return
        if sent.waits and not self._told_to_go_on:
            self._told_to_go_on = True
            self._protocol.data_received(GO_ON)
        if sent.complete:
            self._answer(sent)

    def _answer(self, sent: Sent) -> None:
        raw = bytes(self._sent)
        self._sent.clear()
        request = self._asked = Request(sent.method, str(self._req.url), sent.body or None, sent.headers)
        try:
            answer = self._cassette.answer(request)
        except TransferFailedError as failed:
            self._fail(failed.failure)
            return
        except Exception as error:  # noqa: BLE001 - it is raised again where the response is waited for
            self._protocol.set_exception(error)
            return
        if answer is None:
            self._recording = asyncio.get_running_loop().create_task(self._record(request, raw))
        elif answer.delay:
            self._loop.call_later(answer.delay, self._arrive, answer, request.method)
        else:
            self._arrive(answer, request.method)

    def _arrive(self, answer: Answer, method: str) -> None:
        if not self._closing:
            self._protocol.data_received(write_answer(answer, method))
            if answer.missing:
                self._protocol.connection_lost(None)

    def _fail(self, failure: Failure) -> None:
        """Let happen what a socket would; aiohttp makes an exception of it."""
        from aiohttp import ClientConnectorError, SocketTimeoutError

        if failure == "timeout":
            # The session's own time-outs come first; one without any is not left waiting for ever.
            late = SocketTimeoutError("Timeout on reading data from socket")
            self._loop.call_later(_FOR_EVER, self._protocol.set_exception, late)
        elif failure == "refused":
            error = OS_ERRORS[failure]()
            self._protocol.set_exception(ClientConnectorError(self._req.connection_key, error))
        else:
            self._protocol.connection_lost(OS_ERRORS[failure]())

    async def _record(self, request: Request, raw: bytes) -> None:
        cassette = self._cassette
        try:
            with cassette.sending(request), failures_kept(cassette, request):
                if upstream := cassette.upstream:
                    kept = await asyncio.get_running_loop().run_in_executor(None, send, request, upstream)
                else:
                    kept = await self._really(request.method, raw)
                cassette.append(request, kept)
        except TransferFailedError as failed:
            self._fail(failed.failure)
        except Exception as error:  # noqa: BLE001 - it is raised again where the response is waited for
            self._protocol.set_exception(error)
        else:
            self._protocol.data_received(write_answer(answer_of(kept), request.method))

    async def _really(self, method: str, raw: bytes) -> dict[str, Any]:
        connection = await self._open_real()
        try:
            protocol = connection.protocol
            protocol.set_response_params(skip_payload=method == "HEAD", read_until_eof=True, auto_decompress=False)
            protocol.transport.write(raw)
            message, payload = await protocol.read()
            while 100 <= message.code < 200:  # noqa: PLR2004 - the answer itself is still to come
                message, payload = await protocol.read()
            body = await payload.read()
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.raw_headers]
        except BaseException:
            connection.close()
            raise
        connection.release()
        return as_dict(message.code, message.reason, headers, body)

    def give_up(self) -> None:
        """Take notice that the client waits no more: of an answer that is being recorded, none came in time."""
        if self._recording is not None and not self._recording.done():
            self._recording.cancel()
            self._cassette.append_failure(self._asked, "timeout")

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True
        if self._recording is not None:
            self._recording.cancel()

    abort = close

    def pause_reading(self) -> None:
        """The answer is here already."""

    def resume_reading(self) -> None:
        """The answer is here already."""
