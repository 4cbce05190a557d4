"""Living beside the plugins that people have: each does its work, and ours does its own."""

from __future__ import annotations

import pytest

OURS = """
import pytest
from polling import poll

@pytest.mark.mltask_cassette("3.6.0/train-kmeans-completed")
def test_ours(mltask_replay, mltask):
    assert poll(mltask_replay.task_ids[0]) == "CREATED"
    assert mltask.build("TRAINING", "COMPLETED").state == "COMPLETED"
"""
RECORDED = """
interactions:
- request: {body: null, headers: {}, method: GET, uri: 'http://other.invalid/hello'}
  response: {body: {string: hello}, headers: {}, status: {code: 200, message: OK}}
version: 1
"""


@pytest.mark.parametrize("neighbour", ["recording", "cassetter"])
def test_another_cassette_plugin_replays_its_own_tests(project, neighbours, neighbour):
    """In one run with ours, with its `vcr` marker and its --record-mode."""
    neighbours(neighbour)
    project.makepyfile(
        test_x=OURS
        + """
@pytest.mark.vcr
def test_theirs():
    import requests
    assert requests.get("http://other.invalid/hello", timeout=5).text == "hello"
"""
    )
    path = project.path / "cassettes" / "test_x" / "test_theirs.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(RECORDED)
    result = project.runpytest_subprocess("--record-mode=none", "-v")
    result.assert_outcomes(passed=2)


def test_pytest_recording_may_block_the_network(project, neighbours):
    """Our replay needs none."""
    neighbours("recording")
    project.makepyfile(test_x=OURS)
    project.runpytest_subprocess("--block-network").assert_outcomes(passed=1)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_any_order_will_do(project, neighbours, seed):
    """pytest-randomly shuffles and reseeds; payloads and replay do not mind."""
    neighbours("randomly")
    project.makepyfile(test_x=OURS, test_y=OURS)
    result = project.runpytest_subprocess(f"--randomly-seed={seed}")
    result.assert_outcomes(passed=2)


def test_workers_of_xdist_replay_side_by_side(project):
    """Each with a cassette of its own state."""
    project.makepyfile(test_x=OURS, test_y=OURS, test_z=OURS)
    result = project.runpytest_subprocess("-n", "2")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["mltask-fixtures: *, record none"])


def test_the_faker_fixture_is_fakers(project):
    """Ours takes its texts from a Faker of its own."""
    project.makepyfile(
        test_x=OURS
        + """
def test_faker(faker):
    from mltask_fixtures import TaskFactory

    def text():
        return TaskFactory(seed=1, dialect="3.6").build("DEPLOY_MODEL", "FAILED").error

    before, theirs = text(), faker.sentence()
    faker.seed_instance(0)
    assert text() == before
    assert faker.sentence() == theirs
"""
    )
    project.runpytest().assert_outcomes(passed=2)


def test_a_property_may_draw_from_hypothesis_and_build_with_the_fixture(project):
    """The factory has the test's scope: each example goes on where the last one ended."""
    project.makepyfile(
        test_x="""
        from hypothesis import HealthCheck, given, settings, strategies as st

        @settings(max_examples=5, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
        @given(state=st.sampled_from(["CREATED", "COMPLETED"]))
        def test_it(mltask, state):
            assert mltask.build("TRAINING", state).state == state
        """
    )
    project.runpytest().assert_outcomes(passed=1)


def test_asynchronous_fixtures_are_answered_as_well(project, neighbours):
    """pytest-asyncio sets fixtures up in a task of their own; the marker's cassette answers them."""
    neighbours("asyncio")
    project.makepyfile(
        test_x="""
        import httpx, pytest, pytest_asyncio

        @pytest_asyncio.fixture
        async def state(mltask_replay):
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"http://any/_plugins/_ml/tasks/{mltask_replay.task_ids[0]}")
            return answer.json()["state"]

        @pytest.mark.asyncio
        @pytest.mark.mltask_cassette("3.6.0/train-kmeans-completed")
        async def test_it(state):
            assert state == "CREATED"
        """
    )
    project.runpytest_subprocess("-p", "no:anyio").assert_outcomes(passed=1)


def test_a_warning_as_error_project_sees_no_warning_of_ours(project):
    """With -W error, a replay is as clean as anything else."""
    project.makepyfile(test_x=OURS)
    project.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)
