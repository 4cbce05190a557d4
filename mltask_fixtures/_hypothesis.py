"""What hypothesis loads from us when it is imported: `st.from_type(Task)`, at no cost until it is used."""

from __future__ import annotations

import sys
from typing import Any


def register() -> None:
    """Tell hypothesis how to make tasks, as soon as both it and the models are loaded.

    Hypothesis calls this at the end of its own import; the package does when it loads its models later than that.
    """
    if "mltask_fixtures.contract.task" not in sys.modules:
        return
    from hypothesis import strategies as st

    from mltask_fixtures.contract.task import KINDS, Task

    st.register_type_strategy(Task, _tasks)
    for kind in KINDS.values():
        st.register_type_strategy(kind, _tasks)


def _tasks(kind: Any) -> Any:
    from mltask_fixtures.contract.task import KINDS
    from mltask_fixtures.factory.strategies import tasks

    return tasks(types=[task_type for task_type, model in KINDS.items() if issubclass(model, kind)])
