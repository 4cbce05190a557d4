"""How long work tells what it is doing."""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Who listens to work that takes a while: a terminal, a log, or nobody."""

    def say(self, text: str) -> None:
        """Take one sentence about what happens now."""

    def seen(self, state: str) -> None:
        """Take a state that a task was just seen in."""

    def transfer(self, what: str, done: float, total: float) -> None:
        """Take how much of a download has arrived, both in bytes."""

    def step(self, what: str, done: int, total: int) -> None:
        """Take what is begun now, and how many of all are done."""


class Silence:
    """The report that nobody reads."""

    def say(self, text: str) -> None:
        """Drop it."""

    def seen(self, state: str) -> None:
        """Drop it."""

    def transfer(self, what: str, done: float, total: float) -> None:
        """Drop it."""

    def step(self, what: str, done: int, total: int) -> None:
        """Drop it."""


SILENCE = Silence()
