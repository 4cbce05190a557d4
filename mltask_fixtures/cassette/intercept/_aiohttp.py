"""aiohttp, and what stands on it: opensearch-py's asynchronous client. The answers are made by vcrpy's stub."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cassette.intercept import current, passing
from mltask_fixtures.cassette.intercept._send import redirected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from mltask_fixtures.cassette.intercept import Replacement


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
            with passing():
                return await original(session, method, redirected(str(url), upstream) if upstream else url, **options)

        return await vcr_request(cassette, send)(session, method, full, **options)

    return request
