"""Hold a body to the models and to one dialect: every disagreement at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import ValidationError

from mltask_fixtures._errors import MLTaskFixturesError
from mltask_fixtures.contract.agree import LATEST_MINTING, surely_agrees
from mltask_fixtures.contract.dialect import DIALECTS, Dialect, ErrorForm, Kind
from mltask_fixtures.contract.ids import decode_document_id, is_node_id
from mltask_fixtures.contract.reading import UNREADABLE, Finding, read, show
from mltask_fixtures.contract.task import FIRST_TIME, KINDS, LAST_TIME, WIRE_ORDER, Task, UnknownKind
from mltask_fixtures.contract.vocabulary import FunctionName, InputType, TaskState, TaskType
from mltask_fixtures.contract.wire import map_order

if TYPE_CHECKING:
    from enum import Enum

Surface: TypeAlias = Literal["get", "search_source"]

_WORDS: Mapping[str, type[Enum]] = {
    "task_type": TaskType,
    "state": TaskState,
    "function_name": FunctionName,
    "input_type": InputType,
}
_TYPES, _STATES, _FUNCTIONS, _INPUTS = map(frozenset, (TaskType, TaskState, FunctionName, InputType))
_CODES = {
    "missing": "missing",
    "union_tag_not_found": "missing",
    "extra_forbidden": "unknown_key",
    "enum": "unknown_word",
    "literal_error": "unknown_word",
    "union_tag_invalid": "unknown_word",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "string_too_long": "too_long",
    "string_too_short": "too_short",
    "string_unicode": "encoding",
    "time_order": "time_order",
}
_UNBOUNDED = ("too_deep", "too_long")
"""Faults after which the rules that read every character or level are left out."""
_LONGEST_GUESSED = 64


class InvalidTaskError(MLTaskFixturesError, ValueError):
    """A body is no task; `findings` lists everything that is wrong with it."""

    def __init__(self, findings: list[Finding], *, what: str = "the body is no ML task") -> None:
        """Take the findings, and what was looked at in words."""
        self.findings = findings
        super().__init__("\n".join([f"{what}: {_counted(len(findings))}", *(f"  - {finding}" for finding in findings)]))


def _counted(findings: int) -> str:
    return "1 finding" if findings == 1 else f"{findings} findings"


def parse_task(body: bytes | str | Mapping[str, Any]) -> Task:
    """Read the body of a task into its model.

    Args:
        body: JSON as bytes or text, or the dict that `response.json()` gives.

    Raises:
        InvalidTaskError: the body is no task of any dialect; it lists every finding.

    Example:
        >>> parse_task(b'{"task_type":"BATCH_INGEST","state":"CREATED","create_time":1725491751455,'
        ...            b'"last_update_time":1725491751455,"is_async":true}').state.value
        'CREATED'
    """
    values, findings = read(body)
    task: Task | None = None
    if values is not UNREADABLE:
        task, more = _validate(values)
        findings += more
    if findings or task is None:
        raise InvalidTaskError(_once(findings))
    return task


def check(
    body: bytes | str | Mapping[str, Any] | Task,
    dialect: Dialect | str = "documented",
    *,
    surface: Surface = "get",
    task_id: str | None = None,
) -> list[Finding]:
    """List everything in which a body disagrees with a dialect; an empty list means that it agrees.

    Args:
        body: JSON as bytes or text, the dict that `response.json()` gives, or a task.
        dialect: a `Dialect`, or its name: `documented`, a line such as `2.19`, or a full version.
        surface: where the body was seen: as the answer of GET, or as `_source` of a search hit, whose keys may stand in
            any order.
        task_id: the id that was asked for; its own time is then held against the body's.

    Raises:
        UnknownDialectError: no dialect has that name. A bad body raises nothing.

    Example:
        >>> body = {"task_type": "DEPLOY_MODEL", "function_name": "TEXT_EMBEDDING", "state": "CREATED",
        ...         "worker_node": ["KfEEGG7_SsKZVFqI4ko2FA"], "create_time": 1767030135146,
        ...         "last_update_time": 1767030135771, "is_async": True}
        >>> check(body), [finding.code for finding in check(body, "3.6")]
        ([], ['missing'])
    """
    rules = DIALECTS[dialect] if isinstance(dialect, str) else dialect
    if surface == "get" and isinstance(body, bytes) and surely_agrees(body, rules, task_id):
        return []
    return _looked_through(body, rules, surface, task_id)


def _looked_through(
    body: bytes | str | Mapping[str, Any] | Task, rules: Dialect, surface: Surface, task_id: str | None
) -> list[Finding]:
    values, findings = read(body.model_dump() if isinstance(body, Task) else body)
    if values is not UNREADABLE:
        unbounded = any(finding.code in _UNBOUNDED for finding in findings)
        findings += _validate(values)[1]
        if isinstance(values, Mapping) and not unbounded:
            findings += _disagreements(values, rules, surface, task_id)
    return _once(findings)


def _once(findings: list[Finding]) -> list[Finding]:
    """Keep the first of the findings that say the same of the same key."""
    return list({(finding.code, finding.field): finding for finding in reversed(findings)}.values())[::-1]


# ---------------------------------------------------------------------------------------------- the models


def _validate(values: Any) -> tuple[Task | None, list[Finding]]:
    if not isinstance(values, Mapping):
        return None, [Finding("not_an_object", "body", show(values), "a task is a JSON object")]
    try:
        return Task.model_validate(values), []
    except ValidationError as error:
        errors = error.errors(include_url=False)
    findings = [_finding(error) for error in errors if not _other_form(error)]
    if errors[0]["type"].startswith("union_tag"):
        try:
            UnknownKind.model_validate(values)
        except ValidationError as error:
            findings += [_finding({**more, "loc": ("?", *more["loc"])}) for more in error.errors(include_url=False)]
    return None, findings


def _other_form(error: Any) -> bool:
    """Tell whether an error only says that a `worker_node` of one form is not of the other."""
    branch = str(error["loc"][-1]) if error["loc"] else ""
    return (error["type"] == "string_type" and branch == "constrained-str" and isinstance(error["input"], list)) or (
        error["type"] == "list_type" and branch.startswith("list[") and isinstance(error["input"], str)
    )


def _finding(error: Any) -> Finding:
    """Put one of pydantic's errors into our words; its place begins with the tag of the kind."""
    kind, code = error["type"], _CODES.get(error["type"], "wrong_type")
    if kind.startswith("union_tag"):
        seen = error["input"].get("task_type")
        return unknown_word("task_type", seen) if code == "unknown_word" else _missing("task_type", "every task has it")
    if kind == "time_order":
        seen, rule = str(error["ctx"]["last"]), f"it must not lie before create_time, {error['ctx']['create']}"
        return Finding(code, "last_update_time", seen, rule)
    key = str(error["loc"][1])
    model = KINDS.get(error["loc"][0], UnknownKind)
    if code == "missing":
        return _missing(key, "every task of this type has it")
    if code == "unknown_key":
        from difflib import get_close_matches

        near = get_close_matches(key[:_LONGEST_GUESSED], list(WIRE_ORDER), 1)
        hint = f"did you mean {near[0]}?" if near and near[0] != key else "no server writes it"
        return Finding(code, key[:_LONGEST_GUESSED], "there", f"a task of this type has no such key; {hint}")
    if error["input"] is None:
        return Finding("null", key, "null", "a server leaves a key without value out")
    if code == "unknown_word":
        return unknown_word(key, error["input"])
    items = [] if "[key]" in error["loc"] else [str(part) for part in error["loc"][2:] if isinstance(part, int)]
    where = ".".join([key, *items])
    return Finding(code, where, show(error["input"]), f"it is {model.model_fields[key].description}")


