"""`mltask-fixtures generate`: payloads, from one to as many as the disk holds."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from mltask_fixtures._errors import WrongUseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mltask_fixtures.factory.bulk import Engine

_FORMS = ("ndjson", "json", "bulk", "search", "parquet")
_TERMINATED = 143
"""What a shell reports for a command that SIGTERM ended."""


@click.command(name="generate")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="A task type; may be repeated.  [default: all]")
@click.option("--state", "states", multiple=True, metavar="STATE", help="A state; may be repeated.  [default: all]")
@click.option("--dialect", default="documented", show_default=True, metavar="NAME", help="A server line or a version.")
@click.option("--seed", default="0", show_default=True, help="A number or a text; the same seed gives the same bytes.")
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, help="How many, over all shards.")
@click.option("--start", type=click.IntRange(min=0), default=0, show_default=True, help="The number of the first one.")
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMS),
    help="ndjson: a body a line. json: one body, or an array. bulk: for the _bulk API. search: the answer of a search. "
    "parquet: a Parquet file.  [default: by the ending of FILE, else ndjson]",
)
@click.option("--index", metavar="NAME", help="What bulk and search name as the index.  [default: .plugins-ml-task]")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="[default: stdout]")
@click.option("--resume", is_flag=True, help="Keep what is done in FILE.part when broken off, and continue from there.")
@click.option("--shards", type=click.IntRange(min=1), help="Cut the whole into so many parts of neighbours.")
@click.option("--shard", type=click.IntRange(min=0), help="Which part to write, from 0.")
@click.option("--processes", type=click.IntRange(min=1), help="How many processes work.  [default: 1]")
@click.option("--engine", type=click.Choice(["local", "dask"]), default="local", show_default=True)
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster; without it one is put up on this computer.")
def command(  # noqa: PLR0917 - click gives them by name
    types: tuple[str, ...],
    states: tuple[str, ...],
    dialect: str,
    seed: str,
    count: int,
    start: int,
    form: str | None,
    index: str | None,
    output: Path | None,
    resume: bool,
    shards: int | None,
    shard: int | None,
    processes: int | None,
    engine: str,
    scheduler: str | None,
) -> None:
    """Write task bodies that are valid in a dialect.

    Without --type and --state all pairs that the dialect shows take turns. Payload n depends on the seed and on n
    alone: the shards of ndjson and bulk, one after the other, are the whole, byte for byte, whoever made them. A FILE
    is there whole or not at all.

    \b
    Example:
      mltask-fixtures generate --type TRAINING --state FAILED --dialect 3.6
      mltask-fixtures generate --count 1000000 --processes 4 -o tasks.ndjson
    """
    if not seed:
        raise WrongUseError("the seed is empty; it is a whole number or a text")
    if (shards is None) != (shard is None):
        raise WrongUseError("--shards and --shard belong together: --shards 4 --shard 0 writes the first of four")
    chosen = _engine(engine, scheduler, processes)
    from mltask_fixtures.cli._counting import counted
    from mltask_fixtures.factory.bulk import Order, generate
    from mltask_fixtures.factory.siblings import INDEX

    order = Order(
        count=count,
        form=form or _form_of(output),
        seed=seed,
        dialect=dialect,
        types=types,
        states=states,
        start=start,
        shards=shards or 1,
        shard=shard or 0,
        index=INDEX if index is None else index,
    )
    total = order.whole.stop - order.whole.start
    done, before = 0, -1

    def tell(now: int) -> None:
        nonlocal done, before
        done, before = now, now if before < 0 else before
        count_up(now)

    to_terminal = output is None and sys.stdout.isatty()
    try:
        with (
            _cleaning_up_on_sigterm(),
            counted(max(total, 1), "payloads", shown=not to_terminal) as count_up,
        ):
            generate(order, output, engine=chosen, resume=resume, told=tell)
    except BaseException as error:
        if resume and done:
            click.echo(f"{output}.part keeps {done:,} of {total:,} payloads; the same command continues", err=True)
        elif output and not resume and isinstance(error, KeyboardInterrupt):
            click.echo(f"{output} was not written; with --resume the part that is done would be kept", err=True)
        raise
    if output is not None and output.is_file():
        resumed = f", {before:,} of them from before" if before > 0 else ""
        click.echo(f"{output}: {total:,} payloads, {output.stat().st_size:,} bytes{resumed}", err=True)


def _engine(engine: str, scheduler: str | None, processes: int | None) -> Engine:
    from mltask_fixtures.factory import bulk

    if engine == "dask":
        if scheduler and processes:
            raise WrongUseError("the cluster at --scheduler has its own workers; leave --processes out")
        _quiet_dask()
        return bulk.dask(scheduler, workers=processes)
    if scheduler:
        raise WrongUseError("--scheduler is for --engine dask")
    return bulk.alone if processes in (None, 1) else bulk.processes(processes)


def _quiet_dask() -> None:
    """What Dask logs of lost workers is its own affair: the work goes on, or an error says why not."""
    try:
        import dask.config
    except ModuleNotFoundError:
        return  # the engine says what is missing
    loggers = ("distributed", *(f"distributed.{part}" for part in ("client", "core", "nanny", "scheduler", "worker")))
    dask.config.set({"logging": {**dict.fromkeys(loggers, "critical"), **dask.config.get("logging", {})}})


def _form_of(output: Path | None) -> str:
    from mltask_fixtures.factory.bulk import FORMS

    ending = output.suffix.lower() if output else ""
    return next((name for name, form in FORMS.items() if ending in form.endings), "ndjson")


@contextmanager
def _cleaning_up_on_sigterm() -> Iterator[None]:
    """Let `kill` and `timeout` leave no draft behind, as Ctrl-C does."""

    def end(*_: object) -> NoReturn:
        raise click.exceptions.Exit(_TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
