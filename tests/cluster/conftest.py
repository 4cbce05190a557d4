"""A server of a few kilobytes, and a Maven and a Java of a few lines: real files and real processes.

The node that the tiny server starts really listens and really answers, so everything around it is as in life.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest

from mltask_fixtures.cluster import servers, stop

VERSION = "9.9.9"

# Executed by tests here, and by the processes that tests start.
ROW = """
from mltask_fixtures.cluster import servers
servers.SERVERS["9.9.9"] = servers.Server(
    version="9.9.9",
    java_from=17,
    java_to=21,
    artifacts=(
        servers.Artifact("org.example:opensearch:9.9.9:zip", 2000, ""),
        servers.Artifact("org.example:opensearch-ml-plugin:9.9.9.0:zip", 1000, "plugins/opensearch-ml"),
    ),
    modules=(servers.Module("reindex", "org.example:reindex-client:9.9.9", "org.example.ReindexPlugin"),),
    installed=4000,
)
"""

NODE = """
import http.server, json, pathlib, re, sys
settings = pathlib.Path(sys.argv[1], "opensearch.yml").read_text()
port = int(re.search(r"http.port: (\\d+)", settings)[1])
nodes = len(re.findall(r"127.0.0.1:", settings)) or 1  # of discovery.seed_hosts
ANSWERS = {
    "/_cluster/health": b'{"status":"green","number_of_nodes":%d}' % nodes,
    "/_cat/plugins?format=json": b'[{"component":"opensearch-ml","version":"9.9.9.0"}]',
    "/_plugins/_ml/profile": b"{}",
    "/": b'{"version":{"number":"3.6.0","distribution":"opensearch"}}',
}
NODES = {"a": {"settings": {}}, "b": {"settings": {"plugins.ml_commons.max_model_on_node": "0"}}}
if nodes == 2:
    ANSWERS["/_nodes?flat_settings=true&filter_path=nodes.%2A.settings"] = json.dumps({"nodes": NODES}).encode()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ANSWERS.get(self.path, b"")
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""

MVN = """#!{python}
import os, pathlib, shutil, sys, time
options = dict(arg.split("=", 1) for arg in sys.argv[1:] if "=" in arg)
served = pathlib.Path({served!r})
out = pathlib.Path(options["-DoutputDirectory"])
with open(served / "calls", "a") as calls:
    print(*sys.argv[1:], file=calls)
mood = (served / "mood").read_text()
if mood == "remembers" and "--update-snapshots" not in sys.argv:
    sys.exit("[ERROR] x was not found in there during a previous attempt. This failure was cached in the local repository")
if mood == "offline":
    sys.exit("[ERROR] Could not transfer artifact x: Connection refused -> [Help 1]\\n[ERROR] more")
if "-Dartifact" not in options:
    for jar in served.glob("*.jar"):
        shutil.copy(jar, out)
    sys.exit()
group, artifact, version, packaging = options["-Dartifact"].split(":")
source = served / f"{{artifact}}-{{version}}.{{packaging}}"
if not source.exists():
    print("[INFO] Scanning", flush=True)
    sys.exit(f"[ERROR] Could not find artifact {{options['-Dartifact']}} in central -> [Help 1]")
out.mkdir(exist_ok=True)
print("Progress (1): 182/363 MB\\rProgress (1): 363 MB        \\r", end="", flush=True)
if mood == "hangs" and "ml" in artifact:
    (out / source.name).write_bytes(source.read_bytes()[:50])
    (served / "half-way").write_text(str(os.getpid()))
    time.sleep(600)
shutil.copy(source, out)
"""

JAVA = """#!/bin/sh
case "$1" in
-version) echo 'openjdk version "{version}" 2024-01-16' >&2 ;;
--list-modules) printf '%s\\n' java.base@{version} {modules} ;;
esac
"""


