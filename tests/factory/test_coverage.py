"""`coverage` makes every combination that a dialect allows, once."""

from __future__ import annotations

from itertools import combinations

import pytest

from mltask_fixtures import DIALECTS, TaskFactory, check


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_combination_is_there_once_and_valid(dialect):
    """Each pair with each function that the line knows; each payload has what its case says and agrees with the dialect."""
    cases = TaskFactory(dialect=dialect).coverage()
    rules = DIALECTS[dialect]
    wanted = {
        (task_type, state, function)
        for task_type, state in rules.pairs()
        for function in [name for name in rules.kinds[task_type].functions if name in rules.functions] or [None]
    }
    assert {(case.task_type, case.state, case.function) for case in cases} == wanted
    assert len({str(case) for case in cases}) == len(cases)
    for case in cases:
        assert case.task.function_name == case.function
        assert case.task.input_type == case.input_type
        assert check(case.task, dialect) == []
        body = case.task.model_dump()
        optional = set(rules.kinds[case.task_type].optional) - set(rules.kinds[case.task_type].states[case.state])
        assert {key for key in optional if key in body} == set(case.optional)


def test_the_size_and_the_order():
    """The documentation allows 20 functions in 99 pairs, and six input types where it has them; the order is stable."""
    cases = TaskFactory().coverage()
    assert len(cases) == 9 * 20 * (9 + 2 * 6)
    assert [str(case) for case in cases] == [str(case) for case in TaskFactory(7).coverage()]
    assert str(TaskFactory(dialect="2.19").coverage()[1]) == "TRAINING-CREATED-KMEANS-SEARCH_QUERY+tenant_id"


def _pairs(case):
    values = (case.task_type, case.state, case.function, case.input_type, "tenant_id" in case.optional)
    return set(combinations(enumerate(values), 2))


@pytest.mark.parametrize("dialect", ["documented", "1.3", "2.17", "3.0", "3.6"])
def test_pairwise_has_every_pair_in_few_cases(dialect):
    """Every two values that stand together in some case stand together in a chosen one."""
    factory = TaskFactory(dialect=dialect)
    every, few = factory.coverage(), factory.coverage(pairwise=True)
    assert set().union(*map(_pairs, few)) == set().union(*map(_pairs, every))
    assert len(few) < len(every)
    assert {str(case) for case in few} <= {str(case) for case in every}
    if dialect == "documented":
        assert len(few) <= 320


@pytest.mark.parametrize("case", TaskFactory(dialect="1.3").coverage()[:3])
def test_a_case_names_its_parameter(case, request):
    """One line parametrises a test, and the ids can be read."""
    assert request.node.callspec.id == str(case)
    assert str(case).startswith("TRAINING-CREATED-")
