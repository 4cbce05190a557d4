from __future__ import annotations

import os
import signal
import stat
from dataclasses import replace

import psutil
import pytest

from mltask_fixtures._errors import OutsideError
from mltask_fixtures.cluster.install import install, installed
from mltask_fixtures.cluster.java import find_java
from mltask_fixtures.cluster.report import SILENCE
from mltask_fixtures.cluster.servers import SERVERS


@pytest.fixture
def put(bench):
    """Install the tiny server on this bench."""

    def call(**changes):
        server = replace(SERVERS[bench.version], **changes)
        return install(server, bench.home, java=find_java(server), report=SILENCE)

    return call


def wait_for(path):
    """Wait until this file is there; the test's own time limit is the only one."""
    while not path.exists() or not path.read_text():
        signal.sigtimedwait([], 0.02)
    return path.read_text()


def test_a_server_is_assembled_of_its_parts(bench, put):
    """Server, plugin and the hand-made module are where OpenSearch looks for them."""
    root = put()
    assert root == bench.home / "servers" / bench.version
    assert (root / "plugins" / "opensearch-ml" / "plugin-descriptor.properties").is_file()
    assert os.access(root / "bin" / "opensearch", os.X_OK)
    descriptor = (root / "modules" / "reindex" / "plugin-descriptor.properties").read_text()
    assert "classname=org.example.ReindexPlugin\n" in descriptor
    assert "opensearch.version=9.9.9\n" in descriptor
    assert "java.security.AllPermission" in (root / "modules" / "reindex" / "plugin-security.policy").read_text()


def test_a_module_gets_no_jar_that_the_server_has(put):
    """A second copy is jar hell, and the node would not start."""
    jars = {jar.name for jar in (put() / "modules" / "reindex").glob("*.jar")}
    assert jars == {"reindex-client-9.9.9.jar", "own-2.jar"}


def test_everybody_may_read_what_root_installs(bench, put):
    """The account that runs the node is not the one that installs it, whatever the umask."""
    before = os.umask(0o077)
    try:
        root = put()
    finally:
        os.umask(before)
    for path in (root, root.parent, *root.rglob("*")):
        assert path.stat().st_mode & stat.S_IROTH, path


def test_what_is_installed_is_not_fetched_again(bench, put):
    """The second call does not even look for Maven."""
    first = put()
    (bench.folder / "bin" / "mvn").unlink()
    assert put() == first


def test_a_disk_too_small_is_told_before_the_download(bench, put):
    """The error names what is needed and what is left, and nothing was fetched."""
    with pytest.raises(OutsideError, match=r"needs 1000000000\.0 GB .* has [\d.]+ GB left"):
        put(installed=10**18)
    assert not (bench.served / "calls").exists()


def test_a_zip_that_arrived_broken_installs_nothing(bench, put):
    """A truncated zip is named, with where to remove it; no folder is left that looks installed."""
    archive = bench.served / "opensearch-ml-plugin-9.9.9.0.zip"
    archive.write_bytes(archive.read_bytes()[:60])
    with pytest.raises(OutsideError, match=r"opensearch-ml-plugin:9\.9\.9\.0:zip arrived broken.*run this again"):
        put()
    assert installed(SERVERS[bench.version], bench.home) is None
    assert list((bench.home / "servers").iterdir()) == []


@pytest.mark.parametrize("with_maven", [True, False])
def test_killed_half_way_and_run_again_it_works(bench, put, free_port, with_maven):
    """A kill -9 in the middle of a download leaves nothing that is taken for a whole server."""
    bench.mood("hangs")
    process = bench.run(free_port)
    mvn = int(wait_for(bench.served / "half-way"))
    process.kill()
    process.wait()
    if with_maven:
        os.kill(mvn, signal.SIGKILL)
    assert installed(SERVERS[bench.version], bench.home) is None
    bench.mood("serves")
    root = put()
    assert (root / "plugins" / "opensearch-ml" / "plugin-descriptor.properties").is_file()


def test_ctrl_c_in_the_download_ends_maven_too(bench, free_port):
    """Nothing runs on after Ctrl-C, and nothing half is left."""
    bench.mood("hangs")
    process = bench.run(free_port)
    mvn = int(wait_for(bench.served / "half-way"))
    process.send_signal(signal.SIGINT)
    process.communicate()
    psutil.wait_procs([psutil.Process(mvn)] if psutil.pid_exists(mvn) else [], timeout=10)
    assert not psutil.pid_exists(mvn)
    assert list((bench.home / "servers").iterdir()) == []
