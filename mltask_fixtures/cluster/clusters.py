"""Put up clusters by name, say how they are, take them down: several side by side, of one or more nodes each."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mltask_fixtures._errors import OutsideError, WrongUseError
from mltask_fixtures.cluster import namespace, servers
from mltask_fixtures.cluster.home import home, locked, prepare_home
from mltask_fixtures.cluster.install import install, installed
from mltask_fixtures.cluster.java import find_java
from mltask_fixtures.cluster.node import (
    Node,
    Plan,
    answers,
    check_port,
    crash,
    end,
    free_ports,
    is_free,
    launch,
    relaunch,
    remembered,
    wait,
)
from mltask_fixtures.cluster.report import SILENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mltask_fixtures.cluster.report import Report

DEFAULT_PORT = 9200
ANY_PORT = 0

MOST_NODES = 5

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}")
_MORE = "@"  # between a cluster's name and a node's number; no name has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How one cluster, or a server version without one, is doing on this computer.

    Args:
        name: of the cluster, "" where there is none.
        server: the version of OpenSearch.
        state: `absent`, `installed`, `starting` (runs, does not answer yet), `running`, or `isolated` (runs in a
            network of its own, where it cannot be asked from here).
        nodes: what runs, the first node first.
        folder: where the server is or would be installed.
    """

    name: str
    server: str
    state: str
    nodes: tuple[Node, ...]
    folder: str

    @property
    def node(self) -> Node | None:
        """The first node, if the cluster runs."""
        return self.nodes[0] if self.nodes else None


def start(
    version: str = servers.NEWEST,
    *,
    name: str | None = None,
    port: int | None = None,
    nodes: int = 1,
    settings: Sequence[Mapping[str, Any]] = (),
    java_options: Sequence[str] = (),
    network: str = "",
    report: Report = SILENCE,
) -> Node:
    """Put up a cluster of OpenSearch with ML Commons on loopback, and wait until ML Commons answers.

    It is downloaded and assembled first where it is not installed. It starts with an empty data folder. Called by
    root it runs as an unprivileged account. Starting what runs already is fine and changes nothing.

    Args:
        version: one of `servers.SERVERS`.
        name: of the cluster; its version by default. Several of one version run side by side under several names.
        port: the first node's HTTP port on 127.0.0.1; None means 9200, or where it runs already; `ANY_PORT` a free one.
        nodes: how many.
        settings: more settings, for the opensearch.yml of the first node, the second, ...
        java_options: more options of Java, for every node.
        network: the network namespace that this process is in, where that is not the computer's own; see `isolated`.
        report: told about each step.

    Returns:
        The first node, answering for the whole cluster.

    Raises:
        WrongUseError: unknown version, no possible name, or it runs already on another port.
        OutsideError: no Java or Maven, port in use, disk full, no network, or a node died; nothing is left running.

    Example:
        >>> node = start("3.6.0", name="two", port=9210, nodes=2)  # doctest: +SKIP
        >>> node.url  # doctest: +SKIP
        'http://127.0.0.1:9210'
    """
    server = servers.find(version)
    name = _checked(name or version)
    if not 1 <= nodes <= MOST_NODES:
        raise WrongUseError(f"a cluster here has 1 to {MOST_NODES} nodes, not {nodes}.")
    if len(settings) > nodes:
        raise WrongUseError(f"there are settings for node {len(settings)}, but the cluster has {nodes}.")
    if network:
        namespace.refuse_outside(network)
    folder = prepare_home()
    with locked(folder, f"{name}.cluster", report, what=name):
        if running := _running(folder, name):
            return _as_it_runs(running, version, port, report)
        first = port if port is not None else DEFAULT_PORT
        ports = _ports(first, nodes)
        java = find_java(server)
        with locked(folder, version, report, what=version):
            root = install(server, folder, java=java, report=report)
        report.say(f"starting OpenSearch {version} with Java {java.major} of {java.home}")
        transport = tuple(free_ports(nodes))
        started: list[Node] = []
        try:
            for number, http_port in enumerate(ports):
                plan = Plan(
                    server=version,
                    cluster=name,
                    folder=_folder(folder, name, number),
                    port=http_port,
                    transport=transport,
                    own=number,
                    settings=settings[number] if number < len(settings) else {},
                    java_options=tuple(java_options),
                    network=network,
                )
                started.append(launch(plan, root, java))
            wait(*started)
        except BaseException:  # Ctrl-C as well: nothing is left running
            for node in started:
                end(node, grace=5)
                (node.folder / "node.json").unlink(missing_ok=True)
            raise
        return started[0]


