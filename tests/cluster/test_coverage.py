from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from mltask_fixtures.cassette import store
from mltask_fixtures.cli.coverage import command
from mltask_fixtures.cluster.coverage import coverage
from mltask_fixtures.contract import DIALECTS, TaskState, TaskType

NOT_RECORDED: dict[tuple[str, str, str], str] = {}
"""Type, state and version that a server can be brought to show and no bundled recording does, each with its reason."""


@pytest.mark.parametrize("version", ["2.19.1", "3.6.0"])
def test_all_that_a_server_can_be_brought_to_show_is_recorded(version):
    """Apart from a list of exceptions, each with its reason."""
    missing = {(cell.task_type, cell.state, version) for cell in coverage() if cell.version == version and cell.missing}
    assert missing == {pair for pair in NOT_RECORDED if pair[2] == version}


def test_every_type_state_and_version_has_its_cell():
    """Documented, reachable by the table, recorded by the bodies in the files."""
    cells = coverage()
    versions = {cell.version for cell in cells}
    assert versions >= {"2.19.1", "3.6.0"}
    assert len(cells) == len(TaskType) * len(TaskState) * len(versions)
    assert all(cell.documented for cell in cells)
    assert {cell.reachable for cell in cells} == {True, False}
    for cell in cells:
        assert cell.reachable == ((cell.task_type, cell.state) in DIALECTS[cell.version].pairs())


def test_what_is_recorded_is_read_from_the_answers(tmp_path):
    """Not from names or metadata; what was written by hand counts apart."""
    for folder in ("3.6.0", "synthetic/3.6.0"):
        (tmp_path / folder).mkdir(parents=True)
        shutil.copy(store.find("3.6.0/train-missing-index-failed"), tmp_path / folder / "x.json")
    of_state = {cell.state: cell for cell in coverage(tmp_path) if cell.task_type is TaskType.TRAINING}
    assert of_state[TaskState.FAILED].recorded == of_state[TaskState.FAILED].synthetic == ("x",)
    assert of_state[TaskState.COMPLETED].missing
    words = [of_state[state].word for state in (TaskState.FAILED, TaskState.COMPLETED, TaskState.EXPIRED)]
    assert words == ["recorded", "missing", "unreachable"]
    (tmp_path / "3.6.0" / "x.json").unlink()
    cells = coverage(tmp_path)
    assert {cell.word for cell in cells if cell.synthetic} == {"missing"}


def test_the_command_writes_a_line_for_each_cell(tmp_path):
    """Or JSON; exit code 1 tells that something is missing."""
    (tmp_path / "3.6.0").mkdir()
    shutil.copy(store.find("3.6.0/train-missing-index-failed"), tmp_path / "3.6.0")
    done = CliRunner().invoke(command, ["--cassettes", str(tmp_path)], standalone_mode=False)
    assert done.return_value == 1
    lines = done.stdout.splitlines()
    assert "TRAINING\tFAILED\t3.6.0\trecorded\ttrain-missing-index-failed" in lines
    assert "TRAINING\tCOMPLETED\t3.6.0\tmissing" in lines
    cells = json.loads(
        CliRunner().invoke(command, ["--cassettes", str(tmp_path), "--json"], standalone_mode=False).stdout
    )
    assert len(cells) == len(lines)
    assert cells[0]["task_type"] == "TRAINING"
