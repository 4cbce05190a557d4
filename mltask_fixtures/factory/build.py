"""Payloads: any task type in any state that a dialect can show, coherent in ids, times and texts."""

from __future__ import annotations

from enum import Enum
from itertools import count, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

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
from mltask_fixtures.contract.wire import encode
from mltask_fixtures.factory.coverage import Case, all_pairs, bodies, wishes
from mltask_fixtures.factory.draws import NODES, Draws, cluster_of, key_of
from mltask_fixtures.factory.invalid import CATALOGUE, InvalidBody, Sound, faulty
from mltask_fixtures.factory.lifecycle import Lifecycle, PerState, Route, step_back
from mltask_fixtures.factory.plan import NOTHING, SEQUENCE, Plan
from mltask_fixtures.factory.texts import Texts, as_kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from faker.generator import Generator

    from mltask_fixtures.factory.siblings import Answer


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
        words: the faker generator whose locale gives the free text; by default one of faker's default locale.

    Raises:
        WrongUseError: the seed is neither a number nor a text.
        UnknownDialectError: no dialect has that name.

    Example:
        >>> factory = TaskFactory(seed=1, dialect="2.19")
        >>> task = factory.build("REGISTER_MODEL", "COMPLETED", function_name="REMOTE")
        >>> task.state.value, task.is_async, task.model_id is None
        ('COMPLETED', False, False)
    """

    def __init__(
        self, seed: int | str = 0, dialect: Dialect | str = "documented", *, words: Generator | None = None
    ) -> None:
        """Take the seed, the dialect, and where the words come from."""
        if isinstance(seed, bool) or not isinstance(seed, (int, str)):
            raise WrongUseError(f"the seed is {seed!r:.60}; it is a whole number or a text")
        self.seed = seed
        self.dialect = DIALECTS[dialect] if isinstance(dialect, str) else dialect
        self._key = key_of(seed)
        self._cluster = cluster_of(self._key)
        self._texts = Texts(words)
        self._plans: dict[tuple[str, str], Plan] = {}
        self._ids: dict[str, int] = {}
        self._routes: dict[tuple[str, str], Route] = {}
        self._lived: dict[Route, int] = {}

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
        try:
            plan = self._plans[task_type, state]  # a call less than _plan
        except (KeyError, TypeError):
            plan = self._plan(task_type, state)
        body = self._make(plan, plan.built, self._given(overrides)) if overrides else plan.make(plan.built)[1]
        task = plan.validate(body)
        plan.built += 1
        return task

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
        return [self.build(task_type, state, **overrides) for _ in range(n)]

    def nth(
        self,
        n: int,
        task_type: TaskType | str | None = None,
        state: TaskState | str | None = None,
        **overrides: Unpack[TaskOverrides],
    ) -> Task:
        """Make payload n, whatever else was or will be built; `build` gives payload 0, 1, 2, ... of a type in a state.

        Args:
            n: which payload, counted from 0.
            task_type: one of the dialect's types; without it payload n is of the types in turn, as in `stream`.
            state: one of the states that the dialect shows; without it they take turns as well.
            **overrides: keys of the payload with the values that they are to have; see `build`.

        Raises:
            WrongUseError: n is no number of a payload.

        Example:
            >>> factory = TaskFactory(seed=1)
            >>> factory.nth(0, "TRAINING", "RUNNING") == factory.build("TRAINING", "RUNNING")
            True
        """
        plans, given = self._in_turn(task_type, state), self._given(overrides)
        turn, which = divmod(_number(n), len(plans))
        return plans[which].validate(self._make(plans[which], turn, given))

    def stream(
        self,
        task_type: TaskType | str | None = None,
        state: TaskState | str | None = None,
        *,
        start: int = 0,
        **overrides: Unpack[TaskOverrides],
    ) -> Iterator[Task]:
        """Give payload `start` and all that follow, without end, each made when it is asked for.

        Without a type or a state the pairs that the dialect shows take turns, in the order of `Dialect.pairs()`: of P
        pairs, payload n is payload n // P of pair n % P. So it depends on the seed and on n alone, here as in `nth`.

        Args:
            task_type: one of the dialect's types; all of them by default.
            state: one of the states that the dialect shows; all of them by default.
            start: the number of the first payload.
            **overrides: keys of every payload with the values that they are to have; see `build`.

        Example:
            >>> from itertools import islice
            >>> [str(task.state) for task in islice(TaskFactory(dialect="3.6").stream("REGISTER_MODEL"), 4)]
            ['CREATED', 'COMPLETED', 'FAILED', 'CREATED']
        """
        plans, given = self._in_turn(task_type, state), self._given(overrides)
        turns = map(divmod, count(_number(start)), repeat(len(plans)))
        return (plans[which].validate(self._make(plans[which], turn, given)) for turn, which in turns)

    def ndjson(
        self,
        start: int,
        stop: int,
        task_type: TaskType | str | None = None,
        state: TaskState | str | None = None,
        **overrides: Unpack[TaskOverrides],
    ) -> Iterator[bytes]:
        r"""Write payloads `start` up to, not including, `stop` as lines: each checked, each as a server would send it.

        This is `stream` for millions: line n is `nth(n).model_dump_json()` and a line's end, at a fraction of its cost.

        Args:
            start: the number of the first payload.
            stop: the number after the last one.
            task_type: one of the dialect's types; all of them in turn by default.
            state: one of the states that the dialect shows; all of them in turn by default.
            **overrides: keys of every payload with the values that they are to have; see `build`.

        Example:
            >>> next(TaskFactory().ndjson(0, 1_000_000, "TRAINING", "RUNNING"))[:38]
            b'{"task_type":"TRAINING","function_name'
        """
        return map(itemgetter(1), self._lines(start, stop, task_type, state, overrides))

    def documents(
        self,
        start: int,
        stop: int,
        task_type: TaskType | str | None = None,
        state: TaskState | str | None = None,
        **overrides: Unpack[TaskOverrides],
    ) -> Iterator[tuple[str, bytes]]:
        """Give the same lines as `ndjson`, each with the id of its task, as an index stores them.

        Example:
            >>> factory = TaskFactory()
            >>> task_id, line = next(factory.documents(0, 1))
            >>> task_id == factory.task_id(factory.nth(0))
            True
        """
        lines = self._lines(start, stop, task_type, state, overrides)
        return ((self._task_id(body["task_type"], body["create_time"]), line) for body, line in lines)

    def lifecycle(
        self,
        task_type: TaskType | str,
        outcome: TaskState | str,
        *,
        n: int | None = None,
        polls: PerState = 1,
        lasts: PerState | None = None,
        stale_reads: bool = False,
        **overrides: Unpack[TaskOverrides],
    ) -> Lifecycle:
        """Make one task's snapshots, from its creation to its end, as the dialect lets such a task go.

        The last snapshot of lifecycle n is payload n of its type and state, so a lifecycle too depends on the seed and
        on n alone. A batch prediction shows in each poll the `last_update_time` of the poll before.

        Args:
            task_type: one of the dialect's types.
            outcome: the state to end in; `stuck` for a task that never ends, as after a crash of its node; `timed_out`
                for one that the server gave up on.
            n: which lifecycle, counted from 0; by default the next of this type and outcome.
            polls: how many polls see each state, or a mapping from state to polls; 0 lets a state pass unseen, as it
                does for a slow poller.
            lasts: ms that each state lasts, or a mapping from state to ms; by default drawn.
            stale_reads: whether each change is followed by one step back, as on two nodes.
            **overrides: keys with the values that they are to have, in every snapshot that has the key; `error`,
                `response`, `remote_job` and `last_update_time` are those of the last snapshot.

        Raises:
            ContradictionError: the dialect never shows that; the error names the rule.
            WrongUseError: a number of polls or ms is none, or a state is not on the way.

        Example:
            >>> life = TaskFactory(dialect="2.19").lifecycle("BATCH_PREDICTION", "CANCELLED")
            >>> [str(state) for state in life.states]
            ['RUNNING', 'CANCELLING', 'CANCELLED']
        """
        route = self._routes.get((task_type, outcome)) or self._route(task_type, outcome)
        given = self._given(overrides) if overrides else NOTHING
        number = self._lived.get(route, 0) if n is None else _number(n)
        bodies, tasks, times = route.make(number, given, polls, lasts)
        if given:
            for body in bodies:
                self._refuse_contradiction(body)
        if stale_reads:
            tasks, times = zip(*step_back(tasks, times), strict=True)
        if n is None:
            self._lived[route] = number + 1
        return Lifecycle(self._task_id(route.end.task_type, bodies[0]["create_time"]), tasks, times)

    def _route(self, task_type: TaskType | str, outcome: TaskState | str) -> Route:
        wanted = _word(TaskType, "task_type", task_type)
        kind = self.dialect.kinds.get(wanted)
        if kind is None:
            raise ContradictionError(str(unreachable(wanted, TaskState.CREATED, self.dialect)))
        if outcome == "timed_out" and kind.gives_up_after is None:
            raise ContradictionError(f"a {self.dialect.name} server never gives up on a {wanted} task")
        route = self._routes[task_type, outcome] = Route(outcome, kind, lambda state: self._plan(wanted, state))
        return route

    def coverage(self, *, pairwise: bool = False) -> list[Case]:
        """Make one payload of every combination that the dialect allows, in the vocabulary's order.

        A combination is a type, a state, a function, an input type and a set of optional keys. A case has a name that
        pytest shows, so one line parametrises a test:
        `@pytest.mark.parametrize("case", TaskFactory(dialect="3.6").coverage())`.

        Args:
            pairwise: few cases only, in which still every two values stand together that may do so.

        Example:
            >>> [str(case) for case in TaskFactory(dialect="2.17").coverage() if case.task_type == "BATCH_INGEST"]
            ['BATCH_INGEST-CREATED', 'BATCH_INGEST-COMPLETED', 'BATCH_INGEST-FAILED']
        """
        rows = list(wishes(self.dialect))
        if pairwise:
            rows = all_pairs(rows)
        made = bodies(self._plan, rows)
        return [Case(plan.validate(body), *row[2:]) for row, (plan, body) in zip(rows, made, strict=True)]

    def invalid(
        self,
        task_type: TaskType | str | None = None,
        state: TaskState | str | None = None,
        *,
        fault: str | None = None,
    ) -> list[InvalidBody]:
        """Make bodies with exactly one fault each, which says what `check` must find.

        Without a type and a state each fault comes once for each field, of the first payload that can have it; with
        them, every fault that such a payload can have.

        Args:
            task_type: one of the dialect's types.
            state: one of the states that the dialect shows.
            fault: a name of the catalogue; without it, all.

        Raises:
            WrongUseError: no fault has that name; the error names the nearest.

        Example:
            >>> bad = TaskFactory().invalid(fault="truncated")[0]
            >>> bad.code, bad.field, bad.body[:21]
            ('not_json', 'body', b'{"task_type":"TRAININ')
        """
        known = [name for name, _, _ in CATALOGUE]
        if fault is not None and fault not in known:
            from difflib import get_close_matches

            near = get_close_matches(fault, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            raise WrongUseError(f"there is no fault {fault!r:.60}; {hint}")
        everywhere = task_type is not None or state is not None
        return list(self._invalid(self._in_turn(task_type, state), fault, everywhere=everywhere))

    def _invalid(self, plans: list[Plan], wanted: str | None, *, everywhere: bool) -> Iterator[InvalidBody]:
        seen = set()
        for plan in plans:
            body = plan.make(0)[1]
            sound = Sound(plan, self.dialect, body, self._task_id(body["task_type"], body["create_time"]))
            for fault in CATALOGUE:
                if wanted in (None, fault[0]):
                    for bad in faulty(sound, fault):
                        if everywhere or (bad.fault, bad.field) not in seen:
                            seen.add((bad.fault, bad.field))
                            yield bad

    def started(self, task: Task) -> Answer:
        """Make the answer of the call that started a task: the id to poll, in the words of the dialect.

        Raises:
            ContradictionError: no call of the dialect starts such a task.

        Example:
            >>> factory = TaskFactory(dialect="3.6")
            >>> answer = factory.started(factory.build("TRAINING", "CREATED", function_name="KMEANS"))
            >>> answer.method, answer.path, list(answer.json())
            ('POST', '/_plugins/_ml/_train/kmeans?async=true', ['task_id', 'status'])
        """
        from mltask_fixtures.contract.answers import start_of
        from mltask_fixtures.factory import siblings

        start = start_of(task.task_type, self.dialect)
        if start is None:
            raise ContradictionError(f"no call to a {self.dialect.name} server starts a {task.task_type} task")
        model_id = task.model_id or self._task_id(f"model:{task.task_type}", task.create_time)
        return siblings.started(self.dialect, start, task, self.task_id(task), model_id)

    def trained(self, task: Task) -> Answer:
        """Make the answer of a training without `async=true`: the model at once, and no task.

        Args:
            task: what the training would have been as a task, COMPLETED.

        Raises:
            ContradictionError: the task is no training, or has not ended well.

        Example:
            >>> factory = TaskFactory()
            >>> answer = factory.trained(factory.build("TRAINING", "COMPLETED", function_name="KMEANS"))
            >>> answer.path, list(answer.json())
            ('/_plugins/_ml/_train/kmeans', ['model_id', 'status'])
        """
        from mltask_fixtures.factory import siblings

        if (task.task_type, task.state) != (TaskType.TRAINING, TaskState.COMPLETED):
            raise ContradictionError(f"a training answers at once as COMPLETED, not as {task.state} {task.task_type}")
        return siblings.trained(self.dialect, task)

    def search(self, *tasks: Task) -> Answer:
        """Make the answer of a search that found these tasks.

        Example:
            >>> factory = TaskFactory(dialect="3.6")
            >>> answer = factory.search(*factory.batch(2, "TRAINING", "COMPLETED"))
            >>> [hit["_source"]["state"] for hit in answer.json()["hits"]["hits"]]
            ['COMPLETED', 'COMPLETED']
        """
        from mltask_fixtures.factory import siblings

        for task in tasks:
            self._plan(task.task_type, task.state)
        return siblings.found(self.dialect, tasks, [self.task_id(task) for task in tasks])

    def profile(self, *tasks: Task) -> Answer:
        """Make the answer of `/profile/tasks`, which shows what runs: of these tasks, those that have not ended.

        The nodes' memory has each as RUNNING, with its id, whatever its document says.

        Raises:
            ContradictionError: a task that no node holds in memory.

        Example:
            >>> factory = TaskFactory(dialect="3.6")
            >>> factory.profile(factory.build("TRAINING", "COMPLETED")).body
            b'{}'
        """
        from mltask_fixtures.factory import siblings

        for task in tasks:
            if task.task_type in siblings.UNPROFILED or task.task_type not in self.dialect.kinds:
                raise ContradictionError(f"no profile of a {self.dialect.name} server shows a {task.task_type} task")
        return siblings.profiled(self.dialect, tasks, [self.task_id(task) for task in tasks])

    def deleted(self, task: Task) -> Answer:
        """Make the answer to the deletion of a task.

        Example:
            >>> factory = TaskFactory()
            >>> factory.deleted(factory.build("TRAINING", "COMPLETED")).json()["result"]
            'deleted'
        """
        from mltask_fixtures.factory import siblings

        self._plan(task.task_type, task.state)
        return siblings.deleted(self.dialect, task, self.task_id(task))

    def cancelled(self, task: Task) -> Answer:
        """Make the answer to the cancelling of a batch prediction; its state changes with a later poll only.

        Raises:
            ContradictionError: only a batch prediction can be cancelled.
        """
        from mltask_fixtures.factory import siblings

        if task.task_type is not TaskType.BATCH_PREDICTION or task.task_type not in self.dialect.kinds:
            raise ContradictionError(f"a {self.dialect.name} server cancels no {task.task_type} task")
        return siblings.cancelled(self.dialect, self.task_id(task))

    def errors(self, task: Task | None = None) -> list[Answer]:
        """Make every error answer of the dialect, each with the call that it answers, in a stable order.

        Args:
            task: whose id the calls name; by default the first payload of `stream`.

        Example:
            >>> [answer.status for answer in TaskFactory(dialect="2.8").errors() if answer.name == "task_not_found"]
            [500]
        """
        from mltask_fixtures.factory import siblings

        task = task or self.nth(0)
        return siblings.refused(self.dialect, self.task_id(task), self._task_id("model", task.create_time))

    def task_id(self, task: Task) -> str:
        """Give the id under which a server would answer with this payload; it is minted at `create_time`.

        Example:
            >>> from mltask_fixtures.contract import decode_document_id
            >>> factory = TaskFactory()
            >>> task = factory.build("TRAINING", "RUNNING")
            >>> decode_document_id(factory.task_id(task)).time == task.create_time
            True
        """
        return self._task_id(task.task_type, task.create_time)

    def _task_id(self, task_type: str, create_time: int) -> str:
        odd = self._ids.get(task_type)
        if odd is None:
            odd = self._ids[task_type] = Draws(self._key, f"task_id:{task_type}").numbers(0)[0] | 1
        number = create_time * odd  # its middle bits are as good as drawn
        return mint_document_id(
            create_time, number >> SEQUENCE & 0xFFFFFF, self._cluster[(number >> 32 & 0xFF) % NODES][1]
        )

    def _plan(self, task_type: TaskType | str, state: TaskState | str) -> Plan:
        try:
            return self._plans[task_type, state]
        except (KeyError, TypeError):  # not met before, or no text at all
            pair = _word(TaskType, "task_type", task_type), _word(TaskState, "state", state)
            if contradiction := unreachable(*pair, self.dialect):
                raise ContradictionError(str(contradiction)) from None
            plan = self._plans[pair] = Plan(self._key, self._cluster, self.dialect, pair, self._texts)
            return plan

    def _in_turn(self, task_type: TaskType | str | None, state: TaskState | str | None) -> list[Plan]:
        """Find the plans that take turns where a type or a state is left open."""
        if task_type is not None and state is not None:
            return [self._plan(task_type, state)]
        wanted_type = None if task_type is None else _word(TaskType, "task_type", task_type)
        wanted_state = None if state is None else _word(TaskState, "state", state)
        pairs = [
            pair for pair in self.dialect.pairs() if wanted_type in (None, pair[0]) and wanted_state in (None, pair[1])
        ]
        if not pairs:
            never = unreachable(wanted_type, TaskState.CREATED, self.dialect) if wanted_type else None
            raise ContradictionError(str(never or f"{self.dialect.name} shows no {wanted_state} task of any type"))
        return [self._plan(*pair) for pair in pairs]

    def _make(self, plan: Plan, n: int, given: Mapping[str, Any]) -> dict[str, Any]:
        body = plan.make(n, given)[1]
        if given:
            self._refuse_contradiction(body)
        return body

    def _refuse_contradiction(self, body: Mapping[str, Any]) -> None:
        if findings := check(body, self.dialect):
            raise ContradictionError(_contradictions(findings, self.dialect))

    def _lines(
        self,
        start: int,
        stop: int,
        task_type: TaskType | str | None,
        state: TaskState | str | None,
        overrides: TaskOverrides,
    ) -> Iterator[tuple[dict[str, Any], bytes]]:
        plans, given = self._in_turn(task_type, state), self._given(overrides)
        if _number(stop) < _number(start):
            raise WrongUseError(f"payloads {start} to {stop} cannot be made: the first comes after the last")
        turns = map(divmod, range(start, stop), repeat(len(plans)))
        return self._given_lines(plans, turns, given) if given else self._plain_lines(plans, turns)

    def _plain_lines(
        self, plans: list[Plan], turns: Iterable[tuple[int, int]]
    ) -> Iterator[tuple[dict[str, Any], bytes]]:
        for turn, which in turns:
            plan = plans[which]
            row, body, _ = plan.make(turn)
            plan.validate(body)
            yield body, plan.line(row, body)

    def _given_lines(
        self, plans: list[Plan], turns: Iterable[tuple[int, int]], given: Mapping[str, Any]
    ) -> Iterator[tuple[dict[str, Any], bytes]]:
        for turn, which in turns:
            body = self._make(plans[which], turn, given)
            plans[which].validate(body)
            yield body, f"{encode(body)}\n".encode()

    def _given(self, overrides: TaskOverrides) -> Mapping[str, Any]:
        _refuse_unknown(overrides)
        return {key: _as_wire(key, value, self.dialect) for key, value in overrides.items()}


def _number(n: Any) -> int:
    if type(n) is not int or n < 0:
        raise WrongUseError(f"there is no payload {n!r:.60}; they are counted from 0")
    return n


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
            from difflib import get_close_matches

            near = get_close_matches(key, [*sorted(known), "task_type", "state"], 1)
            hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(sorted(known))}"
            raise UnknownOverrideError(f"a task has no key {key!r}; {hint}")


def _contradictions(findings: list[Finding], dialect: Dialect) -> str:
    what = f"the overrides contradict the dialect {dialect.name}:"
    return "\n".join([what, *(f"  - {finding}" for finding in findings)])
