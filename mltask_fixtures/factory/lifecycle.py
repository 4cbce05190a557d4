"""One task over time: what polls see of it from its creation to its end, as a dialect lets a task go."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, TypeAlias, overload

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.contract import Kind, Task, TaskState
from mltask_fixtures.contract.check import unknown_word
from mltask_fixtures.contract.task import WIRE_ORDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mltask_fixtures.factory.plan import Made, Plan

PerState: TypeAlias = int | Mapping[str, int]
"""One number for all states, or one for each."""

_BETWEEN_POLLS: Final = 1_000
"""Ms between two polls of a task that has ended."""
_TEXTS: Final = frozenset({"error", "remote_job", "response"})
"""Keys that say how a task stands: given ones are those of the outcome."""
_STALE: Final = 50
"""Ms at most for which the older of two nodes was seen to lag behind."""


@dataclass(frozen=True)
class Lifecycle(Sequence[Task]):
    """The snapshots of one task in the order in which polls see them; the last one holds.

    Example:
        >>> from mltask_fixtures import TaskFactory
        >>> life = TaskFactory(dialect="3.6").lifecycle("DEPLOY_MODEL", "COMPLETED", polls={"RUNNING": 2})
        >>> [str(task.state) for task in life]
        ['CREATED', 'RUNNING', 'RUNNING', 'COMPLETED']
        >>> life.at(0).state, life.at(60_000).state
        (<TaskState.CREATED: 'CREATED'>, <TaskState.COMPLETED: 'COMPLETED'>)
    """

    task_id: str
    """The id to poll; it is minted at `create_time`."""
    snapshots: tuple[Task, ...]
    """What each poll sees."""
    times: tuple[int, ...]
    """When each snapshot is seen first, in ms since `create_time`; never decreasing."""

    @property
    def states(self) -> tuple[TaskState, ...]:
        """The state of each snapshot."""
        return tuple(task.state for task in self.snapshots)

    def at(self, ms: int) -> Task:
        """Give what a poll sees at a time.

        Args:
            ms: since `create_time`; before 0 there is nothing but the first snapshot.
        """
        return self.snapshots[max(bisect_right(self.times, ms) - 1, 0)]

    def __len__(self) -> int:
        """Count the polls until the last snapshot."""
        return len(self.snapshots)

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Task, ...]: ...
    def __getitem__(self, index: int | slice) -> Task | tuple[Task, ...]:
        """Give what one poll sees, counted from 0, or several."""
        return self.snapshots[index]

    def __iter__(self) -> Iterator[Task]:
        """Go through what the polls see."""
        return iter(self.snapshots)


class Route:
    """The way of a task to one outcome: the plans of the states that it goes through."""

    def __init__(self, outcome: str, kind: Kind, plan_of: Callable[[str], Plan]) -> None:
        """Find the way in the dialect's table.

        Raises:
            ContradictionError: the dialect never shows a task of this kind so.
        """
        self.given_up = outcome == "timed_out"
        self.end = plan_of(_last_state(outcome, kind))
        self.path = kind.path(self.end.state)
        self.plans = (*map(plan_of, self.path[:-1]), self.end)
        self._gone = {plan: tuple(key for key in self.end.keys if key not in plan.known) for plan in self.plans}
        self._seen = [int(state not in kind.seldom or state is self.end.state) for state in self.path]
        self._patience = 1_000 * (kind.gives_up_after or 0) if self.given_up else 0

    def make(
        self, n: int, given: Mapping[str, Any], polls: PerState, lasts: PerState | None
    ) -> tuple[list[dict[str, Any]], list[Task], list[int]]:
        """Make the bodies that polls see, their snapshots, and when each is seen first, in ms since the creation."""
        if self.given_up and "error" in self.end.keys:
            given = {"error": f"timeout after {self._patience // 1_000} seconds", **given}
        counts = self._seen if polls == 1 else _per_state("polls", polls, self.path, self._seen)
        if counts[-1] < 1:
            raise WrongUseError(f"polls: {self.end.state}, the last state, has to be seen once at least")
        made = self.end.make(n, given)
        create, lasted = made[1]["create_time"], made[1]["last_update_time"] - made[1]["create_time"]
        lasting = self._pace(made[2], lasted)
        if lasts is not None:
            lasting = _per_state("lasts", lasts, self.path, lasting)
        begins = list(accumulate(lasting, initial=0))
        if begins[-2] != lasted:
            made = self.end.make(n, {**given, "create_time": create, "last_update_time": create + begins[-2]})
        return self._polled(made, given, counts, begins)

    def _pace(self, seed: int, lasted: int) -> list[int]:
        """Share the ms that a task lasted out among the states before its end; a poll later the end is seen again."""
        durations = []
        for _ in self.path[2:]:
            seed, cut = divmod(seed, 450)
            durations.append(lasted * (50 + cut) // 1_000)
            lasted -= durations[-1]
        return [*durations, lasted + self._patience, _BETWEEN_POLLS][-len(self.path) :]

    def _polled(
        self, made: Made, given: Mapping[str, Any], counts: Sequence[int], begins: Sequence[int]
    ) -> tuple[list[dict[str, Any]], list[Task], list[int]]:
        row, end, number = made
        create = end["create_time"]
        late = self.end.kind.update_lags and "last_update_time" not in given
        bodies: list[dict[str, Any]] = []
        tasks: list[Task] = []
        times: list[int] = []
        for plan, polls, begin, until in zip(self.plans, counts, begins, begins[1:], strict=False):
            body = end
            if plan is not self.end:
                body = _earlier(plan, end, end.keys() - plan.known if given else self._gone[plan])
                body["last_update_time"] = create + begin
                if plan.shows_texts:
                    plan.with_texts((row, body, number))
            for poll in range(polls):
                if late:  # the server shows what the poll before wrote
                    body = {**body, "last_update_time": create + (times[-1] if times else 0)}
                if late or not poll:
                    tasks.append(plan.validate(body))
                    bodies.append(body)
                else:
                    tasks.append(tasks[-1])
                times.append(begin + (until - begin) * poll // polls)
        return bodies, tasks, times


def _last_state(outcome: str, kind: Kind) -> str:
    if outcome == "stuck":
        waiting = (TaskState.RUNNING, TaskState.CREATED)
        return next(state for state in waiting if state in kind.states and state not in kind.seldom)
    return TaskState.FAILED if outcome == "timed_out" else outcome


def _earlier(plan: Plan, end: dict[str, Any], gone: Iterable[str]) -> dict[str, Any]:
    """Give what a task shows in a state before its end; texts are still to be written."""
    body = end.copy()
    for name in gone:
        del body[name]
    body["state"] = plan.state.value
    if plan.shows_texts:
        body.update(dict.fromkeys(_TEXTS.intersection(plan.keys)))
        return {name: body[name] for name in WIRE_ORDER if name in body}
    return body


def _per_state(what: str, said: PerState, path: Sequence[TaskState], default: Sequence[int]) -> list[int]:
    """Give the number for each state of a path; one for all leaves out the states that are seldom seen."""
    given = said if isinstance(said, Mapping) else dict.fromkeys(path, said)
    for state, number in given.items():
        if state not in path:
            known = state in {*TaskState}
            why = f"this task goes through {', '.join(path)}" if known else str(unknown_word("state", state))
            raise WrongUseError(f"{what}: there is no {state!r:.60}; {why}")
        if type(number) is not int or number < 0:
            raise WrongUseError(f"{what}: {number!r:.60} for {state} is no whole number from 0")
    if isinstance(said, Mapping):
        return [said.get(state, usual) for state, usual in zip(path, default, strict=True)]
    return [said if usual else 0 for usual in default] if what == "polls" else [said for _ in path]


def step_back(tasks: Sequence[Task], times: Sequence[int]) -> Iterator[tuple[Task, int]]:
    """Let every change of the state be seen, then once more the snapshot before it, then the change again.

    So it is on two nodes, of which one answers from a copy that lags behind; windows of 3 to 100 ms were seen.
    """
    for number, (task, time) in enumerate(zip(tasks, times, strict=True)):
        yield task, time
        if number and tasks[number - 1].state is not task.state:
            room = times[number + 1] - time if number + 1 < len(times) else _STALE * 2
            window = min(_STALE, room // 2)
            yield tasks[number - 1], time + window // 2
            yield task, time + window
