"""Threads, so that what code under a cassette starts is under it, too."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cassette.intercept import bequeath, inherited, using

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from mltask_fixtures.cassette.intercept import Replacement


def replacements(module: ModuleType) -> Iterator[Replacement]:
    """Stand in place of starting a thread, or of handing a job to a pool whose threads may be older."""
    if module.__name__ == "threading":
        yield module.Thread, "start", _start
    else:
        yield module.ThreadPoolExecutor, "submit", _submit


def _start(original: Any) -> Any:
    @wraps(original)
    def start(thread: Any) -> None:
        bequeath(thread)
        original(thread)

    return start


def _submit(original: Any) -> Any:
    @wraps(original)
    def submit(pool: Any, job: Any, /, *args: Any, **options: Any) -> Any:
        cassette = inherited()
        if cassette is None:
            return original(pool, job, *args, **options)

        def under_it(*args: Any, **options: Any) -> Any:
            with using(cassette):
                return job(*args, **options)

        return original(pool, under_it, *args, **options)

    return submit
