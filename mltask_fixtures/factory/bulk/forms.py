"""The forms in which payloads are written, and the block of bytes that each makes of a range of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Final, TypeVar

from mltask_fixtures._errors import OutsideError
from mltask_fixtures.contract import DIALECTS
from mltask_fixtures.contract.wire import encode
from mltask_fixtures.factory.bulk.order import Block, Order, installed
from mltask_fixtures.factory.siblings import as_stored, hit, search_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mltask_fixtures.contract import TaskState, TaskType

_One = TypeVar("_One")


class Maker:
    """Makes the blocks of one order; not to be shared by threads."""

    def __init__(self, order: Order) -> None:
        """Set up what all blocks share.

        Raises:
            OutsideError: another version is installed here than where the order was placed.
        """
        if order.made_with != installed():
            raise OutsideError(
                f"the order is for {order.made_with}, but a worker has {installed()}: the bytes could differ; "
                "install the same on all of them"
            )
        self.order, self.factory, self.pairs = order, order.factory(), order.pairs()
        self._form = FORMS[order.form]

    def make(self, block: Block) -> bytes:
        """Make a block; those of a text form, one after the other, are the file."""
        return self._form.block(self, block)

    def lines(self, block: Block) -> Iterator[bytes]:
        """Give the checked lines of a block."""
        return self.in_turn(block, self.factory.ndjson)

    def documents(self, block: Block) -> Iterator[tuple[str, bytes]]:
        """Give the checked lines of a block, each with the id of its task."""
        return self.in_turn(block, self.factory.documents)

    def in_turn(self, block: Block, of: Callable[[int, int, TaskType, TaskState], Iterator[_One]]) -> Iterator[_One]:
        """Let the pairs take turns: payload n is payload n // P of pair n % P, as `TaskFactory.stream` has it."""
        many = len(self.pairs)
        ways = []
        for first in range(block.start, min(block.start + many, block.stop)):
            turn, which = divmod(first, many)
            ways.append(of(turn, turn + -(-(block.stop - first) // many), *self.pairs[which]))
        return (one for one in chain.from_iterable(zip_longest(*ways)) if one is not None)


@dataclass(frozen=True)
class Form:
    """One form of output."""

    about: str
    block: Callable[[Maker, Block], bytes]
    """Makes the bytes of a block, with what stands before the first and after the last of a shard."""
    endings: tuple[str, ...] = ()
    """The endings of files that have this form."""
    text: bool = True
    """Whether the blocks, one after the other, are the file."""


def _ndjson(maker: Maker, block: Block) -> bytes:
    return b"".join(maker.lines(block))


def _json(maker: Maker, block: Block) -> bytes:
    if maker.order.count == 1:
        return _ndjson(maker, block)
    return _listed(maker, block, (line[:-1] for line in maker.lines(block)), head=b"[\n", between=b",\n", tail=b"\n]\n")


def _bulk(maker: Maker, block: Block) -> bytes:
    tail = '"}}'
    head = encode({"index": {"_index": maker.order.index, "_id": ""}}).removesuffix(tail)
    return b"".join(f"{head}{task_id}{tail}\n".encode() + line for task_id, line in maker.documents(block))


def _search(maker: Maker, block: Block) -> bytes:
    total = maker.order.whole.stop - maker.order.whole.start
    around = encode(search_answer(total)).encode()
    head, tail = around[:-3], around[-3:]
    return _listed(maker, block, _hits(maker, block), head=head, between=b",", tail=tail + b"\n")


def _hits(maker: Maker, block: Block) -> Iterator[bytes]:
    dialect, index = DIALECTS[maker.order.dialect], maker.order.index
    stored = [as_stored(*pair, dialect) for pair in maker.pairs]
    for number, (task_id, line) in enumerate(maker.documents(block), block.start):
        yield encode(hit(json.loads(line), task_id, number, stored[number % len(stored)], index)).encode()


def _listed(maker: Maker, block: Block, items: Iterator[bytes], *, head: bytes, between: bytes, tail: bytes) -> bytes:
    first, last = maker.order.whole
    before = head if block.start == first else between
    return before + between.join(items) + (tail if block.stop == last else b"")


def _parquet(maker: Maker, block: Block) -> bytes:
    from mltask_fixtures.factory.bulk.parquet import as_arrow

    return as_arrow(maker, block)


FORMS: Final[Mapping[str, Form]] = {
    "ndjson": Form("one body a line", _ndjson, (".ndjson", ".jsonl")),
    "json": Form("one body, or an array of several", _json, (".json",)),
    "bulk": Form("an action and a document in turn, as the _bulk API takes them", _bulk, (".bulk",)),
    "search": Form("the answer of a search for tasks", _search),
    "parquet": Form("a Parquet file", _parquet, (".parquet",), text=False),
}
"""The forms by name."""
