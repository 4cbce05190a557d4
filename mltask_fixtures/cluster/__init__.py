"""A real OpenSearch with ML Commons on this computer, and the scenarios that are recorded from one.

Starting a cluster needs the extra `cluster`; recording from one that runs needs nothing more than the package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from mltask_fixtures._errors import OutsideError

if TYPE_CHECKING:
    from mltask_fixtures.cluster.clusters import ANY_PORT, Status, isolated, logs, restart, start, status, stop
    from mltask_fixtures.cluster.node import Node
    from mltask_fixtures.cluster.report import Report
    from mltask_fixtures.cluster.served import Served, versions
    from mltask_fixtures.cluster.servers import NEWEST, SERVERS, Server

__all__ = [
    "ANY_PORT",
    "NEWEST",
    "SERVERS",
    "Node",
    "Report",
    "Served",
    "Server",
    "Status",
    "isolated",
    "logs",
    "restart",
    "start",
    "status",
    "stop",
    "versions",
]

_HOMES = {
    **dict.fromkeys(("NEWEST", "SERVERS", "Server"), "servers"),
    **dict.fromkeys(("ANY_PORT", "Status", "isolated", "logs", "restart", "start", "status", "stop"), "clusters"),
    **dict.fromkeys(("Served", "versions"), "served"),
    "Node": "node",
    "Report": "report",
}
_EXTRA = {"filelock", "platformdirs", "psutil"}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as missing:
        if missing.name not in _EXTRA:
            raise
        raise OutsideError(
            f'starting a cluster needs the Python package {missing.name}: pip install "mltask-fixtures[cluster]"',
        ) from missing
    return getattr(module, name)
