"""Tell on stderr how many payloads are done: a bar on a terminal, a line for each tenth of a long run in a pipe."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LONG = 1_000_000  # payloads; about five seconds
_TENTHS = 10


@contextmanager
def counted(total: int, what: str, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Give what is to be told whenever more are done.

    Args:
        total: how many there will be.
        what: their name, such as `payloads`.
        shown: whether a bar may be drawn: not on the terminal that the results go to.
    """
    if not (shown and sys.stderr.isatty()):
        yield _lines(total, what)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(what, total=total)
        yield lambda done: progress.update(bar, completed=done)


def _lines(total: int, what: str) -> Callable[[int], None]:
    told = 0

    def tell(done: int) -> None:
        nonlocal told
        tenth = done * _TENTHS // total
        if total >= _LONG and tenth > told:
            told = tenth
            click.echo(f"{done:,} of {total:,} {what}", err=True)

    return tell
