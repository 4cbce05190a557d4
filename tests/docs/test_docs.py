"""Every block of Python in README and docs runs as it stands, and every command and option that they name exists.

A page is a project of its own, read from top to bottom. A block whose first line is a comment with the name of a file
is that file; files of tests are run with pytest where they stand. What has no file name is run in one namespace.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from mltask_fixtures import pytest_plugin
from mltask_fixtures._plugin import marker
from mltask_fixtures.cli import commands

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"^# ([\w./-]+\.(?:py|ini|toml))\n")
COMMAND = re.compile(r"mltask-fixtures((?: [^`\n|&;>#)]+)?)")
OPTION = re.compile(r"--mltask-[\w-]+")


def page_id(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page):
    """Each block with its language and the line on which it begins."""
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        yield match["language"], match["text"], text.count("\n", 0, match.start()) + 2


@pytest.mark.parametrize("page", [page for page in PAGES if any(b[0] == "python" for b in blocks(page))], ids=page_id)
def test_the_python_of_a_page_runs(page, pytester, monkeypatch):
    """From top to bottom, as a reader would try it."""
    monkeypatch.setenv(
        "PYTEST_ADDOPTS", " ".join(f"-p no:{name}" for name in ("cassetter", "recording", "asyncio", "randomly"))
    )
    monkeypatch.delenv("CI", raising=False)
    pytester.syspathinsert()
    namespace, before = {"__name__": page.stem}, ""
    for language, text, line in blocks(page):
        name = FILE.match(text)
        if name is not None:
            path = pytester.path / name[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        if language != "python":
            continue
        if name is None and not re.search(r"^(async )?def test_|^@pytest\.", text, re.MULTILINE):
            exec(compile("\n" * (line - 1) + text, str(page), "exec"), namespace)
            before += text
            continue
        if name is None:
            exec(compile("\n" * (line - 1) + text, str(page), "exec"), namespace)  # for the blocks that follow
            path = pytester.path / f"test_line_{line}.py"
            path.write_text(f"{before}\n{text}", encoding="utf-8")
        if re.search(r"^\s*(async )?def test_", text, re.MULTILINE):
            result = pytester.runpytest_subprocess(path)
            assert result.ret == pytest.ExitCode.OK, f"{page_id(page)}, line {line}"


def named_commands(text):
    for match in COMMAND.finditer(text):
        if (match.start() and text[match.start() - 1] in "/[\"'") or not match[1].strip():
            continue
        try:
            words = shlex.split(match[1])
        except ValueError:
            words = match[1].split()
        if re.fullmatch(r"[a-z]+|--[a-z-]+|-h", words[0]):
            yield words


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_commands_of_a_page_exist(page):
    """With their options."""
    text = page.read_text(encoding="utf-8")
    code = "\n".join(
        [*re.findall(r"`([^`\n]+)`", text), *(text for language, text, _ in blocks(page) if language == "sh")]
    )
    for words in named_commands(code):
        context = click.Context(commands)
        command, rest = commands, words
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            found = command.get_command(context, rest[0])
            assert found is not None, f"{page_id(page)}: mltask-fixtures {' '.join(words)}"
            command, rest = found, rest[1:]
        known = {
            opt for parameter in command.get_params(context) for opt in (*parameter.opts, *parameter.secondary_opts)
        }
        known |= {"--help", "-h"}
        for word in rest:
            if re.fullmatch(r"--?[a-z][a-z-]*", word):
                assert word in known, f"{page_id(page)}: mltask-fixtures {' '.join(words)}"


class _Parser:
    """Takes down what the plugin declares."""

    def __init__(self):
        self.options, self.keys = set(), set()

    def getgroup(self, *_):
        return self

    def addoption(self, *names, **_):
        self.options.update(names)

    def addini(self, name, *_, **__):
        self.keys.add(name)


@pytest.fixture
def declared():
    parser = _Parser()
    pytest_plugin.pytest_addoption(parser)
    return parser


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_options_of_a_page_exist(page, declared):
    """Those of the plugin."""
    assert set(OPTION.findall(page.read_text(encoding="utf-8"))) <= declared.options


def test_the_reference_of_the_plugin_is_complete(declared):
    """Every option, ini key, marker, argument of the marker and fixture stands on its page."""
    text = (ROOT / "docs/plugin.md").read_text(encoding="utf-8")
    fixtures = {name for name in vars(pytest_plugin) if re.fullmatch(r"mltask(_\w+)?", name)}
    markers = {sentence.partition("(")[0] for sentence in pytest_plugin._MARKERS}
    for name in declared.options | declared.keys | fixtures | markers:
        assert f"`{name}" in text, name
    for name in marker.OPTIONS:
        assert f"`{name}" in text, name


OPTIONS_TOLD = {"check", "convert", "demo", "diff", "list", "redact", "schema", "serve", "show"}
"""The commands whose every option stands on the page; the others have more than a page should hold."""


@pytest.mark.parametrize("name", [*sorted(OPTIONS_TOLD), "cluster", "coverage", "record", "verify"])
def test_the_reference_of_the_commands_is_complete(name):
    """Each has a section, and most have each of their options in it."""
    text = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert f"## `{name}`" in text
    section = text.partition(f"## `{name}`")[2].partition("\n## ")[0]
    command = commands.get_command(click.Context(commands), name)
    for parameter in command.params if name in OPTIONS_TOLD else ():
        if isinstance(parameter, click.Option):
            assert f"`{parameter.opts[-1]}" in section, parameter.opts
