"""The clock of the code under test: its sleeps pass at once, and the clocks that it reads agree with them.

A virtual clock is the real one plus what was slept. It belongs to the thread that opened it, to the threads that this
one starts and to the work that it gives to thread pools; `turns.py` tells how they share it. Every other thread, and
the test machinery in the same thread (pytest, its plugins, hypothesis, coverage), keep the real one. Python's standard
library waits for real things, so it does too, save where it waits for the code's own threads (`threading`, `queue`,
futures) and in asyncio: a virtual event loop goes to its next timer as soon as nothing else can happen before it.

No library carries this. time-machine moves the clocks of all threads and has no sleep; freezegun has no sleep either,
moves all threads too, and puts another class in the place of `datetime` in every module, at 6 to 17 ms for each test
(`benchmarks/clock.py` prints it).
"""

from __future__ import annotations

import ctypes
import datetime as dt
import gc
import sys
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from functools import wraps
from threading import get_ident
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, get_args
from weakref import WeakKeyDictionary, WeakSet, ref

from wrapt import register_post_import_hook

from mltask_fixtures.cassette.turns import Bell, Turns, work_within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mltask_fixtures.cassette.turns import Turn

ClockMode: TypeAlias = Literal["virtual", "recorded", "real"]
CLOCK_MODES: Final = get_args(ClockMode)
"""Sleeps pass at once; they do, and answers come at the times at which they were recorded; nothing is changed."""

_NS: Final = 1_000_000_000
_MACHINERY: Final = frozenset(
    {
        *("_pytest", "pytest", "pluggy", "xdist", "execnet", "hypothesis", "coverage"),
        *("pydevd", "_pydevd_bundle", "debugpy", "freezegun", "time_machine", "looptime", "vcr", "wrapt"),
        *("mltask_fixtures.server", "mltask_fixtures.cluster", "mltask_fixtures.pytest_plugin", __name__),
    }
)
"""Whose callers read the real clock, by module or package; `pytest_*` plugins do so as well."""
_POOLS: Final = "concurrent.futures.thread"
_INTERCEPTING: Final = "mltask_fixtures.cassette.intercept"
_OF_THE_CODE: Final = frozenset({"sched", "threading", "queue", "concurrent.futures._base", _POOLS})
"""The parts of the standard library that wait only for what the code itself does."""
_NOT_OF_THE_CODE: Final = ("mltask-", "pytest_timeout")
"""How the names of threads begin that the code under test does not wait for."""


class Clock:
    """The time of the code under test, in the thread that opened it and those that it starts.

    Example:
        >>> with running("virtual") as clock:
        ...     before = time.monotonic()
        ...     time.sleep(240)
        ...     240 <= time.monotonic() - before < 241, clock.skipped
        (True, 240.0)
    """

    def __init__(self, *, is_virtual: bool) -> None:
        """Begin at the real time."""
        self.is_virtual = is_virtual
        """Whether sleeps pass at once."""
        self.skipped_ns = 0
        """What was slept and not waited for, in ns."""
        self.opened = 0
        """How many blocks it is open for."""
        self.turns = Turns(self._now_ns, self._skip_ns, self.others_at_work)
        """The threads that live by it."""
        self._there = frozenset(threading.enumerate())

    @property
    def skipped(self) -> float:
        """What was slept and not waited for, in seconds."""
        return self.skipped_ns / _NS

    def now(self) -> float:
        """Give the monotonic time of the code under test, in seconds."""
        return self._now_ns() / _NS

    def _now_ns(self) -> int:
        return _monotonic_ns() + self.skipped_ns

    def sleep(self, seconds: float) -> None:
        """Let time pass: at once on a virtual clock where nobody else has anything to do, else by waiting."""
        if not self.is_in_use:
            _sleep(seconds)
        elif self.turns.alone and not self.others_at_work():
            self.skip(seconds)
            _sleep(0)  # whoever else has something to do gets the turn that a sleep would have given
        elif seconds and self.turns.has(get_ident()):
            self.turns.sleep(seconds)
        else:
            _sleep(seconds)

    @property
    def is_in_use(self) -> bool:
        """Whether it is virtual, and a block is open for it."""
        return self.is_virtual and not self.turns.is_over

    def skip(self, seconds: float) -> None:
        """Put the clock forward."""
        self._skip_ns(round(seconds * _NS))

    def _skip_ns(self, ns: int) -> None:
        self.skipped_ns += ns

    def others_at_work(self) -> bool:
        """Tell whether a thread is at work that has not this clock, and was not there before it.

        What it does takes real time, so waiting for it does too: a time-out must not fire because a wait was skipped.
        """
        if threading.active_count() <= len(self._there) and self._there.issuperset(threading.enumerate()):
            return False
        pooled, here = _pooled_threads(), threading.current_thread()
        return any(
            thread is not here
            and thread not in self._there
            and thread not in pooled
            and not self.turns.has(thread.ident)
            and not thread.name.startswith(_NOT_OF_THE_CODE)
            and thread not in getattr(thread, "idle_workers", ())  # anyio's workers know which of them are idle
            for thread in threading.enumerate()
        )


