"""The pytest plugin: fixtures, markers, options and ini keys, all with names of their own.

It imports nothing but pytest until a fixture is used, and no fixture of it runs by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager

    from mltask_fixtures import TaskFactory, TaskServer
    from mltask_fixtures._plugin.using import Rules
    from mltask_fixtures.cassette import MLTaskCassette

_MARKERS = (
    (
        "mltask_cassette(name=None, *, strict=False, allowed_hosts=(), unplayed=None, clock=None, any_task_id=False, "
        "start_at=None, with_=None, faults=None): answer the test's HTTP requests from a recording, a bundled one such "
        "as 3.6.0/train-kmeans-completed or one of the project's own; without a name, from one that is named after the "
        "test."
    ),
    "mltask_dialects(*names): run the test once with each of these dialects: documented, 2.19, 3.6, ...",
)
_RECORD_MODES = ("none", "once", "new", "all", "verify")
_OPTIONS: dict[str, dict[str, Any]] = {
    "--mltask-record": {
        "choices": _RECORD_MODES,
        "help": "Record the traffic of tests with a cassette: never; if there is no file yet; what the file does not "
        "answer; everything anew. verify sends it to --mltask-url and reports in what the answers differ. "
        "Default: none.",
    },
    "--mltask-url": {
        "metavar": "URL",
        "help": "The cluster that recorded requests are sent to, whatever host they name.",
    },
    "--mltask-allow-secret": {
        "action": "append",
        "default": [],
        "metavar": "FINGERPRINT",
        "help": "Record a value although it looks like a secret; a refusal names its fingerprint. Repeatable.",
    },
    "--mltask-seed": {"metavar": "SEED", "help": "The seed of the run: a number or a text. Default: 0."},
}
_INI: dict[str, tuple[Any, str]] = {
    "mltask_record": ("none", "What --mltask-record is when it is not given."),
    "mltask_clock": ("virtual", "The clock of tests with a cassette: virtual, recorded, real."),
    "mltask_seed": ("0", "What --mltask-seed is when it is not given."),
    "mltask_dialect": ("documented", "The dialect of the fixtures: documented, 2.19, 3.6, ..."),
    "mltask_allow_secret": ([], "More of what --mltask-allow-secret takes, one a line."),
    "mltask_cassette_dir": (None, "The project's folder of cassettes."),
    "mltask_unplayed": ("ignore", "Interactions that a passed test left unplayed: ignore, warn, fail."),
    "mltask_orphans": ("ignore", "Cassettes that no test uses: ignore, warn, fail."),
    "mltask_max_age": ("", "How old a cassette may be, such as 12h, 30d or 8w."),
    "mltask_expired": ("", "One that is older: warn, fail, rerecord. Default: warn; fail if CI is set."),
}
"""The ini keys, each with its default."""
_TYPES: dict[str, Any] = {"mltask_allow_secret": "linelist", "mltask_cassette_dir": "paths"}
"""Of the ini keys that are no text."""
_WORDS = {
    "mltask_record": _RECORD_MODES,
    "mltask_clock": ("virtual", "recorded", "real"),
    "mltask_unplayed": ("ignore", "warn", "fail"),
    "mltask_orphans": ("ignore", "warn", "fail"),
    "mltask_expired": ("warn", "fail", "rerecord"),
}
"""The ini keys that take one word of a few; the marker's arguments of the same name as well."""
_not_passed = pytest.StashKey[bool]()
_seed = pytest.StashKey[str]()


# ---------------------------------------------------------------------------------------------------- configuration


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and ini keys."""
    group = parser.getgroup("mltask", "OpenSearch ML Commons tasks")
    for option, about in _OPTIONS.items():
        group.addoption(option, **about)
    for key, (default, sentence) in _INI.items():
        parser.addini(key, sentence, type=_TYPES.get(key), default=default)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and refuse ini values that there are not."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    for key, words in _WORDS.items():
        said = config.getini(key)
        if said not in words and said != _INI[key][0]:
            raise pytest.UsageError(f"{key} is {said!r}; there are {', '.join(words)}")
    if _record_mode(config) == "verify" and not config.getoption("--mltask-url"):
        raise pytest.UsageError("--mltask-record verify needs a cluster to ask: --mltask-url URL")
    if age := config.getini("mltask_max_age"):
        from mltask_fixtures._errors import WrongUseError
        from mltask_fixtures._plugin.age import parse_age

        try:
            parse_age(age)
        except WrongUseError as error:
            raise pytest.UsageError(f"mltask_max_age is {error}") from None
    if (policy := config.getini("mltask_orphans")) != "ignore":
        from mltask_fixtures._plugin.orphans import Orphans
        from mltask_fixtures._plugin.using import folder_of

        config.pluginmanager.register(Orphans(config, folder_of(config), policy, _cassette_name), "mltask_orphans")


def pytest_report_header(config: pytest.Config) -> str:
    """Say what the run's payloads and recordings depend on."""
    from mltask_fixtures import __version__

    parts = [
        f"dialect {config.getini('mltask_dialect')}",
        f"seed {_run_seed(config)}",
        f"record {_record_mode(config)}",
    ]
    if url := config.getoption("--mltask-url"):
        scheme, separator, rest = url.partition("://")
        parts.append(f"url {scheme}{separator}{rest.rpartition('@')[2]}")  # without credentials
    return f"mltask-fixtures: {__version__}, {', '.join(parts)}"


