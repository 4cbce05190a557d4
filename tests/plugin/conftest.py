"""Projects of strangers, run by a pytest of their own."""

from __future__ import annotations

from importlib import import_module

import pytest

for _name in ("opensearchpy", "mltask_fixtures.cassette.intercept", "mltask_fixtures.server"):
    # They stay loaded from one inner run to the next: hooks that wait for imports cannot be taken back.
    import_module(_name)

NEIGHBOURS = ("cassetter", "recording", "asyncio", "randomly", "cacheprovider")
"""Left out unless a test asks for them; the first two have an option of the same name."""
POLL = """
import urllib.request, json

def poll(task_id, host="http://any:9200"):
    with urllib.request.urlopen(f"{host}/_plugins/_ml/tasks/{task_id}") as answer:
        return json.load(answer)["state"]
"""
"""The code under test of the inner projects: a module `polling`."""


@pytest.fixture
def neighbours(monkeypatch):
    """Call it with the names of the plugins that inner runs load beside ours."""

    def choose(*names):
        assert set(names) <= set(NEIGHBOURS)
        left_out = [name for name in NEIGHBOURS if name not in names]
        monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(f"-p no:{name}" for name in left_out))

    return choose


@pytest.fixture
def project(pytester, monkeypatch, neighbours):
    """An empty project, run with no neighbour but those that a test asks for."""
    neighbours()
    for name in ("CI", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    pytester.syspathinsert()
    pytester.makepyfile(polling=POLL)
    pytester.makeini("[pytest]\naddopts = --strict-markers\n")
    return pytester


@pytest.fixture
def server():
    """A server on this computer that tasks can be recorded from; the test adds them."""
    from mltask_fixtures import TaskServer

    with TaskServer(dialect="3.6") as server:
        yield server
