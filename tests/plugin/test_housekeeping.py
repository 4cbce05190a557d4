"""What is said of cassettes that are not played to their end, that nobody uses, and that are too old."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette import load, store
from mltask_fixtures.cassette.timeline import polled_task

KMEANS = "3.6.0/train-kmeans-completed"
TASK = next(
    task_id
    for task_id in (polled_task(one.request.method, one.request.uri) for one in load(KMEANS).interactions)
    if task_id
)
LEFT = len(load(KMEANS).interactions) - 1
"""What a test leaves unplayed that polls once."""
MARKED = """
import pytest
from polling import poll

@pytest.mark.mltask_cassette({arguments})
def test_it():
    assert poll({task!r}) == "CREATED"
"""


def put(project, name, **metadata):
    """Copy a real recording into the project's folder, under a name of its own."""
    path = project.path / "cassettes" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(store.find(KMEANS), path)
    if metadata:
        values = json.loads(path.read_text())
        values["metadata"].update(metadata)
        path.write_text(json.dumps({**values, "metadata": {k: v for k, v in values["metadata"].items() if v}}))
    return path


def ini(project, **keys):
    project.makeini("\n".join(["[pytest]", *(f"mltask_{key} = {value}" for key, value in keys.items())]) + "\n")


# ---------------------------------------------------------------------------------------------------------- unplayed


def test_unplayed_interactions_are_nobodys_business_by_default(project):
    """Most tests look at a part of a lifecycle."""
    put(project, "mine")
    project.makepyfile(test_x=MARKED.format(arguments='"mine"', task=TASK))
    result = project.runpytest()
    result.assert_outcomes(passed=1, warnings=0)


def test_unplayed_interactions_are_a_warning_when_asked_for(project):
    """With the file, their number and each request."""
    put(project, "mine")
    ini(project, unplayed="warn")
    project.makepyfile(test_x=MARKED.format(arguments='"mine"', task=TASK))
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            f"*UnplayedInteractionWarning: *mine.json: {LEFT} interactions were not played:",
            "*interaction 1: POST *_train/kmeans*",
        ]
    )


def test_unplayed_interactions_are_an_error_when_asked_for(project):
    """At teardown: the test itself passed."""
    put(project, "mine")
    ini(project, unplayed="fail")
    project.makepyfile(test_x=MARKED.format(arguments='"mine"', task=TASK))
    result = project.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"*mine.json: {LEFT} interactions were not played:", "  interaction 1: POST *"])
    result.stdout.no_fnmatch_line("*using.py*")


def test_a_cassette_that_is_played_to_its_end_is_fine(project):
    """Held last answers do not count twice."""
    path = put(project, "mine")
    values = json.loads(path.read_text())
    values["interactions"] = [one for one in values["interactions"] if TASK in one["request"]["uri"]][:1]
    path.write_text(json.dumps(values))
    ini(project, unplayed="fail")
    project.makepyfile(test_x=MARKED.format(arguments='"mine"', task=TASK) + f"    poll({TASK!r})\n")
    project.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "end", ["assert False", "pytest.skip('x')", "pytest.xfail('x')"], ids=["failed", "skipped", "xfailed"]
)
def test_unplayed_interactions_of_a_test_that_did_not_pass_are_not_reported(project, end):
    """It stopped before it could play them."""
    put(project, "mine")
    ini(project, unplayed="fail")
    project.makepyfile(test_x=MARKED.format(arguments='"mine"', task=TASK) + f"    {end}\n")
    assert "errors" not in project.runpytest().parseoutcomes()


def test_what_a_bundled_recording_has_left_is_not_reported(project):
    """It is not the project's to trim."""
    ini(project, unplayed="fail")
    project.makepyfile(test_x=MARKED.format(arguments=f'"{KMEANS}"', task=TASK))
    project.runpytest().assert_outcomes(passed=1)


def test_one_test_may_have_its_own_word(project):
    """`unplayed=` of the marker wins over the ini key, either way."""
    put(project, "mine")
    ini(project, unplayed="fail")
    project.makepyfile(test_x=MARKED.format(arguments='"mine", unplayed="ignore"', task=TASK))
    project.runpytest().assert_outcomes(passed=1)
    ini(project, unplayed="ignore")
    project.makepyfile(test_x=MARKED.format(arguments='"mine", unplayed="fail"', task=TASK))
    project.runpytest().assert_outcomes(passed=1, errors=1)
    project.makepyfile(test_x=MARKED.format(arguments='"mine", unplayed="fial"', task=TASK))
    result = project.runpytest()
    assert result.ret != pytest.ExitCode.OK
    told = "test_x.py::test_it: mltask_cassette has unplayed='fial'; there are ignore, warn, fail"
    assert told in result.stdout.str() + result.stderr.str()


