from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cli import cluster as cluster_module
from mltask_fixtures.cli.cluster import command as cluster_command
from mltask_fixtures.cli.record import command as record_command
from mltask_fixtures.cluster import record, scenario
from mltask_fixtures.cluster.scenario import Need, Scenario


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
        (["record", "--all", "--url", "http://127.0.0.1:1", "--server", "3.6.0"], 2, "--url"),
        (["record", "--all", "--server", "1.0"], 2, "known are 2.19.1, 3.6.0"),
        (["cluster", "versions", "three"], 2, "is no version to the patch"),
        (["cluster", "up", "--nodes", "9"], 2, "1 to 5 nodes"),
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
    assert all(line.count("\t") == 1 for line in lines)


def test_what_a_cluster_cannot_play_is_left_out_and_told(answering, tmp_path, monkeypatch):
    """With --all; named alone it is wrong use."""
    one = Scenario(name="crashes", sentence="x.", play=print, needs=(Need.OWN_NODE,))
    monkeypatch.setattr(scenario, "scenarios", lambda: {"crashes": one})
    monkeypatch.setattr(record, "scenarios", lambda: {"crashes": one})
    answering.answers["GET /"] = [(200, {"version": {"number": "3.6.0", "distribution": "opensearch"}})]
    answering.answers["GET /_cat/plugins"] = [(200, [{"component": "opensearch-ml", "version": "3.6.0.0"}])]
    where = ["--url", f"http://127.0.0.1:{answering.server_port}", "--output", str(tmp_path)]
    done = CliRunner().invoke(record_command, ["--all", *where])
    assert done.stdout == ""
    assert done.stderr.startswith("crashes crashes the node, so it needs one that is started for it: ")
    assert done.stderr.endswith(": left out\n")
    with pytest.raises(WrongUseError, match="crashes crashes the node"):
        CliRunner().invoke(record_command, ["crashes", *where], catch_exceptions=False, standalone_mode=False)


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ([], [{}, {}]),
        (["a.b=0"], [{"a.b": 0}, {"a.b": 0}]),
        (["2:a.b=0", "1:c=x:y"], [{"c": "x:y"}, {"a.b": 0}]),
    ],
)
def test_settings_are_for_every_node_or_for_one(words, settings):
    """As `N:key=value`; values are JSON where they can be."""
    assert cluster_module._of_each_node(tuple(words), 2) == settings


@pytest.mark.parametrize("words", ["a.b", "x:a=1", "3:a=1", "0:a=1", "2:=1", "=1"])
def test_what_is_no_setting_is_refused(words):
    """The error shows what one looks like, or how many nodes there are."""
    with pytest.raises(WrongUseError, match=r"is no setting|but the cluster has 2"):
        cluster_module._of_each_node((words,), 2)


def test_logs_are_written(bench, free_port):
    """The last lines, or the files' names."""
    bench.serve_server("echo one; echo two; exit 1\n")
    CliRunner().invoke(cluster_command, ["up", "--server", bench.version, "--port", str(free_port)])
    assert CliRunner().invoke(cluster_command, ["logs", "-n", "1"]).stdout == "two\n"
    (line,) = CliRunner().invoke(cluster_command, ["logs", "--path"]).stdout.splitlines()
    assert line.endswith("/nodes/9.9.9/logs/console.log")


def test_versions_say_what_is_served_and_what_is_not(bench):
    """Maven is asked; exit code 1 where something is served nowhere."""
    done = CliRunner().invoke(cluster_command, ["versions", bench.version])
    assert done.stdout == "9.9.9\ttried here\tevery artefact is served\n"
    assert done.exit_code == 0
    (bench.served / "opensearch-ml-plugin-9.9.9.0.zip").unlink()
    done = CliRunner().invoke(cluster_command, ["versions", "--json", bench.version])
    (found,) = json.loads(done.stdout)
    assert found["served"] == {
        "org.example:opensearch:9.9.9:zip": True,
        "org.example:opensearch-ml-plugin:9.9.9.0:zip": False,
    }
    assert done.exit_code == 1


def test_a_large_download_is_not_waited_for(bench):
    """That it begins is the answer."""
    bench.mood("hangs")
    done = CliRunner().invoke(cluster_command, ["versions", bench.version])
    assert done.stdout == "9.9.9\ttried here\tevery artefact is served\n"


def test_the_commands_are_clicks():
    """The program finds each by the name `command`."""
    assert isinstance(cluster_command, click.Group)
    assert isinstance(record_command, click.Command)
