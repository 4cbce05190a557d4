"""Where blocks go: a file that is there whole or not at all, a draft that can be continued, or a stream."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import secrets
import stat
import sys
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, Self

from mltask_fixtures._errors import OutsideError, WrongUseError
from mltask_fixtures.factory.bulk.forms import FORMS, Maker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mltask_fixtures.factory.bulk.order import Order

_LONGEST_NAME: Final = 80


class Output(Protocol):
    """Takes the blocks of an order, one after the other."""

    done: int
    """How many blocks it has."""

    def add(self, block: bytes) -> None:
        """Take the next block."""


@contextlib.contextmanager
def output(order: Order, target: Path | IO[bytes] | None, *, resume: bool) -> Iterator[Output]:
    """Open the place that an order is written to; at the end of the block it is finished.

    Args:
        order: what will be written.
        target: see `opened`.
        resume: keep what is done in `<file>.part` when the work breaks off, and continue from there.

    Raises:
        WrongUseError: there cannot be such a file, or a draft is there that something else was begun in.
        OutsideError: it cannot be written; a file that was there before is untouched.
    """
    if not resume:
        with opened(target) as file, _blocks(order, file) as blocks:
            yield blocks
        return
    path = _place(target) if isinstance(target, Path) else None
    if path is None or (path.exists() and not path.is_file()):
        raise WrongUseError("only a file can be resumed: name one with -o")
    if not FORMS[order.form].text:
        raise WrongUseError(
            f"a {order.form} file has its index at its end and cannot be continued; write it in shards, each of which "
            "is there whole or not at all: --shards 10 --shard 0"
        )
    with _written(str(target)), _continued(order, path) as blocks:
        yield blocks


@contextlib.contextmanager
def opened(target: Path | IO[bytes] | None) -> Iterator[io.RawIOBase]:
    """Open a file for writing that is there whole or not at all, or a stream.

    Args:
        target: a file, an open binary stream, or None for stdout. What is no regular file is written to as a stream.

    Raises:
        WrongUseError: there cannot be such a file.
        OutsideError: it cannot be written; a file that was there before is untouched.
    """
    if not isinstance(target, Path):
        stream = sys.stdout.buffer if target is None else target
        with _written("stdout" if target is None else str(getattr(stream, "name", "the stream"))):
            yield _Unbuffered(stream)
        return
    path = _place(target)
    with _written(str(target)):
        if path.exists() and not path.is_file():
            with path.open("wb", buffering=0) as device:
                yield _Unbuffered(device)
        else:
            with _drafted(path) as file:
                yield file


def _place(target: Path) -> Path:
    """Follow links, so that a link stays one, and refuse what can be no file."""
    path = Path(os.path.realpath(target))
    if path.is_dir():
        raise WrongUseError(f"{target} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise WrongUseError(_no_folder(target))
    return path


def _no_folder(target: Path) -> str:
    parent = target.parent
    return f"{target} cannot be written: {parent} is {'no folder' if parent.exists() else 'not there; make it first'}"


@contextlib.contextmanager
def _written(name: str) -> Iterator[None]:
    """Put what the operating system refuses into words; a reader that has gone is for the caller."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutsideError(f"{name} cannot be written: {error.strerror or error}") from None


