"""From the bytes of a body, or a mapping, to plain JSON values: everything that is wrong below the level of tasks."""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from mltask_fixtures.contract.task import LONGEST_TEXT

UNREADABLE: Final = object()
"""What `read` gives where there are no values to look at further."""
_DEEPEST = 100
_LARGEST = 104_857_600
"""OpenSearch's own `http.max_content_length`, in bytes."""
_LARGEST_INTEGER = 10**40
_SHOWN = 60
_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a body.

    Example:
        >>> print(Finding("null", "model_id", "null", "a server leaves the key out"))
        model_id is null; a server leaves the key out [null]
    """

    code: str
    """What kind of fault it is, such as `missing` or `time_order`."""
    field: str
    """Where: the key, with a point before each nested one; `body` for the whole."""
    seen: str
    """What stands there, shortened."""
    rule: str
    """What the rule says, in words."""

    def __str__(self) -> str:
        """Give the finding in one line."""
        return f"{self.field} is {self.seen}; {self.rule} [{self.code}]"


def show(value: Any) -> str:
    """Show a value of any size in a few characters, as JSON where that is possible.

    Example:
        >>> show("x" * 100)
        '"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..." (100 characters)'
    """
    if isinstance(value, str):
        shown = json.dumps(value[:_SHOWN], ensure_ascii=bool(_SURROGATE.search(value[:_SHOWN])))
        return shown if len(value) <= _SHOWN else f'{shown[:-1]}..." ({len(value):,} characters)'
    if value is None or isinstance(value, (bool, float)):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if abs(value) < _LARGEST_INTEGER else f"an integer of {value.bit_length():,} bits"
    if isinstance(value, bytes):
        return repr(value[:_SHOWN])
    if isinstance(value, Mapping):
        return f"an object of {len(value):,} keys" if value else "{}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value):,} items" if value else "[]"
    return f"{type(value).__name__} {reprlib.repr(value)}"


def read(body: bytes | str | Mapping[str, Any]) -> tuple[Any, list[Finding]]:
    """Read a body into plain values, with everything that JSON itself forbids.

    Returns:
        The values, or UNREADABLE, and the findings so far.

    Example:
        >>> read(b'{"state":"CREATED","state":"RUNNING"}')[1][0].code
        'duplicate_key'
    """
    if isinstance(body, (bytes, bytearray, memoryview)):
        body = bytes(body)
        try:
            body = body.decode()
        except UnicodeDecodeError as error:
            rule = f"a body is UTF-8; byte {error.start} begins no character ({error.reason})"
            return UNREADABLE, [Finding("encoding", "body", show(body[error.start : error.start + 8]), rule)]
    if isinstance(body, str):
        return _parse(body)
    return body, _walk(body)


def _parse(text: str) -> tuple[Any, list[Finding]]:
    if len(text) > _LARGEST:
        return UNREADABLE, [
            Finding("too_long", "body", f"{len(text):,} characters long", f"at most {_LARGEST:,} are read")
        ]
    if surrogate := _SURROGATE.search(text):
        rule = f"character {surrogate.start()} is half of a surrogate pair, which UTF-8 cannot carry"
        return UNREADABLE, [Finding("encoding", "body", show(text[surrogate.start() : surrogate.start() + 8]), rule)]
    try:
        # This parser bounds the depth, which json does not, and says where it stopped.
        from_json(text, allow_inf_nan=False, cache_strings="none")
    except ValueError as error:
        code = "too_deep" if "recursion limit" in str(error) else "not_json"
        return UNREADABLE, [Finding(code, "body", show(text), f"a body is JSON; {error}")]
    duplicates: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            duplicates.extend(key for key, count in counts.items() if count > 1)
        return values

    try:
        values = json.loads(text, object_pairs_hook=unique)
    except ValueError as error:  # an integer of more digits than Python reads
        return UNREADABLE, [Finding("not_json", "body", show(text), f"a body is JSON of bounded numbers; {error}")]
    findings = [
        Finding("duplicate_key", key[:_SHOWN], "there more than once", "each key stands in an object once")
        for key in dict.fromkeys(duplicates)
    ]
    return values, findings + _walk(values)


def _walk(values: Any) -> list[Finding]:
    """Look at every value once, without recursion, for what no JSON text has or no server would send."""
    findings: list[Finding] = []
    rest: list[tuple[str, int, Any]] = [("", 0, values)]
    while rest:
        path, depth, value = rest.pop()
        where = path or "body"
        if isinstance(value, (Mapping, list, tuple)):
            if depth >= _DEEPEST:
                rule = f"a body is nested at most {_DEEPEST} deep"
                return [*findings, Finding("too_deep", where[:_SHOWN], "nested deeper still", rule)]
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, item in items:
                if isinstance(value, Mapping):
                    findings += _key(where, key)
                rest.append((f"{path}.{key}"[:200] if path else str(key)[:_SHOWN], depth + 1, item))
        elif isinstance(value, str):
            findings += _text(where, value)
        elif isinstance(value, float):
            if not math.isfinite(value):
                findings.append(Finding("wrong_type", where, show(value), "JSON has no NaN and no infinity"))
        elif value is not None and not isinstance(value, (bool, int)):
            findings.append(Finding("wrong_type", where, show(value), "JSON has no such value"))
    return findings


def _key(where: str, key: Any) -> list[Finding]:
    if isinstance(key, str):
        return _text(where, key)
    return [Finding("wrong_type", where, show(key), "the keys of an object are texts")]


def _text(where: str, text: str) -> list[Finding]:
    findings = []
    if len(text) > LONGEST_TEXT:
        findings.append(Finding("too_long", where, show(text), f"a text has at most {LONGEST_TEXT:,} characters"))
    if _SURROGATE.search(text):
        findings.append(Finding("encoding", where, show(text), "UTF-8 cannot carry half a surrogate pair"))
    return findings
