"""Where HTTP clients meet the cassette in use: one module for each, patched while any cassette is open.

Which cassette is in use is a context variable, so threads and asyncio tasks that each open their own stay apart; code
that runs in a context of its own, such as a thread pool's, gets the one that was opened last.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from wrapt import register_post_import_hook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType
    from typing import TypeAlias

    from mltask_fixtures.cassette.replay import MLTaskCassette

    Replacement: TypeAlias = tuple[Any, str, Callable[[Any], Any]]
    """Whose attribute, its name, and what makes the new one from the one that is there."""

_CLIENTS: Final = {
    "urllib3.connectionpool": "urllib3",
    "http.client": "http_client",
    "httpx": "httpx",
    "aiohttp.client": "aiohttp",
    "socket": "guard",
}
"""The module whose import brings a client, and the module here that knows it."""

_current: ContextVar[MLTaskCassette | None] = ContextVar("mltask_cassette", default=None)
_passing: ContextVar[bool] = ContextVar("mltask_passing", default=False)
_opened: list[MLTaskCassette] = []
_patched: dict[tuple[int, str], tuple[Any, str, Any, Any]] = {}
_lock = threading.RLock()
_hooked = False


def current() -> MLTaskCassette | None:
    """Give the cassette that answers here and now; None lets a request pass."""
    if _passing.get():
        return None
    cassette = _current.get()
    if cassette is not None and cassette.is_open:
        return cassette
    return _opened[-1] if _opened else None


@contextmanager
def passing() -> Iterator[None]:
    """Let the requests that are made inside reach the network: the recorder's own."""
    token = _passing.set(True)
    try:
        yield
    finally:
        _passing.reset(token)


@contextmanager
def intercepting(cassette: MLTaskCassette) -> Iterator[None]:
    """Answer the requests of every known client from this cassette."""
    _open(cassette)
    token = _current.set(cassette)
    try:
        yield
    finally:
        cassette.is_open = False
        # Set up in one context and torn down in another, as some async fixtures are: a closed one answers no more.
        with suppress(ValueError):
            _current.reset(token)
        _close(cassette)


def _open(cassette: MLTaskCassette) -> None:
    global _hooked  # noqa: PLW0603 - hooks cannot be taken back, so they are registered once
    with _lock:
        _opened.append(cassette)
        for name in _CLIENTS:
            if name in sys.modules:
                _patch(sys.modules[name])
            if not _hooked:
                register_post_import_hook(_imported, name)
        _hooked = True


def _close(cassette: MLTaskCassette) -> None:
    with _lock:
        _opened.remove(cassette)
        if _opened:
            return
        for owner, name, original, ours in _patched.values():
            if owner.__dict__.get(name) is ours:  # else another tool has patched it since, and takes care of it
                setattr(owner, name, original)
        _patched.clear()


def _imported(module: ModuleType) -> None:
    """Patch a client that the code under test imports while a cassette is open."""
    with _lock:
        if _opened:
            _patch(module)


def _patch(module: ModuleType) -> None:
    client = import_module(f"{__name__}._{_CLIENTS[module.__name__]}")
    replacements: Iterable[Replacement] = client.replacements(module)
    for owner, name, make in replacements:
        place = (id(owner), name)
        there = owner.__dict__.get(name, getattr(owner, name))
        if place in _patched and _patched[place][3] is there:
            continue
        ours = make(there)
        setattr(owner, name, ours)
        _patched[place] = (owner, name, there, ours)
