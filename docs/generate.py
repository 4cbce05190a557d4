"""Write the pages that are drawn from the package's own tables: `python docs/generate.py`."""

from __future__ import annotations

from pathlib import Path

from mltask_fixtures.cluster.coverage import Cell
from mltask_fixtures.cluster.coverage import coverage as measured
from mltask_fixtures.contract import DIALECTS, Dialect, Kind, TaskState, TaskType
from mltask_fixtures.contract.task import WIRE_ORDER

FOLDER = Path(__file__).parent


def dialects() -> str:
    """Give the page of the dialects: the table of rules as one reads it."""
    lines = [name for name in DIALECTS if name != "documented"]
    newest = DIALECTS[lines[-1]]
    return "\n".join(
        [
            "# What each server says",
            "",
            "Drawn from the table in `mltask_fixtures/contract/dialect.py` by `python docs/generate.py`. A line covers",
            "the versions up to the next line; `documented` is the page *Get ML Task API*, which has every type in",
            "every state.",
            "",
            "## The states that a server can be brought to show",
            "",
            *_table(["task_type", "state", *lines], [_reach(*pair, lines) for pair in _pairs(lines)]),
            "",
            "## The keys of a task",
            "",
            f"In the order in which a server writes them, as in {newest.name}.",
            "",
            *_table(["task_type", "in every state", "in some", "may be there"], _keys(newest)),
            "",
            "## Forms",
            "",
            *_table(["", *lines], [_row(what, lines) for what in _FORMS]),
            "",
            f"JSON comes as `{newest.content_type}`, from every line. Where other forms are asked for, they come as",
            f"{', '.join(f'`{kind}`' for kind in newest.other_content_types)}.",
            "",
            "The check of a recording holds both headers to the server that answered. A header that is not there, or",
            "has a word such as `REDACTED` or `OpenSearch/x.y.z (opensearch)` in its place, was left out by whoever",
            "recorded it and is no fault; `verify` and `diff` tell of it.",
            "",
            "## Errors",
            "",
            *_table(
                ["line", "GET of an unknown id", "DELETE of an unknown id", "DELETE of a running task"], _errors(lines)
            ),
            "",
        ]
    )


def _pairs(lines: list[str]) -> list[tuple[TaskType, TaskState]]:
    shown = {pair for line in lines for pair in DIALECTS[line].pairs()}
    return [(task_type, state) for task_type in TaskType for state in TaskState if (task_type, state) in shown]


def _reach(task_type: TaskType, state: TaskState, lines: list[str]) -> list[str]:
    seen = [(task_type, state) in DIALECTS[line].pairs() for line in lines]
    return [task_type.value, state.value, *("yes" if there else "" for there in seen)]


def _keys(dialect: Dialect) -> list[list[str]]:
    rows = []
    for task_type, kind in dialect.kinds.items():
        some = {key for added in kind.states.values() for key in added}
        rows.append([task_type.value, _ordered(kind.keys), "; ".join(_when(kind, some)), _ordered(kind.optional)])
    return rows


def _when(kind: Kind, keys: set[str]) -> list[str]:
    shown = {key: [state.value for state, added in kind.states.items() if key in added] for key in keys}
    return [f"{key} in {', '.join(shown[key])}" for key in WIRE_ORDER if key in keys]


def _ordered(keys: tuple[str, ...]) -> str:
    return ", ".join(key for key in WIRE_ORDER if key in keys)


def _error_form(dialect: Dialect, *task_types: TaskType) -> str:
    kinds = [dialect.kinds[task_type] for task_type in task_types if task_type in dialect.kinds]
    return "; ".join(form.value for kind in kinds for form in kind.error_forms[:1])


def _remote_is_async(dialect: Dialect) -> str:
    kind = dialect.kinds.get(TaskType.REGISTER_MODEL)
    return "" if kind is None or not kind.not_async else "false"