def _pooled_threads() -> Any:
    """The workers of thread pools: they live on when their work is done, so their work is counted instead."""
    pools = sys.modules.get(_POOLS)
    return getattr(pools, "_threads_queues", {})


# ------------------------------------------------------------------------------------------------------ which clock


_clocks: dict[int, list[Clock]] = {}
"""The clocks that are open, by thread, the innermost last."""
_lock = threading.RLock()
_known: dict[str, bool] = {}


def _here() -> Clock | None:
    """Give the virtual clock of the caller's caller; None where time is real."""
    clock = current()
    if clock is None or not clock.is_in_use or _is_real(sys._getframe(2).f_globals.get("__name__", "")):  # noqa: SLF001 - who asks?
        return None
    return clock


def _is_real(module: str) -> bool:
    """Tell whether code of a module reads the real clock wherever it runs."""
    known = _known.get(module)
    if known is None:
        known = _known[module] = _is_machinery(module) or _is_standard(module)
    return known


def _is_machinery(module: str) -> bool:
    package = module.partition(".")[0]
    parts = module.split(".")
    return package.startswith("pytest_") or any(".".join(parts[: n + 1]) in _MACHINERY for n in range(len(parts)))


def _is_standard(module: str) -> bool:
    package = module.partition(".")[0]
    return package in sys.stdlib_module_names and module not in _OF_THE_CODE and package != "__main__"


@contextmanager
def running(mode: ClockMode) -> Iterator[Clock]:
    """Give this thread a clock for the time of a block; one within another shares its time.

    Args:
        mode: `virtual`, `recorded` or `real`.
    """
    clock = Clock(is_virtual=mode != "real")
    with _lock:
        clocks = _clocks.get(get_ident())
        if clocks and clocks[-1].is_in_use and clock.is_virtual:
            clock = clocks[-1]
        clock.opened += 1
        if clock.is_virtual:
            _open()
    try:
        with _living_by(clock), _driving(_running_loop(), clock):
            yield clock
    finally:
        with _lock:
            clock.opened -= 1
            clock.turns.is_over = not clock.opened
            if clock.is_virtual:
                _close()


@contextmanager
def _living_by(clock: Clock, turn: Turn | None = None) -> Iterator[None]:
    """Let this thread live by a clock; it may have been counted on before."""
    thread = get_ident()
    with _lock:
        clocks = _clocks.setdefault(thread, [])
        clocks.append(clock)
        if not clock.turns.has(thread):
            clock.turns.begin(turn or clock.turns.add())
    try:
        yield
    finally:
        with _lock:
            # Two tasks of one thread may close in another order than they opened.
            clocks.remove(clock)
            if clock not in clocks:
                clock.turns.leave()
            if not clocks:
                del _clocks[thread]


def current() -> Clock | None:
    """Give the innermost clock of this thread, whoever asks; None if there is none."""
    clocks = _clocks.get(get_ident())
    return clocks[-1] if clocks else None


# -------------------------------------------------------------------------------------------------- what is put where

_time, _localtime = time.time, time.localtime
_monotonic_ns, _sleep = time.monotonic_ns, time.sleep


class _Function:
    """In place of a function of `time`; like a builtin one it does not bind itself to the class that it is found on."""

    def __init__(self, original: Callable[..., Any]) -> None:
        self.original = original
        self.__name__, self.__doc__, self.__module__ = original.__name__, original.__doc__, original.__module__


class _Seconds(_Function):
    def __call__(self) -> float:
        clock = _here()
        now: float = self.original()
        return now if clock is None else now + clock.skipped_ns / _NS


class _Nanoseconds(_Function):
    def __call__(self) -> int:
        clock = _here()
        now: int = self.original()
        return now if clock is None else now + clock.skipped_ns


