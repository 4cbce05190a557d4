"""A request as clients ask it, with the names that vcrpy's has; importing vcrpy's would import every client."""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mltask_fixtures.cassette.order import Place


_ANY_HEADER: Final = 47
"""Of zlib's and of gzip's, for `zlib.decompress`."""


class Request:
    """What was asked.

    Example:
        >>> Request("GET", "http://any:9200/", None, {}).path
        '/'
    """

    __slots__ = ("body", "headers", "method", "place", "raw", "uri")

    def __init__(self, method: str, uri: str, body: Any, headers: Mapping[str, Any]) -> None:
        """Take a request.

        Args:
            method: in any case.
            uri: with scheme and host.
            body: bytes, a text, a file, which is wound back, or an iterable of bytes, which is used up; None if there
                is none.
            headers: each with one text, or a list of texts.
        """
        self.method, self.uri = method, uri
        self.headers: Mapping[str, Any] = headers
        # As it was sent; in `body`, its content encoding is undone.
        self.raw: bytes | None = body if body is None or isinstance(body, bytes) else _read(body)
        self.body = self.raw
        self.place: Place | None = None
        if self.raw:
            self._undo_encoding(self.raw)

    def _undo_encoding(self, raw: bytes) -> None:
        """Compressed, a body is never twice the same, and shows none of the secrets that are to be removed."""
        encoded = [name for name in self.headers if name.lower() == "content-encoding"]
        if encoded and any(word in str(self.headers[encoded[0]]) for word in ("gzip", "deflate")):
            with suppress(zlib.error):
                self.body = zlib.decompress(raw, _ANY_HEADER)
                lengths = {"content-length": str(len(self.body))}
                self.headers = {
                    name: lengths.get(name.lower(), value)
                    for name, value in self.headers.items()
                    if name not in encoded
                }

    @property
    def body_bytes(self) -> bytes | None:
        """The body; vcrpy's name for it."""
        return self.body

    @property
    def path(self) -> str:
        """The path of the URL."""
        from urllib.parse import urlsplit

        return urlsplit(self.uri).path

    def __repr__(self) -> str:
        """Show what was asked."""
        return f"<Request {self.method} {self.uri}>"


def _read(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    if hasattr(body, "read"):
        where = body.tell() if hasattr(body, "tell") else None
        content = body.read()
        if where is not None:
            body.seek(where)
        return _read(content) if not isinstance(content, bytes) else content
    return b"".join(part if isinstance(part, bytes) else _read(part) for part in body)
