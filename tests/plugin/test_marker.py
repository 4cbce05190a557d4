"""The marker `mltask_cassette`: which cassette answers, and what is said when none can."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

MARKED = """
import pytest
from polling import poll

@pytest.mark.mltask_cassette({arguments})
def test_it(mltask_replay):
    assert poll(mltask_replay.task_ids[0]) == "CREATED"
"""
KMEANS = '"3.6.0/train-kmeans-completed"'


@pytest.mark.parametrize("arguments", [KMEANS, f"name={KMEANS}", f"{KMEANS}, strict=True"])
def test_a_bundled_recording_answers(project, arguments):
    """By its name, wherever the code sends its requests."""
    project.makepyfile(MARKED.format(arguments=arguments))
    project.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (f"{KMEANS}, strickt=True", "mltask_cassette has no argument 'strickt'; did you mean 'strict'?"),
        (f"{KMEANS}, qqq=True", "mltask_cassette has no argument 'qqq'; the known ones are name, strict, *"),
        ('"a", "b"', "mltask_cassette takes one name of a cassette, not ?'a', 'b'?"),
        ("7", "mltask_cassette takes one name of a cassette, not ?7?"),
    ],
)
def test_a_wrong_argument_is_refused_when_tests_are_collected(project, arguments, told):
    """Before any test runs, with the test's name and the nearest argument."""
    project.makepyfile(test_x=MARKED.format(arguments=arguments))
    result = project.runpytest()
    assert result.ret != pytest.ExitCode.OK
    result.assert_outcomes()
    told_lines = [line for line in result.outlines + result.errlines if "test_x.py::test_it: mltask_cassette" in line]
    assert told_lines, result.outlines
    assert fnmatch(told_lines[0], f"*test_x.py::test_it: {told}")


def test_an_unknown_cassette_is_an_error_that_names_the_nearest(project):
    """Without a traceback through our own code."""
    project.makepyfile(MARKED.format(arguments='"3.6.0/train-kmeans-complete"'))
    result = project.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["there is no cassette '3.6.0/train-kmeans-complete'*did you mean '3.6.0/train-kmeans-completed'*"]
    )
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_the_fixture_without_the_marker_says_so(project):
    """Which cassette would it be?"""
    project.makepyfile("def test_it(mltask_replay): pass")
    result = project.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_it: mltask_replay gives the cassette of the marker mltask_cassette, which *"])


def test_a_marked_test_needs_not_name_the_fixture(project):
    """The marker alone puts the cassette into use, fixtures of the test's own included."""
    project.makepyfile(
        """
        import pytest
        from polling import poll

        @pytest.fixture
        def state():
            return poll("M7v", "http://elsewhere:1")

        @pytest.mark.mltask_cassette("3.6.0/unknown-task-id")
        def test_it():
            with pytest.raises(Exception, match="has no answer to GET /_plugins/_ml/tasks/never"):
                poll("never")
        """
    )
    result = project.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*had no answer to what was asked, and the error was swallowed on its way:"])


def test_a_request_without_an_answer_fails_the_test_though_its_error_was_swallowed(project):
    """Code that retries or logs must not turn a missing answer into a green test."""
    project.makepyfile(
        """
        import contextlib, pytest
        from polling import poll

        @pytest.mark.mltask_cassette("3.6.0/train-kmeans-completed")
        def test_it():
            with contextlib.suppress(Exception):
                poll("never")
        """
    )
    result = project.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_it*",
            "*train-kmeans-completed.json had no answer to what was asked, and the error was swallowed on its way:",
            "  GET /_plugins/_ml/tasks/never",
        ]
    )
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_an_unanswered_request_that_fails_the_test_is_reported_once(project):
    """The error says what was asked and what there is; the teardown has nothing to add."""
    project.makepyfile(
        """
        import pytest
        from polling import poll

        @pytest.mark.mltask_cassette("3.6.0/train-kmeans-completed")
        def test_it():
            poll("never")
        """
    )
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*has no answer to GET /_plugins/_ml/tasks/never: it was not recorded; recorded were"])


