"""Recording a test's own traffic from a server, with `--mltask-record` and `--mltask-url`."""

from __future__ import annotations

import json

import pytest

from mltask_fixtures import TaskFactory
from mltask_fixtures.cassette import store

POLLING = """
import pytest
from polling import poll

@pytest.mark.mltask_cassette
def test_training():
    assert poll({task!r}) == {state!r}
"""


@pytest.fixture
def factory():
    return TaskFactory(dialect="3.6")


@pytest.fixture
def task(server, factory):
    """A task that is RUNNING at its first poll, and COMPLETED then."""
    running = factory.build("TRAINING", "RUNNING")
    times = {"create_time": running.create_time, "last_update_time": running.create_time + 500}
    return server.add(running, factory.build("TRAINING", "COMPLETED", **times))


def bodies(path):
    exchanges = json.loads(path.read_text())["interactions"]
    return [exchange["response"]["body"]["json"]["state"] for exchange in exchanges]


def run(project, server, mode, *words):
    return project.runpytest_subprocess("--mltask-record", mode, "--mltask-url", server.url, *words)


def test_once_records_what_has_no_file_and_replays_it_from_then_on(project, server, task):
    """Into the project's folder, under the test's own name; the second run asks no server."""
    project.makepyfile(test_x=POLLING.format(task=task, state="RUNNING"))
    run(project, server, "once").assert_outcomes(passed=1)
    path = project.path / "cassettes" / "test_x" / "test_training.json"
    assert bodies(path) == ["RUNNING"]
    assert len(server.requests) == 1
    run(project, server, "once").assert_outcomes(passed=1)
    project.runpytest_subprocess().assert_outcomes(passed=1)
    assert len(server.requests) == 1


def test_a_recording_says_when_and_by_what_it_was_made(project, server, task):
    """In its metadata; no address of the server stays in a header of it."""
    project.makepyfile(test_x=POLLING.format(task=task, state="RUNNING"))
    run(project, server, "once").assert_outcomes(passed=1)
    metadata = json.loads((project.path / "cassettes/test_x/test_training.json").read_text())["metadata"]
    assert set(metadata) >= {"recorded_at", "tool"}


def test_new_adds_what_the_file_does_not_answer(project, server, task, factory):
    """What is there stays as it is."""
    project.makepyfile(test_x=POLLING.format(task=task, state="RUNNING"))
    run(project, server, "once").assert_outcomes(passed=1)
    other = server.add(factory.build("DEPLOY_MODEL", "RUNNING"))
    project.makepyfile(test_x=POLLING.format(task=task, state="RUNNING") + f"    poll({other!r})\n")
    project.runpytest_subprocess().assert_outcomes(failed=1)
    run(project, server, "new").assert_outcomes(passed=1)
    assert len(server.requests) == 2
    assert bodies(project.path / "cassettes/test_x/test_training.json") == ["RUNNING", "RUNNING"]


def test_all_records_everything_anew(project, server, task):
    """The server's next answer takes the place of the recorded one."""
    project.makepyfile(test_x=POLLING.format(task=task, state="RUNNING"))
    run(project, server, "once").assert_outcomes(passed=1)
    project.makepyfile(test_x=POLLING.format(task=task, state="COMPLETED"))
    run(project, server, "all").assert_outcomes(passed=1)
    assert bodies(project.path / "cassettes/test_x/test_training.json") == ["COMPLETED"]


@pytest.mark.parametrize(
    "end", ["assert False", "pytest.skip('later')", "pytest.xfail('known')"], ids=["failed", "skipped", "xfailed"]
)
def test_only_a_test_that_passed_is_saved(project, server, task, end):
    """Half a lifecycle is no recording."""
    project.makepyfile(test_x=POLLING.format(task=task, state="RUNNING") + f"    {end}\n")
    run(project, server, "once")
    assert len(server.requests) == 1
    assert not (project.path / "cassettes").exists()


def test_recording_a_test_of_a_bundled_cassette_leaves_the_bundled_one_alone(project, server, task):
    """`all` writes one of the same name into the project's folder; `once` and `new` replay the bundled one."""
    name = "3.6.0/train-kmeans-completed"
    before = store.find(name).read_bytes()
    project.makepyfile(test_x=POLLING.format(task=task, state="RUNNING").replace("cassette\n", f'cassette("{name}")\n'))
    run(project, server, "once").assert_outcomes(failed=1)
    run(project, server, "new").assert_outcomes(failed=1)
    assert server.requests == []
    run(project, server, "all").assert_outcomes(passed=1)
    assert bodies(project.path / f"cassettes/{name}.json") == ["RUNNING"]
    assert store.find(name).read_bytes() == before