class _OfMoment(_Function):
    """What takes the present when it is given no seconds."""

    def __call__(self, seconds: float | None = None, /) -> Any:
        clock = _here()
        if seconds is None and clock is not None:
            return self.original(_time() + clock.skipped_ns / _NS)
        return self.original(seconds)


class _OfTuple(_Function):
    """What takes the present when it is given no tuple after its other arguments."""

    def __init__(self, original: Callable[..., Any], others: int) -> None:
        super().__init__(original)
        self.others = others

    def __call__(self, *arguments: Any) -> Any:
        clock = _here()
        if len(arguments) == self.others and clock is not None:
            return self.original(*arguments, _localtime(_time() + clock.skipped_ns / _NS))
        return self.original(*arguments)


class _Sleep(_Function):
    def __call__(self, seconds: float, /) -> None:
        clock = _here()
        if clock is None or not seconds >= 0:
            self.original(seconds)
        else:
            clock.sleep(seconds)


_OURS: Final = (
    _Seconds(time.time),
    _Seconds(time.monotonic),
    _Seconds(time.perf_counter),
    _Nanoseconds(time.time_ns),
    _Nanoseconds(time.monotonic_ns),
    _Nanoseconds(time.perf_counter_ns),
    _OfMoment(time.localtime),
    _OfMoment(time.gmtime),
    _OfMoment(time.ctime),
    _OfTuple(time.asctime, 0),
    _OfTuple(time.strftime, 1),
    _Sleep(time.sleep),
)
"""What stands in place of functions of `time`; where there is no virtual clock they do what the originals do."""
_TO_OURS: Final = {id(ours.original): ours for ours in _OURS}
_TO_ORIGINALS: Final = {id(ours): ours.original for ours in _OURS}
_ALL: Final = _TO_OURS.keys() | _TO_ORIGINALS.keys()


class _Places(NamedTuple):
    """Where a module holds functions of `time`."""

    name: str
    module: ModuleType
    attributes: list[tuple[Any, str]]
    """Of the module and of the classes that it defines."""
    functions: list[FunctionType]
    """Those that have one as the default of an argument."""


_open_clocks = 0
_seen: dict[int, tuple[str, ref[ModuleType]]] = {}
"""The modules that were looked through, by id, each with the name that it was found under."""
_places: list[_Places] = []
_patched: list[tuple[Any, str, Any, Any]] = []
_hooked = False


def _open() -> None:
    """Put ours in place; one for all clocks that are open."""
    global _open_clocks, _hooked  # noqa: PLW0603 - patches of the process are counted for the process
    _open_clocks += 1
    if _open_clocks > 1:
        return
    _swap(_TO_OURS)
    _patch(threading.Event, "wait", _event_wait)
    _patch(threading.Condition, "wait", _condition_wait)
    _patch(threading.Thread, "start", _thread_start)
    _patch(threading.Thread, "join", _thread_join)
    _set_datetime_methods(_DATETIME_METHODS)
    for name, imported in (("asyncio", _asyncio_imported), (_POOLS, _pools_imported)):
        if not _hooked:
            register_post_import_hook(imported, name)  # at once where it is imported
        elif name in sys.modules:
            imported(sys.modules[name])
    _hooked = True


def _close() -> None:
    """Put the originals back, also where a module was imported meanwhile and took ours for them."""
    global _open_clocks  # noqa: PLW0603
    _open_clocks -= 1
    if _open_clocks:
        return
    _swap(_TO_ORIGINALS)
    _places[:] = [places for places in _places if sys.modules.get(places.name) is places.module]
    _set_datetime_methods(_DATETIME_ORIGINALS)
    for owner, name, original, ours in reversed(_patched):
        if owner.__dict__.get(name) is ours:  # else another tool has patched it since, and takes care of it
            setattr(owner, name, original)
    _patched.clear()


