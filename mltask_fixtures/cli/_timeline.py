"""Show timelines as text: one line for each step where there is room, else a second one for what changed."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mltask_fixtures.cassette.timeline import Step

_ID: Final = re.compile(r"(?<![\w-])[\w-]{20}(?![\w-])", re.ASCII)
_SHORTEST: Final = 4
_FIRST_ERROR: Final = 400
_WIDE: Final = 120
"""Columns in which each step has one line."""
_NARROWEST: Final = 40
_HEAD: Final = ("t/ms", "request", "state", "model_id", "changed", "check")


def width() -> int | None:
    """Give the columns to write in: what COLUMNS says, else those of the terminal; None in a pipe."""
    if os.environ.get("COLUMNS", "").isdigit():
        return max(int(os.environ["COLUMNS"]), _NARROWEST)
    return max(shutil.get_terminal_size().columns, _NARROWEST) if sys.stdout.isatty() else None


def lines(steps: Iterable[Step], columns: int | None) -> Iterator[str]:
    """Write a timeline.

    Args:
        steps: of the timeline.
        columns: to write in; None for as many as it takes, with ids in full.
    """
    steps = list(steps)
    if columns is None:
        yield from _table([_HEAD, *(_row(step) for step in steps)])
        return
    short = _shortened([text for step in steps for text in (step.request, step.model_id)])
    rows = [tuple(short(part) for part in _row(step)) for step in steps]
    table = list(_table([_HEAD, *rows]))
    if columns >= _WIDE and max(map(len, table)) <= columns:
        yield from table
    else:
        yield from _stacked(rows, columns)


def folded(text: str, columns: int | None, indent: str = "") -> str:
    """Break a text between words, at no other place."""
    if columns is None:
        return text
    return textwrap.fill(text, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _row(step: Step) -> tuple[str, ...]:
    request = f"{step.request} (x{step.polls})" if step.polls > 1 else step.request
    state = f"{step.state} {step.status}".strip() if step.status >= _FIRST_ERROR else step.state
    verdict = f"{step.findings} found" if step.findings else "fine"
    return f"{step.t_ms:.0f}", request, state, step.model_id, ", ".join(step.changed), verdict


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for t, *cells in rows:
        padded = [cell.ljust(size) for cell, size in zip(cells, widths[1:], strict=True)]
        yield "  ".join([t.rjust(widths[0]), *padded]).rstrip()


def _stacked(rows: Sequence[tuple[str, ...]], columns: int) -> Iterator[str]:
    """Three columns and the verdict; what changed stands below, where it is about."""
    head = (*_HEAD[:3], _HEAD[5])
    sizes = [max(len(row[n]) for row in ((*head[:3], "", "", head[3]), *rows)) for n in (0, 2, 5)]
    times, states, verdicts = sizes
    room = columns - times - states - verdicts - 6
    indent = " " * (times + 2)
    for t, request, state, model_id, changed, verdict in [(*head[:3], "", "", head[3]), *rows]:
        first, *rest = _broken(request, room)
        yield f"{t:>{times}}  {first:<{room}}  {state:<{states}}  {verdict}".rstrip()
        yield from (f"{indent}{part}" for part in rest)
        about = [f"model_id {model_id}"] if model_id else []
        about += [f"changed {changed}"] if changed else []
        if about:
            yield folded(f"{indent}  {'; '.join(about)}", columns, f"{indent}  ")


def _broken(request: str, room: int) -> list[str]:
    """Break a request that is too long before one of its separators."""
    parts: list[str] = []
    while len(request) > room:
        at = max((request.rfind(mark, 1, room) for mark in " /?&"), default=0)
        at = at if at > len(request.split(" ", maxsplit=1)[0]) else room
        parts.append(request[:at])
        request = "  " + request[at:].lstrip()
    return [*parts, request]


def _shortened(texts: Iterable[str]) -> _Shortener:
    return _Shortener({found for text in texts for found in _ID.findall(text)})


class _Shortener:
    """Shows ids by their first characters: the same for the same id, another one for another."""

    def __init__(self, ids: set[str]) -> None:
        size = _SHORTEST
        while len({one[:size] for one in ids}) < len(ids):
            size += 1
        self._size = size
        self._ids = ids

    def __call__(self, text: str) -> str:
        return _ID.sub(lambda match: f"{match[0][: self._size]}…" if match[0] in self._ids else match[0], text)
