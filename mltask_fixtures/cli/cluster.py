"""`mltask-fixtures cluster`: a real OpenSearch with ML Commons on this computer."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mltask_fixtures.cli._progress import on_stderr

if TYPE_CHECKING:
    from mltask_fixtures.cluster import Node, Status

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
@click.option("--port", type=click.IntRange(1024, 65535), help="On 127.0.0.1.  [default: 9200]")
@_as_json
def up(server: str | None, port: int | None, as_json: bool) -> None:
    """Install one node if need be, start it, wait until ML Commons answers, and write its URL.

    It starts empty. Up a second time is fine: it says where the node runs. Servers are kept in the cache folder of
    your platform, or in $MLTASK_FIXTURES_HOME.

    \b
    Example:
      mltask-fixtures cluster up --server 2.19.1 --port 9219
    """
    from mltask_fixtures import cluster

    with on_stderr() as report:
        node = cluster.start(server or cluster.NEWEST, port=port, report=report)
    click.echo(json.dumps(asdict(node), indent=2) if as_json else node.url)


@command.command()
@click.option("--server", metavar="VERSION", help="Only this one.  [default: every one that `up` started]")
@_as_json
def down(server: str | None, as_json: bool) -> None:
    """Stop what `up` started, and nothing else. The node's data is gone, the installed server stays.

    \b
    Example:
      mltask-fixtures cluster down
    """
    from mltask_fixtures import cluster

    with on_stderr() as report:
        stopped = cluster.stop(server, report=report)
    if as_json:
        click.echo(json.dumps([asdict(node) for node in stopped], indent=2))
    elif not stopped:
        click.echo("nothing was running", err=True)
    for node in stopped if not as_json else ():
        click.echo(f"{node.server} stopped")


@command.command()
@_as_json
def status(as_json: bool) -> None:
    """Say which servers are installed and which run, and where.

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
            click.echo("\t".join([one.server, one.state, one.node.url if one.node else "-"]))


def _table(found: list[Status]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("server", "state", "url", "pid", "log", box=None)
    for one in found:
        table.add_row(one.server, one.state, *_running(one.node))
    Console().print(table)


def _running(node: Node | None) -> tuple[str, str, str]:
    return (node.url, str(node.pid), node.log) if node else ("", "", "")
