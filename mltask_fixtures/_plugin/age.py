"""How old a cassette is, and how old it may be."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cassette import store

if TYPE_CHECKING:
    from pathlib import Path

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST: Final = 6  # digits


def parse_age(text: str) -> timedelta:
    """Read a length of time: a number and one of m, h, d, w.

    Raises:
        WrongUseError: it is none.

    Example:
        >>> parse_age("30d").days
        30
    """
    match = re.fullmatch(rf"\s*(\d{{1,{_LONGEST}}})\s*([mhdw])\s*", text)
    if match is None:
        raise WrongUseError(f"{text!r}; it is a number and a unit, such as 12h, 30d or 8w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def expired(path: Path, max_age: str) -> str | None:
    """Say in words that a cassette is older than allowed, or does not tell its age; None if it is young enough."""
    said = (store.read(path).get("metadata") or {}).get("recorded_at")
    try:
        recorded = datetime.fromisoformat(str(said))
    except ValueError:
        return f"{path} does not say when it was recorded (metadata recorded_at), and at most {max_age} are allowed"
    if recorded.tzinfo is None:
        recorded = recorded.replace(tzinfo=UTC)
    age = datetime.now(UTC) - recorded
    if age <= parse_age(max_age):
        return None
    return f"{path} was recorded {age.days} days ago, on {recorded:%Y-%m-%d}, and at most {max_age} are allowed"
