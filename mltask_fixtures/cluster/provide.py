"""Put up the clusters that scenarios need, one kind after the other, record on each, and take it down again."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cluster import namespace, servers
from mltask_fixtures.cluster.clusters import ANY_PORT, isolated, start, stop
from mltask_fixtures.cluster.record import TAKES_NO_MODEL, NotRecordedError, look_at, record_each
from mltask_fixtures.cluster.report import SILENCE
from mltask_fixtures.cluster.scenario import Need

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mltask_fixtures.cluster.node import Node
    from mltask_fixtures.cluster.report import Report
    from mltask_fixtures.cluster.scenario import Scenario

_ALONE, _TWO, _ISOLATED = "alone", "two", "isolated"
_OFFERS = {
    _ALONE: {Need.THIS_COMPUTER, Need.OWN_NODE},
    _TWO: {Need.THIS_COMPUTER, Need.TWO_NODES},
    _ISOLATED: {Need.THIS_COMPUTER, Need.ISOLATION},
}


def record_on_server(
    chosen: Iterable[Scenario],
    version: str,
    output: Path,
    *,
    normalise: bool = True,
    allow_secrets: Sequence[str] = (),
    report: Report = SILENCE,
) -> Iterator[Path]:
    """Put up whatever clusters of this version these scenarios need, record on them, and take them down.

    Args:
        chosen: what to play; what cannot be played by this version, or on this computer, is told and left out.
        version: one of `servers.SERVERS`.
        output: the folder of recordings.
        normalise: as `record` takes it.
        allow_secrets: the fingerprints of values that look like secrets and are none.
        report: told about each step.

    Yields:
        Each file, when it is written.

    Raises:
        WrongUseError: unknown version.
        NotRecordedError: some were not recorded; the others are.
        OutsideError: a cluster cannot be put up, or died.
    """
    servers.find(version)
    failed: list[str] = []
    code = tried = 0
    for kind, scenarios in _by_kind(chosen, version, report).items():
        tried += len(scenarios)
        try:
            with _cluster(kind, version, report) as node:
                yield from _record(
                    kind,
                    node,
                    scenarios,
                    output.absolute(),
                    report,
                    normalise=normalise,
                    allow_secrets=tuple(allow_secrets),
                )
        except NotRecordedError as error:
            failed += error.names
            code = min(code or error.exit_code, error.exit_code)
    if failed:
        raise NotRecordedError(failed, tried, exit_code=code)


def _by_kind(chosen: Iterable[Scenario], version: str, report: Report) -> dict[str, list[Scenario]]:
    """Which scenarios play on which kind of cluster; what cannot be played is told and left out."""
    kinds: dict[str, list[Scenario]] = {}
    for scenario in chosen:
        kind = next(kind for kind, offers in _OFFERS.items() if offers.issuperset(scenario.needs))
        why = scenario.left_out(version, _OFFERS[kind])
        if not why and kind == _ISOLATED:
            why = namespace.missing()
        if why:
            report.say(f"{scenario.name} {why}: left out")
        else:
            kinds.setdefault(kind, []).append(scenario)
    return {kind: kinds[kind] for kind in _OFFERS if kind in kinds}


@contextmanager
def _cluster(kind: str, version: str, report: Report) -> Iterator[Node]:
    name = f"record-{os.getpid()}-{kind}"
    try:
        if kind == _ISOLATED:
            yield isolated(version, name=name, report=report)
        elif kind == _TWO:
            yield start(version, name=name, port=ANY_PORT, nodes=2, settings=[{}, {TAKES_NO_MODEL: 0}], report=report)
        else:
            yield start(version, name=name, port=ANY_PORT, report=report)
    finally:
        with suppress(WrongUseError):  # it never came up, and left nothing
            stop(name, report=report)


def _record(
    kind: str,
    node: Node,
    scenarios: Sequence[Scenario],
    output: Path,
    report: Report,
    *,
    normalise: bool,
    allow_secrets: tuple[str, ...],
) -> Iterator[Path]:
    if kind != _ISOLATED:
        cluster = replace(look_at(node.url, name=node.cluster), allow_secrets=allow_secrets)
        yield from record_each(scenarios, cluster, output, normalise=normalise, report=report)
        return
    names = [scenario.name for scenario in scenarios]
    words = ["record", *names, "--url", node.url, "--output", str(output), "--inside", node.network]
    words += [] if normalise else ["--no-normalise"]
    words += [f"--mltask-allow-secret={fingerprint}" for fingerprint in allow_secrets]
    try:
        written = namespace.run_inside(node.network, words, say=report.say)
    except namespace.InsideError as error:
        yield from map(Path, error.out.splitlines())
        done = {Path(line).stem for line in error.out.splitlines()}
        raise NotRecordedError(
            [name for name in names if name not in done], len(names), exit_code=error.code
        ) from error
    yield from map(Path, written.splitlines())
