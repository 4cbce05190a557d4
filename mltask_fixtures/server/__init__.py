"""The same answers over HTTP, for clients in other processes and languages."""

from mltask_fixtures.server.answers import Received
from mltask_fixtures.server.task_server import TaskServer

__all__ = ["Received", "TaskServer"]
