"""Bodies with exactly one fault: a catalogue of all that the contract forbids, each with the finding it raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mltask_fixtures.contract import Dialect, ErrorForm, FunctionName, InputType, TaskState, TaskType, mint_document_id
from mltask_fixtures.contract.task import FIRST_TIME, KINDS, LAST_TIME, LONGEST_TEXT, WIRE_ORDER
from mltask_fixtures.contract.wire import encode, map_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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
_PROXY_PAGE: Final = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"


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


# ------------------------------------------------------------------------------------------ keys and types


def _missing(sound: Sound) -> Iterator[Faulty]:
    for key in sound.body:
        if key in sound.required:
            yield key, _without(sound.body, key)


def _null(sound: Sound) -> Iterator[Faulty]:
    for key in sound.body:
        yield key, _with(sound.body, key, None)


def _wrong_type(sound: Sound) -> Iterator[Faulty]:
    for key in sound.body:
        yield key, _with(sound.body, key, {"not": "this"} if key not in {"remote_job", "response"} else "text")


def _time_as_text(sound: Sound) -> Iterator[Faulty]:
    for key in _TIMES:
        yield key, _with(sound.body, key, str(sound.body[key]))


def _time_with_fraction(sound: Sound) -> Iterator[Faulty]:
    for key in _TIMES:
        yield key, _with(sound.body, key, sound.body[key] + 0.5)


def _flag_as_text(sound: Sound) -> Iterator[Faulty]:
    yield "is_async", _with(sound.body, "is_async", "true")


def _unknown_word(sound: Sound) -> Iterator[Faulty]:
    for key in _WORDS:
        if key in sound.body:
            yield key, _with(sound.body, key, "NOT_A_WORD")


def _lower_case_word(sound: Sound) -> Iterator[Faulty]:
    for key in _WORDS:
        if key in sound.body:
            yield key, _with(sound.body, key, sound.body[key].lower())


def _unknown_key(sound: Sound) -> Iterator[Faulty]:
    yield "colour", _with(sound.body, "colour", "blue")


def _misspelt_key(sound: Sound) -> Iterator[Faulty]:
    yield "is_asynk", _with(sound.body, "is_asynk", True)


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


def _empty_id(sound: Sound) -> Iterator[Faulty]:
    if "model_id" in sound.body:
        yield "model_id", _with(sound.body, "model_id", "")


def _long_id(sound: Sound) -> Iterator[Faulty]:
    if "model_id" in sound.body:
        yield "model_id", _with(sound.body, "model_id", "m" * 513)


def _long_text(sound: Sound) -> Iterator[Faulty]:
    if "error" in sound.body and ErrorForm.MESSAGE in sound.plan.kind.error_forms and _free_error(sound):
        yield "error", _with(sound.body, "error", "x" * (LONGEST_TEXT + 1))


def _half_a_surrogate_pair(sound: Sound) -> Iterator[Faulty]:
    if "error" in sound.body and ErrorForm.MESSAGE in sound.plan.kind.error_forms and _free_error(sound):
        yield "error", _with(sound.body, "error", "half a pair: \ud800")


def _free_error(sound: Sound) -> bool:
    return sound.plan.state is not TaskState.COMPLETED_WITH_ERROR


# ------------------------------------------------------------------------------------------ times


def _backwards(sound: Sound) -> Iterator[Faulty]:
    create = sound.body["create_time"]
    body = _with(sound.body, "last_update_time", create - 1)
    if sound.plan.kind.model_minted == "during" and "model_id" in body:
        body["model_id"] = mint_document_id(create, 0, _STRANGER)
    yield "last_update_time", body


def _too_early(sound: Sound) -> Iterator[Faulty]:
    yield "create_time", _with(sound.body, "create_time", FIRST_TIME - 1)


def _too_late(sound: Sound) -> Iterator[Faulty]:
    yield "last_update_time", _with(sound.body, "last_update_time", LAST_TIME + 1)


def _seconds(sound: Sound) -> Iterator[Faulty]:
    yield "create_time", _with(sound.body, "create_time", sound.body["create_time"] // 1_000)


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


def _other_form_of_nodes(sound: Sound) -> Iterator[Faulty]:
    if "worker_node" in sound.body and len(sound.dialect.worker_node) == 1:
        nodes = sound.body["worker_node"]
        yield (
            "worker_node",
            _with(sound.body, "worker_node", ",".join(nodes) if isinstance(nodes, list) else nodes.split(",")),
        )


def _too_many_nodes(sound: Sound) -> Iterator[Faulty]:
    if "worker_node" in sound.body and sound.plan.kind.nodes == "one":
        nodes = sound.body["worker_node"]
        yield (
            "worker_node",
            _with(sound.body, "worker_node", nodes * 2 if isinstance(nodes, list) else f"{nodes},{nodes}"),
        )


def _malformed_node(sound: Sound) -> Iterator[Faulty]:
    if "worker_node" in sound.body and sound.dialect.ordered:
        nodes = sound.body["worker_node"]
        plus = sound.plan.kind.nodes == "any" and "error" in sound.body
        bad = "node-1"
        if isinstance(nodes, list):
            yield "worker_node", _with(sound.body, "worker_node", [*nodes, bad] if plus else [bad])
        else:
            yield "worker_node", _with(sound.body, "worker_node", f"{nodes},{bad}" if plus else bad)


def _node_as_number(sound: Sound) -> Iterator[Faulty]:
    if isinstance(sound.body.get("worker_node"), list) and sound.plan.kind.nodes == "any":
        nodes = sound.body["worker_node"]
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
        nodes = sound.body["worker_node"]
        every = nodes if isinstance(nodes, list) else nodes.split(",")
        yield "error", _with(sound.body, "error", _error_of(sound, *every))


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


def _not_an_object(sound: Sound) -> Iterator[Faulty]:
    yield "body", f"[{encode(sound.body)}]".encode()


def _bare_text(_: Sound) -> Iterator[Faulty]:
    yield "body", b'"COMPLETED"'


def _duplicate_key(sound: Sound) -> Iterator[Faulty]:
    text = encode(sound.body)
    yield "state", f'{text[:-1]},"state":"{sound.plan.state}"}}'.encode()


def _too_deep(sound: Sound) -> Iterator[Faulty]:
    text = encode(sound.body)
    yield "body", f'{text[:-1]},"colour":{"[" * _DEEP}{"]" * _DEEP}}}'.encode()


def _truncated(sound: Sound) -> Iterator[Faulty]:
    yield "body", encode(sound.body).encode()[:-17]


def _empty(_: Sound) -> Iterator[Faulty]:
    yield "body", b""


def _html(_: Sound) -> Iterator[Faulty]:
    yield "body", _PROXY_PAGE


def _two_bodies(sound: Sound) -> Iterator[Faulty]:
    yield "body", encode(sound.body).encode() * 2


def _byte_order_mark(sound: Sound) -> Iterator[Faulty]:
    yield "body", b"\xef\xbb\xbf" + encode(sound.body).encode()


def _nan(sound: Sound) -> Iterator[Faulty]:
    yield "body", f'{encode(sound.body)[:-1]},"progress":NaN}}'.encode()


def _python_repr(sound: Sound) -> Iterator[Faulty]:
    yield "body", repr(sound.body).encode()


def _latin_1(sound: Sound) -> Iterator[Faulty]:
    yield "body", f'{encode(sound.body)[:-1]},"tenant_id":"caf\u00e9"}}'.encode("latin-1")


def _utf_16(sound: Sound) -> Iterator[Faulty]:
    yield "body", encode(sound.body).encode("utf-16")


def _gzipped(sound: Sound) -> Iterator[Faulty]:
    import gzip

    yield "body", gzip.compress(encode(sound.body).encode(), 1, mtime=0)


CATALOGUE: Final[tuple[Fault, ...]] = (
    ("missing", "missing", _missing),
    ("null", "null", _null),
    ("wrong_type", "wrong_type", _wrong_type),
    ("time_as_text", "wrong_type", _time_as_text),
    ("time_with_fraction", "wrong_type", _time_with_fraction),
    ("flag_as_text", "wrong_type", _flag_as_text),
    ("node_as_number", "wrong_type", _node_as_number),
    ("unknown_word", "unknown_word", _unknown_word),
    ("lower_case_word", "unknown_word", _lower_case_word),
    ("unknown_key", "unknown_key", _unknown_key),
    ("misspelt_key", "unknown_key", _misspelt_key),
    ("foreign_key", "unknown_key", _foreign_key),
    ("forbidden_key", "forbidden_key", _forbidden_key),
    ("empty_id", "too_short", _empty_id),
    ("long_id", "too_long", _long_id),
    ("long_text", "too_long", _long_text),
    ("half_a_surrogate_pair", "encoding", _half_a_surrogate_pair),
    ("backwards", "time_order", _backwards),
    ("too_early", "out_of_range", _too_early),
    ("too_late", "out_of_range", _too_late),
    ("seconds", "out_of_range", _seconds),
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
    ("not_an_object", "not_an_object", _not_an_object),
    ("bare_text", "not_an_object", _bare_text),
    ("duplicate_key", "duplicate_key", _duplicate_key),
    ("too_deep", "too_deep", _too_deep),
    ("truncated", "not_json", _truncated),
    ("empty", "not_json", _empty),
    ("html", "not_json", _html),
    ("two_bodies", "not_json", _two_bodies),
    ("byte_order_mark", "not_json", _byte_order_mark),
    ("nan", "not_json", _nan),
    ("python_repr", "not_json", _python_repr),
    ("latin_1", "encoding", _latin_1),
    ("utf_16", "encoding", _utf_16),
    ("gzipped", "encoding", _gzipped),
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
