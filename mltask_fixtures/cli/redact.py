"""`mltask-fixtures redact`: take secrets out of cassettes that are there already."""

from __future__ import annotations

from pathlib import Path

import click

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cli import _files


@click.command(name="redact")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit with 1 if there is something to remove.")
def command(files: tuple[Path, ...], only_check: bool) -> None:
    """Remove credentials from cassettes, ours or vcrpy's, in place; a second time changes nothing.

    Headers, queries, user and password in URLs, and the secrets of JSON bodies. The file keeps its form. What has been
    committed before stays in the history of the repository: change those credentials.

    \b
    Example:
      mltask-fixtures redact tests/cassettes/*.yaml
    """
    from mltask_fixtures.cassette import store

    found = 0
    for path in files:
        if not path.is_file():
            raise WrongUseError(
                f"{path} is a folder; name the files in it" if path.is_dir() else f"there is no file {path}"
            )
        cassette = store.read(path)
        clean = _files.redacted(cassette)
        places = list(_places(cassette, clean))
        found += len(places)
        if places and not only_check:
            store.write(path, *_files.text_of(clean, _files.form_of(path)))
        verb = "to redact" if only_check else "redacted"
        click.echo(f"{path}: {', '.join(places)} {verb}" if places else f"{path}: nothing to redact")
    if found and only_check:
        click.get_current_context().exit(1)


def _places(cassette: dict[str, list[dict[str, dict[str, object]]]], clean: dict[str, object]) -> list[str]:
    """Name what has changed, never the secret."""
    return [
        f"interaction {number} {side} {part}"
        for number, (before, after) in enumerate(zip(cassette["interactions"], clean["interactions"], strict=True), 1)  # type: ignore[call-overload]
        for side in ("request", "response")
        for part in ("uri", "headers", "body")
        if before[side].get(part) != after[side].get(part)
    ]
