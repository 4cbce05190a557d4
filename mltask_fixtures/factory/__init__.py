"""Task payloads, valid by construction and the same for the same seed."""

from mltask_fixtures.factory.build import ContradictionError, TaskFactory, TaskOverrides, UnknownOverrideError

__all__ = ["ContradictionError", "TaskFactory", "TaskOverrides", "UnknownOverrideError"]
