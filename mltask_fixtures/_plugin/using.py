"""Put a cassette into use as a run's options say: replayed, recorded, verified, too old, not played to its end."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mltask_fixtures import __version__
from mltask_fixtures._errors import MLTaskFixturesError
from mltask_fixtures._plugin.age import expired
from mltask_fixtures.cassette import UnknownCassetteError, store, use_cassette

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

    from mltask_fixtures.cassette import MLTaskCassette


class ExpiredCassetteWarning(UserWarning):
    """A cassette is older than the ini key `mltask_max_age` allows."""


class UnplayedInteractionWarning(UserWarning):
    """A test passed and left recorded interactions unplayed; the ini key `mltask_unplayed` asks for this."""


class HousekeepingError(MLTaskFixturesError):
    """What an ini key of the plugin forbids: a cassette that is too old, or not played to its end."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What options and ini keys say of the cassettes of a run."""

    record: str
    """`none`, `once`, `new`, `all` or `verify`."""
    url: str | None
    folder: Path
    clock: str
    """`virtual`, `recorded` or `real`."""
    unplayed: str
    """`ignore`, `warn` or `fail`."""
    max_age: str
    """Such as `30d`; empty for no limit."""
    expired: str
    """`warn`, `fail` or `rerecord`."""
    allow_secrets: tuple[str, ...] = ()
    """The fingerprints of values that may be recorded although they look like secrets."""


def rules_of(config: pytest.Config, record: str) -> Rules:
    """Gather what options and ini keys say of the cassettes of a run, recorded in this mode."""
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return Rules(
        record=record,
        url=config.getoption("--mltask-url"),
        folder=folder_of(config),
        unplayed=config.getini("mltask_unplayed"),
        clock=config.getini("mltask_clock"),
        max_age=config.getini("mltask_max_age"),
        expired=config.getini("mltask_expired") or ("fail" if in_ci else "warn"),
        allow_secrets=(*(config.getoption("--mltask-allow-secret") or ()), *config.getini("mltask_allow_secret")),
    )


def folder_of(config: pytest.Config) -> Path:
    """Give the project's folder of cassettes."""
    said: list[Path] | None = config.getini("mltask_cassette_dir")
    return said[0] if said else config.rootpath / "cassettes"


@contextmanager
def using(
    name: str | Path,
    rules: Rules,
    *,
    passed: Callable[[], bool] = lambda: True,
    **options: Any,
) -> Iterator[MLTaskCassette]:
    """Use a cassette as the run's rules say.

    Args:
        name: of the cassette, or a file.
        rules: of the run.
        passed: tells at the end whether the test passed; if not, nothing is saved and nothing is complained of.
        **options: of `use_cassette`; `unplayed` is this test's own word in place of the ini key's.

    Raises:
        HousekeepingError: an ini key forbids it.
        MLTaskFixturesError: as `use_cassette`.
    """
    unplayed = options.pop("unplayed", rules.unplayed)
    if rules.record == "verify" and (own := _own(name, rules.folder)) is not None:
        from mltask_fixtures._plugin.verify import verifying

        with verifying(own, rules.url or "", passed=passed) as live:
            yield live
        return
    options.setdefault("clock", rules.clock)
    record = _mode(name, rules)
    options.setdefault("allow_secrets", rules.allow_secrets)
    prepared = use_cassette(name, record=record, upstream=rules.url, folder=rules.folder, **options)
    with _advice(rules), prepared as opened:
        yield opened
        opened.abandoned = not passed()
        _sign(opened, record)
    if unplayed != "ignore" and passed() and opened.write_protected and not _is_bundled(opened.path):
        _see_unplayed(opened, unplayed)


def _mode(name: str | Path, rules: Rules) -> str:
    """Give the record mode; an old cassette of the project's own may change it."""
    record = "none" if rules.record == "verify" else rules.record
    path = _own(name, rules.folder)
    if not rules.max_age or record == "all" or path is None:
        return record
    complaint = expired(path, rules.max_age)
    if complaint is None:
        return record
    if rules.expired == "rerecord" and rules.url:
        return "all"
    if rules.expired == "fail":
        raise HousekeepingError(f"{complaint}; record it anew with --mltask-record all --mltask-url URL")
    advice = "give --mltask-url URL to record it anew" if rules.expired == "rerecord" else "record it anew"
    warnings.warn(f"{complaint}; {advice}", ExpiredCassetteWarning, stacklevel=2)
    return record


def _own(name: str | Path, folder: Path) -> Path | None:
    """Give the file of a cassette of the project's own; None if there is none, or it is a bundled one."""
    try:
        path = store.find(name, folder)
    except UnknownCassetteError:
        return None
    return None if _is_bundled(path) else path


@contextmanager
def _advice(rules: Rules) -> Iterator[None]:
    try:
        yield
    except UnknownCassetteError as error:
        if rules.record != "none":
            raise
        raise UnknownCassetteError(f"{error}; --mltask-record once --mltask-url URL records a new one") from None


def _sign(cassette: MLTaskCassette, record: str) -> None:
    """Let a new recording say when and by what it was made."""
    if cassette.dirty:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if record == "all":
            cassette.metadata["recorded_at"] = now
        # What is added to an older recording makes it no younger.
        cassette.metadata.setdefault("recorded_at", now)
        cassette.metadata["tool"] = {"mltask-fixtures": __version__}


def _is_bundled(path: Path) -> bool:
    return path.resolve().is_relative_to(store.bundled_folder().resolve())


def _see_unplayed(cassette: MLTaskCassette, policy: str) -> None:
    left = cassette.unplayed
    if not left:
        return
    counted = "1 interaction was" if len(left) == 1 else f"{len(left)} interactions were"
    told = "\n".join([f"{cassette.path}: {counted} not played:", *(f"  {one}" for one in left)])
    if policy == "fail":
        raise HousekeepingError(told)
    warnings.warn(told, UnplayedInteractionWarning, stacklevel=2)
