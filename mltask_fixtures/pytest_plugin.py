"""The pytest plugin: fixtures, markers, options and ini keys, all with names of their own.

It imports nothing but pytest until a fixture is used, and no fixture of it runs by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager

    from mltask_fixtures import TaskFactory, TaskServer
    from mltask_fixtures._plugin.using import Rules
    from mltask_fixtures.cassette import MLTaskCassette

_RECORD_MODES = ("none", "once", "new", "all", "verify")
_MARKERS = (
    (
        "mltask_cassette(name=None, *, strict=False, allowed_hosts=(), unplayed=None, clock=None, any_task_id=False, "
        "start_at=None, with_=None, faults=None): answer the test's HTTP requests from a recording, a bundled one such "
        "as 3.6.0/train-kmeans-completed or one of the project's own; without a name, from one that is named after the "
        "test."
    ),
    "mltask_dialects(*names): run the test once with each of these dialects: documented, 2.19, 3.6, ...",
)
_CASSETTE_OPTIONS = (
    *("strict", "allowed_hosts", "unplayed", "clock"),
    *("any_task_id", "start_at", "with_", "faults"),
)
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
    group.addoption(
        "--mltask-record",
        choices=_RECORD_MODES,
        help="Record the traffic of tests with a cassette: never; if there is no file yet; what the file does not "
        "answer; everything anew. verify sends it to --mltask-url and reports in what the answers differ. "
        "Default: none.",
    )
    group.addoption(
        "--mltask-url", metavar="URL", help="The cluster that recorded requests are sent to, whatever host they name."
    )
    group.addoption(
        "--mltask-allow-secret",
        action="append",
        default=[],
        metavar="FINGERPRINT",
        help="Record a value although it looks like a secret; a refusal names its fingerprint. Repeatable.",
    )
    group.addoption("--mltask-seed", metavar="SEED", help="The seed of the run: a number or a text. Default: 0.")
    parser.addini("mltask_record", "What --mltask-record is when it is not given.", default="none")
    parser.addini("mltask_clock", "The clock of tests with a cassette: virtual, recorded, real.", default="virtual")
    parser.addini("mltask_seed", "What --mltask-seed is when it is not given.", default="0")
    parser.addini("mltask_dialect", "The dialect of the fixtures: documented, 2.19, 3.6, ...", default="documented")
    parser.addini("mltask_allow_secret", "More of what --mltask-allow-secret takes, one a line.", type="linelist")
    parser.addini("mltask_cassette_dir", "The project's folder of cassettes.", type="paths", default=None)
    parser.addini(
        "mltask_unplayed", "Interactions that a passed test left unplayed: ignore, warn, fail.", default="ignore"
    )
    parser.addini("mltask_orphans", "Cassettes that no test uses: ignore, warn, fail.", default="ignore")
    parser.addini("mltask_max_age", "How old a cassette may be, such as 12h, 30d or 8w.", default="")
    parser.addini(
        "mltask_expired", "One that is older: warn, fail, rerecord. Default: warn; fail if CI is set.", default=""
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and refuse ini values that there are not."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    for key, words in _WORDS.items():
        said = config.getini(key)
        if said not in words and not (said == "" and key == "mltask_expired"):
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

        config.pluginmanager.register(
            Orphans(config, _cassette_folder(config), policy, _cassette_name), "mltask_orphans"
        )


def pytest_report_header(config: pytest.Config) -> str:
    """Say what the run's payloads and recordings depend on."""
    from mltask_fixtures import __version__

    parts = [
        f"dialect {config.getini('mltask_dialect')}",
        f"seed {_run_seed(config)}",
        f"record {_record_mode(config)}",
    ]
    if url := config.getoption("--mltask-url"):
        parts.append(f"url {_without_credentials(url)}")
    return f"mltask-fixtures: {__version__}, {', '.join(parts)}"


def _run_seed(config: pytest.Config) -> str:
    return str(config.getoption("--mltask-seed") or config.getini("mltask_seed"))


def _record_mode(config: pytest.Config) -> str:
    return str(config.getoption("--mltask-record") or config.getini("mltask_record"))


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _rules(config: pytest.Config) -> Rules:
    """Gather what the run says of its cassettes."""
    from os import environ

    from mltask_fixtures._plugin.using import Rules

    in_ci = environ.get("CI", "").lower() not in ("", "0", "false")
    return Rules(
        record=_record_mode(config),
        url=config.getoption("--mltask-url"),
        folder=_cassette_folder(config),
        unplayed=config.getini("mltask_unplayed"),
        clock=config.getini("mltask_clock"),
        max_age=config.getini("mltask_max_age"),
        expired=config.getini("mltask_expired") or ("fail" if in_ci else "warn"),
        allow_secrets=(*(config.getoption("--mltask-allow-secret") or ()), *config.getini("mltask_allow_secret")),
    )


