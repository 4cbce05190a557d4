"""`mltask-fixtures list`: the recordings that come with the package."""

from __future__ import annotations

import json
import sys

import click


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Write the list as JSON.")
def command(as_json: bool) -> None:
    """List the bundled recordings: name, states that were seen, and what happens.

    \b
    Example:
      mltask-fixtures list
    """
    from mltask_fixtures.cassette import bundled, store

    rows = []
    for name in bundled():
        metadata = store.read(store.find(name)).get("metadata", {})
        rows.append({"name": name, **metadata})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif sys.stdout.isatty():
        _table(rows)
    else:
        for row in rows:
            click.echo("\t".join([row["name"], _states(row), row.get("description", "")]))


def _states(row: dict[str, object]) -> str:
    states = row.get("states")
    if not isinstance(states, dict):
        return ""
    return "; ".join(f"{task_type} {' '.join(seen)}" for task_type, seen in states.items())


def _table(rows: list[dict[str, object]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "states", "what happens", box=None)
    for row in rows:
        table.add_row(str(row["name"]), _states(row), str(row.get("description", "")))
    Console().print(table)
