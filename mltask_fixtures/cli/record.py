"""`mltask-fixtures record`: real traffic of a real cluster, kept as recordings."""

from __future__ import annotations

from pathlib import Path

import click

from mltask_fixtures.cli._progress import on_stderr


@click.command(name="record")
@click.argument("names", metavar="SCENARIO...", nargs=-1)
@click.option("--url", help="Of the cluster; credentials may stand in it: https://USER:PASSWORD@host:port")
@click.option("--all", "every", is_flag=True, help="Record every scenario that this server can play.")
@click.option("--list", "listed", is_flag=True, help="List the scenarios, and do nothing.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("cassettes"),
    show_default=True,
    help="The folder of recordings; files are <server version>/<scenario>.json below.",
)
@click.option("--insecure", is_flag=True, help="Accept a certificate that nobody vouches for.")
def command(
    *, names: tuple[str, ...], url: str | None, every: bool, listed: bool, output: Path, insecure: bool
) -> None:
    """Play scenarios on a cluster and keep what goes over the wire, checked and without secrets.

    What a scenario makes on the cluster it removes again. A file is replaced only by a whole one in which each state
    was seen that the scenario has to show. The two that register models need a cluster on this computer.

    \b
    Example:
      mltask-fixtures record --url http://127.0.0.1:9200 train-kmeans-completed
      mltask-fixtures record --url http://127.0.0.1:9200 --all --output tests/cassettes
    """
    from mltask_fixtures.cluster.record import choose, look_at, record
    from mltask_fixtures.cluster.scenario import scenarios

    if listed:
        for scenario in scenarios().values():
            click.echo(f"{scenario.name}\t{scenario.sentence}")
        return
    chosen = choose(names, every=every)
    if url is None:
        raise click.UsageError("which cluster? Give its --url, such as http://127.0.0.1:9200")
    with on_stderr() as report:
        cluster = look_at(url, insecure=insecure)
        for scenario in chosen:
            if every and not scenario.runs_on(cluster.version):
                report.say(f"{scenario.name} needs OpenSearch {scenario.since}: left out")
                continue
            click.echo(record(scenario, cluster, output, report=report))
