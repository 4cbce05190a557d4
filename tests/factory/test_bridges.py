"""Users of polyfactory and factory_boy take our payloads in two lines."""

from __future__ import annotations

import factory
from polyfactory.factories.pydantic_factory import ModelFactory
from pydantic import BaseModel

from mltask_fixtures import Task, TaskFactory, check


def test_polyfactory():
    """A model with a field of type Task gets payloads of ours."""

    class Job(BaseModel):
        name: str
        task: Task

    ModelFactory.add_provider(Task, TaskFactory(dialect="3.6").stream().__next__)
    jobs_of = ModelFactory.create_factory(Job)
    jobs = jobs_of.batch(5)
    assert all(check(job.task, "3.6") == [] for job in jobs)
    assert len({job.task.model_dump_json() for job in jobs}) == 5
    assert jobs_of.build(task=jobs[0].task).task is not None


def test_factory_boy():
    """A Factory's build is ours, its overrides are honest ones."""
    tasks = TaskFactory(dialect="3.6")

    class FailedTraining(factory.Factory):
        class Meta:
            model = tasks.build

        task_type, state = "TRAINING", "FAILED"

    assert FailedTraining().state == "FAILED"
    assert FailedTraining(error="no such index").error == "no such index"
    assert len(FailedTraining.build_batch(3)) == 3
