"""`mltask-fixtures check`: hold bodies and recordings to the contract."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mltask_fixtures._errors import WrongUseError

if TYPE_CHECKING:
    from mltask_fixtures.contract import Finding


@click.command(name="check")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--dialect", metavar="NAME", help="documented, a server line or a version.  [default: documented]")
@click.option("--json", "as_json", is_flag=True, help="Write the findings as JSON.")
def command(files: tuple[str, ...], dialect: str | None, as_json: bool) -> None:
    """List everything in which task bodies or recordings disagree with a dialect.

    A FILE holds one body as JSON, or a recording; `-` is one body on stdin. A recording is judged by the dialect of the
    server that it was made with, unless --dialect says otherwise.

    \b
    Example:
      curl -s localhost:9200/_plugins/_ml/tasks/$ID | mltask-fixtures check --dialect 2.19 -
    """
    findings = {name: _findings(name, dialect) for name in files}
    if as_json:
        click.echo(json.dumps({name: [asdict(finding) for finding in found] for name, found in findings.items()}))
    for name, found in findings.items() if not as_json else ():
        click.echo(f"{name}: {'fine' if not found else 'found'}")
        for finding in found:
            click.echo(f"  - {finding}")
    if any(findings.values()):
        click.get_current_context().exit(1)


def _findings(name: str, dialect: str | None) -> list[Finding]:
    from mltask_fixtures.contract import DIALECTS, check

    if dialect is not None:
        DIALECTS[dialect]
    text = sys.stdin.buffer.read() if name == "-" else _read(Path(name))
    if name != "-" and _is_recording(text):
        from mltask_fixtures.cassette import findings_of

        return findings_of(Path(name), dialect=dialect)
    return check(text, dialect or "documented")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WrongUseError(f"{path} cannot be read: {error.strerror or error}") from None


def _is_recording(text: bytes) -> bool:
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError):
        return b"interactions:" in text
    return isinstance(values, dict) and "interactions" in values