@dataclass
class Bench:
    """A computer with a home for servers, a Maven and a Java, all of them ours."""

    folder: Path
    driver: Path
    version: str = VERSION
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def home(self):
        """Where servers are kept."""
        return self.folder / "home"

    @property
    def served(self):
        """What the Maven here serves."""
        return self.folder / "served"

    def mood(self, text):
        """Make the Maven here behave like this from now on."""
        (self.served / "mood").write_text(text)

    def serve_server(self, script):
        """Serve a server whose start script is this."""
        top = f"opensearch-{VERSION}"
        with zipfile.ZipFile(self.served / f"{top}.zip", "w") as archive:
            for name, text, mode in (
                ("bin/opensearch", "#!/bin/sh\n" + textwrap.dedent(script), 0o755),
                ("config/opensearch.yml", "# nothing\n", 0o644),
                (
                    "config/jvm.options",
                    "-Xms1g\n20-:--add-modules=jdk.incubator.vector\n9-:-Xlog:gc:logs/gc.log\n",
                    0o644,
                ),
                ("lib/lucene-core-1.jar", "", 0o644),
                ("lib/shared-1.jar", "", 0o644),
                ("modules/transport-netty4/netty.jar", "", 0o644),
                ("plugins/", "", 0o755),
            ):
                info = zipfile.ZipInfo(f"{top}/{name}")
                info.external_attr = mode << 16
                archive.writestr(info, text)

    def java(self, version="17.0.9", modules=""):
        """A Java home of this version."""
        home = self.folder / f"java-{version}"
        (home / "bin").mkdir(parents=True, exist_ok=True)
        program = home / "bin" / "java"
        program.write_text(JAVA.format(version=version, modules=modules))
        program.chmod(0o755)
        return home

    def run(self, *arguments):
        """Start a process of its own that calls `start`, `stop`, ... of the cluster room."""
        process = subprocess.Popen(
            [sys.executable, self.driver, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process


DIES, HANGS = 0, -1


class _Cluster(BaseHTTPRequestHandler):
    """Answers from a script, and keeps what it was asked; in place of a status it may die, or hang."""

    protocol_version = "HTTP/1.1"

    def _answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        self.server.asked.append((self.command, self.path.partition("?")[0], json.loads(body) if body else None))
        answers = self.server.answers.get(f"{self.command} {self.path.partition('?')[0]}", [(404, {"error": "no"})])
        status, answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if status == DIES:
            self.close_connection = True
            return
        if status == HANGS:
            self.server.hangs.set()
            self.server.over.wait(60)
            return
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - the names that the base class looks for

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def answering():
    """A server that answers from `answers` and keeps what it was asked in `asked`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Cluster)
    server.answers, server.asked = {}, []
    server.hangs, server.over = Event(), Event()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def free_port():
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def bench(monkeypatch):
    """A bench whose server starts and answers; whatever runs on it is ended."""
    # Not tmp_path: root's is closed to the account that runs the node.
    folder = Path(tempfile.mkdtemp(prefix="mltask-bench-"))
    folder.chmod(0o755)
    bench = Bench(folder, folder / "driver.py")
    for part in (bench.home, bench.served, folder / "bin"):
        part.mkdir()
    bench.driver.write_text(
        f"import sys\n{ROW}\nfrom mltask_fixtures import cluster\n"
        "print(cluster.start('9.9.9', port=int(sys.argv[1])).url, flush=True)\n",
    )
    mvn = folder / "bin" / "mvn"
    mvn.write_text(MVN.format(python=sys.executable, served=str(bench.served)))
    mvn.chmod(0o755)
    bench.mood("serves")
    node = folder / "node.py"
    node.write_text(NODE)
    bench.serve_server(f'exec {_python_for_the_node()} {node} "$OPENSEARCH_PATH_CONF"\n')
    with zipfile.ZipFile(bench.served / f"opensearch-ml-plugin-{VERSION}.0.zip", "w") as archive:
        archive.writestr("plugin-descriptor.properties", "name=opensearch-ml\n")
    for jar in ("reindex-client-9.9.9.jar", "shared-1.jar", "lucene-queries-1.jar", "own-2.jar"):
        (bench.served / jar).write_bytes(b"")
    monkeypatch.setenv("MLTASK_FIXTURES_HOME", str(bench.home))
    monkeypatch.setenv("PATH", str(folder / "bin"))
    monkeypatch.setenv("OPENSEARCH_JAVA_HOME", str(bench.java()))
    monkeypatch.setitem(servers.SERVERS, VERSION, None)
    exec(ROW)
    yield bench
    for process in bench.started:
        with process:
            process.kill()
    monkeypatch.setenv("MLTASK_FIXTURES_HOME", str(bench.home))
    stop(VERSION)
    half_way = bench.served / "half-way"
    if half_way.exists() and psutil.pid_exists(int(half_way.read_text())):
        os.kill(int(half_way.read_text()), signal.SIGKILL)
    shutil.rmtree(folder)


def _python_for_the_node():
    """A Python that the account which runs the node may run."""
    if os.geteuid() != 0:
        return sys.executable
    return shutil.which("python3", path=os.defpath) or pytest.skip(
        "needs a Python that an unprivileged account may run"
    )