_FORMS = {
    "worker_node": lambda dialect: " or ".join(dialect.worker_node),
    "error of a registration": lambda dialect: _error_form(dialect, TaskType.REGISTER_MODEL, TaskType.UPLOAD_MODEL),
    "error of a deployment": lambda dialect: _error_form(dialect, TaskType.DEPLOY_MODEL, TaskType.LOAD_MODEL),
    "numbers in remote_job": lambda dialect: (
        dialect.remote_numbers if TaskType.BATCH_PREDICTION in dialect.kinds else ""
    ),
    "is_async of a registered remote model": _remote_is_async,
    "X-OpenSearch-Version": lambda dialect: (
        f"`{version}`" if (version := dialect.headers().get("X-OpenSearch-Version")) else ""
    ),
}


def _row(what: str, lines: list[str]) -> list[str]:
    return [what, *(_FORMS[what](DIALECTS[line]) for line in lines)]


def _errors(lines: list[str]) -> list[list[str]]:
    return [
        [
            line,
            *(
                f"{answer.status} `{answer.type}`: {answer.reason}"
                for answer in (
                    DIALECTS[line].unknown_task,
                    DIALECTS[line].unknown_task_deleted,
                    DIALECTS[line].running_task_deleted,
                )
            ),
        ]
        for line in lines
    ]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def coverage() -> str:
    """Give the page of what is recorded of what servers can be brought to show."""
    cells = {(cell.task_type, cell.state, cell.version): cell for cell in measured()}
    versions = list(dict.fromkeys(version for _, _, version in cells))
    pairs = list(dict.fromkeys((task_type, state) for task_type, state, _ in cells))
    rows = [(pair, [cells[*pair, version] for version in versions]) for pair in pairs]
    shown = [(pair, row) for pair, row in rows if any(cell.reachable or cell.synthetic for cell in row)]
    never = {
        task_type: [
            state.value for (kind, state), row in rows if kind is task_type and ((kind, state), row) not in shown
        ]
        for task_type in TaskType
    }
    counts = [
        [
            version,
            str(sum(cells[*pair, version].reachable for pair in pairs)),
            str(sum(bool(cells[*pair, version].recorded) for pair in pairs)),
            str(sum(bool(cells[*pair, version].synthetic) for pair in pairs)),
        ]
        for version in versions
    ]
    return "\n".join(
        [
            "# What is recorded",
            "",
            "Drawn from the recordings under `cassettes/` and the table of dialects by `python docs/generate.py`;",
            "`mltask-fixtures coverage` says the same of any folder of recordings. A state counts as recorded when an",
            "answer to `GET /_plugins/_ml/tasks/<task_id>` shows it; one recording is named where several do. The",
            f"documentation has all {len(pairs)} pairs of a type and a state.",
            "",
            *_table(["server", "pairs that it can be brought to show", "recorded", "synthetic"], counts),
            "",
            "| | |",
            "| --- | --- |",
            "| `name` | recorded from a real server |",
            "| *`name`* | synthetic: no server does it by itself, its document was written by hand |",
            "| **missing** | a server can be brought to show it, no recording does |",
            "| | no server of this version shows it |",
            "",
            *_table(
                ["task_type", "state", *versions],
                [[pair[0].value, pair[1].value, *map(_recorded, row)] for pair, row in shown],
            ),
            "",
            "In the documentation only:",
            "",
            *(f"- {task_type.value}: {', '.join(states)}" for task_type, states in never.items() if states),
            "",
        ]
    )


def _recorded(cell: Cell) -> str:
    if cell.recorded:
        return f"`{cell.recorded[0]}`"
    return "**missing**" if cell.missing else f"*`{cell.synthetic[0]}`*" if cell.synthetic else ""


PAGES = {"dialects.md": dialects, "coverage.md": coverage}
"""Each generated page, and what gives its text."""

if __name__ == "__main__":
    for name, text in PAGES.items():
        (FOLDER / name).write_text(text(), encoding="utf-8")
