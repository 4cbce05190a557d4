"""The order of a recording: the same each time it is made, whatever the threads and tasks that made it did first.

Requests of one thread that wait for each other keep their order. Requests that several had under way together have
none that would come again, so they are sorted by what was asked; those that ask the same keep the order of their start.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Place(NamedTuple):
    """Where an exchange stands: in which stretch of the recording, and how many had been begun before it."""

    stretch: int
    number: int


class Order:
    """Gives each request its place when it is sent; its user holds a lock.

    A stretch is what goes on together. The thread that records begins a new one whenever nothing is under way; what
    other threads ask until then is one stretch, for which of them is quicker is not the same twice.

    Example:
        >>> order = Order()
        >>> first = order.begin(); order.end()
        >>> second = order.begin(); order.end()
        >>> order.rank(first, lambda: "z") < order.rank(second, lambda: "a")
        True
    """

    def __init__(self) -> None:
        """Begin in the thread that records."""
        self._home = threading.get_ident()
        self._begun = self._under_way = self._stretch = 0
        self._at_home = True
        self._lanes: set[Any] = set()
        self._mixed: set[int] = set()

    def begin(self) -> Place:
        """Give the next request its place."""
        lane = threading.get_ident(), _task()
        at_home = lane[0] == self._home
        goes_on = self._stretch in self._mixed and lane in self._lanes
        if not self._under_way and (at_home is not self._at_home or (at_home and not goes_on)):
            self._stretch += 1
            self._lanes.clear()
            self._at_home = at_home
        elif self._under_way or (self._lanes and lane not in self._lanes):
            self._mixed.add(self._stretch)
        self._lanes.add(lane)
        self._under_way += 1
        self._begun += 1
        return Place(self._stretch, self._begun)

    def end(self) -> None:
        """Take note that a request was answered, or failed."""
        self._under_way -= 1

    def rank(self, place: Place, asked: Callable[[], str]) -> tuple[int, str, int]:
        """Give what an exchange is sorted by."""
        return place.stretch, asked() if place.stretch in self._mixed else "", place.number


def _task() -> Any:
    """Give the asyncio task that runs here; None where none does, without importing asyncio for it."""
    asyncio = sys.modules.get("asyncio")
    try:
        return asyncio.current_task() if asyncio else None
    except RuntimeError:
        return None
