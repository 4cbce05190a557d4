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
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[shown]}", markup=False))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bars(progress)


class _Lines:
    """One line for each step, and four for a download."""

    def __init__(self) -> None:
        self._told = 0.0

    def say(self, text: str) -> None:
        self._told = 0.0
        click.echo(text, err=True)

    def seen(self, state: str) -> None:
        click.echo(f"  {state}", err=True)

    def transfer(self, what: str, done: float, total: float) -> None:
        share = done / total
        if share >= self._told + _LINE_EVERY:
            self._told = share
            click.echo(f"  {what}: {_megabytes(done, total)}", err=True)

    def step(self, what: str, done: int, total: int) -> None:
        click.echo(f"{done + 1} of {total}: {what}", err=True)


class _Bars:
    """One line for each step, above one bar for the download or the round that goes on."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._download: TaskID | None = None
        self._round: TaskID | None = None

    def say(self, text: str) -> None:
        if self._download is not None:
            self._progress.remove_task(self._download)
            self._download = None
        self._progress.console.print(text, highlight=False, markup=False)

    def seen(self, state: str) -> None:
        if self._round is not None:
            self._progress.update(self._round, shown=state)

    def transfer(self, what: str, done: float, total: float) -> None:
        if self._download is None:
            self._download = self._progress.add_task(what.split(":")[1], total=total, shown="")
        self._progress.update(self._download, completed=done, total=total, shown=_megabytes(done, total))

    def step(self, what: str, done: int, total: int) -> None:
        if self._round is None:
            self._round = self._progress.add_task(what, total=total, shown="")
        shown = f"{done + 1} of {total}"
        self._progress.update(self._round, description=what, completed=done, total=total, shown=shown)


def _megabytes(done: float, total: float) -> str:
    return f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
