"""Task payloads, valid by construction and the same for the same seed."""

from mltask_fixtures.factory.build import ContradictionError, TaskFactory, TaskOverrides, UnknownOverrideError
from mltask_fixtures.factory.lifecycle import Lifecycle

__all__ = ["ContradictionError", "Lifecycle", "TaskFactory", "TaskOverrides", "UnknownOverrideError"]
