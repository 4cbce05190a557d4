"""Files of recordings: where they are, how they are read, and how they are written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final

from mltask_fixtures._errors import MLTaskFixturesError, OutsideError, WrongUseError
from mltask_fixtures.cassette import format as our_format

SUFFIX: Final = ".json"
SUFFIXES: Final = (SUFFIX, ".yaml", ".yml")
_LONGEST_PART: Final = 200
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
    near = get_close_matches(name.removesuffix(SUFFIX), known, 3, cutoff=0.5)
    looked = f"; looked in {', '.join(map(str, folders))} and among the bundled ones" if folders else ""
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"{looked}{hint} `mltask-fixtures list` shows the bundled ones"


def read(path: Path) -> dict[str, Any]:
    """Read a cassette of ours, or any of vcrpy's, into vcrpy's dict.

    Raises:
        DamagedCassetteError: it is damaged or something else; the error says where. The file is left as it is.
        OutsideError: it cannot be read at all.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise OutsideError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise DamagedCassetteError(f"{path} is no cassette: byte {error.start} is not UTF-8; {_REMEDY}") from None
    try:
        return our_format.deserialize(text) if path.suffix == SUFFIX else _yaml(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DamagedCassetteError(f"{path} is damaged at {where}: {error.msg}; {_REMEDY}") from None
    except (ValueError, RecursionError) as error:
        raise DamagedCassetteError(f"{path} is no cassette: {error}; {_REMEDY}") from None


_REMEDY = "it was left as it is: restore it, or delete it and record anew"


def _yaml(text: str) -> dict[str, Any]:
    import yaml

    # The safe loader builds plain values only, whatever a tag asks for.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        values = yaml.load(text, Loader=loader)  # noqa: S506 - it is a safe loader
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    return our_format.checked(values)


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all: beside its place first, then moved there.

    Raises:
        OutsideError: the disk is full, or the folder cannot be written to; what was there before is untouched.
    """
    draft = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w",
            encoding="utf-8",
            newline="\n",
            dir=path.parent,
            prefix=f".{path.name[:80]}.",
            suffix=".draft",
            delete=False,
        ) as file:
            draft = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o644 if not path.exists() else path.stat().st_mode & 0o777)
        draft.replace(path)
        draft = None
        _sync_folder(path.parent)
    except OSError as error:
        raise OutsideError(
            f"{path} cannot be written: {error.strerror or error}; what was there is untouched"
        ) from None
    finally:
        if draft is not None:
            with contextlib.suppress(OSError):
                draft.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the move itself survive a power failure, where the platform can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
