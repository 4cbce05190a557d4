from __future__ import annotations

import pytest

from mltask_fixtures._errors import OutsideError
from mltask_fixtures.cluster.java import find_java, has_module
from mltask_fixtures.cluster.servers import SERVERS, Server


def test_the_java_that_the_user_names_comes_first(bench, monkeypatch):
    """OPENSEARCH_JAVA_HOME wins over JAVA_HOME."""
    monkeypatch.setenv("JAVA_HOME", str(bench.java("18.0.1")))
    found = find_java(SERVERS[bench.version])
    assert (found.major, found.home) == (17, bench.java())


def test_a_java_that_does_not_fit_is_passed_over(bench, monkeypatch):
    """A wrong OPENSEARCH_JAVA_HOME is no reason to fail where another Java fits."""
    monkeypatch.setenv("OPENSEARCH_JAVA_HOME", str(bench.java("1.8.0_402")))
    monkeypatch.setenv("JAVA_HOME", str(bench.java("21.0.2")))
    assert find_java(SERVERS[bench.version]).major == 21


def test_wrong_versions_are_named_with_the_wanted_ones(bench, monkeypatch):
    """The error says which Javas there are, which are wanted, and how to name one."""
    monkeypatch.setenv("OPENSEARCH_JAVA_HOME", str(bench.java("1.8.0_402")))
    server = Server(version="9.9.9", java_from=900, java_to=None, artifacts=(), modules=(), installed=0)
    with pytest.raises(OutsideError) as caught:
        find_java(server)
    text = str(caught.value)
    assert "runs on Java 900 or newer" in text
    assert f"Java 8 in {bench.java('1.8.0_402')}" in text
    assert "OPENSEARCH_JAVA_HOME" in text
    assert 'pip install "mltask-fixtures[java]"' in text


def test_another_server_is_offered_where_it_would_run(bench, monkeypatch):
    """Java 11 runs no 3.x, but it runs 2.19: the error says so."""
    monkeypatch.setenv("OPENSEARCH_JAVA_HOME", str(bench.java("11.0.1")))
    server = Server(version="9.9.9", java_from=900, java_to=None, artifacts=(), modules=(), installed=0)
    with pytest.raises(OutsideError, match=r"or take --server 2\.19\.1, which runs on what is here"):
        find_java(server)


def test_a_java_that_cannot_be_run_is_none(bench, monkeypatch):
    """A file named java that is no program is passed over, not a crash."""
    broken = bench.java("18.0.0")
    (broken / "bin" / "java").chmod(0o644)
    monkeypatch.setenv("OPENSEARCH_JAVA_HOME", str(broken))
    monkeypatch.setenv("JAVA_HOME", str(bench.java("21.0.2")))
    assert find_java(SERVERS[bench.version]).major == 21


def test_modules_are_asked_of_the_java(bench, monkeypatch):
    """A runtime that was cut down lacks modules that the server's options name."""
    monkeypatch.setenv("OPENSEARCH_JAVA_HOME", str(bench.java("19.0.1", "jdk.incubator.vector@19.0.1")))
    java = find_java(SERVERS[bench.version])
    assert has_module(java, "jdk.incubator.vector")
    assert not has_module(java, "jdk.incubator")