def _missing(key: str, rule: str) -> Finding:
    return Finding("missing", key, "missing", rule)


def unknown_word(key: str, seen: Any) -> Finding:
    """Say that no server knows a word, and which known one is nearest."""
    if seen is None:
        return Finding("null", key, "null", "a server leaves a key without value out")
    if not isinstance(seen, str):
        return Finding("wrong_type", key, show(seen), f"it is one of the {key.replace('_', ' ')}s, a text")
    words = [str(word.value) for word in _WORDS[key]]
    from difflib import get_close_matches

    near = get_close_matches(seen[:_LONGEST_GUESSED].upper(), words, 1, cutoff=0.5)
    hint = f"the nearest known word is {near[0]}" if near else f"it is one of {', '.join(words)}"
    return Finding("unknown_word", key, show(seen), f"no server knows it; {hint}")


# ---------------------------------------------------------------------------------------------- the dialect


class _Seen:
    """A body beside the rules that it is held to; reading a key never fails, whatever stands there."""

    def __init__(self, body: Mapping[str, Any], kind: Kind, state: TaskState, dialect: Dialect) -> None:
        self.body, self.kind, self.state, self.dialect = body, kind, state, dialect
        self.task_type = TaskType(body["task_type"])

    def text(self, key: str) -> str | None:
        value = self.body.get(key)
        return value if isinstance(value, str) else None

    def time(self, key: str) -> int | None:
        value = self.body.get(key)
        possible = isinstance(value, int) and not isinstance(value, bool) and FIRST_TIME <= value <= LAST_TIME
        return value if possible else None

    def nodes(self) -> list[str]:
        value = self.body.get("worker_node")
        if isinstance(value, str):
            return value.split(",")
        return [node for node in value if isinstance(node, str)] if isinstance(value, list) else []


