"""Payloads as a Parquet file: one row each, the body's keys as columns."""

from __future__ import annotations

import contextlib
import json
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self

from mltask_fixtures._errors import OutsideError

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:
    raise OutsideError(
        f'the form parquet needs the Python package {error.name}: pip install "mltask-fixtures[parquet]"'
    ) from None

from mltask_fixtures.contract.wire import encode

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from mltask_fixtures.contract import Task, TaskState, TaskType
    from mltask_fixtures.factory.bulk.forms import Maker
    from mltask_fixtures.factory.bulk.order import Block, Order

_GROUP: Final = 100_000
"""Rows that are compressed and indexed together."""
_TEXTS: Final = ("model_id", "task_type", "function_name", "state", "input_type")
_TIMES: Final = ("create_time", "last_update_time")
_MAPS: Final = ("remote_job", "response")
_SCHEMA: Final = pa.schema(
    [
        pa.field("task_id", pa.string(), nullable=False),
        *(pa.field(name, pa.string(), nullable=name not in ("task_type", "state")) for name in _TEXTS),
        pa.field("worker_node", pa.list_(pa.string())),
        *(pa.field(name, pa.timestamp("ms", tz="UTC"), nullable=False) for name in _TIMES),
        pa.field("error", pa.string()),
        pa.field("is_async", pa.bool_(), nullable=False),
        *(pa.field(name, pa.string(), metadata={"content": "JSON"}) for name in _MAPS),
    ]
)
"""The keys that any dialect shows, in the server's order, after the id of the task; a key that a body lacks is null."""


def as_arrow(maker: Maker, block: Block) -> bytes:
    """Make a block as an Arrow stream; `ParquetFile` puts those into a file."""

    def tasks(start: int, stop: int, task_type: TaskType, state: TaskState) -> Iterator[Task]:
        return islice(maker.factory.stream(task_type, state, start=start), stop - start)

    made = list(maker.in_turn(block, tasks))
    columns = {name: [_cell(name, getattr(task, name, None)) for task in made] for name in _SCHEMA.names}
    columns["task_id"] = [maker.factory.task_id(task) for task in made]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _SCHEMA) as stream:
        stream.write_batch(pa.RecordBatch.from_pydict(columns, schema=_SCHEMA))
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if name in _MAPS and value is not None:
        return encode(value)
    if name == "worker_node" and isinstance(value, str):
        return value.split(",")
    return value


class ParquetFile:
    """Collects blocks into row groups, and writes the index at the end."""

    def __init__(self, file: io.RawIOBase, order: Order) -> None:
        """Begin the file; it says what it was made from."""
        asked = {"mltask_fixtures": json.dumps(order.asked())}
        self._writer = pq.ParquetWriter(file, _SCHEMA.with_metadata(asked), compression="zstd")
        self._waiting: list[Any] = []
        self._rows = self.done = 0

    def __enter__(self) -> Self:
        """Give the file to be filled."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what is left, and the index; after an error the file is given up."""
        if kind is None:
            if self._rows:
                self._write()
            self._writer.close()
            return
        with contextlib.suppress(OSError):
            self._writer.close()

    def add(self, block: bytes) -> None:
        """Take a block."""
        table = pa.ipc.open_stream(block).read_all()
        self._waiting.append(table)
        self._rows += table.num_rows
        self.done += 1
        if self._rows >= _GROUP:
            self._write()

    def _write(self) -> None:
        group = pa.concat_tables(self._waiting).combine_chunks().replace_schema_metadata(self._writer.schema.metadata)
        self._writer.write_table(group, row_group_size=self._rows)
        self._waiting, self._rows = [], 0
