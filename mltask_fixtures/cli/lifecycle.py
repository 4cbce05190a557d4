"""`mltask-fixtures lifecycle`: what polls see of a task from its creation to its end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mltask_fixtures._errors import WrongUseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mltask_fixtures.factory import Lifecycle


@click.command(name="lifecycle")
@click.option("--type", "task_type", required=True, metavar="TYPE", help="A task type that the dialect shows.")
@click.option("--outcome", default="COMPLETED", show_default=True, help="The last state, or stuck, or timed_out.")
@click.option("--dialect", default="documented", show_default=True, metavar="NAME", help="A server line or a version.")
@click.option("--seed", default="0", show_default=True, help="A number or a text; the same seed gives the same bytes.")
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, help="How many tasks.")
@click.option("--start", type=click.IntRange(min=0), default=0, show_default=True, help="The number of the first one.")
@click.option("--polls", multiple=True, metavar="[STATE=]N", help="How many polls see a state; for one, or for all.")
@click.option("--lasts", multiple=True, metavar="[STATE=]MS", help="How long a state lasts; for one, or for all.")
@click.option("--stale-reads", is_flag=True, help="Each change is seen, then once more what was before it: two nodes.")
@click.option(
    "--set", "given", multiple=True, metavar="KEY=VALUE", help="A key of the bodies; VALUE is JSON or a text."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["timeline", "ndjson", "json"]),
    help="timeline: for persons. ndjson: the body of each poll, a line each. json: with ids and times.  "
    "[default: timeline on a terminal, else ndjson; json for a FILE that ends so]",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="[default: stdout]")
def command(  # noqa: PLR0917 - click gives them by name
    task_type: str,
    outcome: str,
    dialect: str,
    seed: str,
    count: int,
    start: int,
    polls: tuple[str, ...],
    lasts: tuple[str, ...],
    stale_reads: bool,
    given: tuple[str, ...],
    form: str | None,
    output: Path | None,
) -> None:
    """Write the snapshots of a task, in the order in which polls see them; the last one holds.

    Task n depends on the seed and on n alone. Of several tasks ndjson has one after the other.

    \b
    Example:
      mltask-fixtures lifecycle --type DEPLOY_MODEL --dialect 3.6 --polls RUNNING=2
      mltask-fixtures lifecycle --type BATCH_PREDICTION --outcome timed_out --format json
    """
    if not seed:
        raise WrongUseError("the seed is empty; it is a whole number or a text")
    from mltask_fixtures.cli._counting import counted
    from mltask_fixtures.factory import TaskFactory
    from mltask_fixtures.factory.bulk.output import opened

    factory = TaskFactory(seed, dialect)
    options: dict[str, Any] = {
        "stale_reads": stale_reads,
        "polls": 1 if (seen := _per_state("--polls", polls)) is None else seen,
        "lasts": _per_state("--lasts", lasts),
        **dict(map(_pair, given)),
    }
    lives = (factory.lifecycle(task_type, outcome, n=n, **options) for n in range(start, start + count))
    terminal = output is None and sys.stdout.isatty()
    form = form or _default_form(output, terminal=terminal)
    first = next(lives)  # a wrong wish is refused before a file is touched
    with counted(count, "tasks", shown=not terminal) as tell, opened(output) as file:
        for number, text in enumerate(_WRITERS[form](first, lives), 1):
            file.write(text.encode())
            tell(min(number, count))


def _default_form(output: Path | None, *, terminal: bool) -> str:
    if output is not None and output.suffix.lower() == ".json":
        return "json"
    return "timeline" if terminal else "ndjson"


def _per_state(option: str, said: tuple[str, ...]) -> int | dict[str, int] | None:
    """Read numbers for single states, or one number for all of them."""
    numbers: dict[str, int] = {}
    for text in said:
        state, _, number = text.rpartition("=")
        if not (number.isascii() and number.isdigit()):
            raise WrongUseError(f"{option} {text!r:.80}: it is a whole number, or STATE=number")
        if state in numbers:
            raise WrongUseError(f"{option} {text!r:.80}: there is another one for {state or 'all states'}")
        numbers[state] = int(number)
    if "" in numbers and len(numbers) > 1:
        raise WrongUseError(f"{option} is either for all states or for single ones, not both")
    return numbers.get("", numbers or None)


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or key in ("task_type", "outcome", "n", "polls", "lasts", "stale_reads"):
        raise WrongUseError(f"--set {text!r:.80}: it is KEY=VALUE, where KEY is a key of the body")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise WrongUseError(f"--set {key!r:.80}: the value is no UTF-8 text") from None
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):
        return key, value


# ------------------------------------------------------------------------------------------------------- the forms


def _ndjson(first: Lifecycle, rest: Iterator[Lifecycle]) -> Iterator[str]:
    for life in _all(first, rest):
        yield "".join(f"{task.model_dump_json()}\n" for task in life)


def _json(first: Lifecycle, rest: Iterator[Lifecycle]) -> Iterator[str]:
    second = next(rest, None)
    if second is None:
        yield _document(first) + "\n"
        return
    yield "[\n" + _document(first)
    yield ",\n" + _document(second)
    for life in rest:
        yield ",\n" + _document(life)
    yield "\n]\n"


def _document(life: Lifecycle) -> str:
    from mltask_fixtures.contract.wire import encode

    snapshots = [{"ms": ms, "body": task.model_dump()} for ms, task in zip(life.times, life.snapshots, strict=True)]
    return encode({"task_id": life.task_id, "snapshots": snapshots})


def _timeline(first: Lifecycle, rest: Iterator[Lifecycle]) -> Iterator[str]:
    for life in _all(first, rest):
        states = max(len(state) for state in life.states)
        end = life.snapshots[-1]
        lines = [f"{life.task_id}  {end.task_type.value}"]
        before: set[str] = set()
        for ms, task in zip(life.times, life.snapshots, strict=True):
            body = task.model_dump()
            new = ", ".join(f"{key} {_short(body[key])}" for key in body if key not in before and before)
            before = set(body)
            lines.append(f"  {ms / 1000:>9.3f} s  {task.state.value:<{states}}  {new}".rstrip())
        yield "\n".join(lines) + "\n"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 3]}..."


def _all(first: Lifecycle, rest: Iterator[Lifecycle]) -> Iterator[Lifecycle]:
    yield first
    yield from rest


_WIDEST = 72
_WRITERS: dict[str, Callable[[Lifecycle, Iterator[Lifecycle]], Iterator[str]]] = {
    "timeline": _timeline,
    "ndjson": _ndjson,
    "json": _json,
}
