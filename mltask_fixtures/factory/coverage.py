"""Every valid payload of a dialect, once: each type, state, function, input type and set of optional keys."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import combinations, groupby, product
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from mltask_fixtures.contract import FunctionName, InputType, Task, TaskState, TaskType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mltask_fixtures.contract import Dialect
    from mltask_fixtures.factory.plan import Plan

_OPTIONAL = {"tenant_id": "a-tenant", "response": {}}
"""What an optional key holds where it is there."""


@dataclass(frozen=True, slots=True)
class Case:
    """One combination that a dialect allows, and a payload of it; pytest shows its name as the parameter's id."""

    task: Task
    function: FunctionName | None
    input_type: InputType | None
    optional: tuple[str, ...]
    """The optional keys that the payload has."""

    @property
    def task_type(self) -> TaskType:
        """The payload's type."""
        return self.task.task_type

    @property
    def state(self) -> TaskState:
        """The payload's state."""
        return self.task.state

    @property
    def __name__(self) -> str:
        """The combination in one word, such as `TRAINING-FAILED-KMEANS-DATA_FRAME+tenant_id`."""
        words = (self.task_type, self.state, self.function, self.input_type)
        return "+".join(["-".join(word for word in words if word), *self.optional])

    def __str__(self) -> str:
        """Give the name."""
        return self.__name__


Wish = tuple[TaskType, TaskState, FunctionName | None, InputType | None, tuple[str, ...]]
"""One combination before its payload is made."""


def wishes(dialect: Dialect) -> Iterator[Wish]:
    """Go through all combinations in the vocabulary's order.

    Example:
        >>> from mltask_fixtures import DIALECTS
        >>> len(list(wishes(DIALECTS["1.3"])))
        48
    """
    for task_type, state in dialect.pairs():
        kind = dialect.kinds[task_type]
        optional = [key for key in kind.optional if key not in kind.states[state]]
        sets = [chosen for size in range(len(optional) + 1) for chosen in combinations(optional, size)]
        known: list[FunctionName | None] = [name for name in kind.functions if name in dialect.functions]
        functions = known if "function_name" in kind.keys and known else [None]
        inputs = kind.input_types if "input_type" in kind.keys and kind.input_types else (None,)
        for function, input_type, chosen in product(functions, inputs, sets):
            yield task_type, state, function, input_type, chosen


def bodies(
    plan_of: Callable[[TaskType, TaskState], Plan], rows: Iterable[Wish]
) -> Iterator[tuple[Plan, dict[str, Any]]]:
    """Make the body of each combination, not yet checked; those of one type and state are one payload, varied."""
    for (task_type, state), same in groupby(rows, key=itemgetter(0, 1)):
        plan = plan_of(task_type, state)
        row, body, number = plan.make(0)
        for _, _, function, input_type, optional in same:
            given: dict[str, Any] = {key: _OPTIONAL[key] for key in optional}
            if function:
                given["function_name"] = function.value
            if input_type:
                given["input_type"] = input_type.value
            if optional:
                yield plan, plan.with_given((row, body.copy(), number), given)[1]
            else:
                yield plan, {**body, **given, "is_async": plan.is_async(function)}


def all_pairs(rows: Sequence[Wish]) -> list[Wish]:
    """Choose few of the rows so that every two values that stand together somewhere stand together in a chosen one.

    Greedy: the row with the most new pairs first; what a row gains can only fall, so few rows are looked at again.
    """
    values = [[*row[:4], *((key, key in row[4]) for key in _OPTIONAL)] for row in rows]
    pairs = [frozenset(combinations(enumerate(row), 2)) for row in values]
    missing = set().union(*pairs)
    heap = [(-len(pair), number) for number, pair in enumerate(pairs)]
    heapify(heap)
    chosen = []
    while missing:
        _, number = heappop(heap)
        gain = len(pairs[number] & missing)
        if heap and -gain > heap[0][0]:
            if gain:
                heappush(heap, (-gain, number))
            continue
        chosen.append(number)
        missing -= pairs[number]
    return [rows[number] for number in sorted(chosen)]
