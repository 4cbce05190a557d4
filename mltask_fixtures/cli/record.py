"""`mltask-fixtures record`: real traffic of a real cluster, kept as recordings."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mltask_fixtures.cli._progress import on_stderr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mltask_fixtures.cluster.report import Report
    from mltask_fixtures.cluster.scenario import Scenario


@click.command(name="record")
@click.argument("names", metavar="SCENARIO...", nargs=-1)
@click.option("--url", help="Of the cluster; credentials may stand in it: https://USER:PASSWORD@host:port")
@click.option(
    "--server", metavar="VERSION", help="Put up every cluster of this version that is needed, and take it down."
)
@click.option("--all", "every", is_flag=True, help="Record every scenario that this server can play.")
@click.option("--list", "listed", is_flag=True, help="List the scenarios, and do nothing.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("cassettes"),
    show_default=True,
    help="The folder of recordings; files are <server version>/<scenario>.json below.",
)
@click.option(
    "--normalise/--no-normalise",
    default=True,
    show_default=True,
    help="Replace ids, times and whatever else luck decides by stable values.",
)
@click.option(
    "--mltask-allow-secret",
    "allow_secrets",
    metavar="FINGERPRINT",
    multiple=True,
    help="Keep a value although it looks like a secret; a refusal names its fingerprint.",
)
@click.option("--insecure", is_flag=True, help="Accept a certificate that nobody vouches for.")
@click.option("--inside", hidden=True, default="", help="The network of its own that this process is in.")
def command(
    *,
    names: tuple[str, ...],
    url: str | None,
    server: str | None,
    every: bool,
    listed: bool,
    output: Path,
    normalise: bool,
    allow_secrets: tuple[str, ...],
    insecure: bool,
    inside: str,
) -> None:
    """Play scenarios on a cluster and keep what goes over the wire, checked and without secrets.

    What a scenario makes on the cluster it removes again. A file is replaced only by a whole one in which each state
    was seen that the scenario has to show. With --url what the cluster cannot play is told and left out; with --server
    one node, two nodes and one in a network of its own are put up in turn, as the scenarios need them.

    \b
    Example:
      mltask-fixtures record --url http://127.0.0.1:9200 train-kmeans-completed
      mltask-fixtures record --url http://127.0.0.1:9200 --all --output tests/cassettes
      mltask-fixtures record --server 3.6.0 --all
    """
    from mltask_fixtures.cluster.record import choose
    from mltask_fixtures.cluster.scenario import scenarios

    if listed:
        _list(list(scenarios().values()))
        return
    chosen = choose(names, every=every)
    if (url is None) == (server is None):
        raise click.UsageError("which cluster? Give its --url, such as http://127.0.0.1:9200, or a --server to put up")
    with _terminated_as_interrupted(), on_stderr() as report:
        if server is not None:
            from mltask_fixtures.cluster.provide import record_on_server

            recorded = record_on_server(
                chosen, server, output, normalise=normalise, allow_secrets=allow_secrets, report=report
            )
        else:
            assert url is not None  # noqa: S101 - one of the two is given
            recorded = _on_url(
                chosen,
                url,
                output,
                normalise=normalise,
                allow_secrets=allow_secrets,
                every=every,
                insecure=insecure,
                inside=inside,
                report=report,
            )
        for path in recorded:
            click.echo(path)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Tidy up after SIGTERM, with which a build server ends a job, as after Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _on_url(
    chosen: list[Scenario],
    url: str,
    output: Path,
    *,
    normalise: bool,
    allow_secrets: tuple[str, ...],
    every: bool,
    insecure: bool,
    inside: str,
    report: Report,
) -> Iterator[Path]:
    from mltask_fixtures.cluster import namespace
    from mltask_fixtures.cluster.record import look_at, record_each

    if inside:
        namespace.refuse_outside(inside)
    cluster = replace(look_at(url, insecure=insecure), allow_secrets=allow_secrets)
    played = []
    for scenario in chosen:
        why = scenario.left_out(cluster.version, cluster.offers) if every else ""
        if why:
            report.say(f"{scenario.name} {why}: left out")
        else:
            played.append(scenario)
    yield from record_each(played, cluster, output, normalise=normalise, report=report)


def _list(found: list[Scenario]) -> None:
    """A table for people, a line each for programs."""
    if not sys.stdout.isatty():
        for one in found:
            click.echo(f"{one.name}\t{one.sentence}")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("scenario", "what happens", "states to be seen", "servers", "needs", box=None)
    for one in found:
        states = "\n".join(f"{kind}: {', '.join(wanted)}" for kind, wanted in one.must_see.items())
        servers = f"{one.since} to before {one.until}" if one.until else f"{one.since} on"
        table.add_row(one.name, one.sentence, states, servers, ", ".join(one.needs))
    Console().print(table)
