"""The one verb: make what was ordered and put it where it belongs."""

from __future__ import annotations

from contextlib import closing
from typing import IO, TYPE_CHECKING

from mltask_fixtures.factory.bulk.engines import Engine, alone
from mltask_fixtures.factory.bulk.output import output

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mltask_fixtures.factory.bulk.order import Order


def generate(
    order: Order,
    target: Path | IO[bytes] | None = None,
    *,
    engine: Engine = alone,
    resume: bool = False,
    told: Callable[[int], object] = lambda _: None,
) -> None:
    r"""Write a run of payloads; memory stays the same however many they are.

    Args:
        order: what to write.
        target: a file, which is there whole or not at all; an open binary stream; or None for stdout.
        engine: who makes the blocks: `alone`, `processes(n)` or `dask(address)`. The bytes are the same.
        resume: keep what is done in `<file>.part` when the work breaks off, and continue from there. What is there is
            verified by its digests, and its last block is made anew and compared.
        told: called with how many payloads are done, first with those that were done before.

    Raises:
        WrongUseError: there cannot be such a file.
        OutsideError: the disk is full, a worker is gone, ...; what was there before is untouched.

    Example:
        >>> import io
        >>> from mltask_fixtures.factory.bulk import Order
        >>> file = io.BytesIO()
        >>> generate(Order(count=3, types=("TRAINING",), states=("RUNNING",)), file)
        >>> file.getvalue().count(b"\n")
        3
    """
    with output(order, target, resume=resume) as place:
        first = order.whole.start
        told(min(place.done * order.block, order.whole.stop - first))
        skipped = place.done
        with closing(engine(order, order.blocks(skipped))) as made:
            for block, data in zip(order.blocks(skipped), made, strict=True):
                place.add(data)
                told(block.stop - first)
