"""`mltask-fixtures check`: hold bodies and recordings to the contract."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mltask_fixtures._errors import WrongUseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mltask_fixtures.cassette import DamagedCassetteError, Recording
    from mltask_fixtures.contract import Finding

_MOST = 1000
"""Findings of one file that are told; a file of another kind has one in every line."""


@dataclass
class _Verdict:
    """What was found in a file, and what else there is to know of it."""

    findings: list[Finding]
    notes: list[str] = field(default_factory=list)


@click.command(name="check")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--dialect", metavar="NAME", help="documented, a server line or a version.  [default: documented]")
@click.option("--json", "as_json", is_flag=True, help="Write the findings as JSON.")
def command(files: tuple[str, ...], dialect: str | None, as_json: bool) -> None:
    """List everything in which task bodies or recordings disagree with a dialect.

    A FILE holds one body as JSON, a body in each line, or a recording; `-` is stdin. A recording is judged by the
    dialect of the server that it was made with, unless --dialect says otherwise.

    \b
    Example:
      mltask-fixtures check cassettes/*.json
      curl -s $URL/_plugins/_ml/tasks/$ID | mltask-fixtures check --dialect 2.19 -
    """
    verdicts = {name: _verdict(name, dialect) for name in files}
    if as_json:
        click.echo(json.dumps([{"file": name, **asdict(verdict)} for name, verdict in verdicts.items()], indent=2))
    for name, verdict in verdicts.items() if not as_json else ():
        click.echo(f"{name}: {'fine' if not verdict.findings else 'found'}")
        for finding in verdict.findings:
            click.echo(f"  - {finding}")
        for note in verdict.notes:
            click.echo(f"  note: {note}")
    if any(verdict.findings for verdict in verdicts.values()):
        click.get_current_context().exit(1)


def _verdict(name: str, dialect: str | None) -> _Verdict:
    from mltask_fixtures.cassette import DamagedCassetteError
    from mltask_fixtures.contract import DIALECTS, check

    if dialect is not None:
        DIALECTS[dialect]
    text = sys.stdin.buffer.read() if name == "-" else _read(Path(name))
    try:
        recording = _recording(name, text)
    except DamagedCassetteError as error:
        return _Verdict([_damage(name, text, error)])
    if recording is not None:
        from mltask_fixtures.cassette.judge import judge

        findings = judge(recording.interactions, dialect or recording.dialect, None if dialect else recording.server)
        return _limited(_Verdict(findings, list(_notes(recording, dialect))))
    if _is_lines(text):
        return _of_lines(text, dialect or "documented")
    return _Verdict(check(text, dialect or "documented"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise WrongUseError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _recording(name: str, text: bytes) -> Recording | None:
    """Read the text as a recording; None if it is something else.

    Raises:
        DamagedCassetteError: it is a part of one.
    """
    from mltask_fixtures.cassette import format as our_format
    from mltask_fixtures.cassette import store
    from mltask_fixtures.cassette.recording import from_dict

    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError):
        is_yaml = b"interactions:" in text
        if is_yaml and name == "-":
            raise WrongUseError("a YAML recording is read from a file, not from stdin") from None
        if not is_yaml and (name == "-" or not _begins_as_cassette(text)):
            return None
        return from_dict(Path(name), store.read(Path(name)))
    if not isinstance(values, dict) or "interactions" not in values:
        return None
    if name != "-":
        return from_dict(Path(name), store.read(Path(name)))
    try:
        return from_dict(Path(name), our_format.deserialize(text.decode()))
    except ValueError as error:
        raise WrongUseError(f"stdin is no whole recording: {error}") from None


_CUT = "the beginning of a cassette, cut off (truncated)"
_REMEDY = "it was left as it is: restore it from version control, or delete it and record anew (--mltask-record once)"
_BEGINNINGS = (b'{"version":', b'{"metadata":', b'{"interactions":')


def _begins_as_cassette(text: bytes) -> bool:
    """Tell the beginning of a cassette, of which less than its first line may be left, from that of a task's body."""
    first = re.sub(rb"\s+", b"", text[:200])
    return bool(first) and any(first.startswith(word) or word.startswith(first) for word in _BEGINNINGS)


def _damage(name: str, text: bytes, error: DamagedCassetteError) -> Finding:
    """Say what is wrong with a file that is no whole cassette, and what to do."""
    from pydantic_core import from_json

    from mltask_fixtures.contract import Finding

    what = str(error).removeprefix(f"{name} is ")
    if _begins_as_cassette(text):
        try:
            from_json(text)
        except ValueError as reason:
            if cut := re.search(r"EOF while parsing .* at (line \d+ column \d+)", str(reason)):
                what = f"{_CUT} at {cut[1]}; {_REMEDY}"
    seen, _, rule = what.partition("; ")
    return Finding("damaged_cassette", "file", seen, rule)


def _notes(recording: Recording, dialect: str | None) -> Iterator[str]:
    """Tell what one should know of a recording that is no fault of it."""
    from mltask_fixtures.cassette import store
    from mltask_fixtures.contract import DIALECTS, UnknownDialectError

    if recording.path.is_file() and store.edited(recording.path):
        yield "edited since it was written"
    if recording.metadata.get("synthetic"):
        yield "synthetic: no server sent this"
    if dialect is None and recording.dialect is None:
        yield "nothing says which server it is of, so the models alone judged it; --dialect names one"
    elif dialect is None:
        try:
            DIALECTS[str(recording.dialect)]
        except UnknownDialectError:
            yield f"no dialect is known for its server {recording.dialect}, so the models alone judged it"


def _is_lines(text: bytes) -> bool:
    """Tell bodies of which each has a line of its own from one body."""
    first, _, rest = text.lstrip().partition(b"\n")
    if not first.startswith(b"{") or not rest.strip():
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True


def _of_lines(text: bytes, dialect: str) -> _Verdict:
    from mltask_fixtures.contract import check

    verdict = _Verdict([])
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            verdict.findings += [
                replace(finding, field=f"line {number}: {finding.field}") for finding in check(line, dialect)
            ]
        if len(verdict.findings) > _MOST:
            break
    return _limited(verdict)


def _limited(verdict: _Verdict) -> _Verdict:
    if len(verdict.findings) > _MOST:
        left_out = f"there are more than {_MOST} findings; the rest is left out"
        return _Verdict(verdict.findings[:_MOST], [*verdict.notes, left_out])
    return verdict