def test_a_bundled_file_is_refused_even_by_its_path(project, server, task):
    """Nothing that comes with the package is ever written to."""
    path = store.find("3.6.0/unknown-task-id")
    before = path.read_bytes()
    text = POLLING.format(task=task, state="RUNNING").replace("cassette\n", f"cassette({str(path)!r})\n")
    project.makepyfile(test_x=text)
    result = run(project, server, "all")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*unknown-task-id.json comes with the package and is never written to; *"])
    assert path.read_bytes() == before
    assert server.requests == []


def test_the_folder_is_the_projects_choice(project, server, task):
    """Relative to the ini file."""
    project.makeini("[pytest]\nmltask_cassette_dir = tests/recorded\n")
    project.makepyfile(test_x=POLLING.format(task=task, state="RUNNING"))
    run(project, server, "once").assert_outcomes(passed=1)
    assert (project.path / "tests/recorded/test_x/test_training.json").is_file()
    project.runpytest_subprocess().assert_outcomes(passed=1)


IDS = [
    "a/b",
    "a:b",
    "a b",
    "../../x",
    "x" * 300,
    "x" * 301,
    "\u00fcml\u00e4ut",
    "\u65e5\u672c",
    "",
    ".",
    "..",
    "a-b",
    "A/B",
    "nul\x00",
    "\U0001f600",
]


def test_each_parametrised_id_has_a_cassette_of_its_own(project, server, factory):
    """Whatever the id holds: separators, ways out of the folder, three hundred characters, any script."""
    tasks = [server.add(factory.build("TRAINING", "RUNNING")) for _ in IDS]
    project.makepyfile(
        test_x=f"""
        import pytest
        from polling import poll

        CASES = {list(zip(IDS, tasks, strict=True))!r}

        @pytest.mark.mltask_cassette
        @pytest.mark.parametrize("task", [task for _, task in CASES], ids=[name for name, _ in CASES])
        def test_it(task):
            assert poll(task) == "RUNNING"
        """
    )
    run(project, server, "once").assert_outcomes(passed=len(IDS))
    folder = project.path / "cassettes"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == len(IDS)
    assert len({path.name.lower() for path in files}) == len(IDS)
    assert {path.parent for path in files} == {folder / "test_x"}
    project.runpytest_subprocess().assert_outcomes(passed=len(IDS))
    assert len(server.requests) == len(IDS)


def test_workers_of_xdist_record_each_their_own(project, server, factory):
    """A cassette for each test, so nothing is shared."""
    tasks = [server.add(factory.build("TRAINING", "RUNNING")) for _ in range(8)]
    project.makepyfile(
        test_x=f"""
        import pytest
        from polling import poll

        @pytest.mark.mltask_cassette
        @pytest.mark.parametrize("task", {tasks!r})
        def test_it(task):
            assert poll(task) == "RUNNING"
        """
    )
    run(project, server, "once", "-n", "2").assert_outcomes(passed=8)
    project.runpytest_subprocess("-n", "2").assert_outcomes(passed=8)
    assert len(server.requests) == 8


def test_a_cassette_that_is_missing_says_how_to_record_it(project, task):
    """The first thing that everyone meets."""
    project.makepyfile(test_x=POLLING.format(task=task, state="RUNNING"))
    result = project.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["there is no cassette 'test_x/test_training'*--mltask-record once --mltask-url URL records a new one"]
    )


def test_fixtures_of_wider_scope_record_too(project, server, task):
    """Through `mltask_use_cassette`, by the same options."""
    project.makepyfile(
        test_x=f"""
        import pytest
        from polling import poll

        @pytest.fixture(scope="session")
        def state(mltask_use_cassette):
            with mltask_use_cassette("shared/training"):
                yield poll({task!r})

        def test_it(state):
            assert state == "RUNNING"
        """
    )
    run(project, server, "once").assert_outcomes(passed=1)
    assert bodies(project.path / "cassettes/shared/training.json") == ["RUNNING"]
    project.runpytest_subprocess().assert_outcomes(passed=1)
    assert len(server.requests) == 1