def _run_seed(config: pytest.Config) -> str:
    return str(config.getoption("--mltask-seed") or config.getini("mltask_seed"))


def _record_mode(config: pytest.Config) -> str:
    return str(config.getoption("--mltask-record") or config.getini("mltask_record"))


# ------------------------------------------------------------------------------------------------------- collection


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once with each dialect of its marker."""
    if marker := metafunc.definition.get_closest_marker("mltask_dialects"):
        from mltask_fixtures._plugin.marker import run_with_dialects

        run_with_dialects(metafunc, marker)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let a marked test use the cassette; its marker is looked at once all tests are known."""
    if isinstance(item, pytest.Function) and item.get_closest_marker("mltask_cassette"):
        from mltask_fixtures._plugin.marker import cassette_of, give_fixture

        cassette_of(item, _WORDS)
        give_fixture(item, "mltask_replay")


def _cassette_name(item: pytest.Item) -> str | None:
    """Give the name of the cassette that a test's marker asks for."""
    if not isinstance(item, pytest.Function) or not item.get_closest_marker("mltask_cassette"):
        return None
    from mltask_fixtures._plugin.marker import cassette_of

    return cassette_of(item, _WORDS)[0]


# ----------------------------------------------------------------------------------------------------------- running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember that a test did not pass, and say of a failed one which seed its payloads had."""
    report = yield
    if not report.passed:
        item.stash[_not_passed] = True
    if call.excinfo is not None and report.failed and (seed := item.stash.get(_seed, None)):
        report.sections.append(("mltask-fixtures", f"the payloads came from TaskFactory(seed={seed!r}, ...)"))
    return report


@pytest.fixture
def mltask_dialect(request: pytest.FixtureRequest) -> str:
    """The name of the dialect of the test's payloads: the marker's, else that of the ini key `mltask_dialect`."""
    return str(request.config.getini("mltask_dialect"))


@pytest.fixture
def mltask(request: pytest.FixtureRequest, mltask_dialect: str) -> TaskFactory:
    """A `TaskFactory` with a seed of the test's own: order, selection and other tests change none of its payloads."""
    from mltask_fixtures import TaskFactory

    seed = f"{_run_seed(request.config)}:{_test_id(request.node, request.config)}"
    request.node.stash[_seed] = seed
    return TaskFactory(seed=seed, dialect=mltask_dialect)


def _test_id(item: Any, config: pytest.Config) -> str:
    """Name a test so that the name does not depend on the folder in which pytest was started."""
    if config.inipath is not None:
        return str(item.nodeid)
    return f"{item.path.stem}::{str(item.nodeid).partition('::')[2]}"


@pytest.fixture
def mltask_replay(request: pytest.FixtureRequest) -> Iterator[MLTaskCassette]:
    """The cassette that answers the test's requests; a test with the marker `mltask_cassette` has it anyway."""
    from mltask_fixtures._errors import MLTaskFixturesError
    from mltask_fixtures._plugin.marker import cassette_of
    from mltask_fixtures._plugin.using import using

    item = request.node
    name, options = cassette_of(item, _WORDS)
    try:
        with using(
            name, _rules(request.config), passed=lambda: not item.stash.get(_not_passed, False), **options
        ) as cassette:
            yield cassette
    except MLTaskFixturesError as error:
        told = str(error)  # it says all; the way to it is ours
    else:
        return
    pytest.fail(told, pytrace=False)


@pytest.fixture(scope="session")
def mltask_use_cassette(request: pytest.FixtureRequest) -> Callable[..., AbstractContextManager[MLTaskCassette]]:
    """`use_cassette` with the run's folder, record mode and URL, for fixtures of a wider scope than a test's."""
    from functools import partial

    from mltask_fixtures._plugin.using import using

    return partial(using, rules=_rules(request.config))


def _rules(config: pytest.Config) -> Rules:
    from mltask_fixtures._plugin.using import rules_of

    return rules_of(config, _record_mode(config))


@pytest.fixture
def mltask_server(mltask_dialect: str) -> Iterator[TaskServer]:
    """A `TaskServer` for clients in other processes and languages; the tasks are the test's own to add."""
    from mltask_fixtures import TaskServer

    with TaskServer(dialect="3.6" if mltask_dialect == "documented" else mltask_dialect) as server:
        yield server
