"""Payloads: any task type in any state that a dialect can show, coherent in ids, times and texts."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar, Unpack

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.contract import (
    DIALECTS,
    Dialect,
    Finding,
    FunctionName,
    InputType,
    Task,
    TaskState,
    TaskType,
    check,
    mint_document_id,
)
from mltask_fixtures.contract.check import unknown_word, unreachable
from mltask_fixtures.contract.task import FIRST_TIME, LAST_TIME, WIRE_ORDER
from mltask_fixtures.factory.draws import NODES, Draws, cluster_of, key_of
from mltask_fixtures.factory.texts import as_kept, error_text, remote_job, response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faker import Faker

EPOCH: Final = 1_735_689_600_000
"""2025-01-01, in ms since the epoch: the time at which every factory's payloads begin."""
_APART: Final = 1_000
"""Ms between one payload and the next of the same type and state."""
_SPAN: Final = 315_360_000_000
"""Ms (ten years) after which the times begin anew, so that any number of payloads keeps well-formed ids."""
_DAY: Final = 86_400_000

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


class TaskOverrides(TypedDict, total=False):
    """The keys of a payload that a caller may set; None leaves a key out."""

    task_id: str | None
    model_id: str | None
    function_name: FunctionName | str | None
    input_type: InputType | str | None
    progress: float | None
    output_index: str | None
    worker_node: list[str] | str | None
    create_time: int | None
    last_update_time: int | None
    error: str | None
    user: dict[str, Any] | None
    is_async: bool | None
    remote_job: dict[str, Any] | None
    response: dict[str, Any] | None
    tenant_id: str | None


class UnknownOverrideError(WrongUseError, TypeError):
    """A keyword is no key of a task."""


class ContradictionError(WrongUseError, ValueError):
    """What was asked for is nothing that the dialect can show."""


class TaskFactory:
    """Make task payloads that are valid in one dialect.

    Payload n of a (type, state) depends on the seed and on n alone: neither on other builds, nor on the order of tests,
    nor on the clock. The dialect changes what is shown of a payload, not its ids and times.

    Args:
        seed: a number or a text; the same seed gives the same bytes on every supported Python.
        dialect: `documented`, a server line such as `2.19`, or a full version.

    Raises:
        WrongUseError: the seed is neither a number nor a text.
        UnknownDialectError: no dialect has that name.

    Example:
        >>> factory = TaskFactory(seed=1, dialect="2.19")
        >>> task = factory.build("REGISTER_MODEL", "COMPLETED", function_name="REMOTE")
        >>> task.state.value, task.is_async, task.model_id is None
        ('COMPLETED', False, False)
    """

    def __init__(self, seed: int | str = 0, dialect: Dialect | str = "documented") -> None:
        """Take the seed and the dialect."""
        if isinstance(seed, bool) or not isinstance(seed, (int, str)):
            raise WrongUseError(f"the seed is {seed!r:.60}; it is a whole number or a text")
        self.seed = seed
        self.dialect = DIALECTS[dialect] if isinstance(dialect, str) else dialect
        self._key = key_of(seed)
        self._cluster = cluster_of(self._key)
        self._built: Counter[tuple[TaskType, TaskState]] = Counter()

    def __repr__(self) -> str:
        """Show what it takes to make the same factory again."""
        return f"TaskFactory(seed={self.seed!r}, dialect={self.dialect.name!r})"

    def build(self, task_type: TaskType | str, state: TaskState | str, **overrides: Unpack[TaskOverrides]) -> Task:
        """Make the next payload of a type in a state.

        Args:
            task_type: one of the dialect's types.
            state: one of the states that the dialect shows for the type.
            **overrides: keys of the payload with the values that they are to have; None leaves a key out. What depends
                on them follows: `last_update_time` alone moves `create_time` with it, and the ids go with the times.

        Raises:
            ContradictionError: the dialect never shows that; the error names the rule.
            UnknownOverrideError: a keyword is no key of a task; the error names the nearest.

        Example:
            >>> TaskFactory().build("DEPLOY_MODEL", "FAILED", last_update_time=1767030135771).last_update_time
            1767030135771
        """
        return self._next(*self._pair(task_type, state), overrides)

    def batch(
        self, n: int, task_type: TaskType | str, state: TaskState | str, **overrides: Unpack[TaskOverrides]
    ) -> list[Task]:
        """Make the next n payloads of a type in a state; see `build`.

        Raises:
            WrongUseError: n is no number of payloads.

        Example:
            >>> len(TaskFactory().batch(3, "TRAINING", "RUNNING"))
            3
        """
        if type(n) is not int or n < 1:
            raise WrongUseError(f"a batch of {n!r:.60} payloads cannot be made; ask for 1 or more")
        pair = self._pair(task_type, state)
        return [self._next(*pair, overrides) for _ in range(n)]

    def _pair(self, task_type: TaskType | str, state: TaskState | str) -> tuple[TaskType, TaskState]:
        pair = _word(TaskType, "task_type", task_type), _word(TaskState, "state", state)
        if contradiction := unreachable(*pair, self.dialect):
            raise ContradictionError(str(contradiction))
        return pair

    def _next(self, task_type: TaskType, state: TaskState, overrides: TaskOverrides) -> Task:
        _refuse_unknown(overrides)
        given = {key: _as_wire(key, value, self.dialect) for key, value in overrides.items()}
        number = self._built[task_type, state]
        body = self._body(task_type, state, number, given)
        if given and (findings := check(body, self.dialect)):
            raise ContradictionError(_contradictions(findings, self.dialect))
        task = Task.model_validate(body)
        self._built[task_type, state] += 1
        return task

    def _body(self, task_type: TaskType, state: TaskState, number: int, given: Mapping[str, Any]) -> dict[str, Any]:
        kind, dialect = self.dialect.kinds[task_type], self.dialect
        draws = Draws(self._key, f"{task_type.value}:{state.value}", number)
        create, last = _times(task_type, state, number, draws, given)
        function = given.get("function_name", _function(task_type, draws, dialect))
        input_type = draws.below(2)
        nodes = self._nodes(task_type, state, draws)
        mac = self._cluster[draws.below(NODES)][1]
        sequence, share, age, text = (draws.below(bound) for bound in (1 << 24, 1_000, _DAY, 1 << 64))
        minted = create - 1 - age if kind.model_minted == "before" else create + (last - create) * share // 1_000
        worker_node = given.get("worker_node", nodes if "list" in dialect.worker_node else ",".join(nodes))
        shown = {*kind.keys, *kind.states[state]}
        made = {
            "model_id": mint_document_id(minted, sequence, mac),
            "task_type": task_type.value,
            "function_name": function,
            "state": state.value,
            "input_type": kind.input_types[input_type % len(kind.input_types)].value if kind.input_types else None,
            "worker_node": worker_node,
            "create_time": create,
            "last_update_time": last,
            "is_async": function not in (kind.not_async or ()),
        }
        if not shown.isdisjoint(("error", "remote_job", "response")):
            self._faker.seed_instance(text)
            memory = mint_document_id(create, sequence, mac)
            made["error"] = error_text(self._faker, task_type, state, kind, _named(worker_node))
            made["remote_job"] = remote_job(self._faker, state, create, dialect)
            made["response"] = response(self._faker, state, memory)
        body: dict[str, Any] = {**{key: value for key, value in made.items() if key in shown}, **given}
        return {key: body[key] for key in WIRE_ORDER if body.get(key) is not None}

    def task_id(self, task: Task) -> str:
        """Give the id under which a server would answer with this payload; it is minted at `create_time`.

        Example:
            >>> from mltask_fixtures.contract import decode_document_id
            >>> factory = TaskFactory()
            >>> task = factory.build("TRAINING", "RUNNING")
            >>> decode_document_id(factory.task_id(task)).time == task.create_time
            True
        """
        draws = Draws(self._key, f"task_id:{task.task_type.value}", task.create_time)
        return mint_document_id(task.create_time, draws.below(1 << 24), self._cluster[draws.below(NODES)][1])

    def _nodes(self, task_type: TaskType, state: TaskState, draws: Draws) -> list[str]:
        first, more = draws.below(NODES), draws.below(NODES)
        if task_type not in _SPREAD:
            more = 0
        elif state is TaskState.COMPLETED_WITH_ERROR:
            more = max(more, 1)
        return [self._cluster[(first + step) % NODES][0] for step in range(more + 1)]

    @cached_property
    def _faker(self) -> Faker:
        from faker import Faker

        from mltask_fixtures.factory.provider import MLTaskProvider

        fake = Faker()
        fake.add_provider(MLTaskProvider)
        return fake


