"""What the markers of a test say: which cassette answers it, and with which dialects it runs."""

from __future__ import annotations

from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path
from re import ASCII, sub
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONS: Final = (
    *("strict", "allowed_hosts", "unplayed", "clock"),
    *("any_task_id", "start_at", "with_", "faults"),
)
"""The arguments of `mltask_cassette` beside the name."""
_LONGEST_NAME: Final = 80


def cassette_of(item: pytest.Item, words: Mapping[str, tuple[str, ...]]) -> tuple[str, dict[str, Any]]:
    """Give the name of the cassette that a test's marker asks for, and the marker's other arguments.

    Args:
        item: the test.
        words: those that an argument may be, by `mltask_` and its name.

    Raises:
        pytest.UsageError: there is no such marker, or it has an argument that there is not; the error names the known
            ones.
    """
    marker = item.get_closest_marker("mltask_cassette")
    if marker is None:
        raise pytest.UsageError(
            f"{item.nodeid}: mltask_replay gives the cassette of the marker mltask_cassette, which the test has not"
        )
    options = dict(marker.kwargs)
    names = [*marker.args, *([options.pop("name")] if "name" in options else [])]
    for option, value in options.items():
        if option not in OPTIONS:
            near = get_close_matches(str(option), OPTIONS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"the known ones are name, {', '.join(OPTIONS)}"
            raise pytest.UsageError(f"{item.nodeid}: mltask_cassette has no argument {option!r}; {hint}")
        known = words.get(f"mltask_{option}")
        if known and value not in known:
            raise pytest.UsageError(
                f"{item.nodeid}: mltask_cassette has {option}={value!r}; there are {', '.join(known)}"
            )
    if len(names) > 1 or not all(isinstance(name, (str, Path)) for name in names):
        raise pytest.UsageError(f"{item.nodeid}: mltask_cassette takes one name of a cassette, not {names!r}")
    return (str(names[0]) if names else _own_name(item)), options


def _own_name(item: Any) -> str:
    """Name a cassette after its test: one for each, whatever stands in its parameters."""
    test = str(item.nodeid).partition("::")[2]
    plain = sub(r"[^\w.-]+", "-", test.replace("::", "."), flags=ASCII).strip("-.")[:_LONGEST_NAME]
    if plain != test:
        plain += "-" + blake2b(test.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{item.path.stem}/{plain}"


def give_fixture(item: pytest.Function, fixture: str) -> None:
    """Let a test use a fixture: after those of a wider scope, before its own ones, so that these have it, too."""
    if fixture not in item.fixturenames:
        own = [name for name in item.fixturenames if _is_of_function(item, name)]
        wider = [name for name in item.fixturenames if name not in own]
        item.fixturenames = [*wider, fixture, *own]


def _is_of_function(item: pytest.Function, name: str) -> bool:
    definitions = item._fixtureinfo.name2fixturedefs.get(name)  # noqa: SLF001 - pytest shows scopes nowhere else
    return name != "request" and (not definitions or definitions[-1].scope == "function")


def run_with_dialects(metafunc: pytest.Metafunc, marker: pytest.Mark) -> None:
    """Run a test once with each dialect that its marker names.

    Raises:
        pytest.UsageError: there is no such dialect, or the test uses none.
    """
    from mltask_fixtures.contract import DIALECTS, UnknownDialectError

    test = metafunc.definition.nodeid
    if marker.kwargs or not marker.args:
        raise pytest.UsageError(
            f'{test}: mltask_dialects takes the names of dialects, such as mltask_dialects("documented", "3.6")'
        )
    if "mltask_dialect" not in metafunc.fixturenames:
        raise pytest.UsageError(
            f"{test}: mltask_dialects changes the fixtures mltask, mltask_server and mltask_dialect, and the test uses "
            "none of them"
        )
    for name in marker.args:
        try:
            DIALECTS[name]
        except UnknownDialectError as error:
            raise pytest.UsageError(f"{test}: {error}") from None
    metafunc.parametrize("mltask_dialect", marker.args)
