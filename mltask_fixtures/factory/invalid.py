"""Bodies with exactly one fault: a catalogue of all that the contract forbids, each with the finding it raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mltask_fixtures.contract import Dialect, ErrorForm, FunctionName, InputType, TaskState, TaskType, mint_document_id
from mltask_fixtures.contract.task import FIRST_TIME, KINDS, LAST_TIME, LONGEST_ID, LONGEST_TEXT, WIRE_ORDER
from mltask_fixtures.contract.wire import encode, map_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from mltask_fixtures.factory.plan import Plan

_WORDS: Final[Mapping[str, type[TaskType | TaskState | FunctionName | InputType]]] = {
    "task_type": TaskType,
    "state": TaskState,
    "function_name": FunctionName,
    "input_type": InputType,
}
_TIMES: Final = ("create_time", "last_update_time")
_FOREIGN: Final[Mapping[str, Any]] = {
    "task_id": "ovu9HJQBcQK1yMl3Uzdm",
    "model_id": "ovu9HJQBcQK1yMl3Uzdm",
    "input_type": "SEARCH_QUERY",
    "progress": 0.5,
    "output_index": "an-index",
    "error": "a message",
    "user": {"name": "a user"},
    "remote_job": {"status": "completed"},
    "response": {},
    "tenant_id": "a-tenant",
}
"""What a key holds that a task of the kind does not have."""
_DEEP: Final = 1_200
_STRANGER: Final = b"strang"
"""Six bytes that stand for a node of another cluster."""
_PROXY_PAGE: Final = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"


@dataclass(frozen=True, slots=True)
class InvalidBody:
    """A body with one fault, and the one finding that `check` gives for it; pytest shows its name as an id.

    Example:
        >>> from mltask_fixtures import TaskFactory, check
        >>> bad = TaskFactory(dialect="3.6").invalid("TRAINING", "COMPLETED", fault="null")[0]
        >>> str(bad), [(finding.code, finding.field) for finding in check(bad.body, "3.6")]
        ('TRAINING-COMPLETED-null-model_id', [('null', 'model_id')])
    """

    task_type: TaskType
    state: TaskState
    fault: str
    """The fault's name in the catalogue, such as `missing`."""
    code: str
    """The code of the finding that the check must raise."""
    field: str
    """The field that the finding must name."""
    body: Any
    """The dict that `response.json()` would give; bytes where the fault lies below JSON or its object."""
    task_id: str
    """The id to hand to the check as the one that was asked for."""

    @property
    def __name__(self) -> str:
        """Type, state, fault and field in one word."""
        return f"{self.task_type}-{self.state}-{self.fault}-{self.field}"

    @property
    def raw(self) -> bytes:
        """The bytes that a server would have sent."""
        return self.body if isinstance(self.body, bytes) else encode(self.body).encode("utf-8", "surrogatepass")

    def __str__(self) -> str:
        """Give the name."""
        return self.__name__


class Sound(NamedTuple):
    """A sound payload that faults are made from, and its rules."""

    plan: Plan
    dialect: Dialect
    body: dict[str, Any]
    task_id: str

    @property
    def required(self) -> set[str]:
        """The keys that this type and state has by the dialect."""
        return {*self.plan.keys}


Faulty = tuple[str, Any]
"""The field that the finding names, and the body."""
Fault = tuple[str, str, "Callable[[Sound], Iterator[Faulty]]"]


