"""The marker's options for clock, polling and faults, as a stranger's project uses them."""

from __future__ import annotations

import sys
from xml.etree import ElementTree as ET

import pytest

KMEANS = "3.6.0/train-kmeans-completed"


def test_a_marked_test_does_not_wait_and_pytest_says_so(project):
    """A test that sleeps for an hour is done at once; its duration and its junit time are real, and setup is as well."""
    project.makepyfile(
        f"""
        import time
        from time import monotonic, sleep

        import pytest

        @pytest.mark.mltask_cassette("{KMEANS}")
        def test_long(mltask_replay):
            before = monotonic()
            time.sleep(1800)
            sleep(1800)
            assert monotonic() - before >= 3600

        def test_other():
            assert time.sleep is sleep
        """
    )
    result = project.runpytest("--durations=0", "-vv", "--junitxml=report.xml")
    result.assert_outcomes(passed=2)
    times = [float(line.split("s ")[0]) for line in result.outlines if "s call" in line]
    assert times
    assert max(times) < 600
    cases = ET.parse(project.path / "report.xml").iter("testcase")
    assert max(float(case.get("time")) for case in cases) < 600


def test_the_marker_takes_every_option(project):
    """Options reach the cassette through the marker, on functions and on classes."""
    project.makepyfile(
        f"""
        import urllib.error
        import pytest
        from polling import poll

        @pytest.mark.mltask_cassette("{KMEANS}", any_task_id=True, start_at="RUNNING", clock="recorded")
        def test_from_a_state():
            assert poll("mine") == "RUNNING"

        @pytest.mark.mltask_cassette("{KMEANS}", any_task_id=True, faults={{1: 429}})
        class TestFault:
            def test_first(self):
                with pytest.raises(urllib.error.HTTPError, match="429"):
                    poll("mine")
                assert poll("mine") == "CREATED"

        @pytest.mark.mltask_cassette(
            "{KMEANS}", start_at="COMPLETED",
            with_={{"COMPLETED": {{"state": "FAILED", "model_id": None, "error": "x"}}}})
        def test_other_values(mltask_replay):
            assert poll(mltask_replay.task_ids[0]) == "FAILED"
        """
    )
    project.runpytest().assert_outcomes(passed=3)


def test_wrong_options_are_told_in_words(project):
    """Each names the test or the nearest word; no traceback of ours is shown."""
    project.makepyfile(
        f"""
        import pytest

        @pytest.mark.mltask_cassette("{KMEANS}", start_at="RUNING")
        def test_state():
            pass

        @pytest.mark.mltask_cassette("{KMEANS}", faults={{1: "timout"}})
        def test_fault():
            pass

        @pytest.mark.mltask_cassette("{KMEANS}", with_={{"state": "EXPIRED"}})
        def test_value():
            pass
        """
    )
    result = project.runpytest()
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines_random(
        [
            "start_at='RUNING' is no state; did you mean 'RUNNING'?",
            "faults: there is no fault 'timout'; did you mean 'timeout'?",
            "with_ makes of *train-kmeans-completed.json what its server does not say:",
            "  - interaction 2 and * more: state is EXPIRED; in 3.6 a TRAINING task is only ever seen as CREATED, RUNNING, *",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_misspelt_option_and_clock_are_refused_at_collection(project):
    """The error names what was meant."""
    project.makepyfile(
        test_option=f'import pytest\n@pytest.mark.mltask_cassette("{KMEANS}", any_task=True)\ndef test(): pass',
    )
    result = project.runpytest()
    result.stderr.fnmatch_lines(["*mltask_cassette has no argument 'any_task'; did you mean 'any_task_id'?"])
    project.makepyfile(
        test_option=f'import pytest\n@pytest.mark.mltask_cassette("{KMEANS}", clock="vitual")\ndef test(): pass',
    )
    result = project.runpytest()
    result.stderr.fnmatch_lines(["*mltask_cassette has clock='vitual'; there are virtual, recorded, real"])


def test_the_ini_key_is_every_tests_clock(project):
    """`mltask_clock = real` leaves `time.sleep` alone; a marker's own word comes first; a wrong one is refused."""
    project.makeini("[pytest]\nmltask_clock = real\n")
    project.makepyfile(
        f"""
        import time, pytest

        @pytest.mark.mltask_cassette("{KMEANS}")
        def test_real():
            assert type(time.sleep).__name__ == "builtin_function_or_method"

        @pytest.mark.mltask_cassette("{KMEANS}", clock="virtual")
        def test_virtual():
            time.sleep(3600)
        """
    )
    project.runpytest().assert_outcomes(passed=2)
    project.makeini("[pytest]\nmltask_clock = fast\n")
    project.runpytest().stderr.fnmatch_lines(["*mltask_clock is 'fast'; there are virtual, recorded, real*"])


def test_hypothesis_keeps_its_deadline_real(project):
    """A property whose code sleeps for an hour does not miss hypothesis's deadline of 200 ms."""
    project.makepyfile(
        f"""
        import time
        from hypothesis import given, settings, strategies as st
        from mltask_fixtures import use_cassette

        @settings(max_examples=5, database=None, deadline=60_000)
        @given(st.integers())
        def test_property(number):
            with use_cassette("{KMEANS}"):
                time.sleep(3600)

        def test_around():
            with use_cassette("{KMEANS}"):
                @settings(max_examples=5, database=None, deadline=60_000)
                @given(st.integers())
                def inner(number):
                    time.sleep(3600)
                inner()
        """
    )
    project.runpytest().assert_outcomes(passed=2)


def test_workers_of_xdist_run_on(project):
    """Two workers whose tests sleep for hours report as always."""
    project.makepyfile(
        f"""
        import time, pytest

        @pytest.mark.parametrize("n", range(6))
        @pytest.mark.mltask_cassette("{KMEANS}")
        def test_long(n):
            time.sleep(36000)
        """
    )
    project.runpytest_subprocess("-n", "2").assert_outcomes(passed=6)


def test_type_checkers_see_wrong_options(tmp_path):
    """Mypy names a misspelt field, a fault that there is not and a clock that there is not."""
    import subprocess

    pytest.importorskip("mypy")
    path = tmp_path / "wrong.py"
    path.write_text(
        "from mltask_fixtures import use_cassette\n"
        "use_cassette('x', clock='virtual', with_={'FAILED': {'error': 'x'}, 'error': 'y'}, faults={1: 429})\n"
        "use_cassette('x', faults={2: 'timeout', range(3, 5): 503})\n"
        "use_cassette('x', clock='vitual')\n"
        "use_cassette('x', with_={'eror': 'x'})\n"
        "use_cassette('x', with_={'FAILED': {'eror': 'x'}})\n"
        "use_cassette('x', faults={2: 'timout'})\n"
        "use_cassette('x', any_task=True)\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = {int(line.split(":")[1]) for line in run.stdout.splitlines() if ": error:" in line and "wrong.py" in line}
    assert lines == {4, 5, 6, 7, 8}, run.stdout
