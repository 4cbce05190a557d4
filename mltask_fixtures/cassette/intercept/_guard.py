"""The last fence: while a recording is replayed, no connection leaves the process, whatever made it."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from mltask_fixtures._errors import MLTaskFixturesError
from mltask_fixtures.cassette.intercept import current

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from mltask_fixtures.cassette.intercept import Replacement


class NetworkBlockedError(MLTaskFixturesError, ConnectionError):
    """Something tried to connect while a recording was replayed."""


def replacements(module: ModuleType) -> Iterator[Replacement]:
    """Stand in place of connecting a socket."""
    internet = (module.AF_INET, module.AF_INET6)
    yield module.socket, "connect", lambda original: _connect(original, internet)
    yield module.socket, "connect_ex", lambda original: _connect(original, internet)


def _connect(original: Any, internet: tuple[int, ...]) -> Any:
    @wraps(original)
    def connect(sock: Any, address: Any) -> Any:
        cassette = current()
        if cassette is None or not cassette.write_protected or sock.family not in internet:
            return original(sock, address)
        if address[0] in cassette.allowed_hosts:
            return original(sock, address)
        raise NetworkBlockedError(
            f"a connection to {address[0]} port {address[1]} was refused: the recording {cassette.path} is being "
            "replayed, and nothing reaches the network then. A client that the replay does not know may have asked; "
            "allowed_hosts= lets a host through"
        )

    return connect
