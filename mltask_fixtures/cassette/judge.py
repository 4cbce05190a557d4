"""Hold recordings to the contract: each answer to the models, and to the dialect of the server that gave it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

from mltask_fixtures._errors import MLTaskFixturesError
from mltask_fixtures.cassette import store
from mltask_fixtures.cassette.recording import Interaction, Recording, read_recording
from mltask_fixtures.contract import DIALECTS, Dialect, Finding, UnknownDialectError, check_exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

_ML: Final = "/_plugins/_ml/"


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
    if findings := judge(recording.interactions, recording.dialect, recording.server):
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
    return judge(recording.interactions, dialect or recording.dialect, None if dialect else recording.server)


def judge(interactions: Sequence[Interaction], dialect: str | None, server: str | None = None) -> list[Finding]:
    """List everything in which answers disagree with a dialect, each finding with the interaction that it is about.

    A host of which nothing of ML Commons was asked is no cluster, and what it says is left alone.

    Args:
        interactions: the requests with their answers.
        dialect: that judges them; None where it is not known.
        server: the version that the headers are held to; None where it is that of the dialect.
    """
    return named(interactions, judged(interactions, dialect, server))


def judged(
    interactions: Sequence[Interaction], dialect: str | None, server: str | None = None
) -> Iterator[tuple[int, Finding]]:
    """Go through the findings of `judge` as the contract words them, each after the place of its interaction."""
    rules = rules_of(dialect, server)
    return of_clusters(interactions, lambda one: findings_in(one, rules))


class Rules(NamedTuple):
    """What holds for a recording."""

    dialect: Dialect | None
    """None: a server that no line covers, or that nothing tells, is judged by the models alone."""
    server: Dialect | None
    """Of the headers, where it is another."""


def rules_of(dialect: str | None, server: str | None = None) -> Rules:
    """Find the rules; see `judge`."""
    answered_by = DIALECTS.line_of(server) if server else None
    try:
        rules = DIALECTS[dialect] if dialect is not None else None
    except UnknownDialectError:
        rules = None
    return Rules(rules, None if answered_by is rules else answered_by)


def findings_in(interaction: Interaction, rules: Rules) -> list[Finding]:
    """List everything in which one answer disagrees with the rules, whichever host gave it."""
    if rules.dialect is not None and interaction.surely_agrees(rules.dialect, rules.server):
        return []
    (method, uri, _), response = interaction.asked, interaction.values["response"]
    status, body, headers = response["status"]["code"], response["body"]["string"], interaction.response.headers
    return check_exchange(method, _path(uri), status, headers, body, dialect=rules.dialect, server=rules.server)


class Asked(Protocol):
    """What has a request."""

    @property
    def asked(self) -> tuple[str, str, bytes | None]:
        """Its method, URL and body."""
        ...


_Asked = TypeVar("_Asked", bound=Asked)


def of_clusters(
    interactions: Sequence[_Asked], find: Callable[[_Asked], list[Finding]]
) -> Iterator[tuple[int, Finding]]:
    """Go through findings, without those about hosts of which nothing of ML Commons was asked."""
    clusters: set[str] | None = None
    for number, one in enumerate(interactions):
        if not (findings := find(one)):
            continue
        if not _is_ml(uri := one.asked[1]):
            if clusters is None:
                clusters = {_host(uri) for _, uri, _ in (other.asked for other in interactions) if _is_ml(uri)}
            if _host(uri) not in clusters:
                continue
        for finding in findings:
            yield number, finding


def named(interactions: Sequence[Asked], findings: Iterable[tuple[int, Finding]]) -> list[Finding]:
    """Say in each finding which interaction it is about."""
    found = []
    for number, finding in findings:
        method, uri, _ = interactions[number].asked
        where = f"interaction {number + 1} ({method} {_path(uri).partition('?')[0]}): {finding.field}"
        found.append(replace(finding, field=where))
    return found


def _is_ml(uri: str) -> bool:
    return _path(uri).startswith(_ML)


def _host(uri: str) -> str:
    """Give host and port of a URL."""
    return re.split("[/?#]", uri.partition("://")[2], maxsplit=1)[0].rpartition("@")[2].lower()


def _path(uri: str) -> str:
    """Give path and query of a URL."""
    rest = uri.partition("://")[2] or uri
    start = rest.find("/")
    return rest[start:] if start >= 0 else ""
