"""What a clock costs a test: opening and closing it, reading it, and waiting four minutes on it.

Run `python benchmarks/clock.py`; freezegun and time-machine are measured beside it where they are installed.
"""

from __future__ import annotations

import asyncio
import importlib
import statistics
import time

REAL = {"perf_counter": time.perf_counter}
ROUNDS = 30


def measure(function, rounds=ROUNDS):
    """The median of several rounds, in µs."""
    now, took = REAL["perf_counter"], []
    for _ in range(rounds):
        began = now()
        function()
        took.append((now() - began) * 1e6)
    return statistics.median(took)


def opened(make):
    """A function that opens a clock and closes it."""

    def run():
        with make():
            pass

    return run


def waited():
    """Four minutes of a synchronous poller."""
    for _ in range(240):
        time.sleep(1)


async def waited_async():
    """Four minutes of an asynchronous one."""
    for _ in range(240):
        await asyncio.sleep(1)


def main():
    """Print the figures."""
    for client in ("requests", "httpx", "aiohttp", "opensearchpy", "pytest"):
        importlib.import_module(client)
    from mltask_fixtures.cassette.clock import running

    clocks = {"mltask-fixtures": lambda: running("virtual")}
    try:
        import freezegun

        clocks["freezegun"] = lambda: freezegun.freeze_time("2030-01-01", tick=True)
    except ImportError:
        pass
    try:
        import time_machine

        clocks["time-machine"] = lambda: time_machine.travel("2030-01-01", tick=True)
    except ImportError:
        pass
    print(f"{'':18} {'first open':>12} {'open, close':>12} {'time.time()':>12}   (µs)")
    for name, make in clocks.items():
        first, again = measure(opened(make), 1), measure(opened(make))
        with make():
            read = measure(lambda: [time.time() for _ in range(1000)]) / 1000
        print(f"{name:18} {first:12,.0f} {again:12,.0f} {read:12.2f}")
    print(f"{'none':18} {'':>12} {'':>12} {measure(lambda: [time.time() for _ in range(1000)]) / 1000:12.2f}")
    with running("virtual"):
        print(f"\n240 times time.sleep(1): {measure(waited, 5) / 1000:.2f} ms")
        print(f"240 times asyncio.sleep(1): {measure(lambda: asyncio.run(waited_async()), 5) / 1000:.2f} ms")


if __name__ == "__main__":
    main()
