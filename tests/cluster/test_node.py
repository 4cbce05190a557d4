from __future__ import annotations

import json
import os
import signal
import socket
import time
from dataclasses import asdict, replace

import psutil
import pytest

from mltask_fixtures import cluster
from mltask_fixtures._errors import OutsideError, WrongUseError
from mltask_fixtures.cluster import clusters
from mltask_fixtures.cluster import node as room
from mltask_fixtures.cluster.home import account, home


def status(bench):
    """The status of the bench's own server."""
    return next(one for one in cluster.status() if one.server == bench.version)


def memory(bench):
    """The file in which the running node is remembered."""
    return bench.home / "nodes" / bench.version / "node.json"


def wait_for(path):
    """Wait until this file is there; the test's own time limit is the only one."""
    while not path.exists():
        time.sleep(0.02)


def test_a_node_starts_answers_and_stops(bench, free_port):
    """Up, look, down: each step is what it says, and the process is really there and really gone."""
    assert status(bench).state == "absent"
    node = cluster.start(bench.version, port=free_port)
    assert node.url == f"http://127.0.0.1:{free_port}"
    assert status(bench).state == "running"
    assert status(bench).node == node
    assert cluster.stop(bench.version) == [node]
    assert not psutil.pid_exists(node.pid)
    assert status(bench).state == "installed"
    assert cluster.stop(bench.version) == []


def test_it_runs_as_somebody_unprivileged(bench, free_port):
    """Root starts it as another account; everybody else as himself."""
    node = cluster.start(bench.version, port=free_port)
    runs_as = account()
    assert psutil.Process(node.pid).uids().real == (runs_as.uid if runs_as else os.geteuid())
    assert psutil.Process(node.pid).uids().real != 0


def test_starting_twice_is_fine(bench, free_port):
    """The second start finds the first one's node, whatever port was meant by default."""
    first = cluster.start(bench.version, port=free_port)
    assert cluster.start(bench.version, port=free_port) == first
    assert cluster.start(bench.version) == first


def test_starting_on_another_port_what_runs_already_is_refused(bench, free_port):
    """A name is one cluster; the error says where it is."""
    cluster.start(bench.version, port=free_port)
    with pytest.raises(WrongUseError, match=f"runs already, on http://127.0.0.1:{free_port}"):
        cluster.start(bench.version, port=free_port + 1)


