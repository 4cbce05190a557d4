"""One node: laid out, launched, waited for, remembered, ended; that process and no other."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from mltask_fixtures._errors import OutsideError
from mltask_fixtures.cluster.home import account, make_folder
from mltask_fixtures.cluster.java import Java, has_module
from mltask_fixtures.cluster.log import telling_line

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST = "127.0.0.1"

_START_TIMEOUT = 180  # seconds; 26 s were measured on two busy cores
_STOP_TIMEOUT = 30  # seconds until a node that does not end is killed
_POLL = 0.25  # seconds
_SAME_START = 2.0  # seconds: a process's start is known that well; no system hands out a pid again so soon

_VECTOR = "jdk.incubator.vector"

_SETTINGS = """cluster.name: {cluster}
node.name: {node}
network.host: {host}
http.port: {port}
path.data: {folder}/data
path.logs: {folder}/logs
cluster.routing.allocation.disk.threshold_enabled: false
plugins.ml_commons.only_run_on_ml_node: false
plugins.ml_commons.allow_registering_model_via_url: true
plugins.ml_commons.jvm_heap_memory_threshold: 100
plugins.ml_commons.native_memory_threshold: 100
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node that this package started.

    Args:
        server: the version of OpenSearch.
        url: where it answers.
        pid: its process.
        started: when that process started, seconds since 1970; pid and start together name a process for ever.
        log: what it prints.
        cluster: the name of the cluster that it is part of.
        network: the network namespace that it runs in, "" for the computer's own.
    """

    server: str
    url: str
    pid: int
    started: float
    log: str
    cluster: str = ""
    network: str = ""

    @property
    def port(self) -> int:
        """The port that it answers on."""
        return int(self.url.rpartition(":")[2])

    @property
    def folder(self) -> Path:
        """The folder of what it needs and writes."""
        return Path(self.log).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a node that is to be started is made of.

    Args:
        server: the version of OpenSearch.
        cluster: the name of the cluster that it will be part of.
        folder: of what it needs and writes.
        port: for HTTP, on 127.0.0.1.
        transport: the ports on which all nodes of the cluster talk to each other, its own among them.
        own: which of these is its own.
        settings: more lines of its opensearch.yml.
        java_options: more options of its Java.
        network: the network namespace that it starts in, "" for the computer's own.
    """

    server: str
    cluster: str
    folder: Path
    port: int
    transport: tuple[int, ...]
    own: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    java_options: tuple[str, ...] = ()
    network: str = ""


# ---- what is remembered: nodes/<name>/node.json


def remembered(folder: Path) -> Node | None:
    """The node of this folder that this package started, if that very process still runs."""
    try:
        fields = json.loads((folder / "node.json").read_text(encoding="utf-8"))
        node = Node(**{"cluster": fields["server"], **fields})
        process = psutil.Process(node.pid)
        reused = abs(process.create_time() - node.started) > _SAME_START
    except (FileNotFoundError, ValueError, TypeError, KeyError, psutil.NoSuchProcess):
        return None
    return None if reused or _ended(process) else node


def _remember(folder: Path, node: Node) -> None:
    draft = folder / "node.json.new"
    draft.write_text(json.dumps(asdict(node), indent=1), encoding="utf-8")
    draft.replace(folder / "node.json")


# ---- starting


def launch(plan: Plan, root: Path, java: Java) -> Node:
    """Start a new, empty node, and do not wait for it; `wait` does."""
    _lay_out(plan, root, java)
    return _run(plan.folder, root, java, server=plan.server, port=plan.port, cluster=plan.cluster, network=plan.network)


def relaunch(node: Node, root: Path, java: Java) -> Node:
    """Start a node that has ended once more, with the data that it had, and do not wait for it."""
    return _run(node.folder, root, java, server=node.server, port=node.port, cluster=node.cluster, network=node.network)


def _run(folder: Path, root: Path, java: Java, *, server: str, port: int, cluster: str, network: str) -> Node:
    runs_as = account()
    log = folder / "logs" / "console.log"
    with log.open("ab") as console:
        process = subprocess.Popen(  # noqa: S603 - the server that we installed
            [root / "bin" / "opensearch"],
            cwd=root,
            env=_environment(folder, java),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it outlives us, and Ctrl-C is ours to handle
            **(runs_as.for_subprocess() if runs_as else {}),
        )
    handle = psutil.Process(process.pid)
    process.returncode = 0  # it is meant to outlive us: without this, subprocess warns when we end
    try:
        node = Node(
            server=server,
            url=f"http://{HOST}:{port}",
            pid=handle.pid,
            started=handle.create_time(),
            log=str(log),
            cluster=cluster,
            network=network,
        )
        _remember(folder, node)
    except BaseException:  # Ctrl-C as well: nothing is left running
        _kill(handle)
        raise
    return node


def _lay_out(plan: Plan, root: Path, java: Java) -> None:
    """Make the folder of a new, empty node; the account that runs it owns what is below."""
    runs_as, folder = account(), plan.folder
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    shutil.copytree(root / "config", folder / "config")
    for name in ("data", "logs", "tmp"):
        (folder / name).mkdir()
    (folder / "config" / "opensearch.yml").write_text(_settings(plan), encoding="utf-8")
    options = folder / "config" / "jvm.options"
    text = _jvm_options(options.read_text(encoding="utf-8"), java)
    options.write_text(text + "".join(f"{option}\n" for option in plan.java_options), encoding="utf-8")
    if runs_as:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, runs_as.uid, runs_as.gid)


