"""`mltask-fixtures redact`: take secrets out of cassettes that are there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cli import _files


@click.command(name="redact")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit with 1 if there is something to remove.")
@click.option(
    "--mltask-allow-secret",
    "allowed",
    metavar="FINGERPRINT",
    multiple=True,
    help="Do not tell of a value although it looks like a secret.",
)
def command(files: tuple[Path, ...], only_check: bool, allowed: tuple[str, ...]) -> None:
    """Remove credentials from cassettes, ours or vcrpy's, in place; a second time changes nothing.

    Headers, queries, user and password in URLs, and the secrets of JSON bodies. What looks like one besides is told and
    left, and the exit code is 1. The file keeps its form. What has been committed before stays in the history of the
    repository: change those credentials.

    \b
    Example:
      mltask-fixtures redact tests/cassettes/*.yaml
    """
    from mltask_fixtures.cassette import store
    from mltask_fixtures.cassette.scan import scan

    found = False
    for path in files:
        if not path.is_file():
            raise WrongUseError(
                f"{path} is a folder; name the files in it" if path.is_dir() else f"there is no file {path}"
            )
        cassette = store.read(path)
        clean = _files.redacted(cassette)
        places = _places(cassette, clean)
        if places and not only_check:
            store.write(path, *_files.text_of(clean, _files.form_of(path)))
        verb = "to redact" if only_check else "redacted"
        click.echo(f"{path}: {', '.join(places)} {verb}" if places else f"{path}: nothing to redact")
        left = scan(clean, allowed)
        for suspicion in left:
            click.echo(f"  - {suspicion}")
        found = found or bool(left) or bool(places and only_check)
    if found:
        click.get_current_context().exit(1)


def _places(cassette: dict[str, Any], clean: dict[str, Any]) -> list[str]:
    """Name what has changed, never the secret."""
    about = ["metadata"] if cassette.get("metadata") != clean.get("metadata") else []
    return about + [
        f"interaction {number} {side} {part}"
        for number, (before, after) in enumerate(zip(cassette["interactions"], clean["interactions"], strict=True), 1)
        for side in ("request", "response")
        for part in ("uri", "headers", "body")
        if _said(before[side], part) != _said(after[side], part)
    ]


def _said(side: dict[str, Any], part: str) -> Any:
    """Give a part in one form, whichever the file has it in."""
    value = side.get(part)
    if part == "headers" and isinstance(value, dict):
        return {name: [texts] if isinstance(texts, str) else list(texts) for name, texts in value.items()}
    if isinstance(value, dict):
        value = value.get("string")
    return (value.encode() if isinstance(value, str) else value) or None
