"""Tell on stderr what long work is doing: a bar on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

    from mltask_fixtures.cluster.report import Report

_LINE_EVERY = 0.25  # of a download, between two plain lines


@contextmanager
def on_stderr() -> Iterator[Report]:
    """Give work a report that ends up on stderr, in the form that suits it."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bars(progress)


class _Lines:
    """One line for each step, and four for a download."""

    def __init__(self) -> None:
        self._told = 0.0

    def say(self, text: str) -> None:
        self._told = 0.0
        click.echo(text, err=True)

    def transfer(self, what: str, done: float, total: float) -> None:
        share = done / total
        if share >= self._told + _LINE_EVERY:
            self._told = share
            click.echo(f"  {what}: {done / 1e6:.0f} of {total / 1e6:.0f} MB", err=True)


class _Bars:
    """One line for each step above one bar for the download that runs."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bar: TaskID | None = None

    def say(self, text: str) -> None:
        if self._bar is not None:
            self._progress.remove_task(self._bar)
            self._bar = None
        self._progress.console.print(text, highlight=False, markup=False)

    def transfer(self, what: str, done: float, total: float) -> None:
        if self._bar is None:
            self._bar = self._progress.add_task(what.split(":")[1], total=total)
        self._progress.update(self._bar, completed=done, total=total)
