"""`--mltask-record verify`: does a live cluster still say what was recorded?"""

from __future__ import annotations

import pytest

from mltask_fixtures import TaskFactory

POLLING = """
import pytest
from polling import poll

@pytest.mark.mltask_cassette
def test_training():
    assert [poll({task!r}) for _ in range(2)] == ["RUNNING", "COMPLETED"]
"""


def snapshots(function_name="KMEANS"):
    overrides = {"function_name": function_name}
    factory = TaskFactory(dialect="3.6", seed=1)
    running = factory.build("TRAINING", "RUNNING", **overrides)
    times = {"create_time": running.create_time, "last_update_time": running.create_time + 500}
    return running, factory.build("TRAINING", "COMPLETED", **times, **overrides)


@pytest.fixture
def recorded(project, server):
    """A project whose one test has been recorded; it gives the task's id and the file."""
    task = server.add(*snapshots())
    project.makepyfile(test_x=POLLING.format(task=task))
    project.runpytest_subprocess("--mltask-record", "once", "--mltask-url", server.url).assert_outcomes(passed=1)
    return task, project.path / "cassettes/test_x/test_training.json"


@pytest.fixture
def later(recorded):
    """The cluster as it is later; the test adds what it says then."""
    from mltask_fixtures import TaskServer

    with TaskServer(dialect="3.6") as server:
        yield server


def verify(project, server):
    return project.runpytest_subprocess("--mltask-record", "verify", "--mltask-url", server.url)


def test_the_same_answers_pass(project, recorded, later):
    """Other times and another model id are the same; the test really asked, and the file stays as it is."""
    task, path = recorded
    before = path.read_bytes()
    later.add(*snapshots(), task_id=task)
    verify(project, later).assert_outcomes(passed=1)
    assert len(later.requests) == 2
    assert path.read_bytes() == before


def test_another_word_is_reported_by_field(project, recorded, later):
    """As an error at teardown, with what was recorded and what is said now; the file stays as it is."""
    task, path = recorded
    before = path.read_bytes()
    later.add(*snapshots(function_name="LINEAR_REGRESSION"), task_id=task)
    result = verify(project, later)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_training*",
            "*test_training.json is not what the cluster says now: 2 differences",
            "  - GET tasks/{id}, TRAINING RUNNING: response.body.function_name: value; recorded 'KMEANS', now 'LINEAR_*'",
        ]
    )
    result.stdout.no_fnmatch_line("*verify.py*")
    assert path.read_bytes() == before


def test_a_test_that_fails_on_the_live_cluster_still_tells_the_difference(project, recorded, later):
    """What it did not come to is no difference."""
    task, _ = recorded
    later.add(*snapshots(), task_id=task)
    later.fault(task, at=1, status=503)
    result = verify(project, later)
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*response.status: value; recorded 200, now 503"])
    result.stdout.no_fnmatch_line("*: gone*state*")


def test_a_bundled_recording_is_replayed(project, server):
    """It is of another cluster; the request is not sent."""
    project.makepyfile(
        """
        import pytest
        from polling import poll

        @pytest.mark.mltask_cassette("3.6.0/train-kmeans-completed")
        def test_it(mltask_replay):
            assert poll(mltask_replay.task_ids[0]) == "CREATED"
        """
    )
    verify(project, server).assert_outcomes(passed=1)
    assert server.requests == []


def test_verify_needs_a_cluster(project):
    """Said before any test runs."""
    result = project.runpytest("--mltask-record", "verify")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --mltask-record verify needs a cluster to ask: --mltask-url URL"])
