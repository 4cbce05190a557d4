"""Files of recordings: where they are, how they are read, and how they are written whole or not at all.

A large body lies in a file of its own, in a folder beside the recording: `train.json` has its bodies in
`train.bodies/`, each named by the SHA-256 of what is in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
import tempfile
import zlib
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mltask_fixtures._errors import MLTaskFixturesError, OutsideError, WrongUseError
from mltask_fixtures.cassette import format as our_format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

SUFFIX: Final = ".json"
SUFFIXES: Final = (SUFFIX, ".yaml", ".yml")
LARGEST: Final = 256 * 1024 * 1024
"""What a file, or a body with its compression undone, may have in bytes; a recording with more is none."""
_LONGEST_PART: Final = 200
_BODIES: Final = ".bodies"
_DRAFT: Final = ".draft"
_LOCK: Final = ".mltask.lock"
_PART: Final = re.compile(r"[^/\\\x00-\x1f\x7f:*?\"<>|]+")


class UnknownCassetteError(WrongUseError, LookupError):
    """No recording has that name."""


class DamagedCassetteError(MLTaskFixturesError, ValueError):
    """A file is no cassette, or no whole one; it was left as it is."""


@cache
def bundled_folder() -> Path:
    """Give the folder of the recordings that come with the package, from a wheel or from a checkout."""
    package = Path(__file__).parent.parent
    shipped = package / "_cassettes"
    return shipped if shipped.is_dir() else package.parent / "cassettes"


def bundled() -> list[str]:
    """List the names of the recordings that come with the package.

    Example:
        >>> "3.6.0/train-kmeans-completed" in bundled()
        True
    """
    folder = bundled_folder()
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.glob(f"*/**/*{SUFFIX}"))


def path_of(name: str | Path, folder: Path) -> Path:
    """Give the file that a name stands for below a folder, whether it exists or not.

    Raises:
        WrongUseError: the name leads out of the folder, or is none that a file can have.
    """
    text = os.fspath(name)
    parts = text.split("/")
    for part in parts:
        if part in ("", ".", "..") or not _PART.fullmatch(part) or len(part.encode("utf-8", "replace")) > _LONGEST_PART:
            raise WrongUseError(
                f"{text!r:.120} is no name of a cassette: it is made of parts such as 3.6.0/train-kmeans, each of at "
                f'most {_LONGEST_PART} bytes and without any of \\ : * ? " < > |'
            )
    path = folder.joinpath(*parts)
    return path if path.suffix in SUFFIXES else path.with_name(path.name + SUFFIX)


def find(name: str | Path, *folders: Path) -> Path:
    """Find a recording: a file as it is, else a name in these folders, else one of the bundled ones.

    Raises:
        UnknownCassetteError: there is none; the error names the nearest.
        WrongUseError: it is no possible name.
    """
    text = os.fspath(name)
    if isinstance(name, Path) or text.endswith(SUFFIXES):
        for path in (Path(text), *(folder / text for folder in folders)):
            if path.is_file():
                return path
        raise UnknownCassetteError(f"there is no cassette {text}{_nearest(text, folders)}")
    for folder in (*folders, bundled_folder()):
        candidate = path_of(text, folder)
        for path in (candidate, *(candidate.with_suffix(suffix) for suffix in SUFFIXES)):
            if path.is_file():
                return path
    raise UnknownCassetteError(f"there is no cassette {text!r}{_nearest(text, folders)}")


def _nearest(name: str, folders: tuple[Path, ...]) -> str:
    known = bundled()
    for folder in folders:
        known += [path.relative_to(folder).with_suffix("").as_posix() for path in folder.glob(f"**/*{SUFFIX}")]
    near = get_close_matches(name.removesuffix(SUFFIX), dict.fromkeys(known), 3, cutoff=0.5)
    looked = f"; looked in {', '.join(map(str, folders))} and among the bundled ones" if folders else ""
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"{looked}{hint} `mltask-fixtures list` shows the bundled ones"


def read(path: Path) -> dict[str, Any]:
    """Read a cassette of ours, or any of vcrpy's, into vcrpy's dict.

    Raises:
        DamagedCassetteError: it is damaged or something else; the error says where. The file is left as it is.
        OutsideError: it cannot be read at all.
    """
    text = _text(path)
    fetch = _fetcher(path)
    try:
        cassette = our_format.deserialize(text, fetch) if path.suffix == SUFFIX else _yaml(text, fetch)
        for number, interaction in enumerate(cassette["interactions"], 1):
            _see_inflation(interaction["response"], number)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DamagedCassetteError(f"{path} is damaged at {where}: {error.msg}; {_REMEDY}") from None
    except (ValueError, RecursionError) as error:
        raise DamagedCassetteError(f"{path} is no cassette: {error}; {_REMEDY}") from None
    return cassette


def parse(path: Path) -> dict[str, Any] | None:
    """Read a cassette of ours as it stands in the file; None where `read` has to be asked.

    Raises:
        DamagedCassetteError: it is no text.
        OutsideError: it cannot be read at all.
    """
    return our_format.parsed(_text(path)) if path.suffix == SUFFIX else None


def completed(path: Path, interactions: Iterable[tuple[int, Any]]) -> Iterator[dict[str, Any]]:
    """Put interactions that `parse` gave, each with its number, into vcrpy's form.

    Raises:
        DamagedCassetteError: one has not the structure of an interaction; the error says which.
    """
    fetch = _fetcher(path)
    for number, one in interactions:
        try:
            interaction = our_format.completed(one, number, fetch)
            _see_inflation(interaction["response"], number)
        except (ValueError, RecursionError) as error:
            raise DamagedCassetteError(f"{path} is no cassette: {error}; {_REMEDY}") from None
        yield interaction


def edited(path: Path) -> bool:
    """Tell whether a cassette was edited since it was written; that is allowed, and worth a note.

    Raises:
        DamagedCassetteError: it is no cassette.
        OutsideError: it cannot be read at all.
    """
    try:
        return path.suffix == SUFFIX and our_format.edited(_text(path))
    except (ValueError, RecursionError) as error:
        raise DamagedCassetteError(f"{path} is no cassette: {error}; {_REMEDY}") from None


_REMEDY = "it was left as it is: restore it, or delete it and record anew"


def _text(path: Path) -> str:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise DamagedCassetteError(f"{path} is no cassette: it is no file")
        if about.st_size > LARGEST:
            raise DamagedCassetteError(f"{path} is no cassette: it has {about.st_size} bytes; {_REMEDY}")
        raw = path.read_bytes()
    except OSError as error:
        raise OutsideError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise DamagedCassetteError(f"{path} is no cassette: byte {error.start} is not UTF-8; {_REMEDY}") from None
    if not text.strip():
        raise DamagedCassetteError(f"{path} is no cassette: it is empty; {_REMEDY}")
    return text


def bodies_of(path: Path) -> Path:
    """Give the folder in which the large bodies of a cassette lie.

    Example:
        >>> bodies_of(Path("cassettes/train.json")).as_posix()
        'cassettes/train.bodies'
    """
    return path.with_name(path.stem + _BODIES)


def _fetcher(path: Path) -> Callable[[str, int], bytes]:
    """Read side files; neither more than is claimed nor anything but a file."""

    def fetch(name: str, size: int) -> bytes:
        file = bodies_of(path) / name
        try:
            about = file.stat()
            if not stat.S_ISREG(about.st_mode) or about.st_size != size or size > LARGEST:
                raise ValueError(f"the side file {file} has {about.st_size} bytes, not {size}")
            return file.read_bytes()
        except OSError as error:
            raise ValueError(f"the side file {file} cannot be read: {error.strerror or error}") from None

    return fetch


def _see_inflation(response: Mapping[str, Any], number: int) -> None:
    """Refuse a compressed body that is meant to fill the memory, before something undoes the compression.

    Raises:
        ValueError: it is one, or it is damaged.
    """
    coding = next((values for name, values in response["headers"].items() if name.lower() == "content-encoding"), None)
    body = response["body"]["string"]
    if not coding or not body or coding[0] not in ("gzip", "deflate"):
        return
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        try:
            reader = zlib.decompressobj(window)
            size = 0
            while body and not reader.eof and size <= LARGEST:
                size += len(reader.decompress(body, 1 << 20))
                body = reader.unconsumed_tail
            if size > LARGEST:
                raise ValueError(f"interaction {number}: its body inflates to more than {LARGEST} bytes")
        except zlib.error as error:
            damage = error
        else:
            return
    raise ValueError(f"interaction {number}: its body is no {coding[0]}: {damage}")


def _yaml(text: str, fetch: Callable[[str, int], bytes]) -> dict[str, Any]:
    import yaml
    from vcr.migration import preprocess_yaml

    if text.lstrip().startswith("-"):
        text = preprocess_yaml(text)  # vcrpy before 1.0
    try:
        values = yaml.load(text, Loader=_loader())  # noqa: S506 - it is a safe loader
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    _see_size(values, len(text))
    return our_format.checked(values, fetch)


@cache
def _loader() -> Any:
    """Take vcrpy's own safe loader, which knows the tags of its older versions, without the keys that merge mappings.

    Merging copies, so a few lines of it can fill the memory; vcrpy never wrote it.
    """
    import yaml
    from vcr.serializers import yamlserializer

    class Loader(yamlserializer._CassetteLoader):  # type: ignore[misc]  # noqa: SLF001 - it is public under no name
        def flatten_mapping(self, node: Any) -> None:
            for key, _ in node.value:
                if key.tag == "tag:yaml.org,2002:merge":
                    raise yaml.constructor.ConstructorError(None, None, "a cassette merges no mappings", key.start_mark)

    return Loader


def _see_size(values: Any, length: int) -> None:
    """Refuse values that say more than their text: an alias of an alias of an alias, or one of itself.

    Raises:
        ValueError: they do.
    """
    left = max(length, 10_000)
    rest = [values]
    while rest:
        value = rest.pop()
        left -= 1
        if left < 0:
            raise ValueError("its aliases stand for more than the file's own size")
        if isinstance(value, dict):
            rest += value.values()
        elif isinstance(value, (list, tuple)):
            rest += value


def update(path: Path, change: Callable[[dict[str, Any] | None], tuple[str, Mapping[str, bytes]]]) -> None:
    """Replace a recording by what becomes of it; nobody else writes it between the reading and the writing.

    Args:
        path: of the file.
        change: takes what the file holds now, or None if there is no file, and gives the new text and side files.

    Raises:
        DamagedCassetteError: what is there is no whole cassette; it is left as it is.
        OutsideError: the file cannot be read or written; what was there is untouched.
    """
    with _locked(path):
        text, bodies = change(read(path) if os.path.lexists(path) else None)
        _replace(path, text, bodies)


def write(path: Path, text: str, bodies: Mapping[str, bytes] | None = None) -> None:
    """Write a recording whole or not at all: beside its place first, then moved there.

    A link in its place is replaced; what it leads to is left as it is.

    Args:
        path: of the file.
        text: of it.
        bodies: its side files, by name. They are there before the recording is, and those it no longer needs go after.

    Raises:
        OutsideError: the disk is full, or the folder cannot be written to; what was there before is untouched.
    """
    with _locked(path):
        _replace(path, text, bodies or {})


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep others from writing recordings in this folder meanwhile: other processes, and other threads.

    The kernel lets go of the lock when the process ends, however it ends, and no lock file stays behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _lock(path.parent)
    except OSError as error:
        raise OutsideError(f"{path.parent} cannot be locked: {error.strerror or error}; nothing was written") from None
    try:
        yield
    finally:
        os.close(handle)


def _lock(folder: Path) -> int:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        # A network file system locks only what is open for writing, and a folder never is.
        os.close(handle)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def _replace(path: Path, text: str, bodies: Mapping[str, bytes]) -> None:
    folder = bodies_of(path)
    try:
        _remove_drafts(path)
        if bodies:
            folder.mkdir(exist_ok=True)
            if folder.is_symlink():
                raise NotADirectoryError(None, f"{folder} is a link")
            for name, body in bodies.items():
                _write(folder / name, body)
        _write(path, text.encode())
    except OSError as error:
        raise OutsideError(
            f"{path} cannot be written: {error.strerror or error}; what was there is untouched"
        ) from None
    _remove_strangers(folder, bodies)


def _write(path: Path, content: bytes) -> None:
    draft = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=_draft_of(path), suffix=_DRAFT, delete=False) as file:
            draft = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o644 if not path.is_file() else path.stat().st_mode & 0o777)
        draft.replace(path)
        draft = None
        _sync_folder(path.parent)
    finally:
        if draft is not None:
            with contextlib.suppress(OSError):
                draft.unlink()


def _draft_of(path: Path) -> str:
    return f".{path.name[:80]}."


def _remove_drafts(path: Path) -> None:
    """Remove what a process that was killed while it wrote this file has left; nobody writes it now."""
    for entry in os.scandir(path.parent):
        if entry.name.startswith(_draft_of(path)) and entry.name.endswith(_DRAFT):
            Path(entry.path).unlink(missing_ok=True)


def _remove_strangers(folder: Path, bodies: Mapping[str, bytes]) -> None:
    """Remove side files that the recording no longer names; a failure leaves a file too many, which harms nothing."""
    if folder.is_symlink():
        return
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            if file.name not in bodies and file.name.endswith((our_format.SIDE_FILE, _DRAFT)):
                file.unlink()
        if not bodies:
            folder.rmdir()


def _sync_folder(folder: Path) -> None:
    """Make the move itself survive a power failure, where the platform can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