def _settings(plan: Plan) -> str:
    """The text of the node's opensearch.yml."""
    ports, alone = plan.transport, len(plan.transport) == 1
    names = ["mltask-fixtures"] if alone else [f"mltask-fixtures-{number}" for number, _ in enumerate(ports, 1)]
    cluster = "mltask-fixtures" if alone else f"mltask-fixtures-{plan.cluster}"
    text = _SETTINGS.format(cluster=cluster, node=names[plan.own], host=HOST, port=plan.port, folder=plan.folder)
    # The default range, 9300 and up, would take a port that another cluster's HTTP is about to have.
    more: dict[str, Any] = {"transport.port": ports[plan.own]}
    if alone:
        more["discovery.type"] = "single-node"
    else:
        more["discovery.seed_hosts"] = [f"{HOST}:{port}" for port in ports]
        more["cluster.initial_cluster_manager_nodes"] = names[:1]
    return text + "".join(f"{name}: {json.dumps(value)}\n" for name, value in {**more, **plan.settings}.items())


def _jvm_options(text: str, java: Java) -> str:
    """The server's own options without logs beside the installed server, and without modules that this Java lacks."""
    lines = [line for line in text.splitlines() if "logs/" not in line and "HeapDump" not in line]
    if any(_VECTOR in line for line in lines) and not has_module(java, _VECTOR):
        lines = [line for line in lines if _VECTOR not in line]
    return "\n".join(lines) + "\n"


def _environment(folder: Path, java: Java) -> dict[str, str]:
    """All that the node sees of our environment: no proxy, no option, no secret of the caller's."""
    return {
        "PATH": os.defpath + ":/usr/local/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": str(folder),
        "OPENSEARCH_JAVA_HOME": str(java.home),
        "OPENSEARCH_PATH_CONF": str(folder / "config"),
        "OPENSEARCH_TMPDIR": str(folder / "tmp"),
        "OPENSEARCH_JAVA_OPTS": "-Xms1g -Xmx1g",
        "DJL_OFFLINE": "true",  # the engine of local models looks outside otherwise
    }


def check_port(port: int) -> None:
    """See that nobody listens on this port of loopback.

    Raises:
        OutsideError: somebody does; the text proposes another port.
    """
    if is_free(port):
        return
    free = next((other for other in range(port + 1, min(port + 200, 65536)) if is_free(other)), None)
    advice = f"choose another, such as --port {free}" if free else "choose another with --port"
    raise OutsideError(f"port {port} on {HOST} is in use by another program: {advice}, or end that program.")


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of loopback."""
    with socket.socket() as probe:
        # As the server does: a port whose last connection has just closed is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on just now."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def wait(*nodes: Node) -> None:
    """Wait until ML Commons answers on each of these nodes, and all of them have formed one cluster.

    Raises:
        OutsideError: one died, or does not answer in time.
    """
    end = time.monotonic() + _START_TIMEOUT
    while silent := [node for node in nodes if not answers(node.url, nodes=len(nodes))]:
        for node in nodes:
            if not _alive(node):
                line, remedy = telling_line(Path(node.log))
                said = f"its log says: {line!r}" if line else "it printed nothing"
                raise OutsideError(
                    f"OpenSearch {node.server} died at start; {said}. What to do: {remedy} The log: {node.log}"
                )
        if time.monotonic() > end:
            line, _ = telling_line(Path(silent[0].log))
            raise OutsideError(
                f"OpenSearch {silent[0].server} started but ML Commons did not answer within {_START_TIMEOUT} s. "
                f"The last that its log says: {line!r}. Is the computer very busy? Then run this again. "
                f"The log: {silent[0].log}",
            )
        time.sleep(_POLL)


def _alive(node: Node) -> bool:
    try:
        return not _ended(psutil.Process(node.pid))
    except psutil.NoSuchProcess:
        return False


def _ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def answers(url: str, *, nodes: int = 1) -> bool:
    """Whether the cluster has formed with this many nodes, and ML Commons is in it and answers."""
    health = _get(url, "/_cluster/health")
    if not isinstance(health, dict) or health.get("status") not in {"green", "yellow"}:
        return False
    if health.get("number_of_nodes", 1) < nodes:
        return False
    plugins = _get(url, "/_cat/plugins?format=json")
    if not any(plugin.get("component") == "opensearch-ml" for plugin in plugins or []):
        return False
    return isinstance(_get(url, "/_plugins/_ml/profile"), dict)


def _get(url: str, path: str) -> Any:
    """The JSON that a GET answers with 200, None for everything else; straight, whatever proxy is set."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        return json.loads(body) if answer.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


# ---- ending


def end(node: Node, *, grace: float = _STOP_TIMEOUT) -> None:
    """End this node: asked first, made to after `grace` seconds.

    Raises:
        OutsideError: it belongs to another user.
    """
    try:
        _kill(psutil.Process(node.pid), grace=grace)
    except psutil.AccessDenied as denied:
        raise OutsideError(
            f"process {node.pid} belongs to another user: stop {node.server} as the one who started it."
        ) from denied
    except psutil.NoSuchProcess:
        return  # it ended by itself just now


def crash(node: Node) -> None:
    """End this node as a power failure would: at once, and nothing is written any more."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(node.pid)
        family = [*process.children(recursive=True), process]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(family, timeout=10)


def _kill(process: psutil.Process, *, grace: float = 5) -> None:
    """End this process and its children: asked first, made to after `grace` seconds."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [*process.children(recursive=True), process]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.terminate()
        _, alive = psutil.wait_procs(family, timeout=grace)
        for member in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(alive, timeout=10)