def _disagreements(
    body: Mapping[str, Any], dialect: Dialect, surface: Surface, task_id: str | None
) -> Iterator[Finding]:
    task_type, state = body.get("task_type"), body.get("state")
    if not (isinstance(task_type, str) and task_type in _TYPES):
        return
    if not (isinstance(state, str) and state in _STATES):
        return
    if contradiction := unreachable(TaskType(task_type), TaskState(state), dialect):
        yield contradiction
        return
    seen = _Seen(body, dialect.kinds[TaskType(task_type)], TaskState(state), dialect)
    for rule in _RULES:
        yield from rule(seen)
    if dialect.ordered:
        if surface == "get":
            yield from _key_order(body)
        yield from _id_time(seen, task_id)


def unreachable(task_type: TaskType, state: TaskState, dialect: Dialect) -> Finding | None:
    """Tell why a dialect never shows a task of this type in this state; None if it does."""
    kind = dialect.kinds.get(task_type)
    if kind is None:
        shown = ", ".join(word.value for word in dialect.kinds)
        rule = f"a {dialect.name} server never shows such a task (known since {task_type.since}); it shows {shown}"
        return Finding("unreachable_type", "task_type", task_type.value, rule)
    if state not in kind.states:
        reachable = ", ".join(word.value for word in kind.states)
        rule = f"in {dialect.name} a {task_type.value} task is only ever seen as {reachable}"
        return Finding("unreachable_state", "state", state.value, rule)
    return None


def _presence(seen: _Seen) -> Iterator[Finding]:
    what = f"a {seen.dialect.name} {seen.body['task_type']} task that is {seen.state.value}"
    required = {*seen.kind.keys, *seen.kind.states[seen.state]}
    for key in WIRE_ORDER:
        if key in required and key not in seen.body:
            yield _missing(key, f"{what} has it")
        known = key in KINDS[seen.task_type].model_fields  # else the model has said so
        if known and key in seen.body and key not in required and key not in seen.kind.optional:
            yield Finding("forbidden_key", key, "there", f"{what} has no such key")


def _words(seen: _Seen) -> Iterator[Finding]:
    function, kind = seen.text("function_name"), seen.kind
    if function in _FUNCTIONS and kind.functions:
        if FunctionName(function) not in seen.dialect.functions:
            rule = f"it came with {FunctionName(function).since}, after {seen.dialect.name}"
            yield Finding("newer_word", "function_name", str(function), rule)
        elif FunctionName(function) not in kind.functions:
            known = ", ".join(word.value for word in kind.functions if word in seen.dialect.functions)
            yield Finding(
                "foreign_word", "function_name", str(function), f"a {seen.body['task_type']} task has {known}"
            )
    input_type = seen.text("input_type")
    if input_type in _INPUTS and kind.input_types and InputType(input_type) not in kind.input_types:
        known = ", ".join(word.value for word in kind.input_types)
        yield Finding("foreign_word", "input_type", str(input_type), f"a {seen.body['task_type']} task has {known}")


def _is_async(seen: _Seen) -> Iterator[Finding]:
    said, function = seen.body.get("is_async"), seen.text("function_name")
    if seen.kind.not_async is None or not isinstance(said, bool):
        return
    if seen.kind.not_async and function not in _FUNCTIONS:
        return  # nothing follows from a function that is not known
    expected = function not in seen.kind.not_async
    if said is not expected:
        what = f"{function} {seen.body['task_type']}" if function else seen.body["task_type"]
        yield Finding("wrong_value", "is_async", show(said), f"a {seen.dialect.name} {what} task says {show(expected)}")


def _worker_node(seen: _Seen) -> Iterator[Finding]:
    value = seen.body.get("worker_node")
    if not isinstance(value, (str, list)):
        return
    form = "text" if isinstance(value, str) else "list"
    expected = {"list": "a list of node ids", "text": "one text, with commas between several node ids"}
    if form not in seen.dialect.worker_node:
        rule = f"in {seen.dialect.name} it is {expected[seen.dialect.worker_node[0]]}"
        yield Finding("wrong_form", "worker_node", show(value), rule)
    nodes = seen.nodes()
    if seen.kind.nodes == "one" and len(nodes) != 1:
        yield Finding(
            "wrong_value", "worker_node", show(value), f"a {seen.body['task_type']} task runs on exactly one node"
        )
    if seen.dialect.ordered:
        for node in nodes:
            if not is_node_id(node):
                rule = "a node id is a version 4 UUID in 22 characters of URL-safe base64"
                yield Finding("malformed_id", "worker_node", show(node), rule)


