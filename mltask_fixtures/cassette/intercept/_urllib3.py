"""urllib3, and what stands on it: opensearch-py, requests, botocore."""

from __future__ import annotations

from functools import wraps
from http.client import HTTPMessage
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from mltask_fixtures.cassette.failures import TransferFailedError
from mltask_fixtures.cassette.intercept import current, passing
from mltask_fixtures.cassette.intercept._arrival import OS_ERRORS, arriving, failures_kept, with_length
from mltask_fixtures.cassette.intercept._send import as_dict, send
from mltask_fixtures.cassette.replay import Answer, answer_of
from mltask_fixtures.cassette.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from mltask_fixtures.cassette.failures import Failure
    from mltask_fixtures.cassette.intercept import Replacement
    from mltask_fixtures.cassette.replay import MLTaskCassette

_PORTS: Final = {"http": 80, "https": 443}
_AS_IT_CAME: Final = {"preload_content": False, "decode_content": False, "response_conn": None}


def replacements(module: ModuleType) -> Iterator[Replacement]:
    """Stand below urllib3's retries, redirects and decoding, and above its connections."""
    yield module.HTTPConnectionPool, "_make_request", _make_request(module)
    yield module.HTTPSConnectionPool, "_prepare_proxy", _prepare_proxy


def _prepare_proxy(original: Any) -> Any:
    @wraps(original)
    def prepare_proxy(pool: Any, conn: Any) -> None:
        cassette = current()
        if cassette is None or not cassette.write_protected:
            original(pool, conn)

    return prepare_proxy


def _make_request(module: ModuleType) -> Any:
    # Not from urllib3 itself, which may be half imported.
    from urllib3._collections import HTTPHeaderDict
    from urllib3.response import HTTPResponse

    def response_of(answer: Answer, method: str, url: str, options: dict[str, Any]) -> Any:
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
            original_response=_Original(answer) if answer.sets_cookies else None,  # type: ignore[arg-type]
            request_method=method,
            request_url=url,
        )

    # A cassette of vcrpy that was opened inside ours has put its own connections in; it answers, as the inner one.
    vcrpy_is_outside = _is_of_vcrpy(module.HTTPConnectionPool.ConnectionCls)

    def make(original: Any) -> Any:
        @wraps(original)
        def make_request(pool: Any, conn: Any, method: str, url: str, **options: Any) -> Any:
            cassette = current()
            if cassette is None or (not vcrpy_is_outside and _is_of_vcrpy(type(conn))):
                return original(pool, conn, method, url, **options)
            request = Request(method, _uri(pool, url), options.get("body"), options.get("headers") or pool.headers)
            timeout = _timeout(options.get("timeout"))
            try:
                answer = arriving(cassette, request, timeout)
                if answer is None:
                    options["body"] = request.raw  # an iterable was used up
                    answer = _recorded(
                        cassette, request, lambda: original(pool, conn, method, url, **options | _AS_IT_CAME)
                    )
            except TransferFailedError as failed:
                raise _exception(failed.failure, pool, conn, url, timeout) from None
            response = response_of(answer, method, url, options)
            if options.get("response_conn") is not None:
                pool._put_conn(conn)  # noqa: SLF001 - nothing will be read from it, so it is free again
            return response

        return make_request

    return make


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


class _Original:
    """What requests looks for cookies in: http.client's response, read to its end."""

    def __init__(self, answer: Answer) -> None:
        self.msg = HTTPMessage()
        for name, value in answer.headers:
            self.msg[name] = value

    def isclosed(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing is open."""


def _is_of_vcrpy(connection: type) -> bool:
    return connection.__module__.startswith("vcr.")


def _recorded(cassette: MLTaskCassette, request: Request, ask: Any) -> Answer:
    request.headers = dict(request.headers)
    with cassette.sending(request), failures_kept(cassette, request):
        if cassette.upstream:
            kept = send(request, cassette.upstream)
        else:
            with passing():
                raw = ask()
                body = raw.read(decode_content=False)
            kept = as_dict(raw.status, raw.reason or "", raw.headers.items(), body)
        cassette.append(request, kept)
    return answer_of(kept)


def _uri(pool: Any, url: str) -> str:
    if not url.startswith("/"):
        return url  # to a proxy, a request names its host itself
    scheme, host, port = pool.scheme, pool.host, pool.port
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"{scheme}://{host}{url}" if port in (None, _PORTS.get(scheme)) else f"{scheme}://{host}:{port}{url}"
