"""`mltask-fixtures demo`: two recorded lifecycles under the real client, with no cluster and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import click

from mltask_fixtures.cli import _timeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensearchpy import OpenSearch

    from mltask_fixtures.cassette import Interaction, Recording
    from mltask_fixtures.cassette.timeline import Seen

_SHOWN: Final = ("3.6.0/train-kmeans-completed", "3.6.0/register-deploy-sparse-tokenizer")
_NOWHERE: Final = "http://opensearch.invalid:9200"
"""A host that cannot exist: what answers is the recording."""
_FIRST_ERROR: Final = 400


@click.command(name="demo")
def command() -> None:
    """Replay two recorded lifecycles under opensearch-py and show them as timelines.

    An asynchronous k-means training, and a model that is registered and then deployed, as an OpenSearch 3.6.0 server
    answered them. Nothing leaves the process. In a pipe, ids are written in full and each step has one line.

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
            findings = check(body, dialect, task_id=task_id) if task_id and status < _FIRST_ERROR else []
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
    from mltask_fixtures.cassette.timeline import timeline

    columns = _timeline.width()
    click.secho(name, bold=True)
    click.echo(f"OpenSearch {recording.metadata['server']['version']}, recorded {recording.metadata['recorded_at']}")
    for line in _timeline.lines(timeline(exchanges), columns):
        click.echo(line)
    found = sum(seen.findings for seen in exchanges)
    verdict = f"all agree with the dialect {recording.metadata['dialect']}" if not found else f"{found} findings"
    told = f"{len(exchanges)} requests replayed under opensearch-py, none reached a network; {verdict}"
    click.echo(_timeline.folded(told, columns) + "\n")
    return found