def test_unplayed_interactions_are_reported_under_xdist(project):
    """Warnings and errors of workers reach the terminal."""
    put(project, "mine")
    ini(project, unplayed="warn")
    project.makepyfile(test_x=MARKED.format(arguments='"mine"', task=TASK))
    result = project.runpytest_subprocess("-n", "1")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines([f"*UnplayedInteractionWarning: *mine.json: {LEFT} interactions were not played:"])


# ----------------------------------------------------------------------------------------------------------- orphans

ORPHANED = ["*= cassettes that no test uses =*", "cassettes/deep/forgotten.json"]


def run(project, words):
    """Run pytest in this process; in one of its own only where there are workers."""
    return (project.runpytest_subprocess if "-n" in words else project.runpytest)(*words)


@pytest.fixture
def orphaned(project):
    """A project with one cassette in use by its marker, one by code, and one that is forgotten."""
    for name in ("mine", "opened", "deep/forgotten"):
        put(project, name)
    (project.path / "cassettes" / "settings.json").write_text('{"of": "another tool"}')
    (project.path / "cassettes" / "other.yaml").write_text("interactions: []\nversion: 1\n")
    ini(project, orphans="warn")
    project.makepyfile(
        test_x=MARKED.format(arguments='"mine"', task=TASK),
        test_y=f"""
        from mltask_fixtures import use_cassette
        from polling import poll

        def test_direct():
            with use_cassette("opened"):
                poll({TASK!r})

        def test_plain():
            pass
        """,
    )
    return project


@pytest.mark.parametrize("words", [(), (".",), ("-n", "2"), ("test_x.py", "test_y.py", "."), ("--ff",)], ids=" ".join)
def test_a_cassette_that_no_test_uses_is_listed(orphaned, words):
    """Named by no marker and opened by no code; also when workers of xdist saw the uses."""
    result = run(orphaned, words)
    result.stdout.fnmatch_lines(ORPHANED)
    listing = result.stdout.str().partition("cassettes that no test uses")[2]
    assert [line for line in listing.splitlines() if line.startswith("cassettes")] == ["cassettes/deep/forgotten.json"]
    assert result.ret == pytest.ExitCode.OK


@pytest.mark.parametrize("words", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_orphans_fail_the_run_when_asked_to(orphaned, words):
    """Though each test passed."""
    ini(orphaned, orphans="fail")
    result = run(orphaned, words)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(ORPHANED)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    "words",
    [
        ("-k", "direct"),
        ("test_x.py",),
        ("test_y.py::test_plain", "test_x.py"),
        ("--deselect", "test_y.py::test_plain"),
        ("--ignore", "test_y.py"),
        ("--collect-only",),
        ("-k", "direct", "-n", "2"),
        ("test_x.py", "-n", "2"),
    ],
    ids=" ".join,
)
def test_a_part_of_the_suite_says_nothing_about_orphans(orphaned, words):
    """What the rest uses is not known."""
    ini(orphaned, orphans="fail")
    result = run(orphaned, words)
    result.stdout.no_fnmatch_line("*no test uses*")
    assert result.ret == pytest.ExitCode.OK


def test_a_module_that_cannot_be_read_hides_its_cassettes(orphaned):
    """So nothing is said about orphans."""
    orphaned.makepyfile(test_z="import nothing_of_this_name")
    orphaned.runpytest("--continue-on-collection-errors").stdout.no_fnmatch_line("*no test uses*")


def test_a_failed_test_hides_nothing(orphaned):
    """Its marker says which cassette it uses, and the others opened theirs."""
    orphaned.makepyfile(test_z="def test_red(): assert False")
    result = orphaned.runpytest()
    result.stdout.fnmatch_lines(ORPHANED)


def large(project, name, *, named):
    """Lay the large body of a cassette beside its place; the cassette is there if it is to name it."""
    body = json.dumps({"task_id": TASK, "status": "CREATED", "note": name * 10_000}).encode()
    bodies = project.path / "cassettes" / f"{name}.bodies"
    bodies.mkdir(parents=True)
    (bodies / our_format.name_of(body)).write_bytes(body)
    if named:
        path = project.path / "cassettes" / f"{name}.json"
        values = json.loads(path.read_text())
        values["interactions"][0]["response"]["body"] = {"file": our_format.name_of(body), "bytes": len(body)}
        path.write_text(json.dumps(values))
    return our_format.name_of(body)


