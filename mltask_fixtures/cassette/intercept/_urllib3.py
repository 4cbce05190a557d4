"""urllib3, and what stands on it: opensearch-py, requests, botocore."""

from __future__ import annotations

from functools import wraps
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from vcr.request import Request

from mltask_fixtures.cassette.failures import TransferFailedError
from mltask_fixtures.cassette.intercept import current, passing
from mltask_fixtures.cassette.intercept._arrival import OS_ERRORS, arriving, failures_kept, with_length
from mltask_fixtures.cassette.intercept._send import as_dict, send
from mltask_fixtures.cassette.replay import Answer, answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from mltask_fixtures.cassette.failures import Failure
    from mltask_fixtures.cassette.intercept import Replacement

_PORTS: Final = {"http": 80, "https": 443}
_AS_IT_CAME: Final = {"preload_content": False, "decode_content": False, "response_conn": None}


def replacements(module: ModuleType) -> Iterator[Replacement]:
    """Stand below urllib3's retries, redirects and decoding, and above its connections."""
    yield module.HTTPConnectionPool, "_make_request", _make_request
    yield module.HTTPSConnectionPool, "_prepare_proxy", _prepare_proxy


def _prepare_proxy(original: Any) -> Any:
    @wraps(original)
    def prepare_proxy(pool: Any, conn: Any) -> None:
        cassette = current()
        if cassette is None or not cassette.write_protected:
            original(pool, conn)

    return prepare_proxy


def _make_request(original: Any) -> Any:
    @wraps(original)
    def make_request(pool: Any, conn: Any, method: str, url: str, **options: Any) -> Any:
        cassette = current()
        if cassette is None:
            return original(pool, conn, method, url, **options)
        request = Request(method, _uri(pool, url), options.get("body"), dict(options.get("headers") or pool.headers))
        timeout = _timeout(options.get("timeout"))
        try:
            answer = arriving(cassette, request, timeout)
            if answer is None:
                with failures_kept(cassette, request):
                    if cassette.upstream:
                        kept = send(request, cassette.upstream)
                    else:
                        with passing():
                            kept = _sent(original(pool, conn, method, url, **{**options, **_AS_IT_CAME}))
                cassette.append(request, kept)
                answer = answer_of(kept)
        except TransferFailedError as failed:
            raise _exception(failed.failure, pool, conn, url, timeout) from None
        response = _response(answer, method, url, options)
        if options.get("response_conn") is not None:
            pool._put_conn(conn)  # noqa: SLF001 - nothing will be read from it, so it is free again
        return response

    return make_request


def _uri(pool: Any, url: str) -> str:
    if not url.startswith("/"):
        return url  # to a proxy, a request names its host itself
    port = "" if pool.port in (None, _PORTS.get(pool.scheme)) else f":{pool.port}"
    host = f"[{pool.host}]" if ":" in pool.host else pool.host
    return f"{pool.scheme}://{host}{port}{url}"


def _sent(raw: Any) -> dict[str, Any]:
    body = raw.read(decode_content=False)
    return as_dict(raw.status, raw.reason or "", raw.headers.items(), body)


def _timeout(timeout: Any) -> float | None:
    """Give the time that a request waits for its answer, in seconds."""
    seconds = getattr(timeout, "read_timeout", timeout)
    return seconds if isinstance(seconds, (int, float)) else None


def _exception(failure: Failure, pool: Any, conn: Any, url: str, timeout: float | None) -> Exception:
    """Give what a request raises; urllib3 wraps some of it above here."""
    from urllib3.exceptions import NewConnectionError, ReadTimeoutError

    if failure == "timeout":
        return ReadTimeoutError(pool, url, f"Read timed out. (read timeout={timeout})")
    error = OS_ERRORS[failure]()
    if failure == "refused":
        return NewConnectionError(conn, f"Failed to establish a new connection: {error}")
    return error


def _response(answer: Answer, method: str, url: str, options: dict[str, Any]) -> Any:
    from urllib3 import HTTPHeaderDict, HTTPResponse

    return HTTPResponse(
        body=BytesIO(b"" if method == "HEAD" else answer.body),
        headers=HTTPHeaderDict(with_length(answer) if answer.missing else answer.headers),
        status=answer.status,
        reason=answer.reason,
        version=11,
        preload_content=options.get("preload_content", True),
        decode_content=options.get("decode_content", True),
        retries=options.get("retries"),
        enforce_content_length=answer.missing > 0,
        request_method=method,
        request_url=url,
    )
