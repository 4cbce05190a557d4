"""Tell quickly that a body agrees with a dialect, for files with thousands of them.

It reads the same table as `check` and knows the same rules, but no words: whatever it does not recognise at once is
left to `check`. So its yes is final, and its no says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticSerializationError, from_json, to_json

from mltask_fixtures.contract.dialect import ErrorForm
from mltask_fixtures.contract.headers import check_headers
from mltask_fixtures.contract.ids import is_node_id, minted_at
from mltask_fixtures.contract.task import FIRST_TIME, KINDS, LAST_TIME, LONGEST_ID, LONGEST_TEXT, WIRE_ORDER
from mltask_fixtures.contract.vocabulary import FunctionName, InputType, TaskState, TaskType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mltask_fixtures.contract.dialect import Dialect

LATEST_MINTING: Final = 600_000
"""Ms from a task's creation to its id at most: a batch prediction waits for the remote service first."""
_KNOWN: Final = frozenset(WIRE_ORDER) - {"task_id", "progress", "output_index", "user", "remote_job", "response"}
"""The keys whose values are simple enough to be recognised at once."""
_LARGEST: Final = 65_536
_MOST_SHAPES: Final = 64
_MOST_HEADERS: Final = 1024


class _Plan:
    """What a dialect wants of one task type in one state, made ready for comparing."""

    def __init__(self, task_type: TaskType, state: TaskState, dialect: Dialect) -> None:
        kind = dialect.kinds[task_type]
        fields = KINDS[task_type].model_fields
        self.required = {*kind.keys, *kind.states[state], *(key for key in fields if fields[key].is_required())}
        self.allowed = (self.required | set(kind.optional)) & set(fields) & _KNOWN
        self.functions = frozenset(kind.functions or FunctionName)
        if kind.functions:
            self.functions &= dialect.functions
        self.input_types = frozenset(kind.input_types or InputType)
        self.not_async = None if kind.not_async is None else frozenset(kind.not_async)
        self.forms = dialect.worker_node
        self.one_node = kind.nodes == "one"
        self.free_error = not {ErrorForm.NODES_AS_JSON, ErrorForm.NODES_AS_JAVA_MAP} & set(kind.error_forms)
        self.ordered = dialect.ordered
        self.minted = kind.model_minted if dialect.ordered else None
        self.shapes: dict[tuple[str, ...], bool] = {}
        self.nodes: set[str] = set()

    def has_shape(self, keys: tuple[str, ...]) -> bool:
        """Tell whether a body has the right keys in the right order; few shapes come, and they come often."""
        known = self.shapes.get(keys)
        if known is None:
            known = self.required <= set(keys) <= self.allowed
            if self.ordered:
                known = known and list(keys) == [key for key in WIRE_ORDER if key in keys]
            if len(self.shapes) < _MOST_SHAPES:
                self.shapes[keys] = known
        return known


def _plan(body: Mapping[str, Any], dialect: Dialect) -> _Plan | None:
    pair = body["task_type"], body["state"]
    plan: _Plan | None = dialect.plans.get(pair)
    if plan is None and type(pair[0]) is str and type(pair[1]) is str and pair[0] in set(TaskType):
        task_type, state = TaskType(pair[0]), pair[1]
        if task_type in dialect.kinds and state in dialect.kinds[task_type].states:
            plan = dialect.plans[pair] = _Plan(task_type, TaskState(state), dialect)
    return plan


def surely_agrees(
    body: bytes | dict[str, Any],
    dialect: Dialect,
    task_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    server: Dialect | None = None,
) -> bool:
    """Tell whether `check` would certainly find nothing in the body of an answer to GET, nor in its headers.

    Args:
        body: as it came, or what a parser of JSON made of it.
        dialect: to hold it to.
        task_id: the id that was asked for.
        headers: of the answer, where they are to agree as well.
        server: to hold the headers to, where it is another.

    Example:
        >>> from mltask_fixtures.contract import DIALECTS
        >>> surely_agrees(b'{"task_type":"BATCH_INGEST","state":"CREATED","create_time":1725491751455,'
        ...               b'"last_update_time":1725491751455,"is_async":true}', DIALECTS["2.19"])
        True
    """
    try:
        if isinstance(body, bytes):
            raw, body = body, _read(body)
            # The same bytes again: no key came twice, and no number was rounded.
            if type(body) is not dict or to_json(body) != raw:
                return False
        return _agrees(body, dialect, task_id) and (headers is None or headers_agree(headers, server or dialect))
    except (KeyError, TypeError, ValueError, PydanticSerializationError):
        return False


def headers_agree(headers: Mapping[str, str], server: Dialect) -> bool:
    """Tell whether `check_headers` finds nothing, looking at each header once: few come, and they come often.

    Example:
        >>> from mltask_fixtures.contract import DIALECTS
        >>> headers_agree({"content-type": "text/html"}, DIALECTS["3.6"])
        False
    """
    known: set[tuple[str, str]] = server.plans.setdefault("headers", set())
    if known.issuperset(headers.items()):
        return True
    if any(check_headers(headers, server)):
        return False
    if len(known) < _MOST_HEADERS:
        known.update(headers.items())
    return True


def _read(raw: bytes) -> Any:
    return from_json(raw, allow_inf_nan=False, cache_strings="keys") if len(raw) <= _LARGEST else None


def _agrees(body: dict[str, Any], dialect: Dialect, task_id: str | None) -> bool:
    plan = _plan(body, dialect)
    if plan is None or not plan.has_shape(tuple(body)):
        return False
    create, last, is_async = body["create_time"], body["last_update_time"], body["is_async"]
    if type(create) is not int or type(last) is not int or not FIRST_TIME <= create <= last <= LAST_TIME:
        return False
    if type(is_async) is not bool or ("tenant_id" in body and not _is_text(body["tenant_id"])):
        return False
    function = body.get("function_name")
    if "function_name" in body and (type(function) is not str or function not in plan.functions):
        return False
    if plan.not_async is not None and is_async is not (function not in plan.not_async):
        return False
    if "input_type" in body and body["input_type"] not in plan.input_types:
        return False
    if "error" in body and not (plan.free_error and _is_text(body["error"])):
        return False
    if "worker_node" in body and not _are_nodes(body["worker_node"], plan):
        return False
    if "model_id" in body and not _is_model(body["model_id"], plan, create, last):
        return False
    minted = minted_at(task_id) if task_id and plan.ordered else None
    return minted is None or 0 <= minted - create <= LATEST_MINTING


def _is_text(value: Any) -> bool:
    return type(value) is str and len(value) <= LONGEST_TEXT and value.isascii()


def _are_nodes(value: Any, plan: _Plan) -> bool:
    if type(value) is list:
        if "list" not in plan.forms:
            return False
        nodes = value
    elif type(value) is str and "text" in plan.forms:
        nodes = value.split(",")
    else:
        return False
    if not nodes or (len(nodes) != 1 and plan.one_node):
        return False
    if plan.nodes.issuperset(nodes):
        return True
    if not all(
        type(node) is str and 0 < len(node) <= LONGEST_ID and (is_node_id(node) if plan.ordered else node.isascii())
        for node in nodes
    ):
        return False
    if len(plan.nodes) < _MOST_SHAPES:
        plan.nodes.update(nodes)
    return True


def _is_model(value: Any, plan: _Plan, create: int, last: int) -> bool:
    if type(value) is not str or not 0 < len(value) <= LONGEST_ID or not value.isascii():
        return False
    minted = minted_at(value) if plan.minted else None
    if minted is None:
        return True
    return minted <= create if plan.minted == "before" else create <= minted <= last