def test_markers_of_classes_and_modules_count(project):
    """The nearest one wins: the test's, the class's, the module's."""
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.mltask_cassette("3.6.0/train-kmeans-completed")

        def test_of_the_module(mltask_replay):
            assert mltask_replay.metadata["scenario"] == "train-kmeans-completed"

        @pytest.mark.mltask_cassette("3.6.0/unknown-task-id")
        class TestIt:
            def test_of_the_class(self, mltask_replay):
                assert mltask_replay.metadata["scenario"] == "unknown-task-id"

            @pytest.mark.mltask_cassette("2.19.1/train-missing-index-failed")
            def test_of_its_own(self, mltask_replay):
                assert mltask_replay.metadata["scenario"] == "train-missing-index-failed"
        """
    )
    project.runpytest().assert_outcomes(passed=3)


def test_a_unittest_test_case_can_be_marked(project):
    """On the class and on a method, setUp included."""
    project.makepyfile(
        """
        import unittest
        import pytest
        from polling import poll

        TASK = {task!r}

        @pytest.mark.mltask_cassette("3.6.0/train-kmeans-completed")
        class Case(unittest.TestCase):
            def setUp(self):
                self.first = poll(TASK)

            def test_it(self):
                self.assertEqual([self.first, poll(TASK)], ["CREATED", "RUNNING"])

            @pytest.mark.mltask_cassette("3.6.0/train-kmeans-completed", strict=True)
            def test_again(self):
                self.assertEqual(self.first, "CREATED")
        """.replace("{task!r}", repr(_task_id()))
    )
    project.runpytest().assert_outcomes(passed=2)


def _task_id():
    from mltask_fixtures.cassette import load
    from mltask_fixtures.cassette.timeline import polled_task

    exchanges = load("3.6.0/train-kmeans-completed").interactions
    return next(filter(None, (polled_task(e.request.method, e.request.uri) for e in exchanges)))


def test_each_parameter_of_a_test_reads_its_own_cassette_from_the_marks_of_pytest_param(project):
    """One test over several recordings."""
    project.makepyfile(
        """
        import pytest

        NAMES = ["3.6.0/train-kmeans-completed", "2.19.1/train-kmeans-completed"]

        @pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.mltask_cassette(n)) for n in NAMES])
        def test_it(name, mltask_replay):
            assert mltask_replay.metadata["server"]["version"] == name.partition("/")[0]
        """
    )
    project.runpytest().assert_outcomes(passed=2)


@pytest.mark.parametrize("plugin", ["asyncio", "anyio"])
def test_async_tests_are_answered(project, neighbours, plugin):
    """Under either plugin that runs coroutines, with an asynchronous client."""
    project.makepyfile(
        f"""
        import httpx, pytest

        @pytest.mark.{plugin}
        @pytest.mark.mltask_cassette("3.6.0/train-kmeans-completed")
        async def test_it(mltask_replay):
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"http://any/_plugins/_ml/tasks/{{mltask_replay.task_ids[0]}}")
            assert answer.json()["state"] == "CREATED"

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
        """
    )
    if plugin == "asyncio":
        neighbours("asyncio")
    project.runpytest_subprocess(*(["-p", "no:anyio"] if plugin == "asyncio" else [])).assert_outcomes(passed=1)


def test_fixtures_of_wider_scope_can_have_a_cassette_of_their_own(project):
    """Through `mltask_use_cassette`, which knows the run's options and folder."""
    project.makepyfile(
        """
        import pytest
        from polling import poll

        @pytest.fixture(scope="module")
        def trained(mltask_use_cassette):
            with mltask_use_cassette("3.6.0/train-kmeans-completed") as cassette:
                yield [poll(cassette.task_ids[0]) for _ in range(20)]

        def test_one(trained):
            assert trained[-1] == "COMPLETED"

        @pytest.mark.mltask_cassette("3.6.0/train-missing-index-failed")
        def test_two(trained, mltask_replay):
            assert poll(mltask_replay.task_ids[0]) != "COMPLETED"
            assert trained[-1] == "COMPLETED"
        """
    )
    project.runpytest().assert_outcomes(passed=2)


def test_a_session_fixture_that_asks_before_the_cassette_is_not_answered_by_it(project):
    """Which test's cassette would it be? The request goes where it says, as without the plugin."""
    project.makepyfile(
        """
        import pytest
        from polling import poll

        @pytest.fixture(scope="session")
        def early():
            with pytest.raises(OSError, match="refused"):
                poll("x", "http://127.0.0.1:9")

        @pytest.mark.mltask_cassette("3.6.0/train-kmeans-completed")
        def test_it(early, mltask_replay):
            assert poll(mltask_replay.task_ids[0]) == "CREATED"
        """
    )
    project.runpytest().assert_outcomes(passed=1)
