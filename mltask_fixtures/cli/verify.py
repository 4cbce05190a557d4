"""`mltask-fixtures verify`: whether a server still says what was recorded."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from mltask_fixtures.cli._progress import on_stderr


@click.command(name="verify")
@click.argument("names", metavar="[SCENARIO...]", nargs=-1)
@click.option("--url", help="Of the cluster; credentials may stand in it: https://USER:PASSWORD@host:port")
@click.option("--server", metavar="VERSION", help="Put up every cluster of this version that is needed.")
@click.option(
    "--cassettes",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of recordings to compare with.  [default: the bundled ones]",
)
@click.option("--insecure", is_flag=True, help="Accept a certificate that nobody vouches for.")
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON.")
def command(
    *,
    names: tuple[str, ...],
    url: str | None,
    server: str | None,
    cassettes: Path | None,
    insecure: bool,
    as_json: bool,
) -> int:
    """Play scenarios on a live cluster, all or those named, and tell what it says otherwise than was recorded.

    Each difference is told with its exchange and its field. What a scenario makes on the cluster it removes again, and
    no recording is changed. Exit code 1 if anything differs, 3 if there is no cluster.

    \b
    Example:
      mltask-fixtures verify --url http://127.0.0.1:9200
      mltask-fixtures verify --server 3.6.0 train-kmeans-completed --json
    """
    from mltask_fixtures.cluster.record import choose, look_at
    from mltask_fixtures.cluster.verify import verify, verify_on_server

    if (url is None) == (server is None):
        raise click.UsageError("which cluster? Give its --url, such as http://127.0.0.1:9200, or a --server to put up")
    chosen = choose(names, every=not names)
    verdicts = []
    with on_stderr() as report:
        if url is not None:
            found = verify(chosen, look_at(url, insecure=insecure), cassettes, report=report)
        else:
            assert server is not None  # noqa: S101 - one of the two is given
            found = verify_on_server(chosen, server, cassettes, report=report)
        for verdict in found:
            verdicts.append(verdict)
            if not as_json:
                click.echo(str(verdict))
    if as_json:
        click.echo(json.dumps([asdict(verdict) for verdict in verdicts], indent=2, ensure_ascii=False))
    return int(any(verdict.drift for verdict in verdicts))