def _times(
    task_type: TaskType, state: TaskState, number: int, draws: Draws, given: Mapping[str, Any]
) -> tuple[int, int]:
    """Give create and last update; where one is given the other goes with it."""
    create = EPOCH + number * _APART % _SPAN + draws.below(_APART)
    lasted = 1 + draws.below(_LONGEST.get(task_type, _USUALLY_LONGEST))
    if state is TaskState.CREATED:
        lasted = 0
    wanted_create, wanted_last = _time(given.get("create_time")), _time(given.get("last_update_time"))
    if wanted_create is None and wanted_last is not None:
        wanted_create = wanted_last - lasted
    if wanted_create is not None:
        create = wanted_create
    return create, create + lasted if wanted_last is None else wanted_last


def _time(wanted: Any) -> int | None:
    """What can be a time; anything else is left for the check to refuse."""
    possible = isinstance(wanted, int) and not isinstance(wanted, bool) and FIRST_TIME <= wanted <= LAST_TIME
    return wanted if possible else None


def _function(task_type: TaskType, draws: Draws, dialect: Dialect) -> str:
    usual = _USUAL.get(task_type, _MODELS)
    drawn = usual[draws.below(len(usual))]
    return (drawn if drawn in dialect.functions else usual[0]).value


def _named(worker_node: Any) -> list[str]:
    """The nodes in a `worker_node` of either form; none where something else was given."""
    if isinstance(worker_node, str):
        return worker_node.split(",")
    return [node for node in worker_node if isinstance(node, str)] if isinstance(worker_node, list) else []


_Word = TypeVar("_Word", TaskType, TaskState)


def _word(words: type[_Word], key: str, said: Any) -> _Word:
    if isinstance(said, str) and said in set(words):
        return words(said)
    raise ContradictionError(str(unknown_word(key, said)))


def _as_wire(key: str, value: Any, dialect: Dialect) -> Any:
    return value.value if isinstance(value, Enum) else as_kept(key, value, dialect)


def _refuse_unknown(overrides: TaskOverrides) -> None:
    known = TaskOverrides.__optional_keys__
    for key in overrides:
        if key not in known:
            near = get_close_matches(key, [*sorted(known), "task_type", "state"], 1)
            hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(sorted(known))}"
            raise UnknownOverrideError(f"a task has no key {key!r}; {hint}")


def _contradictions(findings: list[Finding], dialect: Dialect) -> str:
    what = f"the overrides contradict the dialect {dialect.name}:"
    return "\n".join([what, *(f"  - {finding}" for finding in findings)])
