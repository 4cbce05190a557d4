"""Whose turn it is among threads that share a virtual clock: time goes on when each of them waits for it.

The one that waits for the earliest moment is woken at that moment, then the next, so that sleeps and time-outs end in
the order in which they would. While one of them does something, or waits for what cannot be seen from here (a socket, a
process, a bare lock), the others wait in real time, which the clock follows anyway.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import wraps
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

_NS: Final = 1_000_000_000
_FIRST_LOOK, _LAST_LOOK = 0.001, 0.05
"""Seconds after which a thread that waits in real time looks again: what is not seen from here may have ended."""


class Bell:
    """Something that one thread waits for and another does, once; a condition takes it for the lock of a waiter."""

    __slots__ = ("_lock", "_rang")

    def __init__(self) -> None:
        """Begin in silence."""
        self._lock = threading.Lock()
        self._lock.acquire()
        self._rang = False

    def is_silent(self) -> bool:
        """Tell whether it has not rung."""
        return not self._rang

    def release(self) -> None:
        """Ring.

        Raises:
            RuntimeError: it has rung, or was waited for as long as was wanted.
        """
        self._rang = True
        self._lock.release()

    def wake(self) -> None:
        """End the wait for it."""
        with suppress(RuntimeError):  # it rings just now
            self._lock.release()

    def pause(self, seconds: float | None) -> bool:
        """Wait in real time; tell whether it rang."""
        return self._lock.acquire(timeout=-1 if seconds is None else seconds)


class _Wait:
    """What a thread waits for."""

    __slots__ = ("deadline_ns", "is_over", "number", "still", "wake")

    def __init__(
        self, number: int, deadline_ns: int | None, still: Callable[[], bool], wake: Callable[[], None]
    ) -> None:
        self.number, self.deadline_ns, self.still, self.wake = number, deadline_ns, still, wake
        self.is_over = False
        """Whether its moment came."""


class Turn:
    """A thread, or the work that was given to a pool of them."""

    def __init__(self, pool: Any = None) -> None:
        """Take the pool, for work that no thread has begun."""
        self.pool = pool
        self.has_begun = pool is None
        self.wait: _Wait | None = None
        self.ends: list[Bell] = []
        """Of those who wait for its end."""


class Turns:
    """The threads that live by one clock."""

    def __init__(
        self, now_ns: Callable[[], int], skip_ns: Callable[[int], None], others_at_work: Callable[[], bool]
    ) -> None:
        """Take how the clock is read and put forward, and what tells that somebody else has to be waited for."""
        self._now_ns, self._skip_ns, self._others_at_work = now_ns, skip_ns, others_at_work
        self._lock = threading.RLock()
        self._turns: dict[Turn, None] = {}
        self._here: dict[int, Turn] = {}
        self._waits = 0
        self.is_over = False
        """Whether the clock is no longer in use; who still waits by it does so in real time."""

    @property
    def alone(self) -> bool:
        """Whether at most one thread lives by the clock."""
        return len(self._turns) <= 1

    def has(self, thread: int | None) -> bool:
        """Tell whether a thread lives by the clock just now."""
        return thread in self._here

    def has_work_in(self, queue: Any) -> bool:
        """Tell whether a pool, known by its queue, has work that is not done."""
        with self._lock:
            return any(turn.pool is not None and turn.pool._work_queue is queue for turn in self._turns)  # noqa: SLF001

    def add(self, pool: Any = None) -> Turn:
        """Count on somebody, from before a thread begins until after it ends."""
        turn = Turn(pool)
        with self._lock:
            self._turns[turn] = None
        return turn

    def begin(self, turn: Turn) -> None:
        """Let this thread be somebody who is counted on."""
        with self._lock:
            turn.has_begun = True
            self._here[get_ident()] = turn

    def leave(self) -> None:
        """Let this thread be nobody again; a thread ends with it, work for a pool when its outcome is known."""
        with self._lock:
            turn = self._here.pop(get_ident())
            if turn.pool is None:
                self.end(turn)

    def end(self, turn: Turn) -> None:
        """Count on somebody no longer; who waited for it is awake from now on."""
        with self._lock:
            self._turns.pop(turn, None)
            for bell in turn.ends:
                with suppress(RuntimeError):  # it was waited for as long as was wanted
                    bell.release()
            self._go_on()

    def wait(
        self,
        seconds: float | None,
        pause: Callable[[float | None], Any],
        *,
        still: Callable[[], bool],
        wake: Callable[[], None],
    ) -> Any:
        """Let this thread wait; the time of the others goes on meanwhile, and this one's with it.

        Args:
            seconds: on the clock at most; None waits for ever.
            pause: waits in real time for what this thread waits for, for so many seconds at most, and gives it.
            still: whether that has not come. It must be false from the very moment at which it comes.
            wake: ends a pause from another thread.

        Returns:
            What `pause` gave, or None when the time is over.
        """
        deadline_ns = None if seconds is None else self._now_ns() + round(seconds * _NS)
        look = _FIRST_LOOK
        with self._lock:
            self._waits += 1
            turn = self._here[get_ident()]
            wait = turn.wait = _Wait(self._waits, deadline_ns, still, wake)
            self._go_on()
        try:
            while True:
                left = None if deadline_ns is None else max(0, deadline_ns - self._now_ns()) / _NS
                found = pause(left if left is None or self.is_over else min(left, look))
                if wait.is_over:
                    return None
                if found or left == 0:
                    return found or None
                look = min(2 * look, _LAST_LOOK)
                with self._lock:
                    self._go_on()
        finally:
            with self._lock:
                turn.wait = None

    def wait_for(self, bell: Bell, seconds: float | None) -> bool:
        """Wait until a bell rings; tell whether that was in time."""
        return bool(self.wait(seconds, bell.pause, still=bell.is_silent, wake=bell.wake))

    def sleep(self, seconds: float) -> None:
        """Wait for nothing but time."""
        self.wait_for(Bell(), seconds)

    def wait_for_end(self, thread: int | None, seconds: float | None) -> bool:
        """Wait until a thread no longer lives by the clock; tell whether that was in time."""
        bell = Bell()
        with self._lock:
            turn = self._here.get(thread or 0)
            if turn is None:
                return True
            turn.ends.append(bell)
        try:
            return self.wait_for(bell, seconds)
        finally:
            with suppress(ValueError):
                turn.ends.remove(bell)

    def _go_on(self) -> None:
        """Wake who waits for the earliest moment, if everybody waits."""
        if self.is_over:
            return
        first: _Wait | None = None
        for turn in self._turns:
            wait = turn.wait
            if not turn.has_begun:
                if self._has_room(turn.pool):
                    return
            elif wait is None or wait.is_over or not wait.still():
                return
            elif wait.deadline_ns is not None and (
                first is None or (wait.deadline_ns, wait.number) < (first.deadline_ns, first.number)
            ):
                first = wait
        if first is None or first.deadline_ns is None or self._others_at_work():
            return
        self._skip_ns(max(0, first.deadline_ns - self._now_ns()))
        first.is_over = True
        first.wake()

    def _has_room(self, pool: Any) -> bool:
        """Tell whether a pool will begin one more piece of work at once."""
        return sum(turn.pool is pool and turn.has_begun for turn in self._turns) < pool._max_workers  # type: ignore[no-any-return]  # noqa: SLF001


def work_within(block: AbstractContextManager[None], function: Callable[..., Any]) -> Callable[..., Any]:
    """Give what does the work of a function within a block, once."""

    @wraps(function, updated=())
    def work(*args: Any, **options: Any) -> Any:
        with block:
            return function(*args, **options)

    return work