def test_a_port_in_use_is_told_with_a_free_one(bench):
    """Before anything is downloaded, and the port that is proposed is free."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OutsideError, match=f"port {port} on 127.0.0.1 is in use") as caught:
            cluster.start(bench.version, port=port)
    assert "--port " in str(caught.value)
    assert not (bench.served / "calls").exists()


@pytest.mark.parametrize(
    ("printed", "remedy"),
    [
        ("java.lang.module.FindException: Module jdk.incubator.vector not found", "name a full JDK"),
        ("java.lang.RuntimeException: can not run opensearch as root\n at x.y", "ordinary user"),
        ("java.lang.IllegalArgumentException: unknown setting [plugins.nope] please check", "please report it"),
        ("Missing plugin [opensearch-job-scheduler], dependency of [opensearch-ml]", "lacks that plugin"),
        ("org.opensearch.bootstrap.StartupException: jar hell!", "remove the installed folder"),
    ],
)
def test_a_node_that_dies_says_why_in_one_line(bench, free_port, printed, remedy):
    """The telling line of the log, what to do about it, and where the log is."""
    bench.serve_server(f"echo starting\ncat <<'TEXT'\n{printed}\nTEXT\nexit 1\n")
    with pytest.raises(OutsideError, match="died at start") as caught:
        cluster.start(bench.version, port=free_port)
    text = str(caught.value)
    assert printed.splitlines()[0] in text
    assert remedy in text
    log = bench.home / "nodes" / bench.version / "logs" / "console.log"
    assert str(log) in text
    assert log.is_file()
    assert status(bench).state == "installed"


def test_ctrl_c_while_it_starts_leaves_nothing_running(bench, free_port):
    """The node that had been started is ended, and forgotten."""
    alive = bench.folder / "alive"
    alive.mkdir(mode=0o777)
    alive.chmod(0o777)
    bench.serve_server(f"echo $$ > {alive}/pid.new\n/bin/mv {alive}/pid.new {alive}/pid\nexec sleep 600\n")
    process = bench.run(free_port)
    wait_for(alive / "pid")
    wait_for(memory(bench))
    pid = int((alive / "pid").read_text())
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert not psutil.pid_exists(pid)
    assert not memory(bench).exists()


def test_a_node_whose_starter_was_killed_is_still_known(bench, free_port):
    """After kill -9 of `up` the node can be found again and stopped."""
    process = bench.run(free_port)
    wait_for(memory(bench))
    process.kill()
    process.communicate()
    node = cluster.start(bench.version, port=free_port)
    assert status(bench).state == "running"
    assert cluster.stop(bench.version) == [node]


def test_two_at_once_start_one_node(bench, free_port):
    """The second waits for the first, and finds its node."""
    both = [bench.run(free_port) for _ in range(2)]
    answers = [process.communicate()[0] for process in both]
    assert answers == [f"http://127.0.0.1:{free_port}\n"] * 2
    assert (bench.served / "calls").read_text().count("org.example:opensearch:9.9.9:zip") == 1


def test_a_dead_process_is_no_node(bench, free_port):
    """What died by itself is not taken for running, and can be started again."""
    node = cluster.start(bench.version, port=free_port)
    psutil.Process(node.pid).kill()
    psutil.wait_procs([psutil.Process(node.pid)] if psutil.pid_exists(node.pid) else [])
    assert status(bench).state == "installed"
    assert cluster.start(bench.version, port=free_port).pid != node.pid


def test_a_pid_that_another_process_has_now_is_left_alone(bench, free_port):
    """`down` ends the process that `up` started, not one that got its number later."""
    node = cluster.start(bench.version, port=free_port)
    remembered = memory(bench)
    bystander = psutil.Popen(["/bin/sleep", "600"])
    try:
        earlier = replace(node, pid=bystander.pid, started=bystander.create_time() - 60)
        remembered.write_text(json.dumps(asdict(earlier)))
        assert status(bench).node is None
        assert cluster.stop(bench.version) == []
        assert bystander.is_running()
    finally:
        bystander.kill()
        bystander.wait()
        psutil.Process(node.pid).kill()
        psutil.Process(node.pid).wait()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"server": "9.9.9", "pid": "x"}'])
def test_a_memory_that_cannot_be_read_is_none(bench, text):
    """A damaged file is no reason to fail, nor to end anything."""
    memory(bench).parent.mkdir(parents=True)
    memory(bench).write_text(text)
    assert status(bench).node is None


def test_the_nodes_options_suit_its_java_and_its_place(bench, free_port):
    """No module that this Java lacks, and no log beside the installed server, which the account may not write."""
    cluster.start(bench.version, port=free_port)
    options = (bench.home / "nodes" / bench.version / "config" / "jvm.options").read_text()
    assert options == "-Xms1g\n"
    cluster.stop(bench.version)


def test_the_vector_module_stays_where_the_java_has_it(bench, free_port, monkeypatch):
    """OpenSearch is faster with it."""
    monkeypatch.setenv("OPENSEARCH_JAVA_HOME", str(bench.java("20.0.1", "jdk.incubator.vector@20.0.1")))
    cluster.start(bench.version, port=free_port)
    options = (bench.home / "nodes" / bench.version / "config" / "jvm.options").read_text()
    assert "--add-modules=jdk.incubator.vector" in options


def test_the_node_sees_nothing_of_the_callers_environment(bench, monkeypatch):
    """No proxy, no option, no secret."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    environment = room._environment(bench.home, room.Java(bench.java(), 17))
    assert "AWS_SECRET_ACCESS_KEY" not in environment
    assert environment["DJL_OFFLINE"] == "true"


def test_a_home_with_a_space_is_refused(monkeypatch, tmp_path, free_port):
    """OpenSearch's own start script breaks on it; better to say so before a download."""
    monkeypatch.setenv("MLTASK_FIXTURES_HOME", str(tmp_path / "my servers"))
    with pytest.raises(WrongUseError, match="breaks on the space"):
        cluster.start("3.6.0", port=free_port)
    assert not home().exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the node to another account")
