"""`serve`: recordings for clients in other processes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request

from mltask_fixtures.cassette import load
from mltask_fixtures.cassette.timeline import polled_task

KMEANS = "3.6.0/train-kmeans-completed"
PROGRAM = "import sys; from mltask_fixtures.cli import main; main(sys.argv[1:])"


def test_it_writes_its_url_and_answers_until_it_is_interrupted():
    """A script reads one line, asks as often as it likes, and ends it as Ctrl-C does."""
    task_id = next(filter(None, (polled_task(o.request.method, o.request.uri) for o in load(KMEANS).interactions)))
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "serve", KMEANS, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            url = process.stdout.readline().strip()
            states = []
            for _ in range(30):
                with urllib.request.urlopen(f"{url}/_plugins/_ml/tasks/{task_id}", timeout=30) as answer:
                    states.append(json.load(answer)["state"])
            assert list(dict.fromkeys(states)) == ["CREATED", "RUNNING", "COMPLETED"]
        finally:
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in told


def test_a_port_in_use_is_said_so(shell):
    """Exit code 3: the outside failed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = shell("serve", KMEANS, "--port", taken.getsockname()[1])
    assert done.returncode == 3
    assert str(taken) not in done.stderr
    assert "in use" in done.stderr
