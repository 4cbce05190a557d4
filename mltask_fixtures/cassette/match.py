"""What makes two requests the same: method, path, query, and the body where it decides the answer.

Scheme, host and port are free, so a recording of one cluster answers for any other.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

_DECIDED_BY_BODY: Final = re.compile(r".*/_(m?search|count)(/template)?/?")
_REPEATABLE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


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
    url = urlsplit(uri)
    path = unquote(url.path) if "%" in url.path else url.path or "/"
    query = "&".join(sorted(url.query.split("&"))) if "&" in url.query else url.query
    decisive = _canonical(body) if body and _DECIDED_BY_BODY.fullmatch(path) else ""
    return Key(method.upper(), path, query, decisive)


def _canonical(body: bytes) -> str:
    """One text for all the ways in which a client may write the same JSON."""
    try:
        return json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "backslashreplace")
