"""See whether a server still says what was recorded: play the scenarios, and compare."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mltask_fixtures._errors import MLTaskFixturesError, OutsideError
from mltask_fixtures.cassette import store
from mltask_fixtures.cassette.drift import Drift, drift
from mltask_fixtures.cassette.recording import from_dict
from mltask_fixtures.cluster.record import NotRecordedError, look_at_again, record
from mltask_fixtures.cluster.report import SILENCE
from mltask_fixtures.cluster.scenario import MissedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mltask_fixtures.cluster.record import Cluster
    from mltask_fixtures.cluster.report import Report
    from mltask_fixtures.cluster.scenario import Scenario


@dataclass(frozen=True)
class Verdict:
    """What came of one scenario."""

    scenario: str
    drift: list[Drift] = field(default_factory=list)
    """In what the server differs from the recording."""
    left_out: str = ""
    """Why it was not compared; "" if it was."""

    def __str__(self) -> str:
        """Give one line, and one more for each difference.

        Example:
            >>> print(Verdict("unknown-task-id"))
            unknown-task-id: as recorded
            >>> print(Verdict("two-nodes", left_out="needs two nodes"))
            two-nodes: left out, it needs two nodes
        """
        if self.left_out:
            return f"{self.scenario}: left out, it {self.left_out}"
        if not self.drift:
            return f"{self.scenario}: as recorded"
        counted = "1 difference" if len(self.drift) == 1 else f"{len(self.drift)} differences"
        return "\n".join([f"{self.scenario}: {counted}", *(f"  {one}" for one in self.drift)])


def verify(
    chosen: Iterable[Scenario], cluster: Cluster, cassettes: Path | None = None, *, report: Report = SILENCE
) -> Iterator[Verdict]:
    """Play these scenarios on this cluster, and compare each with its recording.

    Args:
        chosen: what to play.
        cluster: where, see `record.look_at`.
        cassettes: the folder of the recordings, laid out as `record` does; the bundled ones by default.
        report: told about each step.

    Yields:
        What came of each scenario, when it is over.

    Raises:
        OutsideError: the cluster died.

    Example:
        >>> cluster = look_at("http://127.0.0.1:9200")  # doctest: +SKIP
        >>> for verdict in verify(choose(["unknown-task-id"]), cluster): print(verdict)  # doctest: +SKIP
        unknown-task-id: as recorded
    """
    with tempfile.TemporaryDirectory(prefix="mltask-fixtures-") as folder:
        for scenario in chosen:
            recorded = recorded_as(scenario, cluster.version, cassettes)
            why = scenario.left_out(cluster.version, cluster.offers)
            if why or recorded is None:
                yield Verdict(scenario.name, left_out=why or _not_recorded(cluster.version))
                continue
            try:
                live = record(scenario, cluster, Path(folder), report=report)
            except MLTaskFixturesError as error:
                look_at_again(cluster)
                yield Verdict(scenario.name, [_of_failure(error)])
            else:
                yield compare(scenario, recorded, live)


def verify_on_server(
    chosen: Iterable[Scenario], version: str, cassettes: Path | None = None, *, report: Report = SILENCE
) -> Iterator[Verdict]:
    """Put up whatever clusters of this version these scenarios need, compare, and take them down.

    Args:
        chosen: what to play.
        version: one of `servers.SERVERS`.
        cassettes: the folder of the recordings; the bundled ones by default.
        report: told about each step.

    Yields:
        What came of each scenario; those that were left out come last.

    Raises:
        WrongUseError: unknown version.
        OutsideError: a cluster cannot be put up, or died.
    """
    from mltask_fixtures.cluster import namespace
    from mltask_fixtures.cluster.provide import record_on_server

    known = {scenario.name: scenario for scenario in chosen}
    recorded = {name: recorded_as(scenario, version, cassettes) for name, scenario in known.items()}
    playable = [known[name] for name, path in recorded.items() if path is not None]
    told = set()
    with tempfile.TemporaryDirectory(prefix="mltask-fixtures-") as folder:
        try:
            for live in record_on_server(playable, version, Path(folder), report=report):
                told.add(live.stem)
                path = recorded[live.stem]
                assert path is not None  # noqa: S101 - the others are not played
                yield compare(known[live.stem], path, live)
        except NotRecordedError as error:
            for name in error.names:
                told.add(name)
                yield Verdict(name, [_of_failure(error)])
    for name, path in recorded.items():
        if name not in told:
            why = _not_recorded(version) if path is None else ""
            why = known[name].left_out(version, known[name].needs) or why or namespace.missing()
            yield Verdict(name, left_out=why or "could not be played")


def compare(scenario: Scenario, recorded: Path, live: Path) -> Verdict:
    """Compare a recording with what a server says now.

    Args:
        scenario: that both are of.
        recorded: the recording.
        live: what was just recorded.

    Raises:
        DamagedCassetteError: a file is no whole cassette.
    """
    before, now = (from_dict(path, store.read(path)) for path in (recorded, live))
    return Verdict(scenario.name, drift(before, now, promised=scenario.must_see))


def recorded_as(scenario: Scenario, version: str, cassettes: Path | None = None) -> Path | None:
    """Find the recording of a scenario: of this version, else of the newest one of its line.

    Args:
        scenario: of which.
        version: of the server.
        cassettes: the folder of the recordings; the bundled ones by default.

    Example:
        >>> from mltask_fixtures.cluster.record import choose
        >>> recorded_as(choose(["unknown-task-id"])[0], "3.6.99").parent.name
        '3.6.0'
    """
    folder = cassettes or store.bundled_folder()
    folder = folder / "synthetic" if scenario.synthetic else folder
    line = version.rpartition(".")[0]
    found = [version, *sorted((path.name for path in folder.glob(f"{line}.*")), reverse=True)]
    paths = (folder / name / f"{scenario.name}{store.SUFFIX}" for name in found)
    return next((path for path in paths if path.is_file()), None)


def _not_recorded(version: str) -> str:
    return f"was not recorded from {version}: mltask-fixtures record"


def _of_failure(error: MLTaskFixturesError) -> Drift:
    """Tell of a scenario that cannot be played any more as it was."""
    if isinstance(error, MissedError):
        return Drift("the scenario", "response.body.state", "gone", "a state that has to be seen", str(error))
    if isinstance(error, OutsideError):
        return Drift("the scenario", "exchange", "value", "it could be played", str(error))
    return Drift("the scenario", "exchange", "value", "it was what the server's dialect has", str(error))
