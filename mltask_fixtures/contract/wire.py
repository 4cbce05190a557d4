"""JSON text exactly as OpenSearch writes it: Java's escapes, Java's doubles, Java's map order.

Measured by passing bodies through the server's own classes of 2.19.1 and 3.6.0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

_ESCAPED = re.compile(r'["\\\x00-\x1f\U00010000-\U0010ffff]')
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_LAST_IN_BASIC_PLANE = 0xFFFF
_PLAIN_DOUBLES = (1e-3, 1e7)
_EXACT_INTEGERS = 1e15
"""Below it a double's shortest text is the integer's own digits."""
_SMALLEST_TABLE = 16
_SHORT, _MANY = 64, 1024
_KEYS: dict[str, str] = {}
"""The texts of keys: they are mostly the same few."""
_PLAIN = frozenset({str, int, float, bool, type(None)})


def encode(value: Any) -> str:
    r"""Write a value as compact JSON text, byte for byte as a server would.

    Args:
        value: what `json.loads` gives: dicts, lists, strings, numbers, booleans, None.

    Raises:
        TypeError: the value is nothing that JSON has.
        ValueError: NaN or an infinity, which JSON has not.

    Example:
        >>> encode({"created_at": 1.7e9, "note": "ö\x1f"})
        '{"created_at":1.7E9,"note":"ö\\u001F"}'
    """
    kind = type(value)
    if kind is str:
        # Python escapes as Java does, save for control characters and what lies beyond the basic plane.
        return encode_basestring(value) if value.isascii() and value.isprintable() else _encode_text(value)
    if kind is dict:
        return (
            "{"
            + ",".join([f"{_KEYS.get(key) or _encode_key(key)}:{encode(item)}" for key, item in value.items()])
            + "}"
        )
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if kind is list:
        return "[" + ",".join([encode(item) for item in value]) + "]"
    return _encode_seldom(value)


def _encode_seldom(value: Any) -> str:
    """Write a double, or what is like one of the types that `json.loads` gives without being it."""
    if isinstance(value, str):
        return _encode_text(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, Mapping):
        return encode(dict(value))
    if isinstance(value, tuple):
        return encode(list(value))
    raise TypeError(f"JSON has no {type(value).__name__}: {value!r:.60}")


def _encode_text(text: str) -> str:
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _encode_key(key: Any) -> str:
    text = encode(key)
    if type(key) is str and len(key) <= _SHORT and len(_KEYS) < _MANY:
        _KEYS[key] = text
    return text


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    code = ord(character)
    if code <= _LAST_IN_BASIC_PLANE:
        return f"\\u{code:04X}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04X}\\u{0xDC00 + low:04X}"


def _double(number: float) -> str:
    """Java's `Double.toString`: plain from 0.001 up to 10,000,000, else one digit before the point and an `E`.

    Java takes the shortest text of at least two digits that reads back, and of those the nearest.
    """
    if not math.isfinite(number):
        raise ValueError(f"JSON has no {number}")
    if number == 0:
        return repr(number)
    if _PLAIN_DOUBLES[0] <= abs(number) < _PLAIN_DOUBLES[1]:
        return repr(number)
    if number.is_integer() and abs(number) < _EXACT_INTEGERS:
        whole = str(abs(int(number)))
        return f"{'-' * (number < 0)}{whole[0]}.{whole[1:].rstrip('0') or '0'}E{len(whole) - 1}"
    shortest = repr(number) if len(repr(number).strip("-").partition("e")[0]) > 1 else f"{number:.1e}"
    sign, digits, exponent = Decimal(shortest).normalize().as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - only NaN and infinities have letters here
    mantissa = "".join(map(str, digits))
    return f"{'-' * sign}{mantissa[0]}.{mantissa[1:] or '0'}E{exponent + len(mantissa) - 1}"


def in_map_order(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Order the keys of a map, and of all maps in it, as a `java.util.HashMap` prints them.

    Example:
        >>> list(in_map_order({"id": 1, "status": 2, "errors": 3, "object": 4}))
        ['id', 'errors', 'status', 'object']
    """
    return {key: item if type(item := mapping[key]) in _PLAIN else _in_map_order(item) for key in map_order(mapping)}


def _in_map_order(value: Any) -> Any:
    if isinstance(value, Mapping):
        return in_map_order(value)
    return [_in_map_order(item) for item in value] if isinstance(value, (list, tuple)) else value


def map_order(keys: Iterable[str]) -> list[str]:
    """Sort keys, stably, by their bucket in a `java.util.HashMap` that holds them all.

    Example:
        >>> map_order(["b", "a"])
        ['a', 'b']
    """
    keys = tuple(keys)
    short = len(keys) <= _SHORT and len("".join(keys)) <= _SHORT**2
    return list((_short_order if short else _order)(keys))


def _order(keys: tuple[str, ...]) -> tuple[str, ...]:
    size = _SMALLEST_TABLE
    while len(keys) > size * 3 // 4:
        size *= 2
    return tuple(sorted(keys, key=lambda key: _bucket(key, size)))


def _bucket(key: str, size: int) -> int:
    spread = 0
    units = key.encode("utf-16-be", "surrogatepass")
    for unit in zip(units[::2], units[1::2], strict=True):
        spread = spread * 31 + (unit[0] << 8 | unit[1]) & 0xFFFFFFFF
    return (spread ^ spread >> 16) & (size - 1)


_short_order = lru_cache(maxsize=_MANY)(_order)
