"""What a seed, a dialect, a type and a state fix beforehand, so that a payload costs its draws and its check."""

from __future__ import annotations

from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from mltask_fixtures.contract import KINDS, Dialect, FunctionName, TaskState, TaskType, mint_document_id
from mltask_fixtures.contract.task import FIRST_TIME, LAST_TIME, WIRE_ORDER
from mltask_fixtures.contract.wire import encode
from mltask_fixtures.factory.draws import NODES, Draws

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mltask_fixtures.contract import Task
    from mltask_fixtures.factory.texts import Texts

EPOCH: Final = 1_735_689_600_000
"""2025-01-01, in ms since the epoch: the time at which every factory's payloads begin."""
_APART: Final = 1_000
"""Ms between one payload and the next of the same type and state."""
_STATES: Final = len(TaskState)
_SLOTS: Final = _APART // _STATES
"""Ms in those that a state may begin in; each state has its own."""
SPAN: Final = 315_360_000_000
"""Ms (ten years) after which the times begin anew, so that any number of payloads keeps well-formed ids."""
_INPUTS: Final = 2
SEQUENCE: Final = 40
"""The bits below those that an id's running number is taken from."""
_TEXTS: Final = ("error", "remote_job", "response")
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

_SPREAD: Final = frozenset({TaskType.LOAD_MODEL, TaskType.DEPLOY_MODEL})
"""The types whose tasks run on several nodes."""
_USUAL: Final[Mapping[TaskType, tuple[FunctionName, ...]]] = {
    TaskType.TRAINING: (FunctionName.KMEANS, FunctionName.LINEAR_REGRESSION, FunctionName.BATCH_RCF),
    TaskType.TRAINING_AND_PREDICTION: (FunctionName.KMEANS, FunctionName.BATCH_RCF),
    TaskType.PREDICTION: (FunctionName.KMEANS, FunctionName.TEXT_EMBEDDING),
    TaskType.EXECUTION: (FunctionName.LOCAL_SAMPLE_CALCULATOR, FunctionName.ANOMALY_LOCALIZATION),
    TaskType.BATCH_PREDICTION: (FunctionName.REMOTE,),
    TaskType.AGENT_EXECUTION: (FunctionName.AGENT,),
}
"""What the tasks of a type are mostly about; models of these three for every other type."""
_MODELS: Final = (FunctionName.TEXT_EMBEDDING, FunctionName.SPARSE_ENCODING, FunctionName.REMOTE)
_LONGEST: Final[Mapping[TaskType, int]] = {
    TaskType.TRAINING: 2_400,
    TaskType.REGISTER_MODEL: 24_000,
    TaskType.DEPLOY_MODEL: 9_000,
    TaskType.BATCH_PREDICTION: 600_000,
    TaskType.AGENT_EXECUTION: 160_000,
}
"""Ms that a task of the type was seen to last."""
_USUALLY_LONGEST: Final = 10_000


class Row(NamedTuple):
    """One of the few combinations of a payload's small choices: everything but times, model id and texts."""

    nodes: list[str]
    mac: bytes
    """Of the node that mints the ids."""
    body: dict[str, Any]
    """The body with its keys in the wire's order, those that differ still None."""
    line: str
    """The wire's text of `body`, with a hole for each key that differs."""


Made: TypeAlias = tuple[Row, dict[str, Any], int]
"""A payload before its check: its row, its body, and the number that its ids and its texts were drawn from."""