class _Unbuffered(io.RawIOBase):
    """A stream below its buffer, so that nothing is left to be written when the interpreter ends."""

    def __init__(self, stream: IO[bytes]) -> None:
        stream.flush()
        self._raw: Any = getattr(stream, "raw", stream)
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any) -> int:
        """Write all of it, however little the other side takes at once."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._raw.write(rest) :]
        self._written += len(data)
        return len(data)


@contextlib.contextmanager
def _drafted(path: Path) -> Iterator[io.RawIOBase]:
    """Write beside the file's place and move it there; whatever goes wrong leaves no draft behind."""
    draft = path.with_name(f".{path.name[:_LONGEST_NAME]}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb", buffering=0) as file:
            yield _Unbuffered(file)
            _publish(file, draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _publish(file: IO[bytes], draft: Path, path: Path) -> None:
    if path.exists():
        os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
    os.fsync(file.fileno())
    draft.replace(path)
    # So that the move itself survives a power failure, where the file system can.
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class _Text:
    """Blocks that are the file, one after the other."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file, self.done = file, 0

    def add(self, block: bytes) -> None:
        self._file.write(block)
        self.done += 1


@contextlib.contextmanager
def _blocks(order: Order, file: io.RawIOBase) -> Iterator[Output]:
    if FORMS[order.form].text:
        yield _Text(file)
        return
    from mltask_fixtures.factory.bulk.parquet import ParquetFile

    with ParquetFile(file, order) as parquet:
        yield parquet


# ----------------------------------------------------------------------------------------------- drafts that stay


@contextlib.contextmanager
def _continued(order: Order, path: Path) -> Iterator[Output]:
    """Write to `<file>.part`, which stays when the work breaks off, and is moved to its place when it is whole."""
    draft = path.with_name(f"{path.name}.part")
    journal = path.with_name(f"{path.name}.part.journal")
    if path.exists() and not draft.exists() and _is_finished(order, path):
        journal.unlink(missing_ok=True)
        yield _Finished(order)
        return
    with _locked(draft) as file, _Draft(order, file, draft, journal) as blocks:
        yield blocks
        _publish(file, draft, path)
        journal.unlink()


@contextlib.contextmanager
def _locked(draft: Path) -> Iterator[IO[bytes]]:
    """Open a draft that no other process is writing."""
    busy = f"{draft} is being written by another process"
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The other process may have finished and moved its draft away in between.
            if not os.path.samestat(os.fstat(file.fileno()), draft.stat()):
                raise OutsideError(busy)
        except (BlockingIOError, FileNotFoundError):
            raise OutsideError(busy) from None
        yield file


class _Draft:
    """A draft whose journal vouches for each block in it.

    A block is appended to the draft first and to the journal second, with its length and digest. So whenever the work
    breaks off, at any byte and even by a power failure, what is whole is found by reading, and the rest is cut off.
    """

    def __init__(self, order: Order, file: IO[bytes], draft: Path, journal: Path) -> None:
        self._order, self._file, self._draft, self._path = order, file, draft, journal
        self._raw, self.done = _Unbuffered(file), 0

    def __enter__(self) -> Self:
        """Find the blocks that are whole, cut off the rest, and open the journal to go on."""
        try:
            begun, *records = self._path.read_bytes().split(b"\n")[:-1]  # what stands behind the last end is torn
        except (FileNotFoundError, ValueError):
            begun, records = b"", []
        if not begun:
            if self._file.seek(0, os.SEEK_END):
                raise WrongUseError(f"{self._draft} is there, but without its journal; delete it, or choose another -o")
            self._journal = self._path.open("wb", buffering=0)
            self._record(self._order.asked())
            return self
        self._refuse_foreign(begun)
        length, good, last = 0, len(begun) + 1, b""
        for record in records:
            block = _vouched(record, self._file)
            if block is None:
                break
            length, good, last, self.done = length + len(block), good + len(record) + 1, block, self.done + 1
        if last and Maker(self._order).make(next(self._order.blocks(self.done - 1))) != last:
            raise WrongUseError(
                f"{self._draft} was begun with {self._order.made_with} too, but what is installed now makes "
                "other bytes; delete it and begin anew"
            )
        self._journal = self._path.open("r+b", buffering=0)
        for stream, end in ((self._file, length), (self._journal, good)):
            stream.truncate(end)
            stream.seek(end)
        return self

    def __exit__(self, *error: object) -> None:
        """Close the journal; the draft is its owner's."""
        self._journal.close()

    def add(self, block: bytes) -> None:
        self._raw.write(block)
        self._record({"bytes": len(block), "blake2b": _digest(block)})
        self.done += 1

    def _record(self, values: Mapping[str, Any]) -> None:
        self._journal.write(json.dumps(values).encode() + b"\n")

    def _refuse_foreign(self, begun: bytes) -> None:
        asked = self._order.asked()
        try:
            before = dict(json.loads(begun))
        except (ValueError, TypeError):
            raise WrongUseError(f"{self._path} is no journal; delete it and {self._draft}") from None
        differ = [
            f"{key} {before.get(key)!r}, now {value!r}" for key, value in asked.items() if before.get(key) != value
        ]
        if differ:
            raise WrongUseError(
                f"{self._draft} was begun with {'; '.join(differ)}. Ask for the same again, or delete it"
            )


def _vouched(record: bytes, file: IO[bytes]) -> bytes | None:
    """Read the block that a line of a journal vouches for; None if it is not there, or not as it was."""
    try:
        said = json.loads(record)
        block = file.read(said["bytes"])
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
    return block if _digest(block) == said.get("blake2b") else None


def _digest(block: bytes) -> str:
    return blake2b(block, digest_size=16).hexdigest()


class _Finished:
    def __init__(self, order: Order) -> None:
        self.done = order.block_count

    def add(self, block: bytes) -> None:
        raise AssertionError(f"nothing is left to be written, yet {len(block)} bytes came")


def _is_finished(order: Order, path: Path) -> bool:
    """Tell whether a file begins with the order's first block and ends with its last one.

    Files get their names when they are whole, so the two ends say what is between them.
    """
    maker, many = Maker(order), order.block_count
    first, last = (maker.make(next(order.blocks(number))) for number in (0, many - 1))
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < len(last) or (many == 1 and size != len(last)):
            return False
        file.seek(size - len(last))
        if file.read() != last:
            return False
        file.seek(0)
        return file.read(len(first)) == first
