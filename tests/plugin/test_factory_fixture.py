"""The fixtures `mltask` and `mltask_server`, and the marker of dialects."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest

SHOWING = """
import pytest

def show(name, task):
    print(f"<{name} {task.model_dump_json()}>")

def test_one(mltask):
    show("one", mltask.build("TRAINING", "COMPLETED"))

@pytest.mark.parametrize("n", [1, 2])
def test_two(mltask, n):
    show(f"two{n}", mltask.build("DEPLOY_MODEL", "FAILED"))
"""
ADDED = (
    """
def test_before(mltask):
    mltask.batch(5)
    mltask.build("TRAINING", "FAILED")

"""
    + SHOWING
)


def payloads(result):
    return sorted(re.findall(r"<\w+ \{.*\}>", result.stdout.str()))


def test_payloads_are_the_same_alone_in_any_order_under_xdist_and_beside_other_tests(project, neighbours):
    """They hang on the run's seed and on the test's name, and on nothing else."""
    project.makepyfile(test_x=SHOWING)
    whole = payloads(project.runpytest("-rP"))
    assert len(set(whole)) == 3
    assert payloads(project.runpytest("-rP", "test_x.py::test_two[2]", "test_x.py::test_two[1]")) == whole[1:]
    assert payloads(project.runpytest_subprocess("-rP", "-n", "2")) == whole
    project.makepyfile(test_x=ADDED)
    assert payloads(project.runpytest("-rP")) == whole
    neighbours("randomly")
    for seed in ("1", "2"):
        assert payloads(project.runpytest_subprocess("-rP", f"--randomly-seed={seed}")) == whole


def test_payloads_are_the_same_from_whichever_folder_pytest_is_started(project, monkeypatch):
    """A test's name is taken from the project's root."""
    project.mkdir("tests").joinpath("test_x.py").write_text(SHOWING)
    whole = payloads(project.runpytest("-rP"))
    assert len(whole) == 3
    monkeypatch.chdir(project.path / "tests")
    assert payloads(project.runpytest("-rP")) == whole


def test_another_seed_gives_other_payloads(project):
    """By option or ini key."""
    project.makepyfile(test_x=SHOWING)
    first, second = payloads(project.runpytest("-rP")), payloads(project.runpytest("-rP", "--mltask-seed", "2"))
    assert not set(first) & set(second)
    project.makeini("[pytest]\nmltask_seed = 2\n")
    assert payloads(project.runpytest("-rP")) == second


def test_a_failure_shows_the_seed(project):
    """Enough to build the same payloads anywhere."""
    project.makepyfile(
        test_x="""
        def test_it(mltask):
            assert mltask.build("TRAINING", "COMPLETED").model_dump_json() == ""

        def test_other():
            raise ValueError
        """
    )
    result = project.runpytest("--mltask-seed", "7")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["*- mltask-fixtures -*", "the payloads came from TaskFactory(seed='7:test_x.py::test_it', ...)"]
    )
    assert result.stdout.str().count("the payloads came from") == 1


def test_a_test_runs_once_with_each_dialect(project):
    """The name is in the test's id, and the payloads are that dialect's."""
    project.makepyfile(
        test_x="""
        import pytest
        from mltask_fixtures import check

        @pytest.mark.mltask_dialects("documented", "2.19", "3.6")
        def test_it(mltask, mltask_dialect):
            assert check(mltask.build("DEPLOY_MODEL", "CREATED"), mltask_dialect) == []
        """
    )
    result = project.runpytest("-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines([f"test_x.py::test_it?{name}? PASSED*" for name in ("documented", "2.19", "3.6")])


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ('mltask_dialects("3.7x")', "*test_x.py::test_it: *3.7x*"),
        ("mltask_dialects", "*test_x.py::test_it: mltask_dialects takes the names of dialects, such as *"),
        ('mltask_dialects(name="3.6")', "*test_x.py::test_it: mltask_dialects takes the names of dialects, such as *"),
    ],
    ids=["unknown", "none", "keyword"],
)
def test_a_wrong_dialect_is_refused_when_tests_are_collected(project, marker, told):
    """With the test's name, and no test runs."""
    project.makepyfile(test_x=f"import pytest\n@pytest.mark.{marker}\ndef test_it(mltask): pass")
    result = project.runpytest()
    assert result.ret != pytest.ExitCode.OK
    assert "passed" not in result.parseoutcomes()
    assert any(fnmatch(line, told) for line in (*result.outlines, *result.errlines))


def test_dialects_for_a_test_that_uses_none_of_the_fixtures_are_refused(project):
    """The marker would do nothing."""
    project.makepyfile(test_x='import pytest\n@pytest.mark.mltask_dialects("3.6")\ndef test_it(): pass')
    result = project.runpytest()
    assert result.ret != pytest.ExitCode.OK
    assert "and the test uses none of them" in result.stdout.str() + result.stderr.str()


def test_the_server_answers_clients_of_any_process(project):
    """With the tasks that the test adds."""
    project.makepyfile(
        """
        from polling import poll

        def test_it(mltask_server, mltask):
            from mltask_fixtures import TaskFactory
            factory = TaskFactory(dialect="3.6")
            task_id = mltask_server.add(factory.build("TRAINING", "RUNNING"), factory.build("TRAINING", "COMPLETED"))
            assert [poll(task_id, mltask_server.url) for _ in range(3)] == ["RUNNING", "COMPLETED", "COMPLETED"]
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)
