"""Start a node, remember it, say how it is, and stop that node and no other."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from mltask_fixtures._errors import OutsideError, WrongUseError
from mltask_fixtures.cluster import servers
from mltask_fixtures.cluster.home import account, home, locked, make_folder, prepare_home
from mltask_fixtures.cluster.install import install, installed
from mltask_fixtures.cluster.java import Java, find_java, has_module
from mltask_fixtures.cluster.log import telling_line
from mltask_fixtures.cluster.report import SILENCE

if TYPE_CHECKING:
    from mltask_fixtures.cluster.report import Report
    from mltask_fixtures.cluster.servers import Server

HOST = "127.0.0.1"
DEFAULT_PORT = 9200

_START_TIMEOUT = 180  # seconds; 24 s were measured on two busy cores
_STOP_TIMEOUT = 30  # seconds until a node that does not end is killed
_POLL = 0.25  # seconds
_SAME_START = 2.0  # seconds: a process's start is known that well; no system hands out a pid again so soon

_VECTOR = "jdk.incubator.vector"

_SETTINGS = """cluster.name: mltask-fixtures
node.name: mltask-fixtures
network.host: {host}
http.port: {port}
path.data: {folder}/data
path.logs: {folder}/logs
discovery.type: single-node
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
    """

    server: str
    url: str
    pid: int
    started: float
    log: str

    @property
    def port(self) -> int:
        """The port that it answers on."""
        return int(self.url.rpartition(":")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How one server version is doing on this computer.

    Args:
        server: the version of OpenSearch.
        state: `absent`, `installed`, `starting` (runs, does not answer yet) or `running`.
        node: what runs, if anything does.
        folder: where it is or would be installed.
    """

    server: str
    state: str
    node: Node | None
    folder: str


def start(version: str = servers.NEWEST, *, port: int | None = None, report: Report = SILENCE) -> Node:
    """Put up one node of OpenSearch with ML Commons on loopback, and wait until ML Commons answers.

    It is downloaded and assembled first where it is not installed. It starts with an empty data folder. Called by
    root it runs as an unprivileged account. Starting what runs already is fine and changes nothing.

    Args:
        version: one of `servers.SERVERS`.
        port: the HTTP port on 127.0.0.1; None means 9200, or where it runs already.
        report: told about each step.

    Returns:
        The node, answering.

    Raises:
        WrongUseError: unknown version, or it runs already on another port.
        OutsideError: no Java or Maven, port in use, disk full, no network, or the node died; nothing is left running.

    Example:
        >>> node = start("3.6.0", port=9210)  # doctest: +SKIP
        >>> node.url  # doctest: +SKIP
        'http://127.0.0.1:9210'
    """
    server = servers.find(version)
    folder = prepare_home()
    with locked(folder, version, report):
        if node := _remembered(folder, version):
            if port not in {None, node.port}:
                raise WrongUseError(
                    f"{version} runs already, on {node.url}: use that one, or stop it first (cluster down)."
                )
            report.say(f"{version} runs already on {node.url} (pid {node.pid})")
            if not _answers(node.url):
                _wait(psutil.Process(node.pid), node)
            return node
        port = port or DEFAULT_PORT
        _check_port(port)
        java = find_java(server)
        root = install(server, folder, java=java, report=report)
        report.say(f"starting OpenSearch {version} with Java {java.major} of {java.home}")
        return _launch(server, root, folder / "nodes" / version, java, port)


def stop(version: str | None = None, *, report: Report = SILENCE) -> list[Node]:
    """Stop the node of this version, or all that this package started; never anything else.

    Args:
        version: one of `servers.SERVERS`; None means every one.
        report: told about each step.

    Returns:
        The nodes that ran and are stopped. Their data is gone; what is installed stays.

    Raises:
        WrongUseError: unknown version.
        OutsideError: a node belongs to another user.
    """
    wanted = [servers.find(version).version] if version else list(servers.SERVERS)
    folder = home()
    stopped = []
    for one in wanted:
        if not (folder / "nodes" / one).exists():
            continue
        with locked(folder, one, report):
            if node := _remembered(folder, one):
                report.say(f"stopping {one} (pid {node.pid})")
                _end(node)
                stopped.append(node)
            shutil.rmtree(folder / "nodes" / one, ignore_errors=True)
    return stopped


