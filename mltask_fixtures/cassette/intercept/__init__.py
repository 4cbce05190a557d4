"""Where HTTP clients meet the cassette in use: one module for each, patched while any cassette is open.

Which cassette is in use is a context variable, so threads and asyncio tasks that each open their own stay apart. A
thread and a thread pool's job get the cassette of the code that started them. What nobody under a cassette started,
such as a loop that was running before, gets the one that is open; if there are several side by side, none can be meant.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from wrapt import register_post_import_hook

from mltask_fixtures._errors import WrongUseError

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
    "threading": "threads",
    "concurrent.futures.thread": "threads",
}
"""The module whose import brings a client, and the module here that knows it."""

_current: ContextVar[MLTaskCassette | None] = ContextVar("mltask_cassette", default=None)
_passing: ContextVar[bool] = ContextVar("mltask_passing", default=False)
_opened: list[MLTaskCassette] = []
_patched: dict[tuple[int, str], tuple[Any, str, Any, Any]] = {}
_INHERITED_ATTRIBUTE: Final = object()
_lock = threading.RLock()
_hooked = False


class SeveralCassettesError(WrongUseError):
    """A request came from code that no cassette's user started, while several cassettes were open side by side."""


def current() -> MLTaskCassette | None:
    """Give the cassette that answers here and now; None lets a request pass.

    Raises:
        SeveralCassettesError: several are open side by side, and none of their users started what runs here.
    """
    if _passing.get():
        return None
    return inherited() or _only()


def inherited() -> MLTaskCassette | None:
    """Give the open cassette of the code that runs here, or of what started its thread."""
    cassette = _current.get()
    if cassette is None:
        cassette = vars(threading.current_thread()).get(_INHERITED)
    while cassette is not None and not cassette.is_open:
        cassette = cassette.outer
    return cassette


_INHERITED: Final = "_mltask_cassette"


def bequeath(thread: threading.Thread) -> None:
    """Let a thread that is about to start have the cassette that is in use here."""
    if (cassette := inherited()) is not None:
        setattr(thread, _INHERITED, cassette)


def _only() -> MLTaskCassette | None:
    opened = _opened
    if len(opened) > 1:
        for outer, cassette in pairwise(list(opened)):
            if cassette.outer is not outer:
                paths = ", ".join(str(one.path) for one in opened)
                raise SeveralCassettesError(
                    f"several cassettes are open side by side ({paths}), and this request comes from a thread or loop "
                    "that was running before them, so none of them can be meant: start the thread inside the block"
                )
    return opened[-1] if opened else None


@contextmanager
def using(cassette: MLTaskCassette) -> Iterator[None]:
    """Let this cassette answer what is asked inside: a job that was handed to another thread."""
    token = _current.set(cassette)
    try:
        yield
    finally:
        _current.reset(token)


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
    cassette.outer = inherited()
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
        for wire in list(cassette.wires):
            wire.hang_up()


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
            if owner.__dict__.get(name) is not ours:
                continue  # another tool has patched it since, and takes care of it
            if original is _INHERITED_ATTRIBUTE:
                delattr(owner, name)
            else:
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
        own, there = name in owner.__dict__, owner.__dict__.get(name, getattr(owner, name))
        if place in _patched and _patched[place][3] is there:
            continue
        ours = make(there)
        setattr(owner, name, ours)
        _patched[place] = (owner, name, there if own else _INHERITED_ATTRIBUTE, ours)
