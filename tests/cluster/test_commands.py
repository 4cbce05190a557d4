from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from mltask_fixtures.cli.cluster import command as cluster_command
from mltask_fixtures.cli.record import command as record_command


def shell(*words, before=""):
    """Run the command as a shell would, in a process of its own."""
    program = f"import sys\n{before}\nfrom mltask_fixtures.cli import main\nmain(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "command",
    [record_command, cluster_command, *cluster_command.commands.values()],
    ids=lambda command: command.name,
)
def test_each_help_has_an_example(command):
    """Whoever asks for help can copy a line."""
    text = CliRunner().invoke(command, ["--help"]).output
    assert "Example:\n    mltask-fixtures" in text


def test_up_writes_the_url_and_nothing_else_to_stdout(bench, free_port):
    """So that a script can take it; the steps go to stderr."""
    first = CliRunner().invoke(cluster_command, ["up", "--server", bench.version, "--port", str(free_port)])
    assert first.stdout == f"http://127.0.0.1:{free_port}\n"
    assert "starting OpenSearch 9.9.9" in first.stderr
    second = CliRunner().invoke(cluster_command, ["up", "--server", bench.version, "--json"])
    assert json.loads(second.stdout)["url"] == first.stdout.strip()
    assert "runs already" in second.stderr


def test_status_is_for_people_in_a_pipe_and_for_programs(bench, free_port):
    """A line for each server, or JSON."""
    CliRunner().invoke(cluster_command, ["up", "--server", bench.version, "--port", str(free_port)])
    lines = CliRunner().invoke(cluster_command, ["status"]).stdout.splitlines()
    assert f"9.9.9\trunning\thttp://127.0.0.1:{free_port}\t9.9.9" in lines
    found = json.loads(CliRunner().invoke(cluster_command, ["status", "--json"]).stdout)
    assert [one["state"] for one in found if one["server"] == "9.9.9"] == ["running"]


def test_down_stops_what_up_started_and_says_so(bench, free_port):
    """Twice is fine."""
    CliRunner().invoke(cluster_command, ["up", "--server", bench.version, "--port", str(free_port)])
    assert CliRunner().invoke(cluster_command, ["down"]).stdout == "9.9.9 stopped\n"
    again = CliRunner().invoke(cluster_command, ["down", "--json"])
    assert json.loads(again.stdout) == []


def test_the_download_is_told_in_a_pipe(bench, free_port):
    """A few plain lines, no bar."""
    done = CliRunner().invoke(cluster_command, ["up", "--server", bench.version, "--port", str(free_port)])
    assert "fetching org.example:opensearch:9.9.9:zip" in done.stderr
    assert "  org.example:opensearch:9.9.9:zip: 182 of 363 MB\n" in done.stderr
    assert "\r" not in done.stderr


@pytest.mark.parametrize("missing", ["psutil", "filelock", "platformdirs"])
def test_without_the_extra_a_sentence_names_it(missing):
    """No traceback: what to install."""
    done = shell("cluster", "status", before=f"sys.modules[{missing!r}] = None")
    assert done.returncode == 3
    assert done.stderr == (
        f"mltask-fixtures: starting a cluster needs the Python package {missing}: "
        'pip install "mltask-fixtures[cluster]"\n'
    )


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["cluster", "up", "--server", "1.0"], 2, "known are 2.19.1, 3.6.0"),
        (["cluster", "up", "--port", "80"], 2, "not in the range"),
        (["record"], 2, "name a scenario"),
        (["record", "--all"], 2, "--url"),
        (["record", "unknown-task", "--url", "http://127.0.0.1:1"], 2, "did you mean 'unknown-task-id'?"),
        (["record", "unknown-task-id", "--url", "http://127.0.0.1:1"], 3, "nothing answers on http://127.0.0.1:1"),
    ],
)
def test_a_shell_gets_the_code_and_a_sentence(words, code, text):
    """2 for wrong use, 3 when the outside failed, and never a traceback."""
    done = shell(*words)
    assert done.returncode == code
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_scenarios_are_listed_with_their_sentence():
    """One line each, and no cluster is needed."""
    lines = CliRunner().invoke(record_command, ["--list"]).stdout.splitlines()
    assert "unknown-task-id\tA task id that the cluster does not know: 404." in lines


def test_the_commands_are_clicks():
    """The program finds each by the name `command`."""
    assert isinstance(cluster_command, click.Group)
    assert isinstance(record_command, click.Command)
