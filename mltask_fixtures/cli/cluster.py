"""`mltask-fixtures cluster`: a real OpenSearch with ML Commons on this computer."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cli._progress import on_stderr

if TYPE_CHECKING:
    from mltask_fixtures.cluster import Node, Served, Status

_as_json = click.option("--json", "as_json", is_flag=True, help="Write the result as JSON.")


@click.group(name="cluster")
def command() -> None:
    """Put up, look at and stop a real OpenSearch with ML Commons on this computer.

    Nothing but published artefacts, fetched with your own `mvn`; no Docker; reachable from this computer only.

    \b
    Example:
      mltask-fixtures cluster up
      mltask-fixtures record --url http://127.0.0.1:9200 --all
      mltask-fixtures cluster down
    """


@command.command()
@click.option("--server", metavar="VERSION", help="2.19.1 or 3.6.0.  [default: 3.6.0]")
@click.option("--name", help="Of the cluster; several run side by side.  [default: the version]")
@click.option("--port", type=click.IntRange(1024, 65535), help="On 127.0.0.1.  [default: 9200]")
@click.option("--nodes", type=int, default=1, show_default=True, help="How many; the next free ports are theirs.")
@click.option(
    "--setting",
    "settings",
    metavar="[N:]KEY=VALUE",
    multiple=True,
    help="A line more in opensearch.yml, of every node or of node N only.",
)
@click.option("--isolated", is_flag=True, help="In a network of its own, loopback and nothing else (Linux, root).")
@click.option("--inside", hidden=True, default="", help="The network of its own that this process is in.")
@_as_json
def up(
    *,
    server: str | None,
    name: str | None,
    port: int | None,
    nodes: int,
    settings: tuple[str, ...],
    isolated: bool,
    inside: str,
    as_json: bool,
) -> None:
    """Install a cluster if need be, start it, wait until ML Commons answers, and write its URL.

    It starts empty. Up a second time is fine: it says where the cluster runs. Servers are kept in the cache folder of
    your platform, or in $MLTASK_FIXTURES_HOME.

    \b
    Example:
      mltask-fixtures cluster up --server 2.19.1 --port 9219
      mltask-fixtures cluster up --name two --nodes 2 --setting 2:plugins.ml_commons.max_model_on_node=0
    """
    from mltask_fixtures import cluster
    from mltask_fixtures.cluster import namespace

    version = server or cluster.NEWEST
    if isolated and (nodes > 1 or settings):
        raise click.UsageError("an isolated cluster has one node with the settings of every other")
    with on_stderr() as report:
        if isolated:
            node = cluster.isolated(version, name=name, port=port, report=report)
        else:
            node = cluster.start(
                version,
                name=name,
                port=port,
                nodes=nodes,
                settings=_of_each_node(settings, nodes),
                java_options=namespace.JAVA_OPTIONS if inside else (),
                network=inside,
                report=report,
            )
    click.echo(json.dumps(asdict(node), indent=2) if as_json else node.url)


def _of_each_node(settings: tuple[str, ...], nodes: int) -> list[dict[str, Any]]:
    """The settings of each node, from words such as `2:name=value`."""
    own: list[dict[str, Any]] = [{} for _ in range(nodes)]
    for words in settings:
        key, equals, value = words.partition("=")
        number, colon, name = key.rpartition(":")
        if not equals or not name or (colon and not number.isdecimal()):
            raise WrongUseError(f"{words!r} is no setting; one looks like 2:plugins.ml_commons.max_model_on_node=0")
        if colon and not 1 <= int(number) <= nodes:
            raise WrongUseError(f"{words!r} is for node {number}, but the cluster has {nodes}.")
        for each in own if not colon else [own[int(number) - 1]]:
            each[name] = _value(value)
    return own


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@command.command()
@click.argument("name", required=False)
@click.option("--server", metavar="VERSION", help="Only clusters of this version.  [default: every one]")
@_as_json
def down(*, name: str | None, server: str | None, as_json: bool) -> None:
    """Stop the cluster NAME, or all that `up` started, and nothing else. Their data is gone, the servers stay.

    \b
    Example:
      mltask-fixtures cluster down
    """
    from mltask_fixtures import cluster

    with on_stderr() as report:
        stopped = cluster.stop(name, server=server, report=report)
    if as_json:
        click.echo(json.dumps([asdict(node) for node in stopped], indent=2))
    elif not stopped:
        click.echo("nothing was running", err=True)
    for one in dict.fromkeys(node.cluster for node in stopped) if not as_json else ():
        click.echo(f"{one} stopped")


@command.command()
@_as_json
def status(*, as_json: bool) -> None:
    """Say which servers are installed and which clusters run, and where.

    \b
    Example:
      mltask-fixtures cluster status --json
    """
    from mltask_fixtures import cluster

    found = cluster.status()
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
    elif sys.stdout.isatty():
        _table(found)
    else:
        for one in found:
            click.echo("\t".join([one.server, one.state, one.node.url if one.node else "-", one.name or "-"]))


@command.command()
@click.argument("name", required=False)
@click.option(
    "--lines", "-n", type=click.IntRange(1), default=50, show_default=True, help="How many of each, the last."
)
@click.option("--path", "paths", is_flag=True, help="Write the files' names instead.")
def logs(*, name: str | None, lines: int, paths: bool) -> None:
    """Write the last that each node of the cluster NAME printed; also of one that died.

    \b
    Example:
      mltask-fixtures cluster logs 3.6.0 -n 200
    """
    from collections import deque

    from mltask_fixtures import cluster

    found = cluster.logs(name)
    for log in found:
        if paths:
            click.echo(str(log))
            continue
        if len(found) > 1:
            click.echo(f"==> {log} <==")
        with log.open(encoding="utf-8", errors="replace") as text:
            for line in deque(text, maxlen=lines):
                click.echo(line, nl=False)


@command.command()
@click.argument("names", metavar="[VERSION]...", nargs=-1)
@_as_json
def versions(*, names: tuple[str, ...], as_json: bool) -> None:
    """Ask your Maven which servers it finds: the tried ones, or these VERSIONs. Nothing large is downloaded.

    Exit code 1 if something is served nowhere.

    \b
    Example:
      mltask-fixtures cluster versions
      mltask-fixtures cluster versions 2.11.0 3.5.0
    """
    from mltask_fixtures import cluster

    with on_stderr() as report:
        found = cluster.versions(names, report=report)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        for one in found:
            click.echo(_in_words(one))
    if any(one.missing for one in found):
        raise click.exceptions.Exit(1)


def _in_words(one: Served) -> str:
    tried = "tried here" if one.tried else "never tried here"
    where = ", installed" if one.installed else ""
    if not one.missing:
        return f"{one.version}\t{tried}{where}\tevery artefact is served"
    return f"{one.version}\t{tried}{where}\tnot served by any repository of Maven's settings: {', '.join(one.missing)}"


def _table(found: list[Status]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("server", "state", "cluster", "url", "pid", "log", box=None)
    for one in found:
        for node in one.nodes or (None,):
            table.add_row(one.server, one.state, one.name, *_running(node))
    Console().print(table)


def _running(node: Node | None) -> tuple[str, str, str]:
    return (node.url, str(node.pid), node.log) if node else ("", "", "")
