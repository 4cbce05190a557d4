"""What all commands have in common: help with an example, exit codes, words and no tracebacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from mltask_fixtures.cli import commands

KMEANS = "3.6.0/train-kmeans-completed"
READERS = ["check", "show", "convert", "redact", "list", "serve"]


def every():
    """Each command, those of a group as well, with the words that call it."""
    context = click.Context(commands)
    for name in commands.list_commands(context):
        command = commands.get_command(context, name)
        yield (name,), command
        if isinstance(command, click.Group):
            yield from (((name, sub), command.commands[sub]) for sub in command.commands)


@pytest.mark.parametrize(
    ("words", "command"), list(every()), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_each_help_has_an_example_that_can_be_copied(words, command):
    """On a line of its own, with the command's own name in it."""
    text = CliRunner().invoke(commands, [*words, "--help"]).output
    _, found, examples = text.partition("Example:\n")
    assert found
    assert f"mltask-fixtures {' '.join(words)}" in examples
    assert "\\b" not in text


def test_the_first_help_lists_every_command():
    """With what it does, in one line."""
    text = CliRunner().invoke(commands, ["--help"]).output
    for words, _ in every():
        if len(words) == 1:
            assert f"\n  {words[0]} " in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["shwo"], "no such command: 'shwo'; did you mean 'show'?"),
        (["show"], "Missing argument"),
        (["show", "--jsn", "x"], "--json"),
        (["show", "3.6.0/train-kmean-completed"], f"did you mean '{KMEANS}'"),
        (["show", "../../etc/passwd"], "is no name of a cassette"),
        (["check", "absent.json"], "absent.json cannot be read: No such file or directory"),
        (["check", "."], ". cannot be read: Is a directory"),
        (["check", "--dialect", "qqq", "-"], "qqq"),
        (["redact", "absent.yaml"], "there is no file absent.yaml"),
        (["redact", "."], ". is a folder"),
        (["list", "absent"], "there is no folder absent"),
        (["convert", KMEANS, "out.toml"], "no suffix that says what to write"),
        (["convert", "absent", "out.json"], "there is no cassette 'absent'"),
        (["convert", KMEANS, "."], "is a directory"),
        (["diff", KMEANS, "absent"], "there is no cassette 'absent'"),
        (["schema", "TRAINIG"], "did you mean TRAINING?"),
        (["schema", "qqq"], "there are TRAINING, "),
        (["serve", "absent"], "there is no cassette 'absent'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_exit_code_2_and_a_sentence(shell, words, told):
    """On stderr; stdout stays empty."""
    done = shell(*words, stdin="{}")
    assert done.returncode == 2, done.stderr
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


BAD = {
    "damaged": (b'{"version": 1, "interactions": [{"request": {"met', "damaged at line 1"),
    "empty": (b"", ""),
    "binary": (bytes(range(256)) * 400, "UTF-8"),
    "foreign": (b'{"name": "a package"}', "list of interactions"),
    "nested": (b"[" * 200_000, ""),
    "no request": (b'{"version": 1, "interactions": [{}]}', "interaction 1"),
    "bad base64": (
        (
            b'{"version": 1, "interactions": [{"request": {"method": "GET", "uri": "http://h/", "headers": {}, "body": null}, '
            b'"response": {"status": {"code": 200}, "headers": {}, "body": {"base64": "%%%"}}}]}'
        ),
        "interaction 1",
    ),
    "lines": (b'{"a": 1}\n' * 1_000_000, "damaged at line 2"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("command", ["show", "convert", "redact", "serve"])
def test_a_bad_file_is_a_sentence_and_stays_as_it_is(shell, tmp_path, command, kind):
    """Exit code 1: damaged content is a finding. Never a traceback, and nothing is written."""
    content, told = BAD[kind]
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    words = [command, path, *(["out.json"] if command == "convert" else [])]
    done = shell(*words)
    assert done.returncode == 1, done.stderr
    assert "bad.json" in done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "should not happen" not in done.stderr
    assert path.read_bytes() == content
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("kind", BAD)
def test_check_has_a_finding_for_a_bad_file(shell, tmp_path, kind):
    """Exit code 1, in bounded time and text."""
    path = tmp_path / "bad.json"
    path.write_bytes(BAD[kind][0])
    done = shell("check", path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "should not happen" not in done.stderr
    assert len(done.stdout) < 400_000


def test_a_file_that_may_not_be_read_is_said_so(shell, tmp_path):
    """By whoever owns it."""
    path = tmp_path / "mine.json"
    path.write_text("{}")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "Permission denied" in shell("show", path).stderr


@pytest.mark.parametrize(
    "words", [["list", "--json"], ["show", KMEANS, "--json"], ["schema"], ["demo"], ["list"]], ids=" ".join
)
def test_a_reader_that_goes_away_is_no_error(words):
    """As in `mltask-fixtures list | head -1`: no words, exit code 0."""
    reading, writing = os.pipe()
    os.close(reading)
    program = "import sys; from mltask_fixtures.cli import main; main(sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", program, *words], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("words", [["demo"], ["show", KMEANS], ["list"]], ids=" ".join)
def test_a_terminal_that_cannot_show_every_character_is_no_error(shell, words):
    """It gets escapes."""
    done = shell(*words, columns=60, environment={"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_an_error_of_ours_is_a_sentence_and_a_way_to_see_more(shell):
    """Even a bug shows no traceback unless it is asked for."""
    before = "import mltask_fixtures.cassette.store as s; s.bundled = lambda: 1 / 0"
    done = shell("list", before=before)
    assert done.returncode == 3
    assert done.stderr.startswith("mltask-fixtures: ZeroDivisionError: division by zero\nThis should not happen; with ")
    done = shell("list", before=before, environment={"MLTASK_FIXTURES_TRACEBACK": "1"})
    assert "Traceback" in done.stderr


def test_the_version_is_the_packages():
    """`--version` and the package agree."""
    from mltask_fixtures import __version__

    assert CliRunner().invoke(commands, ["--version"]).output == f"mltask-fixtures, version {__version__}\n"


def test_json_is_json(shell):
    """Wherever --json is offered to a program."""
    for words in (["list"], ["show", KMEANS], ["check", "-"]):
        done = shell(*words, "--json", stdin="{}")
        assert json.loads(done.stdout)