def test_a_home_that_the_account_cannot_enter_is_refused(monkeypatch, tmp_path, free_port):
    """The error names the folder that is closed."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("MLTASK_FIXTURES_HOME", str(closed / "home"))
    with pytest.raises(OutsideError, match="cannot enter"):
        cluster.start("3.6.0", port=free_port)


def test_several_clusters_of_one_version_run_side_by_side(bench, free_port):
    """Each under its name, with its own folder; stopping one leaves the other."""
    first = cluster.start(bench.version, port=free_port)
    other = cluster.start(bench.version, name="other", port=cluster.ANY_PORT)
    assert {one.name: one.state for one in cluster.status() if one.server == bench.version} == {
        bench.version: "running",
        "other": "running",
    }
    assert cluster.stop("other") == [other]
    assert status(bench).nodes == (first,)


def test_a_cluster_of_two_nodes_gives_each_its_own_settings(bench, free_port):
    """They know each other's ports, and only the second has what was meant for it."""
    first = cluster.start(bench.version, port=free_port, nodes=2, settings=[{}, {"a.b": 0}])
    nodes = status(bench).nodes
    assert nodes[0] == first
    assert len({node.pid for node in nodes}) == len({node.port for node in nodes}) == 2
    texts = [(node.folder / "config" / "opensearch.yml").read_text() for node in nodes]
    assert ["a.b: 0\n" in text for text in texts] == [False, True]
    seeds = [[line for line in text.splitlines() if "seed_hosts" in line] for text in texts]
    assert seeds[0] == seeds[1]
    assert all("single-node" not in text for text in texts)
    assert set(cluster.stop(bench.version)) == set(nodes)
    assert not any(psutil.pid_exists(node.pid) for node in nodes)


def test_a_second_node_that_dies_takes_the_first_with_it(bench, free_port):
    """All or nothing: no half cluster is left running."""
    bench.serve_server('case "$OPENSEARCH_PATH_CONF" in *@2*) exit 1;; esac\nexec sleep 600\n')
    room_before = {process.pid for process in psutil.process_iter()}
    with pytest.raises(OutsideError, match="died at start"):
        cluster.start(bench.version, port=free_port, nodes=2)
    left = [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.pid not in room_before and process.info["cmdline"] == ["sleep", "600"]
    ]
    assert left == []
    assert status(bench).state == "installed"


@pytest.mark.parametrize("name", ["", "a b", "../x", "a@2", "-x", "x" * 42])
def test_an_impossible_name_is_refused(bench, name):
    """It is the name of a folder."""
    with pytest.raises(WrongUseError, match="cannot be a cluster's name"):
        clusters._checked(name)


def test_a_name_that_another_version_has_is_refused(bench, free_port):
    """The error says what runs under it."""
    cluster.start(bench.version, name="mine", port=free_port)
    with pytest.raises(WrongUseError, match=r"runs already, with 9\.9\.9"):
        cluster.start("3.6.0", name="mine")


def test_an_unknown_cluster_cannot_be_stopped(bench, free_port):
    """The error names those that there are."""
    cluster.start(bench.version, name="mine", port=free_port)
    with pytest.raises(WrongUseError, match="there is mine"):
        cluster.stop("yours")


def test_the_logs_of_a_cluster_are_found_also_after_it_died(bench, free_port):
    """The first node's first."""
    bench.serve_server("echo I die; exit 1\n")
    with pytest.raises(OutsideError):
        cluster.start(bench.version, port=free_port)
    (log,) = cluster.logs()
    assert log.read_text() == "I die\n"
    with pytest.raises(WrongUseError, match="there is no cluster 'other'"):
        cluster.logs("other")


def test_a_crash_keeps_the_data_and_the_port(bench, free_port):
    """Kill -9 and up again: another process, the same folder."""
    node = cluster.start(bench.version, port=free_port)
    (node.folder / "data" / "kept").write_text("x")
    again = cluster.restart(bench.version)
    assert again.pid != node.pid
    assert again.url == node.url
    assert (node.folder / "data" / "kept").read_text() == "x"
    assert status(bench).node == again
