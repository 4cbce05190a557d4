"""`mltask-fixtures demo`: two recorded lifecycles under the real client, with no cluster and no network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensearchpy import OpenSearch

    from mltask_fixtures.cassette import Interaction, Recording
    from mltask_fixtures.cassette.timeline import Seen, Step

_SHOWN: Final = ("3.6.0/train-kmeans-completed", "3.6.0/register-deploy-sparse-tokenizer")
_NOWHERE: Final = "http://opensearch.invalid:9200"
"""A host that cannot exist: what answers is the recording."""
_NARROW: Final = 100


@click.command(name="demo")
def command() -> None:
    """Replay two recorded lifecycles under opensearch-py and show them as timelines.

    An asynchronous k-means training, and a model that is registered and then deployed, as an OpenSearch 3.6.0 server
    answered them. Nothing leaves the process.

    \b
    Example:
      mltask-fixtures demo
    """
    from mltask_fixtures.cassette import load

    findings = 0
    for name in _SHOWN:
        recording = load(name)
        findings += _show(name, recording, list(_replayed(name, recording)))
    if findings:
        click.get_current_context().exit(1)


def _replayed(name: str, recording: Recording) -> Iterator[Seen]:
    """Ask the client for everything that was asked when the recording was made."""
    from opensearchpy import OpenSearch

    from mltask_fixtures.cassette import use_cassette
    from mltask_fixtures.cassette.timeline import Seen, polled_task
    from mltask_fixtures.contract import check

    dialect = recording.metadata["dialect"]
    with use_cassette(name), OpenSearch(_NOWHERE, max_retries=0) as client:
        for exchange in recording.interactions:
            status, body = _ask(client, exchange)
            request = exchange.request
            task_id = polled_task(request.method, request.uri)
            findings = check(body, dialect, task_id=task_id) if task_id and status < 400 else []  # noqa: PLR2004 - no error
            yield Seen(exchange.t_ms, request.method, request.uri, status, body, len(findings))


def _ask(client: OpenSearch, exchange: Interaction) -> tuple[int, Any]:
    from opensearchpy.exceptions import TransportError

    from mltask_fixtures.cassette.timeline import polled_task

    url = urlsplit(exchange.request.uri)
    task_id = polled_task(exchange.request.method, exchange.request.uri)
    try:
        if task_id and not url.query:
            return 200, client.plugins.ml.get_task(task_id=task_id)
        body = exchange.request.body or None
        params = dict(parse_qsl(url.query, keep_blank_values=True))
        return 200, client.transport.perform_request(exchange.request.method, url.path, params=params, body=body)
    except TransportError as error:
        return int(error.status_code), error.info


def _show(name: str, recording: Recording, exchanges: list[Seen]) -> int:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from mltask_fixtures.cassette.timeline import timeline

    console = Console()
    narrow = console.width < _NARROW
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
    table.add_column("t/ms", justify="right", no_wrap=True)
    table.add_column("request", overflow="fold")
    table.add_column("state", no_wrap=True)
    table.add_column("model_id", overflow="fold")
    table.add_column("changed", overflow="fold")
    table.add_column("check", no_wrap=True)
    names: dict[str, str] = {}
    for step in timeline(exchanges):
        table.add_row(*_row(step, names if narrow else None))
    console.print(f"[bold]{name}[/bold]", highlight=False)
    server = recording.metadata["server"]["version"]
    console.print(f"OpenSearch {server}, recorded {recording.metadata['recorded_at']}", highlight=False)
    console.print(table)
    found = sum(seen.findings for seen in exchanges)
    asked = len(exchanges)
    verdict = f"all agree with the dialect {recording.metadata['dialect']}" if not found else f"{found} findings"
    console.print(
        f"{asked} requests replayed under opensearch-py, none reached a network; {verdict}\n", highlight=False
    )
    return found


def _row(step: Step, names: dict[str, str] | None) -> tuple[str, ...]:
    request, model_id = step.request, step.model_id
    if names is not None:
        # A narrow terminal has no room for ids of twenty characters in every line.
        request = re.sub(r"[\w-]{7}B[\w-]{12}", lambda match: match[0][:4] + "…", request)
        model_id = model_id[:4] + "…" if model_id else ""
    if step.polls > 1:
        request += f" (x{step.polls})"
    state = f"{step.state} {step.status}" if step.status >= 400 else step.state  # noqa: PLR2004 - the first error
    changed = ", ".join(step.changed)
    return (
        f"{step.t_ms:.0f}",
        request,
        state,
        model_id,
        changed,
        "fine" if not step.findings else f"{step.findings} found",
    )