def _patch(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    there = owner.__dict__[name]
    original, ours = _made.get((owner, name), (None, None))
    if there is ours:  # left in place, for another tool had patched it
        there = original
    elif there is not original:
        if ours in _chain(there):
            return  # another tool has patched ours, and not let go of it
        ours = wraps(there)(make(there))
        _made[owner, name] = there, ours
    setattr(owner, name, ours)
    _patched.append((owner, name, there, ours))


_made: dict[tuple[Any, str], tuple[Any, Any]] = {}
"""What stands, or stood, in place of a function, after the function."""


def _chain(function: Any) -> Iterator[Any]:
    """Go through what a function wraps."""
    while function := getattr(function, "__wrapped__", None):
        yield function


def _swap(functions: Mapping[int, Any]) -> None:
    """Put functions in the place of others, given by their ids, wherever a module holds one.

    `from time import sleep` leaves a name behind in the module that says so, `def poll(sleep=time.sleep)` a default.
    A module is looked through once, so a test pays for the modules that are new since the last one.
    """
    for name, module in reversed(list(sys.modules.items())):  # the new ones are the last ones
        if seen := _seen.get(id(module)):
            if seen[0] == name:
                break
            continue  # one of two names of a module
        if issubclass(type(module), ModuleType):  # some stand in for a module and only say that they are one
            _look_through(name, module)
    for places in _places:
        for owner, attribute in places.attributes:
            there = owner.__dict__.get(attribute)
            other = functions.get(id(_plain(there)))
            if other is not None:
                setattr(owner, attribute, staticmethod(other) if isinstance(there, staticmethod) else other)
        for function in places.functions:
            _swap_defaults(function, functions)


def _swap_defaults(function: FunctionType, functions: Mapping[int, Any]) -> None:
    if function.__defaults__:
        function.__defaults__ = tuple(functions.get(id(value), value) for value in function.__defaults__)
    if function.__kwdefaults__:
        function.__kwdefaults__ = {k: functions.get(id(value), value) for k, value in function.__kwdefaults__.items()}


def _look_through(name: str, module: ModuleType) -> None:
    key = id(module)
    _seen[key] = name, ref(module, lambda _, seen=_seen: seen.pop(key, None))  # type: ignore[misc]
    if name != "time" and _is_real(name):
        return
    places = _Places(name, module, [], [])
    for owner in [module, *(value for value in list(vars(module).values()) if _is_class_of(name, value))]:
        for attribute, value in list(vars(owner).items()):
            function = _plain(value)
            if id(function) in _ALL:
                places.attributes.append((owner, attribute))
            if isinstance(function, FunctionType) and function.__module__ == name and _has_default(function):
                places.functions.append(function)
    if places.attributes or places.functions:
        _places.append(places)


def _plain(value: Any) -> Any:
    return value.__func__ if isinstance(value, (staticmethod, classmethod)) else value


def _is_class_of(module: str, value: Any) -> bool:
    return isinstance(value, type) and value.__module__ == module


def _has_default(function: FunctionType) -> bool:
    values = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    return any(id(value) in _ALL for value in values)


# ----------------------------------------------------------------------------------------------------------- threads


def _event_wait(original: Any) -> Any:
    def wait(event: threading.Event, timeout: float | None = None) -> bool:
        clock = _here()
        if clock is None or timeout is None or event.is_set() or not clock.turns.alone or clock.others_at_work():
            return bool(original(event, timeout))
        # Nobody is there to set it, so waiting for it is sleeping.
        clock.skip(max(timeout, 0))
        return bool(original(event, 0))

    return wait


def _condition_wait(original: Any) -> Any:
    """Wait as Python's own method does, by the turns of the threads; events, queues and futures are made of it."""

    def wait(condition: Any, timeout: float | None = None) -> bool:
        clock = _here()
        if clock is None or not _has_others(clock) or (timeout is not None and timeout <= 0):
            return bool(original(condition, timeout))
        if not condition._is_owned():  # noqa: SLF001
            raise RuntimeError("cannot wait on un-acquired lock")
        waiter = Bell()
        condition._waiters.append(waiter)  # noqa: SLF001
        state = condition._release_save()  # noqa: SLF001
        came = False
        try:
            came = clock.turns.wait_for(waiter, timeout)
        finally:
            condition._acquire_restore(state)  # noqa: SLF001
            if not came:
                with suppress(ValueError):
                    condition._waiters.remove(waiter)  # noqa: SLF001
        return came

    return wait


def _has_others(clock: Clock) -> bool:
    return not clock.turns.alone and clock.turns.has(get_ident())


def _thread_start(original: Any) -> Any:
    """Give the clock to the threads that the code starts."""

    def start(thread: threading.Thread) -> None:
        clock, starter = current(), _starter()
        if clock is None or not clock.is_in_use or thread.ident is not None or _is_real(starter) or starter == _POOLS:
            original(thread)
            return
        turn, run, own = clock.turns.add(), thread.run, vars(thread).get("run")

        def run_by_the_clock() -> None:
            put_back()
            with _living_by(clock, turn):
                run()

        def put_back() -> None:
            del thread.run
            if own is not None:
                thread.run = own  # type: ignore[method-assign]

        thread.run = run_by_the_clock  # type: ignore[method-assign]
        try:
            original(thread)
        except BaseException:
            put_back()
            clock.turns.end(turn)
            raise

    return start


def _starter() -> str:
    """Name the module that starts a thread; the cassette lets its own go through its hands, too."""
    frame = sys._getframe(2)  # noqa: SLF001
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_INTERCEPTING):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