def status() -> list[Status]:
    """How each known server version is doing on this computer, oldest version first."""
    folder = home()
    return [_status(server, folder) for server in servers.SERVERS.values()]


def _status(server: Server, folder: Path) -> Status:
    node = _remembered(folder, server.version)
    if node:
        state = "running" if _answers(node.url) else "starting"
    else:
        state = "installed" if installed(server, folder) else "absent"
    return Status(server=server.version, state=state, node=node, folder=str(folder / "servers" / server.version))


# ---- what is remembered: nodes/<version>/node.json


def _remembered(folder: Path, version: str) -> Node | None:
    """The node of this version that this package started, if that very process still runs."""
    try:
        fields = json.loads((folder / "nodes" / version / "node.json").read_text(encoding="utf-8"))
        node = Node(**fields)
        process = psutil.Process(node.pid)
        reused = abs(process.create_time() - node.started) > _SAME_START
    except (FileNotFoundError, ValueError, TypeError, psutil.NoSuchProcess):
        return None
    return None if reused or _ended(process) else node


def _remember(folder: Path, node: Node) -> None:
    draft = folder / "node.json.new"
    draft.write_text(json.dumps(asdict(node), indent=1), encoding="utf-8")
    draft.replace(folder / "node.json")


# ---- starting


def _launch(server: Server, root: Path, folder: Path, java: Java, port: int) -> Node:
    runs_as = account()
    _lay_out(root, folder, java, port)
    log = folder / "logs" / "console.log"
    with log.open("wb") as console:
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
            server=server.version,
            url=f"http://{HOST}:{port}",
            pid=handle.pid,
            started=handle.create_time(),
            log=str(log),
        )
        _remember(folder, node)
        _wait(handle, node)
    except BaseException:  # Ctrl-C as well: nothing is left running
        _kill(handle)
        (folder / "node.json").unlink(missing_ok=True)
        raise
    return node


def _lay_out(root: Path, folder: Path, java: Java, port: int) -> None:
    """Make the folder of a new, empty node; the account that runs it owns what is below."""
    runs_as = account()
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    shutil.copytree(root / "config", folder / "config")
    for name in ("data", "logs", "tmp"):
        (folder / name).mkdir()
    settings = _SETTINGS.format(host=HOST, port=port, folder=folder)
    (folder / "config" / "opensearch.yml").write_text(settings, encoding="utf-8")
    options = folder / "config" / "jvm.options"
    options.write_text(_jvm_options(options.read_text(encoding="utf-8"), java), encoding="utf-8")
    if runs_as:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, runs_as.uid, runs_as.gid)


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


def _check_port(port: int) -> None:
    if _is_free(port):
        return
    free = next((other for other in range(port + 1, min(port + 200, 65536)) if _is_free(other)), None)
    advice = f"choose another, such as --port {free}" if free else "choose another with --port"
    raise OutsideError(f"port {port} on {HOST} is in use by another program: {advice}, or end that program.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does: a port whose last connection has just closed is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _wait(process: psutil.Process, node: Node) -> None:
    """Wait until ML Commons answers.

    Raises:
        OutsideError: the node died, or does not answer in time.
    """
    log = Path(node.log)
    end = time.monotonic() + _START_TIMEOUT
    while not _answers(node.url):
        if _ended(process):
            line, remedy = telling_line(log)
            said = f"its log says: {line!r}" if line else "it printed nothing"
            raise OutsideError(f"OpenSearch {node.server} died at start; {said}. What to do: {remedy} The log: {log}")
        if time.monotonic() > end:
            line, _ = telling_line(log)
            raise OutsideError(
                f"OpenSearch {node.server} started but ML Commons did not answer within {_START_TIMEOUT} s. "
                f"The last that its log says: {line!r}. Is the computer very busy? Then run this again. The log: {log}",
            )
        time.sleep(_POLL)


def _ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _answers(url: str) -> bool:
    """Whether the cluster has formed, and ML Commons is in it and answers."""
    health = _get(url, "/_cluster/health")
    if not isinstance(health, dict) or health.get("status") not in {"green", "yellow"}:
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


def _end(node: Node) -> None:
    try:
        _kill(psutil.Process(node.pid), grace=_STOP_TIMEOUT)
    except psutil.AccessDenied as denied:
        raise OutsideError(
            f"process {node.pid} belongs to another user: stop {node.server} as the one who started it."
        ) from denied
    except psutil.NoSuchProcess:
        return  # it ended by itself just now


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
