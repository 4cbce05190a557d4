"""`mltask-fixtures list`: the recordings that come with the package, or those of a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mltask_fixtures._errors import MLTaskFixturesError, WrongUseError
from mltask_fixtures.cli import _timeline

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command(name="list")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Write the list as JSON.")
def command(folder: Path | None, as_json: bool) -> None:
    """List the bundled recordings, or those in FOLDER: name, states that were seen, and what happens.

    In a pipe, each is one line of three fields with tabs between them. A damaged file is listed as such; the exit code
    is 1 then.

    \b
    Example:
      mltask-fixtures list
      mltask-fixtures list tests/cassettes
    """
    rows = list(_rows(folder))
    columns = _timeline.width()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif columns is None:
        for row in rows:
            click.echo("\t".join([row["name"], _states(row), _sentence(row)]))
    else:
        for row in rows:
            click.secho(row["name"], bold=True)
            for text in filter(None, (_states(row), _sentence(row))):
                click.echo(_timeline.folded(f"  {text}", columns, "    "))
    if any("damaged" in row for row in rows):
        click.get_current_context().exit(1)


def _rows(folder: Path | None) -> Iterator[dict[str, Any]]:
    from mltask_fixtures.cassette import store

    if folder is None:
        names = [(name, store.find(name)) for name in store.bundled()]
    elif folder.is_dir():
        files = sorted(path for path in folder.rglob("*") if path.suffix in store.SUFFIXES and path.is_file())
        names = [(path.relative_to(folder).as_posix(), path) for path in files]
    else:
        raise WrongUseError(
            f"{folder} is a file; `show` shows it" if folder.exists() else f"there is no folder {folder}"
        )
    for name, path in names:
        try:
            yield {"name": name, **(store.read(path).get("metadata") or {})}
        except MLTaskFixturesError as error:
            yield {"name": name, "damaged": str(error)}


def _states(row: dict[str, Any]) -> str:
    states = row.get("states")
    if not isinstance(states, dict):
        return ""
    return "; ".join(f"{task_type} {' '.join(map(str, seen))}" for task_type, seen in states.items())


def _sentence(row: dict[str, Any]) -> str:
    return f"damaged: {row['damaged']}" if "damaged" in row else str(row.get("description", ""))
