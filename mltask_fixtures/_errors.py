"""The errors that this package raises on purpose, and the exit code that each means in the shell."""

from __future__ import annotations


class MLTaskFixturesError(Exception):
    """Base of every error raised on purpose; its text says what was wrong, where, and what to do next."""

    exit_code = 1


class WrongUseError(MLTaskFixturesError):
    """What was asked for cannot be: a wrong name, a contradicting option, a missing file."""

    exit_code = 2


class OutsideError(MLTaskFixturesError):
    """Something outside failed: no cluster, no Java, a full disk, a port in use."""

    exit_code = 3