def _error(seen: _Seen) -> Iterator[Finding]:
    error, nodes = seen.text("error"), seen.nodes()
    if error is None or not seen.kind.error_forms or not nodes:
        return
    forms = [form for form in seen.kind.error_forms if form in (ErrorForm.NODES_AS_JSON, ErrorForm.NODES_AS_JAVA_MAP)]
    partly = seen.state is TaskState.COMPLETED_WITH_ERROR
    for form in forms:
        failed = _NODE_MAPS[form](error)
        if failed is None:
            if partly:
                yield Finding("wrong_form", "error", show(error), f"a task that is {seen.state.value} has {form.value}")
            continue
        if foreign := failed - set(nodes):
            yield Finding("wrong_value", "error", show(min(foreign)), "the nodes in it are among those of worker_node")
        if partly and len(failed) >= len(nodes):
            rule = f"of {len(nodes)} nodes at least one succeeded, else the task is FAILED"
            yield Finding("wrong_value", "error", f"about {len(failed)} nodes", rule)


def _nodes_in_json(error: str) -> set[str] | None:
    try:
        values = json.loads(error)
    except (ValueError, RecursionError):
        return None
    return set(values) if isinstance(values, dict) and values else None


def _nodes_in_java_map(error: str) -> set[str] | None:
    if not (error.startswith("{") and error.endswith("}")):
        return None
    return set(re.findall(r"(?:^\{|, )([A-Za-z0-9_-]{22})=", error)) or None


_NODE_MAPS: Mapping[ErrorForm, Callable[[str], set[str] | None]] = {
    ErrorForm.NODES_AS_JSON: _nodes_in_json,
    ErrorForm.NODES_AS_JAVA_MAP: _nodes_in_java_map,
}


def _response(seen: _Seen) -> Iterator[Finding]:
    response = seen.body.get("response")
    if isinstance(response, Mapping):
        for key in seen.kind.response_keys.get(seen.state, ()):
            if key not in response:
                yield _missing(f"response.{key}", f"an agent's task that is {seen.state.value} has it")


def _remote_numbers(seen: _Seen) -> Iterator[Finding]:
    if seen.dialect.remote_numbers != "doubles":
        return
    rest = [("remote_job", seen.body.get("remote_job"))]
    while rest:
        path, value = rest.pop()
        if isinstance(value, Mapping):
            rest += [(f"{path}.{key}", item) for key, item in value.items()]
        elif isinstance(value, list):
            rest += [(f"{path}.{index}", item) for index, item in enumerate(value)]
        elif isinstance(value, int) and not isinstance(value, bool):
            rule = f"{seen.dialect.name} turns the numbers of a remote answer into doubles, such as 1.7E9"
            yield Finding("wrong_form", path, show(value), rule)


_RULES = (_presence, _words, _is_async, _worker_node, _error, _response, _remote_numbers)


def _key_order(body: Mapping[str, Any]) -> Iterator[Finding]:
    known = [key for key in body if key in WIRE_ORDER]
    for before, after in pairwise(known):
        if WIRE_ORDER.index(before) > WIRE_ORDER.index(after):
            yield Finding("key_order", after, f"after {before}", "every server writes it before")
            return
    for key in ("remote_job", "response"):
        inner = body.get(key)
        if isinstance(inner, Mapping) and (keys := [text for text in inner if isinstance(text, str)]) != map_order(
            keys
        ):
            yield Finding(
                "key_order",
                key,
                f"in the order {show(', '.join(keys))}",
                "a server writes it in the order of a HashMap",
            )


def _id_time(seen: _Seen, task_id: str | None) -> Iterator[Finding]:
    create, last = seen.time("create_time"), seen.time("last_update_time")
    if create is None or last is None:
        return
    model = decode_document_id(seen.text("model_id") or "")
    if model and seen.kind.model_minted == "before" and model.time > create:
        rule = f"the model is older than the task, yet its id was minted {model.time - create:,} ms after create_time"
        yield Finding("id_time", "model_id", show(seen.text("model_id")), rule)
    if model and seen.kind.model_minted == "during" and not min(create, last) <= model.time <= max(create, last):
        side = (
            f"{create - model.time:,} ms before create_time"
            if model.time < create
            else f"{model.time - last:,} ms after last_update_time"
        )
        rule = f"the model came into being while the task ran, yet its id was minted {side}"
        yield Finding("id_time", "model_id", show(seen.text("model_id")), rule)
    task = decode_document_id(task_id or "")
    if task and not 0 <= task.time - create <= LATEST_MINTING:
        rule = f"the task's id is minted right after create_time, yet it says {task.time - create:,} ms"
        yield Finding("id_time", "task_id", show(task_id), rule)
