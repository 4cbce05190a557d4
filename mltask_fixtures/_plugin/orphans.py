"""Find cassettes that no test uses; right under xdist, and silent unless the whole suite was looked at."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette import store
from mltask_fixtures.cassette.use import put_to_use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_KEY: Final = "mltask_orphans"
"""Of what a worker of xdist tells the controller."""
_NARROWING: Final = ("--ignore", "--lf", "--last-failed")
"""Options with which pytest reads only a part of the suite; those that leave out what was read deselect it."""
_FOLDER: Final = store.bodies_of(Path("of")).suffix
_SIDE_FILE: Final = re.compile(rf"[0-9a-f]{{64}}{re.escape(our_format.SIDE_FILE)}")


class Orphans:
    """Collects which cassettes are used, and tells at the end of a run which files are not.

    A cassette is used if the marker of any collected test names it, or if it was opened. Files of other suffixes than
    ours are never looked at: they may be another tool's. The large body of a cassette is used if the cassette names it.
    """

    def __init__(
        self, config: pytest.Config, folder: Path, policy: str, name_of: Callable[[pytest.Item], str | None]
    ) -> None:
        """Take the folder of cassettes, `warn` or `fail`, and what tells the name of a test's cassette."""
        self._folder, self._policy, self._name_of = folder, policy, name_of
        self._used: set[Path] = set()
        self._whole = hasattr(config, "workerinput") or _looks_at_everything(config)
        self._told: list[str] = []

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note the cassette of a test, whether it will be run or not."""
        name = self._name_of(item)
        if name is not None:
            self._used.update(_files(name, self._folder))

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Give up: what tests open that are left out cannot be known."""
        self._whole = self._whole and not items

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Give up: a module that cannot be read hides its tests."""
        self._whole = self._whole and not report.failed

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take what a worker of xdist saw; one that died saw we do not know what."""
        seen = getattr(node, "workeroutput", {}).get(_KEY)
        if error is not None or seen is None:
            self._whole = False
            return
        self._whole = self._whole and seen["whole"]
        self._used.update(map(Path, seen["used"]))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Compare, or tell the controller."""
        self._used |= {path.resolve() for path in put_to_use}
        if (output := getattr(session.config, "workeroutput", None)) is not None:
            output[_KEY] = {"whole": self._whole, "used": sorted(map(str, self._used))}
            return
        if not self._whole or exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return
        orphans = [path for path in _cassettes(self._folder) if path.resolve() not in self._used]
        root = session.config.rootpath
        self._told = [str(_shortened(path, root)) for path in orphans]
        self._told += [f"{_shortened(path, root)}: {why}" for path, why in _bodies(self._folder)]
        if self._told and self._policy == "fail" and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List them."""
        if not self._told:
            return
        failing = self._policy == "fail"
        terminalreporter.section("cassettes that no test uses", red=failing, yellow=not failing)
        for path in self._told:
            terminalreporter.write_line(path)
        terminalreporter.write_line(
            "Delete them, or say mltask_orphans = ignore; those opened by skipped tests alone are among them."
        )


def _looks_at_everything(config: pytest.Config) -> bool:
    """Tell whether the command line leaves no part of the suite out."""
    words = config.invocation_params.args
    if config.option.collectonly or any(str(word).startswith(_NARROWING) for word in words):
        return False
    if any("::" in argument for argument in config.args):
        return False
    asked = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
    suite = [config.rootpath / path for path in config.getini("testpaths")] or [config.rootpath]
    return all(any(path.resolve().is_relative_to(folder) for folder in asked) for path in suite)


def _files(name: str, folder: Path) -> Iterable[Path]:
    """Give the files that a name may stand for."""
    from mltask_fixtures._errors import WrongUseError

    try:
        yield store.find(name, folder).resolve()
    except WrongUseError:
        return


def _cassettes(folder: Path) -> list[Path]:
    if folder.resolve() == store.bundled_folder().resolve():
        return []
    return [path for path in sorted(folder.glob(f"**/*{store.SUFFIX}")) if _is_cassette(path)]


def _bodies(folder: Path) -> Iterator[tuple[Path, str]]:
    """Give the side files that no cassette names, or their folder where the cassette itself is gone, and why."""
    if folder.resolve() == store.bundled_folder().resolve():
        return
    for bodies in sorted(folder.glob(f"**/*{_FOLDER}")):
        files = [path for path in sorted(bodies.glob("*")) if _SIDE_FILE.fullmatch(path.name)]
        owners = [path for path in bodies.parent.glob(f"{glob.escape(bodies.stem)}*") if _owns(path, bodies)]
        named = b"".join(path.read_bytes() for path in owners)
        if owners:
            yield from ((path, "no cassette names it") for path in files if path.name.encode() not in named)
        elif files:
            yield bodies, "its cassette is gone"


def _owns(path: Path, bodies: Path) -> bool:
    """Tell a cassette whose bodies lie in a folder, in a file of whatever suffix another tool gave it."""
    return path.is_file() and store.bodies_of(path) == bodies


def _is_cassette(path: Path) -> bool:
    """Tell a cassette, whole or damaged, from other files of JSON."""
    try:
        return b'"interactions"' in path.read_bytes()
    except OSError:
        return False


def _shortened(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