def _thread_join(original: Any) -> Any:
    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        clock = _here()
        if clock is not None and _has_others(clock) and thread is not threading.current_thread():
            end = None if timeout is None else clock.now() + timeout
            queue = _pooled_threads().get(thread)
            if queue is not None:
                clock.turns.wait(
                    timeout,
                    lambda most: original(thread, most) or not thread.is_alive(),
                    still=lambda: clock.turns.has_work_in(queue),
                    wake=lambda: None,
                )
            else:
                clock.turns.wait_for_end(thread.ident, timeout)
            timeout = None if end is None else max(0, end - clock.now())
        original(thread, timeout)

    return join


# ---------------------------------------------------------------------------------------------------------- datetime


def _now(cls: type[dt.datetime], tz: dt.tzinfo | None = None) -> dt.datetime:
    """Give the present of the code under test."""
    clock = _here()
    if clock is None:
        return _DATETIME_ORIGINALS["now"].__get__(None, cls)(tz)  # type: ignore[no-any-return]
    return cls.fromtimestamp(_time() + clock.skipped_ns / _NS, tz)


def _utcnow(cls: type[dt.datetime]) -> dt.datetime:
    """Give the present of the code under test in UTC, without saying so."""
    clock = _here()
    if sys.version_info >= (3, 12):
        warnings.warn(
            "datetime.datetime.utcnow() is deprecated and scheduled for removal in a future version. Use "
            "timezone-aware objects to represent datetimes in UTC: datetime.datetime.now(datetime.UTC).",
            DeprecationWarning,
            stacklevel=2,
        )
    skipped = 0 if clock is None else clock.skipped_ns
    return cls.fromtimestamp(_time() + skipped / _NS, dt.UTC).replace(tzinfo=None)


_DATETIME_METHODS: Final = {"now": classmethod(_now), "utcnow": classmethod(_utcnow)}
"""`today` of both classes asks `time.time`, so it needs nothing."""
_DATETIME_ORIGINALS: Final = {name: vars(dt.datetime)[name] for name in _DATETIME_METHODS}


def _set_datetime_methods(methods: Mapping[str, Any]) -> None:
    """Set methods of the class `datetime`, which Python's own `setattr` refuses as it is written in C.

    So the class stays the one that every module has, and that `isinstance`, pickle and pydantic know. Where a Python
    keeps the class's dictionary elsewhere, `datetime` keeps the real clock.
    """
    if sys.implementation.name != "cpython":
        return
    namespace = next(iter(gc.get_referents(vars(dt.datetime))), None)
    if not isinstance(namespace, dict) or "fromtimestamp" not in namespace:
        return
    namespace.update(methods)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(dt.datetime))


# ----------------------------------------------------------------------------------------------------------- asyncio


