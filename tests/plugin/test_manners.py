"""What the plugin does to a project that has it installed: little, and nothing unasked."""

from __future__ import annotations

import pytest

from mltask_fixtures import __version__


def test_the_header_says_what_a_run_depends_on(project):
    """Version, dialect, seed and record mode on one line."""
    result = project.runpytest()
    result.stdout.fnmatch_lines([f"mltask-fixtures: {__version__}, dialect documented, seed 0, record none"])


def test_the_header_follows_options_and_ini_keys(project):
    """The option wins over the ini key; a password in the URL is not shown."""
    project.makeini("[pytest]\nmltask_dialect = 2.19\nmltask_seed = seven\nmltask_record = new\n")
    result = project.runpytest("--mltask-seed", "eight", "--mltask-url", "http://me:hidden@127.0.0.1:9200")
    result.stdout.fnmatch_lines(
        [f"mltask-fixtures: {__version__}, dialect 2.19, seed eight, record new, url http://127.0.0.1:9200"]
    )
    result.stdout.no_fnmatch_line("*hidden*")


def test_no_fixture_runs_by_itself(project):
    """A test that asks for nothing sees none of our fixtures."""
    project.makepyfile("def test_plain(request): assert not [n for n in request.fixturenames if 'mltask' in n]")
    project.runpytest("--setup-show").assert_outcomes(passed=1)


def test_nothing_but_pytest_is_imported_until_a_fixture_is_used(project):
    """A bare run loads our plugin module and the package's front door only, and none of what they need when used."""
    project.makepyfile(
        """
        import sys

        def test_plain():
            ours = {name for name in sys.modules if name.partition(".")[0] == "mltask_fixtures"}
            assert ours == {"mltask_fixtures", "mltask_fixtures.pytest_plugin"}
            heavy = {"vcr", "pydantic", "opensearchpy", "yaml", "wrapt", "rich", "click", "urllib3", "uvicorn"}
            assert not heavy & set(sys.modules)
        """
    )
    others = ("faker", "hypothesispytest", "anyio", "pytest_httpx")  # they import some of it where they are installed
    project.runpytest_subprocess(*(f"-pno:{name}" for name in others)).assert_outcomes(passed=1)


def test_the_markers_are_declared(project):
    """`--strict-markers` lets them pass, and `--markers` explains them."""
    project.makepyfile(
        """
        import pytest

        @pytest.mark.mltask_cassette("3.6.0/unknown-task-id")
        def test_cassette(): pass

        @pytest.mark.mltask_dialects("3.6")
        def test_dialect(mltask_dialect): pass
        """
    )
    project.runpytest("--strict-markers").assert_outcomes(passed=2)
    project.runpytest("--markers").stdout.fnmatch_lines(
        ["@pytest.mark.mltask_cassette(name=None, ?, *", "@pytest.mark.mltask_dialects(?names): run the test once *"]
    )


def test_the_options_are_explained(project):
    """`--help` shows ours in a group of their own, and the ini keys."""
    result = project.runpytest("--help")
    result.stdout.fnmatch_lines(["OpenSearch ML Commons tasks:", "*--mltask-record=*", "*--mltask-url=URL*"])
    for key in (
        "record",
        "seed",
        "dialect",
        "cassette_dir",
        "allow_secret",
        "unplayed",
        "orphans",
        "max_age",
        "expired",
    ):
        result.stdout.fnmatch_lines([f"  mltask_{key} (*"])


@pytest.mark.parametrize("word", ["onec", "rewrite", "episodes"])
def test_a_misspelt_record_mode_is_refused(project, word):
    """On the command line and in the ini, before any test runs."""
    project.makepyfile("def test_plain(): pass")
    result = project.runpytest("--mltask-record", word)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--mltask-record: invalid choice: '{word}' (choose from *once*"])
    project.makeini(f"[pytest]\nmltask_record = {word}\n")
    result = project.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: mltask_record is '{word}'; there are none, once, new, all, verify"])


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("unplayed", "erorr", "mltask_unplayed is 'erorr'; there are ignore, warn, fail"),
        ("orphans", "yes", "mltask_orphans is 'yes'; there are ignore, warn, fail"),
        ("expired", "delete", "mltask_expired is 'delete'; there are warn, fail, rerecord"),
        ("max_age", "a month", "mltask_max_age is 'a month'; it is a number and a unit, such as 12h, 30d or 8w"),
    ],
)
def test_a_misspelt_ini_value_is_refused(project, key, value, told):
    """A typo must not switch a check off."""
    project.makeini(f"[pytest]\nmltask_{key} = {value}\n")
    result = project.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {told}"])


def test_it_can_be_left_out(project):
    """`-p no:mltask_fixtures` leaves a pytest without us."""
    result = project.runpytest("-p", "no:mltask_fixtures")
    result.stdout.no_fnmatch_line("*mltask*")