def isolated(
    version: str = servers.NEWEST, *, name: str | None = None, port: int | None = None, report: Report = SILENCE
) -> Node:
    """Put up a cluster inside a network of its own, which has loopback and nothing else.

    Nothing in there can reach another computer, nor can anything reach in: what talks to the cluster has to enter, as
    `record` does.

    Args:
        version: one of `servers.SERVERS`.
        name: of the cluster; the version and `-isolated` by default.
        port: the HTTP port on 127.0.0.1 in there; None means 9200.
        report: told about each step.

    Raises:
        WrongUseError: unknown version, no possible name, or it runs already on another port.
        OutsideError: no such network can be had here (it needs root, Linux and iproute2), or what `start` raises.
    """
    servers.find(version)
    name = _checked(name or f"{version}-isolated")
    if running := _running(home(), name):
        return _as_it_runs(running, version, port, report)
    network = namespace.make(name)
    words = ["cluster", "up", "--server", version, "--name", name, "--inside", network, "--json"]
    words += ["--port", str(port)] if port else []
    try:
        answer = namespace.run_inside(network, words, say=report.say)
    except BaseException:
        namespace.remove(network)
        raise
    return Node(**json.loads(answer))


def stop(name: str | None = None, *, server: str | None = None, report: Report = SILENCE) -> list[Node]:
    """Stop the cluster of this name, or all that this package started; never anything else.

    Args:
        name: of the cluster; None means every one.
        server: only clusters of this version.
        report: told about each step.

    Returns:
        The nodes that ran and are stopped. Their data is gone; what is installed stays.

    Raises:
        WrongUseError: unknown name or version.
        OutsideError: a node belongs to another user.
    """
    if server is not None:
        servers.find(server)
    folder = home()
    there = _names(folder)
    if name is not None and name not in there and name not in servers.SERVERS:
        raise WrongUseError(f"there is no cluster {name!r} here; {_known(there)}")
    stopped: list[Node] = []
    for one in there if name is None else [name]:
        folders = list(_folders(folder, one))
        if not folders or (server and not any(node.server == server for node in _running(folder, one))):
            continue
        with locked(folder, f"{one}.cluster", report, what=one):
            running = _running(folder, one)
            for node in running:
                report.say(f"stopping {one} (pid {node.pid})")
                end(node)
            for network in {node.network for node in running}:
                namespace.remove(network)
            stopped += running
            for each in folders:
                shutil.rmtree(each, ignore_errors=True)
    return stopped


def restart(name: str, *, report: Report = SILENCE) -> Node:
    """Let the first node of this cluster crash, as in a power failure, and start it again with the data that it had.

    Raises:
        WrongUseError: no such cluster runs here.
        OutsideError: it does not come up again.
    """
    running = _running(home(), name)
    if not running:
        raise WrongUseError(f"no cluster {name!r} runs here; {_known(_names(home()))}")
    node = running[0]
    server = servers.find(node.server)
    root = installed(server, home())
    if root is None:
        raise OutsideError(f"{node.server} is not installed any more: the node cannot be started again.")
    report.say(f"killing node {node.pid} and starting it again")
    crash(node)
    again = relaunch(node, root, find_java(server))
    try:
        wait(again)
    except BaseException:
        end(again, grace=5)
        raise
    return again


