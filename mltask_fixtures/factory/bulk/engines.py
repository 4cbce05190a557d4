"""Who makes the blocks: this process, several, or a Dask cluster. All give the same blocks in the same order."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import deque
from contextlib import suppress
from multiprocessing import connection
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mltask_fixtures._errors import OutsideError, WrongUseError
from mltask_fixtures.factory.bulk.forms import Maker

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from multiprocessing.connection import Connection

    from mltask_fixtures.factory.bulk.order import Block, Order

_AHEAD: Final = 2
"""Blocks that a worker may be ahead of the file, so that it never waits and memory stays flat."""
_PATIENCE: Final = 10
"""Seconds that a worker process has to end, and that a scheduler and its first worker have to appear."""


Engine: TypeAlias = "Callable[[Order, Iterator[Block]], Generator[bytes, None, None]]"
"""Gives the bytes of each block of an order, in their order; closing the generator stops the work."""


def alone(order: Order, blocks: Iterator[Block]) -> Generator[bytes, None, None]:
    """Make the blocks here."""
    yield from map(Maker(order).make, blocks)


# ------------------------------------------------------------------------------------------------------ processes


def processes(number: int) -> Engine:
    """Give the engine that makes the blocks in several processes of this computer.

    Each has a pipe of its own and its blocks take turns, so nothing is ever waiting but for its turn. (An executor of
    the standard library sends every block through one queue and costs a tenth of the gain.)

    Raises:
        WrongUseError: it is no number of processes.
    """
    if type(number) is not int or number < 1:
        raise WrongUseError(f"{number!r:.60} processes cannot work; it is a whole number from 1")

    def engine(order: Order, blocks: Iterator[Block]) -> Generator[bytes, None, None]:
        context = multiprocessing.get_context("spawn")
        wires: list[Connection] = []
        workers: list[Any] = []
        try:
            # Ctrl-C is for this process; the workers inherit that they do not hear it, and end with their pipes.
            heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                for _ in range(min(number, order.block_count)):
                    ours, theirs = context.Pipe()
                    worker = context.Process(target=_work, args=(order, theirs), daemon=True)
                    worker.start()
                    theirs.close()
                    wires.append(ours)
                    workers.append(worker)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, heard)
            yield from _taking_turns(blocks, wires, workers)
        finally:
            for wire in wires:
                wire.close()
            for worker in workers:
                worker.join(_PATIENCE)
                worker.kill()
                worker.join()

    return engine


def _taking_turns(blocks: Iterator[Block], wires: list[Connection], workers: list[Any]) -> Generator[bytes, None, None]:
    waiting: deque[int] = deque()
    turn = 0
    try:
        while True:
            while len(waiting) < _AHEAD * len(wires) and (block := next(blocks, None)):
                wires[turn].send(block)
                waiting.append(turn)
                turn = (turn + 1) % len(wires)
            if not waiting:
                return
            data = wires[waiting[0]].recv_bytes()
            waiting.popleft()
            yield data
    except (EOFError, ConnectionError):
        ended = connection.wait([worker.sentinel for worker in workers], _PATIENCE)
        gone = next((worker for worker in workers if worker.sentinel in ended), workers[turn])
        gone.join(_PATIENCE)
        raise OutsideError(
            f"a worker process ended with code {gone.exitcode} in the middle of its work (a negative one is a signal: "
            "-9 mostly means that memory ran out)"
        ) from None


def _work(order: Order, wire: Connection) -> None:
    maker = Maker(order)
    with suppress(EOFError, OSError):  # the other side has all that it wants
        while True:
            wire.send_bytes(maker.make(wire.recv()))


# ----------------------------------------------------------------------------------------------------------- Dask

_makers = threading.local()


def _make(order: Order, block: Block) -> bytes:
    """Make a block on a worker, which keeps one maker for each of its threads."""
    if getattr(_makers, "order", None) != order:
        _makers.order, _makers.maker = order, Maker(order)
    data: bytes = _makers.maker.make(block)
    return data


def dask(address: str | None = None, *, workers: int | None = None) -> Engine:
    """Give the engine that makes the blocks on a Dask cluster; a worker that dies loses nothing.

    Args:
        address: of a scheduler, such as `tcp://10.0.0.1:8786`; its workers need this package in the same version.
            Without it a cluster of processes of this computer is put up for as long as the work takes.
        workers: how many processes such a cluster has; as many as there are cores by default.
    """

    def engine(order: Order, blocks: Iterator[Block]) -> Generator[bytes, None, None]:
        distributed = _distributed()
        with _connected(distributed, address, workers) as client:
            waiting: deque[Any] = deque()
            try:
                while True:
                    ahead = _AHEAD * max(1, sum(client.nthreads().values()))
                    while len(waiting) < ahead and (block := next(blocks, None)):
                        waiting.append(client.submit(_make, order, block, pure=False))
                    if not waiting:
                        return
                    yield _result(waiting[0], distributed, address)
                    waiting.popleft().release()
            finally:
                with suppress(Exception):  # the scheduler may be what is gone
                    client.cancel(list(waiting))

    return engine


def _distributed() -> Any:
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise OutsideError(
            f'the engine dask needs the Python package {error.name}: pip install "mltask-fixtures[dask]"'
        ) from None
    return distributed


def _connected(distributed: Any, address: str | None, workers: int | None) -> Any:
    options = {"set_as_default": False, "timeout": _PATIENCE}
    try:
        if address is None:
            local = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
            return distributed.Client(**options, **local)
        client = distributed.Client(address, **options)
    except (OSError, ValueError) as error:
        raise OutsideError(f"no Dask scheduler answers at {address}: {error}") from None
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError:
        client.close()
        raise OutsideError(f"the scheduler at {address} has no workers; `dask worker {address}` starts one") from None
    return client


def _result(future: Any, distributed: Any, address: str | None) -> bytes:
    try:
        data: bytes = future.result()
    except ModuleNotFoundError as error:
        raise OutsideError(
            f"a worker of {address} cannot import {error.name}; its Python needs this package too"
        ) from None
    except distributed.KilledWorker as error:
        raise OutsideError(f"workers die again and again over the same block: {error}") from None
    except (distributed.CancelledError, distributed.comm.CommClosedError, OSError) as error:
        raise OutsideError(f"the scheduler at {address} is gone: {error}") from None
    return data
