"""Strategies for hypothesis: tasks, lifecycles and invalid bodies that shrink to the simplest type and state.

They need the extra `hypothesis`. With hypothesis installed, `st.from_type(Task)` works without importing this module.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Unpack

from hypothesis import strategies as st

from mltask_fixtures.contract.task import WIRE_ORDER
from mltask_fixtures.factory.build import ContradictionError, TaskFactory, TaskOverrides
from mltask_fixtures.factory.invalid import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypothesis.strategies import SearchStrategy

    from mltask_fixtures.contract import Dialect, Task, TaskState, TaskType
    from mltask_fixtures.factory.invalid import InvalidBody
    from mltask_fixtures.factory.lifecycle import Lifecycle

_NUMBERS = st.integers(0, 2**48)
"""Which payload; the simplest is the first."""
_MOST_POLLS = 4


def tasks(
    dialect: Dialect | str = "documented",
    *,
    types: Iterable[TaskType | str] | None = None,
    states: Iterable[TaskState | str] | None = None,
    **overrides: Unpack[TaskOverrides],
) -> SearchStrategy[Task]:
    """Make tasks of a dialect; what fails shrinks to the first type and state that fail, and to payload 0.

    Args:
        dialect: a `Dialect` or its name.
        types: the types to make; all of the dialect by default.
        states: the states to make; all that the dialect shows by default.
        **overrides: keys of every task with the values that they are to have; see `TaskFactory.build`.

    Raises:
        ContradictionError: the dialect shows none of these.

    Example:
        >>> strategy = tasks("3.6", types=["TRAINING"], states=["FAILED"])
        >>> from hypothesis import find
        >>> str(find(strategy, lambda task: True).state)
        'FAILED'
    """
    factory = TaskFactory(dialect=dialect)
    pairs = _pairs(factory, types, states)
    return st.builds(lambda pair, n: factory.nth(n, *pair, **overrides), _one_of(pairs), _NUMBERS)


def lifecycles(
    dialect: Dialect | str = "documented",
    *,
    types: Iterable[TaskType | str] | None = None,
    outcomes: Iterable[TaskState | str] | None = None,
    stale_reads: bool | None = None,
    **overrides: Unpack[TaskOverrides],
) -> SearchStrategy[Lifecycle]:
    """Make lifecycles of a dialect, each state seen by 1 to 4 polls; they shrink to one poll of each.

    Args:
        dialect: a `Dialect` or its name.
        types: the types to make; all of the dialect by default.
        outcomes: the last states; all that the dialect shows by default.
        stale_reads: whether changes are followed by a step back; drawn by default.
        **overrides: see `TaskFactory.lifecycle`.

    Raises:
        ContradictionError: the dialect shows none of these.

    Example:
        >>> from hypothesis import find
        >>> str(find(lifecycles("3.6"), lambda life: life[-1].state == "FAILED").states[-1])
        'FAILED'
    """
    factory = TaskFactory(dialect=dialect)
    back = st.booleans() if stale_reads is None else st.just(stale_reads)
    return st.builds(
        lambda pair, n, polls, back: factory.lifecycle(*pair, n=n, polls=polls, stale_reads=back, **overrides),
        _one_of(_pairs(factory, types, outcomes)),
        _NUMBERS,
        st.integers(1, _MOST_POLLS),
        back,
    )


def invalid_bodies(
    dialect: Dialect | str = "documented",
    *,
    types: Iterable[TaskType | str] | None = None,
    states: Iterable[TaskState | str] | None = None,
    faults: Iterable[str] | None = None,
) -> SearchStrategy[InvalidBody]:
    """Make bodies with one fault each; they shrink to the first type, state and fault of the catalogue that fail.

    Args:
        dialect: a `Dialect` or its name.
        types: the types to spoil; all of the dialect by default.
        states: the states to spoil; all that the dialect shows by default.
        faults: names of the catalogue; all by default.

    Raises:
        ContradictionError: the dialect shows none of these.
        WrongUseError: no fault has that name.

    Example:
        >>> from hypothesis import find
        >>> str(find(invalid_bodies("3.6"), lambda bad: bad.fault == "html"))
        'TRAINING-CREATED-html-body'
    """
    factory = TaskFactory(dialect=dialect)
    wanted = [name for name, _, _ in CATALOGUE] if faults is None else list(faults)
    for fault in wanted if faults else ():
        factory.invalid(fault=fault)

    @cache
    def spoilt(pair: tuple[TaskType, TaskState]) -> dict[str, list[InvalidBody]]:
        bodies: dict[str, list[InvalidBody]] = {}
        for bad in factory.invalid(*pair):
            bodies.setdefault(bad.fault, []).append(bad)
        return bodies

    pairs = _pairs(factory, types, states)
    if faults is not None:
        pairs = [pair for pair in pairs if not spoilt(pair).keys().isdisjoint(wanted)]
        if not pairs:
            raise ContradictionError(f"no {factory.dialect.name} task of these can have one of {', '.join(wanted)}")
    drawn = st.tuples(_one_of(pairs), st.sampled_from(wanted)).filter(lambda drawn: drawn[1] in spoilt(drawn[0]))

    def pick(drawn: tuple[tuple[TaskType, TaskState], str], which: int) -> InvalidBody:
        bodies = spoilt(drawn[0])[drawn[1]]
        return bodies[which % len(bodies)]  # always one draw: fewer would pass for simpler than an earlier fault

    return st.builds(pick, drawn, st.integers(0, len(WIRE_ORDER)))


def _pairs(
    factory: TaskFactory, types: Iterable[TaskType | str] | None, states: Iterable[TaskState | str] | None
) -> list[tuple[TaskType, TaskState]]:
    shown = factory.dialect.pairs()
    only_types, only_states = (None if wanted is None else set(wanted) for wanted in (types, states))
    pairs = [
        (task_type, state)
        for task_type, state in shown
        if (only_types is None or task_type in only_types) and (only_states is None or state in only_states)
    ]
    if not pairs:
        raise ContradictionError(f"{factory.dialect.name} shows no task of these types and states")
    return pairs


def _one_of(pairs: list[tuple[TaskType, TaskState]]) -> SearchStrategy[tuple[TaskType, TaskState]]:
    """Draw type and state apart from each other, so that each of them shrinks while the other stays."""
    types, states = (st.sampled_from(list(dict.fromkeys(words))) for words in zip(*pairs, strict=True))
    return st.tuples(types, states).filter(pairs.__contains__)
