"""urllib3, and what stands on it: opensearch-py, requests, botocore."""

from __future__ import annotations

from functools import partial, wraps
from http.client import HTTPMessage, IncompleteRead
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
_READY: Final = "mltask_answer"
_FINE, _NOT_FINE = 200, 300
_AS_IT_CAME: Final = {"preload_content": False, "decode_content": False, "response_conn": None}


def replacements(module: ModuleType) -> Iterator[Replacement]:
    """Stand below urllib3's retries, redirects and decoding, and above its connections."""
    response_of = _responses()
    # A cassette of vcrpy that was opened inside ours has put its own connections in; it answers, as the inner one.
    vcrpy_is_outside = _is_of_vcrpy(module.HTTPConnectionPool.ConnectionCls)
    yield module.HTTPConnectionPool, "_make_request", _make_request(response_of, vcrpy_is_outside)
    yield module.HTTPConnectionPool, "urlopen", _urlopen(response_of, vcrpy_is_outside)
    yield module.HTTPSConnectionPool, "_prepare_proxy", _prepare_proxy


def _prepare_proxy(original: Any) -> Any:
    @wraps(original)
    def prepare_proxy(pool: Any, conn: Any) -> None:
        cassette = current()
        if cassette is None or not cassette.write_protected:
            original(pool, conn)

    return prepare_proxy


def _responses() -> Any:
    # Not from urllib3 itself, which may be half imported.
    from urllib3._collections import HTTPHeaderDict
    from urllib3.response import HTTPResponse

    def response_of(answer: Answer, method: str, url: str, options: dict[str, Any]) -> Any:
        return HTTPResponse(
            body=_Cut(answer) if answer.missing else BytesIO(b"" if method == "HEAD" else answer.body),
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

    return response_of


def _make_request(response_of: Any, vcrpy_is_outside: bool) -> Any:
    def make(original: Any) -> Any:
        @wraps(original)
        def make_request(pool: Any, conn: Any, method: str, url: str, **options: Any) -> Any:
            answer = options.pop(_READY, None)
            cassette = current()
            if cassette is None or (not vcrpy_is_outside and _is_of_vcrpy(type(conn))):
                return original(pool, conn, method, url, **options)
            timeout = _timeout(options.get("timeout"))
            try:
                if isinstance(answer, TransferFailedError):
                    raise answer
                if answer is None:
                    headers = options.get("headers") or pool.headers
                    request = Request(method, _uri(pool, url), options.get("body"), headers)
                    answer = arriving(cassette, request, timeout)
                    if answer is None:
                        options["body"] = request.raw  # an iterable was used up
                        ask = partial(original, pool, conn, method, url, **options | _AS_IT_CAME)
                        answer = _recorded(cassette, request, ask)
            except TransferFailedError as failed:
                raise _exception(failed.failure, pool, conn, url, timeout) from None
            response = response_of(answer, method, url, options)
            if options.get("response_conn") is not None:
                pool._put_conn(conn)  # noqa: SLF001 - nothing will be read from it, so it is free again
            return response

        return make_request

    return make


def _urlopen(response_of: Any, vcrpy_is_outside: bool) -> Any:
    """Answer at once where urllib3 would only take a connection and put it back: a fifth of a request's time.

    Whatever is to be retried, redirected, recorded, or goes through a proxy goes urllib3's own way, down to
    `_make_request`; an answer that was taken already goes with it.
    """
    from urllib3.util.retry import Retry

    def make(original: Any) -> Any:
        @wraps(original)
        def urlopen(  # noqa: PLR0917 - urllib3's own
            pool: Any, method: str, url: str, body: Any = None, headers: Any = None, retries: Any = None, **options: Any
        ) -> Any:
            options.pop(_READY, None)  # of the request that is now asked once more
            cassette = current()
            if (
                cassette is None
                or not cassette.write_protected
                or type(retries) is not Retry
                or pool.proxy is not None
                or pool.pool is None
                or not url.startswith("/")
                or not (vcrpy_is_outside or not _is_of_vcrpy(pool.ConnectionCls))
                or not (body is None or isinstance(body, bytes))
            ):
                return original(pool, method, url, body, headers, retries, **options)
            request = Request(method, _uri(pool, url), body, headers or pool.headers)
            answer: Answer | TransferFailedError | None
            try:
                answer = arriving(cassette, request, _timeout(options.get("timeout", pool.timeout)))
            except TransferFailedError as failed:
                answer = failed
            else:
                if answer is not None and _is_final(answer, retries):
                    return response_of(answer, method, url, {**options, "retries": retries})
            return original(pool, method, url, body, headers, retries, **options, **{_READY: answer})

        return urlopen

    return make


def _is_final(answer: Answer, retries: Any) -> bool:
    """Tell whether urllib3 has nothing more to do with an answer than to hand it on."""
    return _FINE <= answer.status < _NOT_FINE and answer.status not in retries.status_forcelist and not answer.missing


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


class _Cut(BytesIO):
    """A body that ends too early."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body)
        self._missing = answer.missing

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data or size is None or size < 0:
            raise IncompleteRead(data, self._missing)
        return data


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
