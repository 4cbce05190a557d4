"""Hold recordings to the contract: each answer to the models, and to the dialect of the server that gave it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from mltask_fixtures._errors import MLTaskFixturesError
from mltask_fixtures.cassette import store
from mltask_fixtures.cassette.recording import Interaction, Recording, read_recording
from mltask_fixtures.contract import DIALECTS, Dialect, Finding, UnknownDialectError, check_exchange

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class InvalidCassetteError(MLTaskFixturesError, ValueError):
    """A recording holds what no server says; `findings` lists everything."""

    def __init__(self, path: Path, findings: list[Finding]) -> None:
        """Take the file and what is wrong in it."""
        self.path, self.findings = path, findings
        counted = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
        super().__init__("\n".join([f"{path}: {counted}", *(f"  - {finding}" for finding in findings)]))


def load(name: str | Path, *folders: Path) -> Recording:
    """Load a recording and see that it is what a server says.

    Args:
        name: of a bundled recording, such as `3.6.0/train-kmeans-completed`, or a file.
        *folders: where names are looked up before the bundled ones.

    Raises:
        UnknownCassetteError: there is none; the error names the nearest.
        DamagedCassetteError: the file is no whole cassette.
        InvalidCassetteError: an answer disagrees with the models or the dialect; it names interaction and field.

    Example:
        >>> load("3.6.0/unknown-task-id").interactions[0].response.status
        404
    """
    path = store.find(name, *folders)
    recording = read_recording(path)
    if findings := judge(recording.interactions, recording.dialect):
        raise InvalidCassetteError(path, findings)
    return recording


def findings_of(path: Path, *, dialect: str | None = None) -> list[Finding]:
    """List everything in which a recording disagrees with the contract.

    Args:
        path: the file.
        dialect: to judge by; by default that of the recording's own server.

    Raises:
        DamagedCassetteError: the file is no whole cassette.
    """
    recording = read_recording(path)
    return judge(recording.interactions, dialect or recording.dialect)


def judge(interactions: Iterable[Interaction], dialect: str | None) -> list[Finding]:
    """List everything in which answers disagree with a dialect, each finding with the interaction that it is about."""
    found = (numbered(findings_in(one, dialect), number) for number, one in enumerate(interactions, 1))
    return [*chain.from_iterable(found)]


def findings_in(interaction: Interaction, dialect: str | None) -> list[Finding]:
    """List everything in which one answer, which has no number yet, disagrees with a dialect."""
    rules = _rules(dialect)
    if rules is not None and interaction.surely_agrees(rules):
        return []
    request, response = interaction.values["request"], interaction.values["response"]
    method, path, status = request["method"], _path(request["uri"]), response["status"]["code"]
    body = response["body"]["string"]
    findings = check_exchange(method, path, status, _Headers(interaction), body, dialect=rules)
    where = f"({method} {path.partition('?')[0]})"
    return [replace(one, field=f"{where}: {one.field}") for one in findings]


def numbered(findings: Iterable[Finding], number: int) -> list[Finding]:
    """Say of which interaction the findings are."""
    return [replace(one, field=f"interaction {number} {one.field}") for one in findings]


class _Headers(Mapping[str, str]):
    """The headers of an answer, which most often nobody asks for."""

    def __init__(self, interaction: Interaction) -> None:
        self._interaction = interaction

    def __getitem__(self, name: str) -> str:
        return self._interaction.response.headers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._interaction.response.headers)

    def __len__(self) -> int:
        return len(self._interaction.response.headers)


@lru_cache(maxsize=64)
def _rules(dialect: str | None) -> Dialect | None:
    """Find the dialect; a server that no line covers is judged by the models alone."""
    if dialect is None:
        return None
    try:
        return DIALECTS[dialect]
    except UnknownDialectError:
        return None


def _path(uri: str) -> str:
    """Give path and query of a URL."""
    rest = uri.partition("://")[2] or uri
    start = rest.find("/")
    return rest[start:] if start >= 0 else ""
