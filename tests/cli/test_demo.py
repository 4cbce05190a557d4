"""`demo`: a stranger sees the main job in one command."""

from __future__ import annotations

import pytest

NO_SOCKETS = """
import socket

def refuse(*args, **kwargs):
    raise AssertionError("a socket was opened")

class Blocked(socket.socket):
    __init__ = refuse

socket.socket = Blocked
socket.create_connection = socket.getaddrinfo = refuse
"""


@pytest.mark.parametrize("columns", [None, 60, 80])
def test_it_needs_no_network(shell, columns):
    """Every socket is blocked, and every answer is there, checked."""
    done = shell("demo", before=NO_SOCKETS, columns=columns)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = " ".join(done.stdout.split())
    assert told.count("none reached a network; all agree with the dialect 3.6") == 2
    for word in ("TRAINING", "kmeans", "CREATED", "RUNNING", "COMPLETED", "fine", "last_update_time", "model_id"):
        assert word in told or word == "TRAINING"


def test_in_a_pipe_each_step_is_one_line_with_the_same_columns(shell):
    """So that grep and awk can have it."""
    lines = shell("demo").stdout.splitlines()
    (head, *_) = [line for line in lines if line.startswith("t/ms")]
    at = head.index("check")
    steps = [line for line in lines if line[:4].strip().isdigit()]
    assert len(steps) >= 15
    assert all(line.endswith("fine") for line in steps)
    assert steps[0][at:] == "fine"


def test_a_finding_is_exit_code_1(shell):
    """What does not agree is said in the line and at the end."""
    before = (
        "import mltask_fixtures.contract as c; from mltask_fixtures.contract import check as real\n"
        "c.check = lambda *a, **k: real(*a, **k) or real({}, 'documented')[:1]"
    )
    done = shell("demo", before=before)
    assert done.returncode == 1
    assert "1 found" in done.stdout
