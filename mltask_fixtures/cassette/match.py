"""What makes two requests the same: method, path, query, and the body where it decides the answer.

Scheme, host and port are free, so a recording of one cluster answers for any other.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, unquote_plus

_URL: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://[^/?#]*)?([^?#]*)(?:\?([^#]*))?", re.DOTALL)
"""RFC 3986's own expression, appendix B, for path and query; `urlsplit` takes four times as long."""
_DECIDED_BY_BODY: Final = re.compile(r".*/_(m?search|count)(/template)?/?")
_REPEATABLE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NOT_ESCAPED: Final = ",:*/@!$'();"


class Key(NamedTuple):
    """The part of a request that decides its answer; equal keys get the same answers."""

    method: str
    path: str
    query: str
    body: str

    @property
    def repeatable(self) -> bool:
        """Whether the last answer holds when the request comes once more: it changes nothing on a server."""
        return self.method in _REPEATABLE_METHODS or bool(self.body)

    def __str__(self) -> str:
        """Give it as one reads it in a log."""
        return f"{self.method} {self.path}{'?' if self.query else ''}{self.query}{' ' if self.body else ''}{self.body}"


def key_of(method: str, uri: str, body: bytes | None) -> Key:
    """Take from a request what decides its answer.

    Example:
        >>> key_of("GET", "http://h:9200/_plugins/_ml/tasks/x?b=2&a=1", None)
        Key(method='GET', path='/_plugins/_ml/tasks/x', query='a=1&b=2', body='')
    """
    path, query = _URL.match(uri).groups("")  # type: ignore[union-attr]  # it matches any text
    if "%" in path:
        path = unquote(path)
    if query:
        query = "&".join(sorted(map(_one_way, query.split("&"))))
    decisive = _canonical(body) if body and _DECIDED_BY_BODY.fullmatch(path) else ""
    return Key(method.upper(), path or "/", query, decisive)


def _one_way(pair: str) -> str:
    """Clients differ in what they escape: one writes `a,b` where another writes `a%2Cb`."""
    if "%" not in pair and "+" not in pair:
        return pair
    return "=".join(quote(unquote_plus(part), safe=_NOT_ESCAPED) for part in pair.split("=", 1))


def _canonical(body: bytes) -> str:
    """One text for all the ways in which a client may write the same JSON, or the same lines of JSON."""
    try:
        return _compact(json.loads(body))
    except (ValueError, RecursionError):
        pass
    try:
        return "\n".join(_compact(json.loads(line)) for line in body.splitlines())
    except (ValueError, RecursionError):
        return body.decode("utf-8", "backslashreplace")


_compact: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
