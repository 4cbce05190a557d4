"""How an answer arrives: at once, late, in part, or not at all."""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from mltask_fixtures.cassette.failures import TransferFailedError, failure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mltask_fixtures.cassette.failures import Failure
    from mltask_fixtures.cassette.replay import Answer, MLTaskCassette
    from mltask_fixtures.cassette.request import Request

OS_ERRORS: Final[Mapping[Failure, Callable[[], OSError]]] = {
    "timeout": lambda: TimeoutError("timed out"),
    "reset": lambda: ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)),
    "refused": lambda: ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)),
}
"""What a socket raises."""


def arriving(cassette: MLTaskCassette, request: Request, timeout: float | None) -> Answer | None:
    """Give the answer of a cassette when it has come, on the clock in use; None if there is none.

    Args:
        cassette: which is asked.
        request: that is made.
        timeout: how long the client waits, in seconds; None is for ever.

    Raises:
        TransferFailedError: it does not come; a client has an exception of its own for it.
    """
    answer, wait = _asked(cassette, request, timeout)
    if wait:
        cassette.clock.sleep(wait)
    return _come(answer)


async def arriving_async(cassette: MLTaskCassette, request: Request, timeout: float | None) -> Answer | None:  # noqa: ASYNC109 - the client's own, in words
    """Give the answer of a cassette as `arriving` does, while the event loop goes on."""
    answer, wait = _asked(cassette, request, timeout)
    if wait:
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # another kind of loop: trio's
            cassette.clock.sleep(wait)
        else:
            await asyncio.sleep(wait)
    return _come(answer)


def _asked(
    cassette: MLTaskCassette, request: Request, timeout: float | None
) -> tuple[Answer | TransferFailedError | None, float]:
    """Give the answer, or why there is none, and how many seconds pass before that is known."""
    try:
        answer = cassette.answer(request)
    except TransferFailedError as failed:
        return failed, (timeout or 0) if failed.failure == "timeout" else 0
    if answer is not None and timeout is not None and answer.delay > timeout:
        return TransferFailedError("timeout"), timeout
    return answer, answer.delay if answer else 0


def _come(answer: Answer | TransferFailedError | None) -> Answer | None:
    if isinstance(answer, TransferFailedError):
        raise answer
    return answer


@contextmanager
def failures_kept(cassette: MLTaskCassette, request: Request) -> Iterator[None]:
    """Record that a request which is really sent finds no answer.

    Raises:
        TransferFailedError: it was sent by another client than the code's own, which then raises its own exception.
    """
    try:
        yield
    except Exception as error:
        failure = failure_of(error)
        if failure is not None:
            cassette.append_failure(request, failure)
            if cassette.upstream:
                raise TransferFailedError(failure) from error
        raise


def with_length(answer: Answer) -> list[tuple[str, str]]:
    """Give the headers of an answer that comes in part; they promise the whole."""
    headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
    return [*headers, ("content-length", str(len(answer.body) + answer.missing))]