def status() -> list[Status]:
    """How each cluster, and each known server version without one, is doing on this computer; oldest version first."""
    folder = home()
    found: list[Status] = []
    running = [(name, nodes) for name in _names(folder) if (nodes := _running(folder, name))]
    for server in servers.SERVERS.values():
        place = str(folder / "servers" / server.version)
        own = [(name, nodes) for name, nodes in running if nodes[0].server == server.version]
        found += [
            Status(name=name, server=server.version, state=_state(nodes), nodes=tuple(nodes), folder=place)
            for name, nodes in own
        ]
        if not own:
            state = "installed" if installed(server, folder) else "absent"
            found.append(Status(name="", server=server.version, state=state, nodes=(), folder=place))
    return found


def logs(name: str | None = None) -> list[Path]:
    """The files that the nodes of this cluster print into, the first node's first.

    A cluster that died keeps its logs until it is started again or taken down.

    Args:
        name: of the cluster; None where there is only one.

    Raises:
        WrongUseError: there is no such cluster, or there are several and none was named.
    """
    folder = home()
    there = _names(folder)
    if name is None:
        if len(there) != 1:
            raise WrongUseError(f"whose logs? Name a cluster; {_known(there)}")
        (name,) = there
    found = [log for each in _folders(folder, name) if (log := each / "logs" / "console.log").is_file()]
    if not found:
        raise WrongUseError(f"there is no cluster {name!r} here; {_known(there)}")
    return found


def _state(nodes: list[Node]) -> str:
    if nodes[0].network and not namespace.inside():
        return "isolated"
    return "running" if all(answers(node.url, nodes=len(nodes)) for node in nodes) else "starting"


def _as_it_runs(running: list[Node], version: str, port: int | None, report: Report) -> Node:
    first = running[0]
    if first.server != version:
        raise WrongUseError(
            f"the cluster {first.cluster!r} runs already, with {first.server}: take another --name, or stop it first "
            f"(cluster down {first.cluster})."
        )
    if port not in {None, ANY_PORT, first.port}:
        raise WrongUseError(
            f"{first.cluster} runs already, on {first.url}: use that one, stop it first (cluster down), "
            "or put up another beside it with --name."
        )
    report.say(f"{first.cluster} runs already on {first.url} (pid {first.pid})")
    if not first.network or namespace.inside():
        wait(*running)
    return first


def _ports(first: int, nodes: int) -> list[int]:
    if first == ANY_PORT:
        return free_ports(nodes)
    check_port(first)
    others = (port for port in range(first + 1, 65536) if is_free(port))
    return [first, *(next(others) for _ in range(nodes - 1))]


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise WrongUseError(
            f"{name!r} cannot be a cluster's name: take letters, digits, dots, hyphens and underscores, at most 41."
        )
    return name


def _known(names: list[str]) -> str:
    return f"there {'is' if len(names) == 1 else 'are'} {', '.join(names)}." if names else "there is none."


# ---- nodes/<cluster>/ is its first node's folder, nodes/<cluster>@2/ its second's


def _folder(folder: Path, name: str, number: int) -> Path:
    return folder / "nodes" / (f"{name}{_MORE}{number + 1}" if number else name)


def _folders(folder: Path, name: str) -> Iterator[Path]:
    for number in range(MOST_NODES):
        if (each := _folder(folder, name, number)).is_dir():
            yield each


def _names(folder: Path) -> list[str]:
    """The names of the clusters that run, or have run and left something."""
    try:
        return sorted({each.name.partition(_MORE)[0] for each in (folder / "nodes").iterdir() if each.is_dir()})
    except FileNotFoundError:
        return []


def _running(folder: Path, name: str) -> list[Node]:
    return [node for each in _folders(folder, name) if (node := remembered(each))]
