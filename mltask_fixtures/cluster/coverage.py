"""What is recorded of what servers can be brought to show: task type by state by version."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mltask_fixtures.cassette import store
from mltask_fixtures.cassette.recording import from_dict
from mltask_fixtures.cassette.timeline import body_of, polled_task
from mltask_fixtures.contract import DIALECTS, TaskState, TaskType

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SYNTHETIC = "synthetic"
_OK = 200


@dataclass(frozen=True)
class Cell:
    """One task type in one state, as one server version shows it."""

    task_type: TaskType
    state: TaskState
    version: str
    documented: bool
    """Whether the documentation has it."""
    reachable: bool
    """Whether the table of dialects says that this server can be brought to show it."""
    recorded: tuple[str, ...]
    """The names of the recordings that show it in an answer to GET."""
    synthetic: tuple[str, ...]
    """The names of the synthetic recordings that do."""

    @property
    def missing(self) -> bool:
        """Whether a server can be brought to show it, and no recording does."""
        return self.reachable and not self.recorded

    @property
    def word(self) -> str:
        """What there is of it: `recorded`, `missing`, `synthetic` or `unreachable`."""
        if self.recorded:
            return "recorded"
        return "missing" if self.reachable else "synthetic" if self.synthetic else "unreachable"


def coverage(folder: Path | None = None) -> list[Cell]:
    """Go through every task type, state and recorded version, in the vocabulary's order.

    Args:
        folder: of the recordings, laid out as `record` does; the bundled ones by default.

    Raises:
        DamagedCassetteError: a file is no whole cassette.

    Example:
        >>> cell = next(cell for cell in coverage() if cell.recorded)
        >>> cell.task_type.value, cell.state.value, cell.version
        ('TRAINING', 'CREATED', '2.19.1')
    """
    folder = folder or store.bundled_folder()
    shown: defaultdict[tuple[str, str, str, bool], list[str]] = defaultdict(list)
    versions = set()
    for path in sorted(folder.glob(f"**/*{store.SUFFIX}")):
        parts = path.relative_to(folder).with_suffix("").parts
        synthetic = parts[0] == _SYNTHETIC
        version = parts[1] if synthetic else parts[0]
        versions.add(version)
        for task_type, state in _shown(path):
            shown[task_type, state, version, synthetic].append(parts[-1])
    documented = DIALECTS["documented"].pairs()
    return [
        Cell(
            task_type=task_type,
            state=state,
            version=version,
            documented=(task_type, state) in documented,
            reachable=(task_type, state) in DIALECTS[version].pairs(),
            recorded=tuple(shown[task_type, state, version, False]),
            synthetic=tuple(shown[task_type, state, version, True]),
        )
        for task_type in TaskType
        for state in TaskState
        for version in sorted(versions, key=lambda name: [int(part) for part in name.split(".")])
    ]


def _shown(path: Path) -> set[tuple[str, str]]:
    """The types and states that the polls of a recording show."""
    return set(_polled(path))


def _polled(path: Path) -> Iterator[tuple[str, str]]:
    for interaction in from_dict(path, store.read(path)).interactions:
        request, response = interaction.request, interaction.response
        body = body_of(response.body)
        if response.status == _OK and polled_task(request.method, request.uri) and isinstance(body, dict):
            yield str(body.get("task_type")), str(body.get("state"))