def _cassette_folder(config: pytest.Config) -> Path:
    said: list[Path] | None = config.getini("mltask_cassette_dir")
    return said[0] if said else config.rootpath / "cassettes"


# ------------------------------------------------------------------------------------------------------- collection


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once with each dialect of its marker."""
    marker = metafunc.definition.get_closest_marker("mltask_dialects")
    if marker is None:
        return
    if marker.kwargs or not marker.args:
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: mltask_dialects takes the names of dialects, such as "
            'mltask_dialects("documented", "3.6")'
        )
    if "mltask_dialect" not in metafunc.fixturenames:
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: mltask_dialects changes the fixtures mltask, mltask_server and "
            "mltask_dialect, and the test uses none of them"
        )
    from mltask_fixtures import DIALECTS
    from mltask_fixtures.contract import UnknownDialectError

    for name in marker.args:
        try:
            DIALECTS[name]
        except UnknownDialectError as error:
            raise pytest.UsageError(f"{metafunc.definition.nodeid}: {error}") from None
    metafunc.parametrize("mltask_dialect", marker.args)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let a marked test use the cassette; its marker is looked at once all tests are known."""
    if isinstance(item, pytest.Function) and item.get_closest_marker("mltask_cassette"):
        _cassette_marker(item)
        if "mltask_replay" not in item.fixturenames:
            item.fixturenames = [*_wider_than_function(item), "mltask_replay", *_of_function(item)]


def _wider_than_function(item: pytest.Function) -> list[str]:
    return [name for name in item.fixturenames if not _is_of_function(item, name)]


def _of_function(item: pytest.Function) -> list[str]:
    return [name for name in item.fixturenames if _is_of_function(item, name)]


def _is_of_function(item: pytest.Function, name: str) -> bool:
    """Tell whether a fixture is made for each test; those come after the cassette, so that it answers them too."""
    definitions = item._fixtureinfo.name2fixturedefs.get(name)  # noqa: SLF001 - pytest shows scopes nowhere else
    return name != "request" and (not definitions or definitions[-1].scope == "function")


def _cassette_marker(item: pytest.Item) -> tuple[str | None, dict[str, Any]]:
    """Read the marker of a test.

    Raises:
        pytest.UsageError: it has an argument that there is not; the error names the known ones.
    """
    marker = item.get_closest_marker("mltask_cassette")
    if marker is None:
        raise pytest.UsageError(
            f"{item.nodeid}: mltask_replay gives the cassette of the marker mltask_cassette, which the test has not"
        )
    options = dict(marker.kwargs)
    names = [*marker.args, *([options.pop("name")] if "name" in options else [])]
    for option in options:
        if option not in _CASSETTE_OPTIONS:
            from difflib import get_close_matches

            near = get_close_matches(str(option), _CASSETTE_OPTIONS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"the known ones are name, {', '.join(_CASSETTE_OPTIONS)}"
            raise pytest.UsageError(f"{item.nodeid}: mltask_cassette has no argument {option!r}; {hint}")
    for option in ("unplayed", "clock"):
        known = _WORDS[f"mltask_{option}"]
        if (word := options.get(option, known[0])) not in known:
            raise pytest.UsageError(
                f"{item.nodeid}: mltask_cassette has {option}={word!r}; there are {', '.join(known)}"
            )
    if len(names) > 1 or not all(isinstance(name, (str, Path)) for name in names):
        raise pytest.UsageError(f"{item.nodeid}: mltask_cassette takes one name of a cassette, not {names!r}")
    return (str(names[0]) if names else None), options


def _cassette_name(item: pytest.Item) -> str | None:
    """Give the name of the cassette that a test's marker asks for."""
    if not isinstance(item, pytest.Function) or not item.get_closest_marker("mltask_cassette"):
        return None
    return _cassette_marker(item)[0] or _own_name(item)


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
    from mltask_fixtures._plugin.using import using

    item = request.node
    name, options = _cassette_marker(item)
    try:
        with using(
            name or _own_name(item),
            _rules(request.config),
            passed=lambda: not item.stash.get(_not_passed, False),
            **options,
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


def _own_name(item: Any) -> str:
    """Name a cassette after its test: one for each, whatever stands in its parameters."""
    from hashlib import blake2b
    from re import sub

    test = str(item.nodeid).partition("::")[2]
    plain = sub(r"[^\w.-]+", "-", test.replace("::", "."), flags=256).strip("-.")[:80]
    if plain != test:
        plain += "-" + blake2b(test.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{item.path.stem}/{plain}"


@pytest.fixture
def mltask_server(mltask_dialect: str) -> Iterator[TaskServer]:
    """A `TaskServer` for clients in other processes and languages; the tasks are the test's own to add."""
    from mltask_fixtures import TaskServer

    with TaskServer(dialect="3.6" if mltask_dialect == "documented" else mltask_dialect) as server:
        yield server
