"""`mltask-fixtures serve`: recordings over HTTP, for clients in other processes and languages."""

from __future__ import annotations

import threading

import click


@click.command(name="serve")
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDING...")
@click.option("--port", type=click.IntRange(0, 65535), default=9200, show_default=True, help="0 takes a free one.")
def command(recordings: tuple[str, ...], port: int) -> None:
    """Answer on 127.0.0.1 with what recordings hold, until Ctrl-C.

    A RECORDING is a name that `list` shows, or a file. Polls of a task are answered in order, and the last one holds.

    \b
    Example:
      mltask-fixtures serve 3.6.0/train-kmeans-completed
    """
    from mltask_fixtures.server import TaskServer

    with TaskServer(*recordings, port=port) as server:
        click.echo(server.url)
        click.echo("Ctrl-C stops it", err=True)
        threading.Event().wait()
