"""`lifecycle`: what polls see of a task, for programs and for persons."""

from __future__ import annotations

import json

import pytest

from mltask_fixtures import TaskFactory


def test_lines_are_the_bodies_that_polls_see(shell):
    """In a pipe, one a line."""
    done = shell("lifecycle", "--type", "DEPLOY_MODEL", "--dialect", "3.6", "--polls", "RUNNING=2", "--seed", "s")
    life = TaskFactory("s", "3.6").lifecycle("DEPLOY_MODEL", "COMPLETED", n=0, polls={"RUNNING": 2})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "".join(f"{task.model_dump_json()}\n" for task in life)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_json_has_ids_and_times(shell, tmp_path, count):
    """One object, or an array of several; a file that ends so has it."""
    shell("lifecycle", "--type", "TRAINING", "--outcome", "FAILED", "--count", count, "--start", 5, "-o", "x.json")
    lives = json.loads((tmp_path / "x.json").read_text())
    lives = [lives] if count == 1 else lives
    for n, life in enumerate(lives, 5):
        expected = TaskFactory().lifecycle("TRAINING", "FAILED", n=n)
        assert life["task_id"] == expected.task_id
        assert [one["ms"] for one in life["snapshots"]] == list(expected.times)
        assert [one["body"] for one in life["snapshots"]] == [task.model_dump() for task in expected]


def test_a_person_reads_a_timeline(shell):
    """When each state is seen, and which keys came with it."""
    words = [
        "--type",
        "TRAINING",
        "--outcome",
        "FAILED",
        "--dialect",
        "3.6",
        "--lasts",
        "500",
        "--set",
        "error=no luck",
    ]
    done = shell("lifecycle", *words, "--format", "timeline")
    task_id = TaskFactory(0, "3.6").lifecycle("TRAINING", "FAILED", n=0, lasts=500).task_id
    assert done.stdout.splitlines() == [
        f"{task_id}  TRAINING",
        "      0.000 s  CREATED",
        "      0.500 s  RUNNING",
        "      1.000 s  FAILED   error no luck",
    ]


def test_stale_reads_go_back(shell):
    """As on two nodes."""
    done = shell("lifecycle", "--type", "REGISTER_MODEL", "--dialect", "3.6", "--stale-reads")
    states = [json.loads(line)["state"] for line in done.stdout.splitlines()]
    assert states == ["CREATED", "COMPLETED", "CREATED", "COMPLETED"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--outcome", "DONE"], 'state is "DONE"; no server knows it'),
        (["--dialect", "3.6", "--outcome", "CANCELLED"], "only ever seen as"),
        (["--polls", "often"], "--polls 'often': it is a whole number, or STATE=number"),
        (["--polls", "RUNNING=-1"], "--polls 'RUNNING=-1'"),
        (["--polls", "RUNNING=1", "--polls", "RUNNING=2"], "there is another one for RUNNING"),
        (["--polls", "1", "--polls", "RUNNING=2"], "either for all states or for single ones"),
        (["--lasts", "WALKING=2"], "'WALKING'"),
        (["--set", "eror=x"], "a task has no key 'eror'; did you mean error?"),
        (["--set", "error"], "it is KEY=VALUE"),
        (["--set", "n=3"], "KEY is a key of the body"),
        (["--count", "0"], "0 is not in the range"),
        (["--seed", ""], "the seed is empty"),
        (["-o", "nowhere/x"], "nowhere is not there; make it first"),
        (["-o", "."], "is a folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_impossible_wish_is_exit_code_2_and_a_sentence(shell, tmp_path, words, told):
    """And no file."""
    done = shell("lifecycle", "--type", "TRAINING", *words)
    assert done.returncode == 2, done.stderr
    assert told in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