class _Loop:
    """One event loop on a virtual clock.

    Its time is the clock's while it runs, and goes on from there afterwards, for its timers are set by it. It goes to
    the next timer when nothing else can happen before: no open socket or child process, no work in a thread.
    """

    def __init__(self, loop: Any) -> None:
        self.clock: Clock | None = None
        self.entered = 0
        self.in_threads: set[Any] = set()
        """What the loop waits for that comes from threads, until it has heard of it."""
        self.skipped_ns = 0
        """How far the loop's time was ahead of the real one when it was last left."""
        self.ahead_ns = 0
        """How far the loop's time is ahead of the clock's."""
        self.select = loop._selector.select  # noqa: SLF001 - asyncio shows it nowhere else
        self.files = loop._selector.get_map  # noqa: SLF001
        self.alarm = loop._write_to_self  # noqa: SLF001

    def enter(self, loop: Any, clock: Clock) -> None:
        self.entered += 1
        if self.entered > 1:
            return
        if self.clock is not clock:
            # Only a loop that never had a timer may be set to the clock's time; another must not jump.
            fresh = not self.skipped_ns and not loop._scheduled  # noqa: SLF001
            self.ahead_ns = 0 if fresh else self.skipped_ns - clock.skipped_ns
            self.clock = clock
        loop.time, loop._selector.select = self.time, self.wait  # noqa: SLF001

    def leave(self, loop: Any) -> None:
        self.entered -= 1
        if self.entered or self.clock is None:
            return
        del loop._selector.select  # noqa: SLF001
        skipped_ns = self.skipped_ns = self.clock.skipped_ns + self.ahead_ns
        loop.time = lambda: (_monotonic_ns() + skipped_ns) / _NS

    def time(self) -> float:
        ahead_ns = self.ahead_ns + (self.clock.skipped_ns if self.clock else 0)
        return (_monotonic_ns() + ahead_ns) / _NS

    def wait(self, timeout: float | None = None) -> Any:
        """Wait for files until the next timer, or have that time passed."""
        clock = self.clock
        if clock is None or (timeout is not None and timeout <= 0):
            return self.select(timeout)
        if events := self.select(0):
            return events
        if len(self.files()) > _ALARM or not self.waits():
            return self.select(timeout)
        if _has_others(clock):
            return clock.turns.wait(timeout, self.select, still=self.waits, wake=self.alarm) or []
        if timeout is None or clock.others_at_work():
            return self.select(timeout)
        clock.skip(timeout)
        return []

    def waits(self) -> bool:
        """Tell whether nothing has come, and nothing will but from threads that have the clock."""
        return not self.select(0) and all(_is_ours(future) for future in list(self.in_threads))


_ALARM: Final = 1
"""How many files each loop waits for by itself: the one by which other threads wake it."""
_loops: WeakKeyDictionary[Any, _Loop] = WeakKeyDictionary()


@contextmanager
def _driving(loop: Any, clock: Clock | None) -> Iterator[None]:
    """Let an event loop go by a clock; one that has no selector, such as uvloop's, keeps the real time."""
    if clock is None or not clock.is_virtual or not hasattr(loop, "_selector"):
        yield
        return
    if loop not in _loops:
        _loops[loop] = _Loop(loop)
    state = _loops[loop]
    state.enter(loop, clock)
    try:
        yield
    finally:
        state.leave(loop)


def _running_loop() -> Any:
    asyncio = sys.modules.get("asyncio")
    with suppress(RuntimeError):
        return asyncio.get_running_loop() if asyncio else None
    return None


def _asyncio_imported(asyncio: ModuleType) -> None:
    if _open_clocks:
        _patch(asyncio.BaseEventLoop, "run_forever", _run_forever)
        _patch(asyncio.futures, "wrap_future", _wrap_future)
        _patch(asyncio, "wrap_future", _wrap_future)


def _run_forever(original: Any) -> Any:
    def run_forever(loop: Any) -> None:
        with _driving(loop, current()):
            original(loop)

    return run_forever


def _wrap_future(original: Any) -> Any:
    """Keep what a loop waits for in threads, until the loop itself has heard of its end."""

    def wrap_future(future: Any, *, loop: Any = None) -> Any:
        wrapped = original(future, loop=loop)
        state = _loops.get(wrapped.get_loop())
        if state is not None and wrapped is not future:
            state.in_threads.add(future)
            wrapped.add_done_callback(lambda _: state.in_threads.discard(future))
        return wrapped

    return wrap_future


_at_work: WeakSet[Any] = WeakSet()
"""The futures of the work that threads with a clock gave to thread pools, until they are done."""


def _is_ours(future: Any) -> bool:
    return future in _at_work


def _pools_imported(pools: ModuleType) -> None:
    if _open_clocks:
        _patch(pools.ThreadPoolExecutor, "submit", _submit)


def _submit(original: Any) -> Any:
    """Give the clock to the work that the code gives to a thread pool."""

    def submit(pool: Any, function: Any, /, *args: Any, **options: Any) -> Any:
        clock = current()
        if clock is None or not clock.is_in_use:
            return original(pool, function, *args, **options)
        turn = clock.turns.add(pool)

        try:
            future = original(pool, work_within(_living_by(clock, turn), function), *args, **options)
        except BaseException:
            clock.turns.end(turn)
            raise

        def done(_: object) -> None:
            # In this order: a loop that has not heard of it yet has something to do.
            _at_work.discard(future)
            clock.turns.end(turn)

        _at_work.add(future)
        future.add_done_callback(done)
        return future

    return submit