def _with(body: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Set a key, a new one at its place in the wire's order."""
    if key in body or key not in WIRE_ORDER:
        return {**body, key: value}
    changed = {**body, key: value}
    return {name: changed[name] for name in WIRE_ORDER if name in changed}


def _without(body: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in keys}


def _changed(
    keys: Iterable[str], to: Callable[[Any], Any], where: Callable[[Sound], bool] = lambda _: True
) -> Callable[[Sound], Iterator[Faulty]]:
    """Change the value of one key, of each that the body has in turn."""

    def make(sound: Sound) -> Iterator[Faulty]:
        if where(sound):
            for key in keys:
                if key in sound.body:
                    yield key, _with(sound.body, key, to(sound.body[key]))

    return make


def _added(key: str, value: Any) -> Callable[[Sound], Iterator[Faulty]]:
    """Add a key that no task has."""
    return lambda sound: iter([(key, _with(sound.body, key, value))])


def _written(change: Callable[[str], str | bytes]) -> Callable[[Sound], Iterator[Faulty]]:
    """Change the text of the body as it goes over the wire."""

    def make(sound: Sound) -> Iterator[Faulty]:
        changed = change(encode(sound.body))
        yield "body", changed if isinstance(changed, bytes) else changed.encode()

    return make


# ------------------------------------------------------------------------------------------ keys and types


def _missing(sound: Sound) -> Iterator[Faulty]:
    for key in sound.body:
        if key in sound.required:
            yield key, _without(sound.body, key)


def _foreign_key(sound: Sound) -> Iterator[Faulty]:
    fields = KINDS[sound.plan.task_type].model_fields
    for key, value in _FOREIGN.items():
        if key not in fields and key not in sound.body:
            yield key, _with(sound.body, key, value)


def _forbidden_key(sound: Sound) -> Iterator[Faulty]:
    fields = KINDS[sound.plan.task_type].model_fields
    for key, value in _FOREIGN.items():
        if key in fields and key not in sound.required and key not in sound.plan.kind.optional:
            minted = mint_document_id(sound.body["create_time"], 0, _STRANGER)
            yield key, _with(sound.body, key, minted if key.endswith("_id") else value)


def _has_free_error(sound: Sound) -> bool:
    free = ErrorForm.MESSAGE in sound.plan.kind.error_forms
    return free and sound.plan.state is not TaskState.COMPLETED_WITH_ERROR


# ------------------------------------------------------------------------------------------ times


def _backwards(sound: Sound) -> Iterator[Faulty]:
    create = sound.body["create_time"]
    body = _with(sound.body, "last_update_time", create - 1)
    if sound.plan.kind.model_minted == "during" and "model_id" in body:
        body["model_id"] = mint_document_id(create, 0, _STRANGER)
    yield "last_update_time", body


# ------------------------------------------------------------------------------------------ the dialect


def _foreign_type(sound: Sound) -> Iterator[Faulty]:
    for task_type in TaskType:
        same = KINDS[task_type].model_fields.keys() >= sound.body.keys()
        needed = {name for name, field in KINDS[task_type].model_fields.items() if field.is_required()}
        if task_type not in sound.dialect.kinds and same and needed <= sound.body.keys():
            yield "task_type", _with(sound.body, "task_type", task_type.value)
            return


def _foreign_state(sound: Sound) -> Iterator[Faulty]:
    for state in TaskState:
        if state not in sound.plan.kind.states:
            yield "state", _with(sound.body, "state", state.value)
            return


def _newer_function(sound: Sound) -> Iterator[Faulty]:
    newer = [name for name in FunctionName if name not in sound.dialect.functions]
    if newer and "function_name" in sound.body and sound.body["is_async"]:
        yield "function_name", _with(sound.body, "function_name", newer[-1].value)


def _foreign_function(sound: Sound) -> Iterator[Faulty]:
    foreign = [
        name for name in FunctionName if name in sound.dialect.functions and name not in sound.plan.kind.functions
    ]
    calm = [name for name in foreign if sound.plan.is_async(name) == sound.body["is_async"]]
    if calm and "function_name" in sound.body and sound.plan.kind.functions:
        yield "function_name", _with(sound.body, "function_name", calm[0].value)


def _foreign_input(sound: Sound) -> Iterator[Faulty]:
    foreign = [name for name in InputType if name not in sound.plan.kind.input_types]
    if foreign and "input_type" in sound.body and sound.plan.kind.input_types:
        yield "input_type", _with(sound.body, "input_type", foreign[0].value)


def _wrong_flag(sound: Sound) -> Iterator[Faulty]:
    if sound.plan.kind.not_async is not None:
        yield "is_async", _with(sound.body, "is_async", not sound.body["is_async"])


def _nodes(sound: Sound) -> list[str]:
    """The payload's nodes, in whichever form it has them."""
    nodes = sound.body.get("worker_node", [])
    return nodes if isinstance(nodes, list) else nodes.split(",")


def _with_nodes(sound: Sound, *nodes: str, other: bool = False) -> Faulty:
    """Set the nodes in the form that the payload has them in, or in the other one."""
    as_list = isinstance(sound.body["worker_node"], list) is not other
    return "worker_node", _with(sound.body, "worker_node", list(nodes) if as_list else ",".join(nodes))


def _other_form_of_nodes(sound: Sound) -> Iterator[Faulty]:
    if "worker_node" in sound.body and len(sound.dialect.worker_node) == 1:
        yield _with_nodes(sound, *_nodes(sound), other=True)


def _too_many_nodes(sound: Sound) -> Iterator[Faulty]:
    if "worker_node" in sound.body and sound.plan.kind.nodes == "one":
        yield _with_nodes(sound, *_nodes(sound) * 2)


def _malformed_node(sound: Sound) -> Iterator[Faulty]:
    if "worker_node" in sound.body and sound.dialect.ordered:
        named = sound.plan.kind.nodes == "any" and "error" in sound.body
        yield _with_nodes(sound, *_nodes(sound) if named else (), "node-1")


def _node_as_number(sound: Sound) -> Iterator[Faulty]:
    if isinstance(sound.body.get("worker_node"), list) and sound.plan.kind.nodes == "any":
        nodes = _nodes(sound)
        yield f"worker_node.{len(nodes)}", _with(sound.body, "worker_node", [*nodes, 7])


def _node_maps(sound: Sound) -> bool:
    return "error" in sound.body and sound.plan.kind.error_forms[:1] in (
        (ErrorForm.NODES_AS_JSON,),
        (ErrorForm.NODES_AS_JAVA_MAP,),
    )


def _error_of(sound: Sound, *nodes: str) -> str:
    if sound.plan.kind.error_forms[0] is ErrorForm.NODES_AS_JSON:
        return encode(dict.fromkeys(map_order(nodes), "it failed"))
    return "{" + ", ".join(f"{node}=it failed" for node in map_order(nodes)) + "}"


def _error_as_text(sound: Sound) -> Iterator[Faulty]:
    if _node_maps(sound) and sound.plan.state is TaskState.COMPLETED_WITH_ERROR:
        yield "error", _with(sound.body, "error", "it failed")


def _error_of_a_stranger(sound: Sound) -> Iterator[Faulty]:
    if _node_maps(sound):
        yield "error", _with(sound.body, "error", _error_of(sound, "AAAAAAAASAACAAAAAAAAAA"))


def _error_of_all(sound: Sound) -> Iterator[Faulty]:
    if _node_maps(sound) and sound.plan.state is TaskState.COMPLETED_WITH_ERROR:
        yield "error", _with(sound.body, "error", _error_of(sound, *_nodes(sound)))


def _answer_without_message(sound: Sound) -> Iterator[Faulty]:
    for key in sound.plan.kind.response_keys.get(sound.plan.state, ()):
        yield f"response.{key}", _with(sound.body, "response", _without(sound.body["response"], key))


def _whole_remote_number(sound: Sound) -> Iterator[Faulty]:
    if "remote_job" in sound.body and sound.dialect.remote_numbers == "doubles":
        job = sound.body["remote_job"]
        yield "remote_job.created_at", _with(sound.body, "remote_job", {**job, "created_at": int(job["created_at"])})


def _key_order(sound: Sound) -> Iterator[Faulty]:
    if sound.dialect.ordered:
        first = next(iter(sound.body))
        second = next(key for key in sound.body if key != first)
        yield first, {second: sound.body[second], **_without(sound.body, second)}


def _map_order(sound: Sound) -> Iterator[Faulty]:
    for key in ("remote_job", "response"):
        if sound.dialect.ordered and len(sound.body.get(key) or ()) > 1:
            yield key, _with(sound.body, key, dict(reversed(sound.body[key].items())))


def _foreign_model(sound: Sound) -> Iterator[Faulty]:
    late = sound.body["last_update_time"] + 1
    if sound.dialect.ordered and "model_id" in sound.body and sound.plan.kind.model_minted:
        yield "model_id", _with(sound.body, "model_id", mint_document_id(late, 0, _STRANGER))


def _foreign_task(sound: Sound) -> Iterator[Faulty]:
    if sound.dialect.ordered:
        yield "task_id", sound.body


# ------------------------------------------------------------------------------------------ below the object


def _duplicate_key(sound: Sound) -> Iterator[Faulty]:
    yield "state", f'{encode(sound.body)[:-1]},"state":"{sound.plan.state}"}}'.encode()


def _python_repr(sound: Sound) -> Iterator[Faulty]:
    yield "body", repr(sound.body).encode()


def _gzip(text: str) -> bytes:
    import gzip

    return gzip.compress(text.encode(), 1, mtime=0)


CATALOGUE: Final[tuple[Fault, ...]] = (
    ("missing", "missing", _missing),
    ("null", "null", _changed(WIRE_ORDER, lambda _: None)),
    (
        "wrong_type",
        "wrong_type",
        _changed(WIRE_ORDER, lambda value: "text" if isinstance(value, dict) else {"not": "this"}),
    ),
    ("time_as_text", "wrong_type", _changed(_TIMES, str)),
    ("time_with_fraction", "wrong_type", _changed(_TIMES, lambda time: time + 0.5)),
    ("flag_as_text", "wrong_type", _changed(["is_async"], lambda _: "true")),
    ("node_as_number", "wrong_type", _node_as_number),
    ("unknown_word", "unknown_word", _changed(_WORDS, lambda _: "NOT_A_WORD")),
    ("lower_case_word", "unknown_word", _changed(_WORDS, str.lower)),
    ("unknown_key", "unknown_key", _added("colour", "blue")),
    ("misspelt_key", "unknown_key", _added("is_asynk", True)),
    ("foreign_key", "unknown_key", _foreign_key),
    ("forbidden_key", "forbidden_key", _forbidden_key),
    ("empty_id", "too_short", _changed(["model_id"], lambda _: "")),
    ("long_id", "too_long", _changed(["model_id"], lambda _: "m" * (LONGEST_ID + 1))),
    ("long_text", "too_long", _changed(["error"], lambda _: "x" * (LONGEST_TEXT + 1), _has_free_error)),
    ("half_a_surrogate_pair", "encoding", _changed(["error"], lambda _: "half a pair: \ud800", _has_free_error)),
    ("backwards", "time_order", _backwards),
    ("too_early", "out_of_range", _changed(["create_time"], lambda _: FIRST_TIME - 1)),
    ("too_late", "out_of_range", _changed(["last_update_time"], lambda _: LAST_TIME + 1)),
    ("seconds", "out_of_range", _changed(["create_time"], lambda time: time // 1_000)),
    ("foreign_type", "unreachable_type", _foreign_type),
    ("foreign_state", "unreachable_state", _foreign_state),
    ("newer_function", "newer_word", _newer_function),
    ("foreign_function", "foreign_word", _foreign_function),
    ("foreign_input", "foreign_word", _foreign_input),
    ("wrong_flag", "wrong_value", _wrong_flag),
    ("other_form_of_nodes", "wrong_form", _other_form_of_nodes),
    ("too_many_nodes", "wrong_value", _too_many_nodes),
    ("malformed_node", "malformed_id", _malformed_node),
    ("error_as_text", "wrong_form", _error_as_text),
    ("error_of_a_stranger", "wrong_value", _error_of_a_stranger),
    ("error_of_all", "wrong_value", _error_of_all),
    ("answer_without_message", "missing", _answer_without_message),
    ("whole_remote_number", "wrong_form", _whole_remote_number),
    ("key_order", "key_order", _key_order),
    ("map_order", "key_order", _map_order),
    ("foreign_model", "id_time", _foreign_model),
    ("foreign_task", "id_time", _foreign_task),
    ("not_an_object", "not_an_object", _written(lambda text: f"[{text}]")),
    ("bare_text", "not_an_object", _written(lambda _: '"COMPLETED"')),
    ("duplicate_key", "duplicate_key", _duplicate_key),
    ("too_deep", "too_deep", _written(lambda text: f'{text[:-1]},"colour":{"[" * _DEEP}{"]" * _DEEP}}}')),
    ("truncated", "not_json", _written(lambda text: text[:-17])),
    ("empty", "not_json", _written(lambda _: "")),
    ("html", "not_json", _written(lambda _: _PROXY_PAGE)),
    ("two_bodies", "not_json", _written(lambda text: text * 2)),
    ("byte_order_mark", "not_json", _written(lambda text: f"\ufeff{text}")),
    ("nan", "not_json", _written(lambda text: f'{text[:-1]},"progress":NaN}}')),
    ("python_repr", "not_json", _python_repr),
    ("latin_1", "encoding", _written(lambda text: f'{text[:-1]},"tenant_id":"caf\u00e9"}}'.encode("latin-1"))),
    ("utf_16", "encoding", _written(lambda text: text.encode("utf-16"))),
    ("gzipped", "encoding", _written(_gzip)),
)
"""Every fault: its name, the code of the finding that it raises, and what makes it of a sound payload."""


def faulty(sound: Sound, fault: Fault) -> Iterator[InvalidBody]:
    """Make the bodies that have one fault; none where it does not apply."""
    name, code, make = fault
    for field, body in make(sound):
        asked = sound.task_id
        if field == "task_id" and code == "id_time":  # the only fault that lies in the id that was asked for
            asked = mint_document_id(sound.body["create_time"] - 1, 0, _STRANGER)
        yield InvalidBody(sound.plan.task_type, sound.plan.state, name, code, field, body, asked)
