"""`mltask-fixtures show`: one recording as a timeline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from mltask_fixtures.cli import _timeline
from mltask_fixtures.cli._files import open_recording

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mltask_fixtures.cassette import Recording
    from mltask_fixtures.cassette.timeline import Seen
    from mltask_fixtures.contract import Finding

_LONGEST = 60
"""Characters of a value."""


@click.command(name="show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Write everything as JSON.")
def command(name: str, as_json: bool) -> None:
    """Show what a recording holds: requests, states, and the fields that change.

    NAME is one that `list` shows, or a file: ours, or any YAML or JSON cassette of vcrpy. A recording that disagrees
    with the dialect of its server is shown all the same, and its findings with it; the exit code is 1 then.

    \b
    Example:
      mltask-fixtures show 3.6.0/train-kmeans-completed
    """
    from mltask_fixtures.cassette.judge import judge
    from mltask_fixtures.cassette.timeline import seen_in

    recording = open_recording(name)
    exchanges = list(seen_in(recording))
    findings = judge(recording.interactions, recording.dialect, recording.server)
    if as_json:
        click.echo(json.dumps(_values(name, recording, exchanges, findings), indent=2))
    else:
        for line in _lines(name, recording, exchanges, findings):
            click.echo(line)
    if findings:
        click.get_current_context().exit(1)


def _lines(name: str, recording: Recording, exchanges: list[Seen], findings: list[Finding]) -> Iterator[str]:
    from mltask_fixtures.cassette.timeline import changes, timeline

    columns = _timeline.width()
    about = recording.metadata
    yield click.style(name, bold=True)
    if sentence := about.get("description"):
        yield _timeline.folded(str(sentence), columns)
    yield f"{_server(recording)}, recorded {about.get('recorded_at', 'at a time that it does not say')}"
    yield ""
    yield from _timeline.lines(timeline(exchanges), columns)
    for task_id, fields in changes(exchanges).items():
        yield ""
        yield f"task {task_id}" + ("" if fields else ": nothing changes")
        size = max(map(len, fields), default=0)
        for field, values in fields.items():
            line = f"  {field:<{size}}  {' -> '.join(map(_shown, values))}"
            yield _timeline.folded(line, columns, " " * (size + 4))
    yield ""
    rules = (
        f"the dialect {recording.dialect}" if recording.dialect else "the models; of which server it is, nothing says"
    )
    counted = "1 interaction" if len(exchanges) == 1 else f"{len(exchanges)} interactions"
    yield _timeline.folded(f"{counted}; {_counted(findings)} by {rules}", columns)
    for finding in findings:
        yield _timeline.folded(f"  - {finding}", columns, "    ")


def _server(recording: Recording) -> str:
    server = recording.metadata.get("server")
    if isinstance(server, dict) and server.get("version"):
        return f"OpenSearch {server['version']}"
    return f"OpenSearch {recording.dialect}" if recording.dialect else "an unknown server"


def _counted(findings: list[Finding]) -> str:
    return "1 finding" if len(findings) == 1 else f"{len(findings) or 'no'} findings"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _values(name: str, recording: Recording, exchanges: list[Seen], findings: list[Finding]) -> dict[str, Any]:
    from dataclasses import asdict

    from mltask_fixtures.cassette.timeline import changes, timeline

    return {
        "name": name,
        "path": str(recording.path),
        "dialect": recording.dialect,
        "metadata": recording.metadata,
        "timeline": [asdict(step) for step in timeline(exchanges)],
        "changes": changes(exchanges),
        "findings": [asdict(finding) for finding in findings],
    }
