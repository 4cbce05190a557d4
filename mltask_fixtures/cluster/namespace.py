"""A network of our own: a network namespace in which there is loopback and nothing else.

ML Commons refuses loopback and private addresses to some of its calls. 192.0.2.10, an address that RFC 5737 keeps for
documentation, is refused to none, and in a namespace of our own it can lie on loopback: nothing sent to it, nor to any
other address, can leave.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mltask_fixtures._errors import OutsideError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ADDRESS = "192.0.2.10"
"""What stands for a remote service in there."""
PORT = 8080
"""The port that this service has."""
JAVA_OPTIONS = (f"-Daws.endpointUrlS3=http://{ADDRESS}:{PORT}",)
"""What makes a node in there take that service for the store of objects that a batch ingestion reads from."""

_PREFIX = "mltask-"
_MAIN = "from mltask_fixtures.cli import main; main()"
_OURS = "mltask-fixtures: "


class InsideError(OutsideError):
    """One of our commands failed in a network of its own.

    Attributes:
        out: what it had written to stdout.
        code: its exit code.
    """

    def __init__(self, text: str, out: str, code: int) -> None:
        """Take its last words."""
        self.out, self.code = out, code
        super().__init__(text)


def missing() -> str:
    """Say why there can be no such network here; "" if there can.

    Example:
        >>> isinstance(missing(), str)
        True
    """
    if not sys.platform.startswith("linux"):
        return "network namespaces are a thing of Linux"
    if os.geteuid() != 0:
        return "a network namespace needs root"
    if _ip() is None:
        return "a network namespace needs `ip` (apt install iproute2)"
    return ""


def make(cluster: str) -> str:
    """Make the network of this cluster, with `ADDRESS` on its loopback.

    Returns:
        Its name.

    Raises:
        OutsideError: it cannot be made here.
    """
    if why := missing():
        raise OutsideError(f"an isolated cluster cannot be put up here: {why}.")
    name = _PREFIX + cluster
    remove(name)  # left by one that was killed
    try:
        _run("netns", "add", name)
        _run("-n", name, "link", "set", "lo", "up")
        _run("-n", name, "addr", "add", f"{ADDRESS}/32", "dev", "lo")
    except OutsideError:
        remove(name)
        raise
    return name


def remove(name: str) -> None:
    """Remove this network, if it is there and ours."""
    if name.startswith(_PREFIX) and _ip() is not None and Path("/run/netns", name).exists():
        with suppress(OutsideError):
            _run("netns", "delete", name)


def inside() -> bool:
    """Whether this process has loopback and no other interface, and `ADDRESS` on it."""
    import socket

    try:
        interfaces = [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]
    except OSError:
        return False
    if interfaces != ["lo"]:
        return False
    with socket.socket() as probe:
        try:
            probe.bind((ADDRESS, 0))
        except OSError:
            return False
    return True


def refuse_outside(network: str) -> None:
    """See that this process really is in that network.

    Raises:
        WrongUseError: it is not: what was to stay on this computer could leave it.
    """
    if not inside():
        raise WrongUseError(
            f"this process is not inside the network {network!r} of an isolated cluster: "
            "it sees interfaces beside loopback. Take --isolated, which enters it."
        )


def run_inside(name: str, words: Sequence[str], *, say: Callable[[str], None]) -> str:
    """Run one of our own commands in this network.

    Args:
        name: of the network.
        words: of the command.
        say: told each line that the command writes to stderr.

    Returns:
        What it wrote to stdout.

    Raises:
        InsideError: it failed; the text is the command's own last one.
    """
    command = [str(_ip()), "netns", "exec", name, sys.executable, "-c", _MAIN, *words]
    with subprocess.Popen(  # noqa: S603 - our own program
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - pipes were asked for above
        assert process.stderr is not None  # noqa: S101
        try:
            last = ""
            for line in process.stderr:
                if last:
                    say(last)
                last = line.rstrip("\n")
            out = process.stdout.read()
        except BaseException:  # Ctrl-C is ours alone, for it has a session of its own: let it tidy up as well
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
    if process.returncode:
        raise InsideError(last.removeprefix(_OURS) or f"{words[0]} failed in {name}", out, process.returncode)
    if last:
        say(last)
    return out


def _ip() -> str | None:
    return shutil.which("ip", path=os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin" + os.pathsep + "/sbin")


def _run(*words: str) -> None:
    done = subprocess.run(  # noqa: S603 - the system's own `ip`
        [str(_ip()), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OutsideError(f"`ip {' '.join(words)}` failed: {done.stderr.strip()}")
