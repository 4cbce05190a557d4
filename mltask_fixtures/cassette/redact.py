"""What is removed from every recording, always: credentials in headers, URLs and JSON, on both sides.

Redacting twice is redacting once, and JSON stays JSON.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from mltask_fixtures.cassette.format import _WRITERS

if TYPE_CHECKING:
    from collections.abc import Mapping

REDACTED: Final = "REDACTED"

_HEADERS: Final = frozenset(
    {
        "authorization",
        "cookie",
        "proxy-authorization",
        "set-cookie",
        "www-authenticate",
        "x-amz-security-token",
        "x-api-key",
        "x-auth-token",
        "x-tenant-id",
    }
)
_NAMES: Final = re.compile(
    r"(?i)(.*[_-])?("
    r"authorization|password|passwd|secret|token|session[_-]?token|access[_-]?token|refresh[_-]?token|id[_-]?token|"
    r"api[_-]?key|access[_-]?key|secret[_-]?key|openai[_-]?key|cohere[_-]?key|private[_-]?key|client[_-]?secret|"
    r"credentials?|signature|x-amz-(signature|credential|security-token)"
    r")(_?id)?"
)
"""The names of JSON keys and query parameters whose values are secrets."""
_CREDENTIALS_IN_TEXT: Final = re.compile(r"(?i)\b(bearer|basic|apikey|aws4-hmac-sha256)\s+[A-Za-z0-9+/=._~:-]{6,}")
_USERINFO_IN_TEXT: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s:@\"']+:[^/\s@\"']+@")


def redact_uri(uri: str) -> str:
    """Remove user, password and secret parameters from a URL.

    Example:
        >>> redact_uri("http://me:secret@host:9200/_search?pretty&api_key=abc")
        'http://host:9200/_search?pretty&api_key=REDACTED'
    """
    parts = urlsplit(uri)
    netloc = parts.netloc.rpartition("@")[2]
    query = parts.query
    if any(_NAMES.fullmatch(name) for name, _ in parse_qsl(query, keep_blank_values=True)):
        pairs = (pair.partition("=") for pair in query.split("&"))
        query = "&".join(
            f"{name}{equals}{REDACTED}" if equals and _NAMES.fullmatch(name) else f"{name}{equals}{value}"
            for name, equals, value in pairs
        )
    return urlunsplit(parts._replace(netloc=netloc, query=query))


def redact_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the values of headers that carry credentials; a value is a text or a list of texts.

    Example:
        >>> redact_headers({"Authorization": ["Basic bWU6c2VjcmV0"], "accept": "*/*"})
        {'Authorization': ['REDACTED'], 'accept': '*/*'}
    """
    return {
        name: ([REDACTED] if isinstance(value, (list, tuple)) else REDACTED) if name.lower() in _HEADERS else value
        for name, value in headers.items()
    }


def redact_body(body: bytes) -> bytes:
    """Remove secrets from a body: from JSON by key and by value, from any other text by value.

    Example:
        >>> redact_body(b'{"credential":{"access_key":"AKIA"},"parameters":{"model":"x"}}')
        b'{"credential":{"access_key":"REDACTED"},"parameters":{"model":"x"}}'
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _in_text(text).encode()
    redacted = _in_json(value)
    if redacted == value:
        return body
    written = next((write for write in _WRITERS.values() if _same(write, value, text)), _WRITERS["compact"])
    return written(redacted).encode()


def _same(write: Any, value: Any, text: str) -> bool:
    try:
        return bool(write(value) == text)
    except (ValueError, RecursionError):
        return False


def _in_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _in_secret(key, item) if _NAMES.fullmatch(key) else _in_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_json(item) for item in value]
    return _in_text(value) if isinstance(value, str) else value


def _in_secret(key: str, value: Any) -> Any:
    """Redact everything under a secret's name; numbers and switches are no secrets."""
    if isinstance(value, dict):
        return {name: _in_secret(key, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_in_secret(key, item) for item in value]
    return REDACTED if isinstance(value, str) and value else value


def _in_text(text: str) -> str:
    text = _CREDENTIALS_IN_TEXT.sub(lambda match: f"{match[1]} {REDACTED}", text)
    return _USERINFO_IN_TEXT.sub(lambda match: match[1], text)