def test_large_bodies_that_no_cassette_names_are_listed(orphaned):
    """The folder of a cassette that is gone, and what is left over in one's own; not what is named, nor another's files."""
    large(orphaned, "opened", named=True)
    large(orphaned, "deep/gone", named=False)
    name = large(orphaned, "mine", named=False)
    (orphaned.path / "cassettes" / "deep" / "notes.bodies").mkdir()
    (orphaned.path / "cassettes" / "deep" / "notes.bodies" / "a.body").write_text("another tool's")
    (orphaned.path / "cassettes" / "opened.bodies" / "README").write_text("what this is")
    result = orphaned.runpytest()
    result.assert_outcomes(passed=3)
    listing = result.stdout.str().partition("cassettes that no test uses")[2]
    assert [line for line in listing.splitlines() if line.startswith("cassettes")] == [
        "cassettes/deep/forgotten.json",
        "cassettes/deep/gone.bodies: its cassette is gone",
        f"cassettes/mine.bodies/{name}: no cassette names it",
    ]


def test_orphans_are_nobodys_business_by_default(orphaned):
    """The folder may be another tool's as well."""
    ini(orphaned)
    orphaned.runpytest().stdout.no_fnmatch_line("*no test uses*")


# --------------------------------------------------------------------------------------------------------------- age


def ago(**length):
    return (datetime.now(UTC) - timedelta(**length)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_cassette_that_is_too_old_is_a_warning(project):
    """It is replayed all the same."""
    put(project, "mine", recorded_at=ago(days=31))
    ini(project, max_age="30d")
    project.makepyfile(test_x=MARKED.format(arguments='"mine"', task=TASK))
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "*ExpiredCassetteWarning: *mine.json was recorded 31 days ago, on *, and at most 30d are allowed; record it anew"
        ]
    )


@pytest.mark.parametrize("age", [{"days": 29}, {"hours": 1}])
def test_a_cassette_that_is_young_enough_is_fine(project, age):
    """Nothing is said."""
    put(project, "mine", recorded_at=ago(**age))
    ini(project, max_age="30d")
    project.makepyfile(test_x=MARKED.format(arguments='"mine"', task=TASK))
    project.runpytest().assert_outcomes(passed=1, warnings=0)


def test_in_ci_an_old_cassette_is_an_error(project, monkeypatch):
    """CI=true, as most of them set it; the ini key has the last word."""
    put(project, "mine", recorded_at=ago(days=31))
    ini(project, max_age="30d")
    project.makepyfile(test_x=MARKED.format(arguments='"mine"', task=TASK))
    monkeypatch.setenv("CI", "true")
    result = project.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*mine.json was recorded 31 days ago, *; record it anew with --mltask-record all *"])
    ini(project, max_age="30d", expired="warn")
    project.runpytest_subprocess().assert_outcomes(passed=1, warnings=1)
    monkeypatch.setenv("CI", "false")
    ini(project, max_age="30d")
    project.runpytest_subprocess().assert_outcomes(passed=1, warnings=1)


def test_a_cassette_that_does_not_tell_its_age_counts_as_old(project):
    """It says so."""
    put(project, "mine", recorded_at=None)
    ini(project, max_age="8w", expired="fail")
    project.makepyfile(test_x=MARKED.format(arguments='"mine"', task=TASK))
    result = project.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*mine.json does not say when it was recorded (metadata recorded_at), and at most 8w *"]
    )


def test_bundled_recordings_never_expire(project):
    """They belong to a version of the server."""
    ini(project, max_age="1m", expired="fail")
    project.makepyfile(test_x=MARKED.format(arguments=f'"{KMEANS}"', task=TASK))
    project.runpytest().assert_outcomes(passed=1)


def test_an_old_cassette_is_recorded_anew_when_there_is_a_cluster(project, server):
    """With `rerecord` and --mltask-url; without a URL it is a warning, and is replayed."""
    from mltask_fixtures import TaskFactory

    task = server.add(TaskFactory(dialect="3.6").build("TRAINING", "CREATED"))
    path = put(project, "mine", recorded_at=ago(days=31))
    ini(project, max_age="30d", expired="rerecord")
    project.makepyfile(test_x=MARKED.format(arguments='"mine"', task=TASK))
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*ExpiredCassetteWarning: *; give --mltask-url URL to record it anew"])
    assert server.requests == []
    project.makepyfile(test_x=MARKED.format(arguments='"mine"', task=task))
    project.runpytest_subprocess("--mltask-url", server.url).assert_outcomes(passed=1)
    assert len(server.requests) == 1
    assert json.loads(path.read_text())["metadata"]["recorded_at"] >= ago(hours=1)
    project.runpytest_subprocess().assert_outcomes(passed=1, warnings=0)
