"""`mltask-fixtures diff`: in what two recordings differ."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from mltask_fixtures.cli import _timeline
from mltask_fixtures.cli._files import open_recording

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mltask_fixtures.cassette.drift import Drift

_NAMED: Final = 3
"""Exchanges that are named where a difference is in many."""


@click.command(name="diff")
@click.argument("recorded", metavar="A")
@click.argument("other", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Write the differences as JSON.")
def command(recorded: str, other: str, as_json: bool) -> None:
    """Tell by field what B says otherwise than A: new and gone keys, other types, other words.

    Ids, times and numbers differ in any two recordings and are left out of account. A and B are names that `list`
    shows, or files. The exit code is 1 if there is a difference.

    \b
    Example:
      mltask-fixtures diff 2.19.1/train-kmeans-completed 3.6.0/train-kmeans-completed
    """
    from mltask_fixtures.cassette.drift import drift

    found = drift(open_recording(recorded), open_recording(other))
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        columns = _timeline.width()
        for line in _lines(found):
            click.echo(_timeline.folded(line, columns, "    "))
        click.echo("no difference" if not found else f"{len(found)} differences", err=True)
    if found:
        click.get_current_context().exit(1)


def _lines(found: list[Drift]) -> Iterator[str]:
    """Tell each difference once, with the exchanges in which it is."""
    where: dict[tuple[str, str, str, str], list[str]] = {}
    for one in found:
        where.setdefault((one.field, one.kind, one.recorded, one.live), []).append(one.exchange)
    for (field, kind, recorded, live), exchanges in where.items():
        yield f"{field}: {kind}"
        yield from (f"  {sign} {text}" for sign, text in (("-", recorded), ("+", live)) if text)
        yield f"  in {'; '.join(exchanges[:_NAMED])}" + (
            f"; and {len(exchanges) - _NAMED} more" if len(exchanges) > _NAMED else ""
        )
