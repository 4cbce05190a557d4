"""What is to be written: one value that can be sent to another process, and compared with what a draft is of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mltask_fixtures import __version__
from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.contract import DIALECTS, TaskState, TaskType
from mltask_fixtures.factory import ContradictionError, TaskFactory
from mltask_fixtures.factory.siblings import INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator

_INDEX: Final = re.compile(r'(?!\.{1,2}$)[^-_+A-Z\\/*?"<>| ,#:\x00-\x1f][^A-Z\\/*?"<>| ,#:\x00-\x1f]*')
_LONGEST_INDEX: Final = 255


class Block(NamedTuple):
    """The payloads that are made at once: from `start` up to, not including, `stop`."""

    start: int
    stop: int


def installed() -> str:
    """Name what the bytes of a payload depend on besides its order; faker's words may change with its version."""
    return f"mltask-fixtures {__version__} with faker {version('faker')}"


@dataclass(frozen=True, kw_only=True)
class Order:
    """A run of payloads in one form; payload n depends on the seed and on n alone, whoever makes it.

    Args:
        count: how many payloads the whole has, over all shards.
        form: one of `FORMS`.
        seed: a number or a text.
        dialect: a name that `DIALECTS` knows.
        types: the task types that take turns; none means all that the dialect shows.
        states: the states that take turns; none means all.
        start: the number of the first payload of the whole.
        shards: into how many parts of neighbouring payloads the whole is cut.
        shard: which of them this is, counted from 0.
        index: the index that `bulk` and `search` name.
        block: how many payloads are made at once; the bytes of a text do not depend on it.

    Raises:
        WrongUseError: nothing like that can be made; the error says why.

    Example:
        >>> order = Order(count=10, types=("TRAINING",), dialect="3.6", shards=3, shard=1)
        >>> list(order.blocks())
        [Block(start=3, stop=6)]
        >>> [str(state) for _, state in order.pairs()]
        ['CREATED', 'RUNNING', 'COMPLETED', 'FAILED']
    """

    count: int
    form: str = "ndjson"
    seed: int | str = 0
    dialect: str = "documented"
    types: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    start: int = 0
    shards: int = 1
    shard: int = 0
    index: str = INDEX
    block: int = 10_000
    made_with: str = field(default_factory=installed)
    """What was installed where the order was placed; whoever works on it must have the same."""

    def __post_init__(self) -> None:
        """Refuse what cannot be made, before anything is."""
        for name, least in (("count", 1), ("shards", 1), ("block", 1), ("start", 0), ("shard", 0)):
            number = getattr(self, name)
            if type(number) is not int or number < least:
                raise WrongUseError(f"{name} is {number!r:.60}; it is a whole number from {least}")
        if self.shard >= self.shards:
            raise WrongUseError(
                f"there is no shard {self.shard} of {self.shards}; "
                f"they are counted from 0, so the last is {self.shards - 1}"
            )
        if not _INDEX.fullmatch(self.index) or len(self.index.encode()) > _LONGEST_INDEX:
            raise WrongUseError(
                f"{self.index!r:.80} is no name of an index: lower case, not begun with - _ or +, and without any of "
                r'\ / * ? " < > | , # : and spaces'
            )
        self.factory()
        self.pairs()

    def factory(self) -> TaskFactory:
        """Give the factory of the payloads."""
        return TaskFactory(self.seed, self.dialect)

    def pairs(self) -> list[tuple[TaskType, TaskState]]:
        """List the (task type, state) pairs that take turns, in the dialect's order: payload n is of pair n % P.

        Raises:
            ContradictionError: a type or a state that was asked for is never shown; the error names the rule.
        """
        dialect, factory = DIALECTS[self.dialect], self.factory()
        pairs = [
            (task_type, state)
            for task_type, state in dialect.pairs()
            if (not self.types or task_type in self.types) and (not self.states or state in self.states)
        ]
        for task_type in self.types:  # an impossible one gets the factory's own words
            if task_type not in {one for one, _ in pairs}:
                for state in self.states or (None,):
                    factory.stream(task_type, state)
        for state in self.states:
            if state not in {one for _, one in pairs}:
                factory.stream(None, state)
                raise ContradictionError(f"none of {', '.join(self.types)} is ever seen as {state} in {dialect.name}")
        return pairs

    def asked(self) -> dict[str, Any]:
        """Give the order as plain values, to be written down beside what is made from it."""
        values = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}
        return {**values, "seed": str(self.seed)}

    @property
    def whole(self) -> Block:
        """Give the payloads of this shard."""
        first, last = (self.count * part // self.shards for part in (self.shard, self.shard + 1))
        return Block(self.start + first, self.start + last)

    def blocks(self, skipped: int = 0) -> Iterator[Block]:
        """Cut the shard into blocks, the last one as long as it happens to be; an empty shard is one empty block."""
        first, last = self.whole
        for number in range(skipped, self.block_count):
            start = first + number * self.block
            yield Block(start, min(start + self.block, last))

    @property
    def block_count(self) -> int:
        """Count the blocks of the shard."""
        first, last = self.whole
        return max(1, -(-(last - first) // self.block))
