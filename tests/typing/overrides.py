"""What a type checker must accept and must refuse; `test_typing.py` holds mypy and pyright to the marks."""

from __future__ import annotations

from mltask_fixtures import FunctionName, Lifecycle, Task, TaskFactory

factory = TaskFactory(seed=1, dialect="3.6")
task: Task = factory.build("TRAINING", "FAILED", error="no such index", function_name=FunctionName.KMEANS)
tasks: list[Task] = factory.batch(3, "TRAINING", "RUNNING", tenant_id=None, worker_node=["54xOe0w8Qjyze00UuLDfdA"])
life: Lifecycle = factory.lifecycle("TRAINING", "COMPLETED", polls={"RUNNING": 2}, lasts=100, create_time=1767030135771)
first: Task = life[0]
lines: list[bytes] = list(factory.ndjson(0, 3, "TRAINING", is_async=True))

factory.build("TRAINING", "FAILED", eror="no such index")  # refused: misspelt
factory.build("TRAINING", "FAILED", statee="FAILED")  # refused: unknown
factory.build("TRAINING", "FAILED", create_time="yesterday")  # refused: impossible
factory.build("TRAINING", "FAILED", is_async="yes")  # refused: impossible
factory.nth(0, "TRAINING", "FAILED", worker_node=7)  # refused: impossible
factory.stream("TRAINING", eror="no such index")  # refused: misspelt
factory.lifecycle("TRAINING", "FAILED", poll=3)  # refused: misspelt
factory.lifecycle("TRAINING", "FAILED", error=404)  # refused: impossible
factory.batch("3", "TRAINING", "FAILED")  # refused: no number
