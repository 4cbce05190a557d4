"""One task over time: what polls see of it from its creation to its end, as a dialect lets a task go."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final, TypeAlias, overload

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.contract import Kind, Task, TaskState
from mltask_fixtures.contract.check import unknown_word
from mltask_fixtures.contract.task import WIRE_ORDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mltask_fixtures.factory.plan import Made, Plan

PerState: TypeAlias = int | Mapping[str, int]
"""One number for all states, or one for each."""

_BETWEEN_POLLS: Final = 1_000
"""Ms between two polls of a task that has ended."""
_TEXTS: Final = frozenset({"error", "remote_job", "response"})
"""Keys that say how a task stands: given ones are those of the outcome."""
_STALE: Final = 50
"""Ms at most for which the older of two nodes was seen to lag behind."""


@dataclass(frozen=True, init=False)
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

    def __init__(self, task_id: str, snapshots: tuple[Task, ...], times: tuple[int, ...]) -> None:
        """Take all three at once, at half the cost of what a frozen dataclass does."""
        self.__dict__.update(task_id=task_id, snapshots=snapshots, times=times)

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
        self.end = plan_of(_last_state(outcome, kind))
        self.path = kind.path(self.end.state)
        self.plans = (*map(plan_of, self.path[:-1]), self.end)
        self._before = [
            (plan, [key for key in self.end.keys if key not in plan.known], plan.state.value)
            for plan in self.plans[:-1]
        ]
        self._between = self.path[1:-1]
        self._seen = [int(state not in kind.seldom or state is self.end.state) for state in self.path]
        self._lags = kind.update_lags
        self._plain = not self._lags and all(self._seen)
        self._patience = 1_000 * (kind.gives_up_after or 0) if outcome == "timed_out" else 0
        self._given_up = self._patience and "error" in self.end.keys

    def make(
        self, n: int, given: Mapping[str, Any], polls: PerState, lasts: PerState | None
    ) -> tuple[list[dict[str, Any]], tuple[Task, ...], tuple[int, ...]]:
        """Make the bodies that polls see, their snapshots, and when each is seen first, in ms since the creation."""
        if self._given_up:
            given = {"error": f"timeout after {self._patience // 1_000} seconds", **given}
        made = _, end, number = self.end.make(n, given)
        create = end["create_time"]
        lasted = end["last_update_time"] - create
        begins = self._begins(number, lasted)
        if lasts is not None:
            lasting = [until - begin for begin, until in pairwise(begins)]
            begins = list(accumulate(_per_state("lasts", lasts, self.path, lasting), initial=0))
        if begins[-2] != lasted:
            made = self.end.make(n, {**given, "create_time": create, "last_update_time": create + begins[-2]})
        bodies = self._bodies(made, begins, given)
        if polls == 1 and self._plain:
            return bodies, tuple(map(self.end.validate, bodies)), tuple(begins[:-1])
        counts = self._seen if polls == 1 else _per_state("polls", polls, self.path, self._seen)
        if counts[-1] < 1:
            raise WrongUseError(f"polls: {self.end.state}, the last state, has to be seen once at least")
        often = list(zip(counts, bodies, pairwise(begins), strict=True))
        times = tuple(
            begin + (until - begin) * poll // polls for polls, _, (begin, until) in often for poll in range(polls)
        )
        bodies = [body for polls, body, _ in often for _ in range(polls)]
        if self._lags and "last_update_time" not in given:  # a poll shows what the one before wrote
            wrote = [create, *(create + time for time in times)]
            bodies = [{**body, "last_update_time": last} for body, last in zip(bodies, wrote, strict=False)]
        return bodies, tuple(map(self.end.validate, bodies)), times

    def _begins(self, seed: int, lasted: int) -> list[int]:
        """Share the ms that a task lasted out among its states; a poll after its end that is seen again."""
        begins, rest = [0], lasted
        for _ in self._between:
            seed, cut = divmod(seed, 450)
            rest -= rest * (50 + cut) // 1_000
            begins.append(lasted - rest)
        if self._before:
            begins.append(lasted + self._patience)
        begins.append(begins[-1] + _BETWEEN_POLLS)
        return begins

    def _bodies(self, made: Made, begins: Sequence[int], given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Give what the task shows in each state of its path."""
        row, end, number = made
        create, bodies = end["create_time"], []
        for (plan, gone, state), begin in zip(self._before, begins, strict=False):
            body = end.copy()
            for name in end.keys() - plan.known if given else gone:
                del body[name]
            body["state"], body["last_update_time"] = state, create + begin
            if plan.shows_texts:
                body.update(dict.fromkeys(_TEXTS.intersection(plan.keys)))
                body = {name: body[name] for name in WIRE_ORDER if name in body}
                plan.with_texts((row, body, number))
            bodies.append(body)
        bodies.append(end)
        return bodies


def _last_state(outcome: str, kind: Kind) -> str:
    if outcome == "stuck":
        waiting = (TaskState.RUNNING, TaskState.CREATED)
        return next(state for state in waiting if state in kind.states and state not in kind.seldom)
    return TaskState.FAILED if outcome == "timed_out" else outcome


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