class Plan:
    """Makes the payloads of one type in one state; payload n depends on the factory's key and on n alone.

    All choices are made by two numbers: one gives the times, the other the ids, the seed of the texts, and the row of
    all small choices in a table that is filled as it is needed.
    """

    def __init__(
        self,
        key: bytes,
        cluster: tuple[tuple[str, bytes], ...],
        dialect: Dialect,
        pair: tuple[TaskType, TaskState],
        texts: Texts,
    ) -> None:
        """Read the dialect's table, once."""
        self.pair = self.task_type, self.state = pair
        self.dialect, self.kind = dialect, dialect.kinds[self.task_type]
        self.built = 0
        """How many payloads `build` and `batch` have handed out; `nth` and `stream` leave it alone."""
        self._cluster, self._texts = cluster, texts
        self._draws = Draws(key, f"{self.task_type.value}:{self.state.value}")
        self._first = EPOCH + list(TaskState).index(self.state)
        shown = {*self.kind.keys, *self.kind.states[self.state]}
        self.keys = tuple(name for name in WIRE_ORDER if name in shown)
        self.known = frozenset({*self.keys, *(name for name in self.kind.optional if name not in _TEXTS)})
        """The keys that the state shows, or may show."""
        usual = _USUAL.get(self.task_type, _MODELS)
        self._functions = tuple(name if name in dialect.functions else usual[0] for name in usual)
        self._many = len(usual) * _INPUTS * NODES**3
        begun = self.state is TaskState.CREATED
        self._least, self._longest = (0, 1) if begun else (1, _LONGEST.get(self.task_type, _USUALLY_LONGEST))
        self._rows: dict[int, Row] = {}
        self._same_rows: dict[tuple[int, ...], Row] = {}
        self._shows_model, self._minted_before = "model_id" in shown, self.kind.model_minted == "before"
        self.shows_texts = not shown.isdisjoint(_TEXTS)
        self._differ = tuple(
            name for name in self.keys if name in {"model_id", "create_time", "last_update_time", *_TEXTS}
        )
        self._differing: Callable[[Mapping[str, Any]], tuple[Any, ...]] = itemgetter(*self._differ)
        model = KINDS[self.task_type]
        model.model_rebuild()
        self.validate: Callable[[Mapping[str, Any]], Task] = model.__pydantic_validator__.validate_python
        """The model's own check, without a detour through the union of all kinds."""

    def make(self, n: int, given: Mapping[str, Any] = NOTHING) -> Made:
        """Make payload n, not yet checked."""
        small, large = self._draws.numbers(n)
        # Two states of one type never begin in the same millisecond, from which the task's id is minted.
        create = self._first + n * _APART % SPAN + small % _SLOTS * _STATES
        last = create + self._least + (small >> 16) % self._longest
        if given:
            create, last = _moved(create, last, given)
        row = self._rows.get(large % self._many) or self._row(large % self._many)
        body = row.body.copy()
        body["create_time"], body["last_update_time"] = create, last
        if self._shows_model:
            share = small >> 40
            minted = create - 1 - share * 5 if self._minted_before else create + ((last - create) * share >> 24)
            body["model_id"] = mint_document_id(minted, large >> SEQUENCE, row.mac)
        made = row, body, large
        if not (given or self.shows_texts):
            return made
        return self.with_given(made, given) if given else self.with_texts(made)

    def with_texts(self, made: Made) -> Made:
        """Write the texts that the state shows, where none was given."""
        row, body, number = made
        for name in _TEXTS:
            if name in body and body[name] is None:
                if name == "error":
                    nodes = _named(body.get("worker_node"))
                    body[name] = self._texts.error(number, self.task_type, self.state, self.kind, nodes)
                elif name == "remote_job":
                    body[name] = self._texts.remote_job(number, self.state, body["create_time"], self.dialect)
                else:
                    memory = mint_document_id(body["create_time"], number >> SEQUENCE, row.mac)
                    body[name] = self._texts.response(number, self.state, memory)
        return made

    def with_given(self, made: Made, given: Mapping[str, Any]) -> Made:
        """Put the given values into a body; what follows from them follows, and None leaves a key out."""
        row, body, number = made
        times = {name: body[name] for name in ("create_time", "last_update_time")}
        body.update(given)
        body.update(times)  # the texts are drawn before a given time is refused
        if "function_name" in given and "is_async" not in given:
            body["is_async"] = self.is_async(given["function_name"])
        self.with_texts(made)
        body.update({name: given[name] for name in times if name in given})
        left_out = {name for name, value in given.items() if value is None}
        return row, {name: body[name] for name in WIRE_ORDER if name in body and name not in left_out}, number

    def line(self, row: Row, body: Mapping[str, Any]) -> bytes:
        """Write a body that nothing was given to as the bytes that a server would send, and a line's end.

        What every payload of a row has in common was written when the row was made.
        """
        if self.shows_texts:
            return (
                row.line % tuple([encode(body[name]) if name in _TEXTS else body[name] for name in self._differ])
            ).encode()
        return (row.line % self._differing(body)).encode()

    def is_async(self, function: Any) -> bool:
        """Tell what tasks of the type and of a function say of themselves."""
        return function not in (self.kind.not_async or ())

    def _row(self, picked: int) -> Row:
        """Take the small choices apart: function, input type, first node, further nodes, minting node."""
        rest, function = divmod(picked, len(self._functions))
        rest, input_type = divmod(rest, _INPUTS)
        rest, first = divmod(rest, NODES)
        mac, more = divmod(rest, NODES)
        if self.task_type not in _SPREAD:
            more = 0
        elif self.state is TaskState.COMPLETED_WITH_ERROR:
            more = max(more, 1)
        inputs = self.kind.input_types
        same = function, input_type % len(inputs) if inputs else 0, first, more, mac
        row = self._rows[picked] = self._same_rows.get(same) or self._write_row(*same)
        self._same_rows[same] = row
        return row

    def _write_row(self, function: int, input_type: int, first: int, more: int, mac: int) -> Row:
        inputs = self.kind.input_types
        nodes = [self._cluster[(first + step) % NODES][0] for step in range(more + 1)]
        fixed = {
            "task_type": self.task_type.value,
            "function_name": self._functions[function].value,
            "state": self.state.value,
            "input_type": inputs[input_type].value if inputs else None,
            "worker_node": nodes if "list" in self.dialect.worker_node else ",".join(nodes),
            "is_async": self.is_async(self._functions[function] if "function_name" in self.keys else None),
        }
        body = {name: fixed.get(name) for name in self.keys}
        holes = {name: '"%s"' if name == "model_id" else "%s" for name in self._differ}
        written = ",".join(
            f'"{name}":{holes.get(name) or encode(value).replace("%", "%%")}' for name, value in body.items()
        )
        return Row(nodes, self._cluster[mac][1], body, f"{{{written}}}\n")


def _moved(create: int, last: int, given: Mapping[str, Any]) -> tuple[int, int]:
    """Give create and last update; where one is given the other goes with it."""
    wanted_create, wanted_last = _time(given.get("create_time")), _time(given.get("last_update_time"))
    lasted = last - create
    if wanted_create is None and wanted_last is not None:
        wanted_create = wanted_last - lasted
    if wanted_create is not None:
        create = wanted_create
    return create, create + lasted if wanted_last is None else wanted_last


def _time(wanted: Any) -> int | None:
    """What can be a time; anything else is left for the check to refuse."""
    possible = isinstance(wanted, int) and not isinstance(wanted, bool) and FIRST_TIME <= wanted <= LAST_TIME
    return wanted if possible else None


def _named(worker_node: Any) -> list[str]:
    """The nodes in a `worker_node` of either form; none where something else was given."""
    if isinstance(worker_node, str):
        return worker_node.split(",")
    return [node for node in worker_node if isinstance(node, str)] if isinstance(worker_node, list) else []
