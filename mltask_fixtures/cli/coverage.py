"""`mltask-fixtures coverage`: which states of which task types are recorded."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command(name="coverage")
@click.option(
    "--cassettes",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of recordings.  [default: the bundled ones]",
)
@click.option("--json", "as_json", is_flag=True, help="Write every cell as JSON.")
def command(*, cassettes: Path | None, as_json: bool) -> int:
    """Tell for each task type, state and version whether it is documented, reachable and recorded.

    A line for each, tabs between: type, state, version, then `recorded`, `missing` (a server can be brought to show it,
    no recording does), `synthetic` (written by hand, no server does it by itself) or `unreachable`. All of them are
    documented: the page that describes the API has every type in every state. Exit code 1 if anything is missing.

    \b
    Example:
      mltask-fixtures coverage
      mltask-fixtures coverage --json
    """
    from mltask_fixtures.cluster.coverage import coverage

    cells = coverage(cassettes)
    if as_json:
        click.echo(json.dumps([asdict(cell) for cell in cells], indent=2))
    else:
        for cell in cells:
            words = (cell.task_type.value, cell.state.value, cell.version, cell.word, ", ".join(cell.recorded))
            click.echo("\t".join(words).rstrip())
    return int(any(cell.missing for cell in cells))
