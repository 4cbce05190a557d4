"""`generate`: payloads in the shell, to a pipe or a file, however it ends."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mltask_fixtures import TaskFactory, check

PROGRAM = "import sys; from mltask_fixtures.cli import main; main(sys.argv[1:])"


def started(*words, **options):
    """Start the command in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, "generate", *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


def test_one_body_is_what_a_server_would_send(shell):
    """On stdout, with nothing else."""
    done = shell("generate", "--type", "TRAINING", "--state", "FAILED", "--dialect", "3.6")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == TaskFactory(0, "3.6").nth(0, "TRAINING", "FAILED").model_dump_json() + "\n"
    assert check(done.stdout, "3.6") == []


def test_types_and_states_repeat_and_start_finds_a_payload_again(shell):
    """Line 41 of a large file is `--start 41`."""
    words = ["generate", "--type", "TRAINING", "--type", "DEPLOY_MODEL", "--state", "FAILED", "--seed", "a text"]
    lines = shell(*words, "--count", "50").stdout.splitlines(keepends=True)
    assert {json.loads(line)["task_type"] for line in lines} == {"TRAINING", "DEPLOY_MODEL"}
    assert shell(*words, "--start", "41").stdout == lines[41]


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("x.ndjson", b'{"task_type"'),
        ("x.JSON", b"[\n{"),
        ("x.bulk", b'{"index":'),
        ("x.parquet", b"PAR1"),
        ("x", b'{"t'),
    ],
)
def test_the_ending_of_the_file_says_the_format(shell, tmp_path, name, begins):
    """And --format says otherwise."""
    done = shell("generate", "--count", "3", "-o", name)
    content = (tmp_path / name).read_bytes()
    assert content.startswith(begins)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"{name}: 3 payloads, {len(content):,} bytes\n"
    assert shell("generate", "--count", "3", "-o", name, "--format", "search").returncode == 0
    assert (tmp_path / name).read_bytes().startswith(b'{"took"')


def test_shards_in_one_file_are_the_whole(shell, tmp_path):
    """As `cat part-*` makes it."""
    shards = [shell("generate", "--count", "10", "--shards", "3", "--shard", shard).stdout for shard in range(3)]
    assert "".join(shards) == shell("generate", "--count", "10").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--count", "0"], "'--count': 0 is not in the range x>=1"),
        (["--count", "-5"], "-5 is not in the range"),
        (["--count", "many"], "'many' is not a valid integer"),
        (["--shards", "4", "--shard", "4"], "there is no shard 4 of 4; they are counted from 0, so the last is 3"),
        (["--shards", "4"], "--shards and --shard belong together"),
        (["--shard", "0"], "--shards and --shard belong together"),
        (["--type", "TRAININ"], "the nearest known word is TRAINING"),
        (["--type", "REGISTER_MODEL", "--state", "RUNNING", "--dialect", "3.6"], "only ever seen as CREATED"),
        (["--dialect", "qqq"], "no dialect is called 'qqq'"),
        (["--seed", ""], "the seed is empty"),
        (["--index", "No Name"], "is no name of an index"),
        (["--format", "xml"], "'xml' is not one of"),
        (["-o", "nowhere/x.ndjson"], "nowhere/x.ndjson cannot be written: nowhere is not there; make it first"),
        (["-o", "."], "is a folder; name a file in it"),
        (["--resume"], "only a file can be resumed: name one with -o"),
        (["--resume", "-o", "x.parquet"], "write it in shards"),
        (["--processes", "0"], "0 is not in the range"),
        (["--scheduler", "tcp://127.0.0.1:1"], "--scheduler is for --engine dask"),
        (["--engine", "dask", "--scheduler", "tcp://127.0.0.1:1", "--processes", "2"], "leave --processes out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_impossible_wish_is_exit_code_2_and_a_sentence(shell, tmp_path, words, told):
    """And no file."""
    done = shell("generate", *words)
    assert done.returncode == 2, done.stderr
    assert told in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_is_no_error():
    """As in `generate --count 1000000 | head -1`."""
    with started("--count", 1_000_000, stdout=subprocess.PIPE) as process:
        assert json.loads(process.stdout.readline())
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_leaves_what_was_there(tmp_path, processes):
    """Exit code 3, the reason, and no draft."""
    path = tmp_path / "tasks.ndjson"
    path.write_text("before")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))

    with started("--count", 100_000, "-o", path, "--processes", processes, preexec_fn=limit) as process:
        told = process.stderr.read()
    assert (process.returncode, told) == (3, f"mltask-fixtures: {path} cannot be written: File too large\n")
    assert (path.read_text(), list(tmp_path.iterdir())) == ("before", [path])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the platform has no /dev/full")
def test_a_full_disk_behind_stdout_is_a_sentence():
    """Once, and not again when the interpreter ends."""
    with Path("/dev/full").open("wb") as full, started("--count", 10, stdout=full) as process:
        told = process.stderr.read()
    assert (process.returncode, told) == (3, "mltask-fixtures: stdout cannot be written: No space left on device\n")


def grown(draft, process):
    """Wait until a draft has more than its first block; the process lives on."""
    while not any(path.stat().st_size > 5_000_000 for path in draft()):
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_kill_leave_no_draft(tmp_path, sent, code):
    """The old file is untouched; after Ctrl-C a sentence says how the part could have been kept."""
    path = tmp_path / "tasks.ndjson"
    with started("--count", 100_000_000, "-o", path, "--processes", 2) as process:
        grown(lambda: tmp_path.glob(".tasks.ndjson.*.part"), process)
        process.send_signal(sent)
        told = process.stderr.read()
    assert process.returncode == code
    assert list(tmp_path.iterdir()) == []
    if sent == signal.SIGINT:
        assert f"{path} was not written; with --resume the part that is done would be kept\n" in told
        assert "mltask-fixtures: interrupted" in told


def test_what_broke_off_is_resumed(tmp_path, shell):
    """A disk that was full has room now: words on both sides, and the same bytes."""
    path = tmp_path / "tasks.ndjson"
    words = ["--type", "TRAINING", "--count", 60_000, "--state", "RUNNING", "--resume", "-o", path]

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_000_000, 8_000_000))

    with started(*words, preexec_fn=limit) as process:
        told = process.stderr.read()
    assert process.returncode == 3
    assert told == (
        f"{path}.part keeps 30,000 of 60,000 payloads; the same command continues\n"
        f"mltask-fixtures: {path} cannot be written: File too large\n"
    )
    done = shell("generate", *words)
    size = path.stat().st_size
    assert done.stderr == f"{path}: 60,000 payloads, {size:,} bytes, 30,000 of them from before\n"
    assert path.read_bytes() == b"".join(TaskFactory().ndjson(0, 60_000, "TRAINING", "RUNNING"))


def test_a_pipe_gets_a_line_for_each_tenth_of_a_long_run(capsys):
    """And none for a short one."""
    from mltask_fixtures.cli._counting import counted

    with counted(2_000_000, "payloads") as tell:
        for done in range(0, 2_000_001, 50_000):
            tell(done)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "200,000 of 2,000,000 payloads"
    assert len(lines) == 10
    with counted(1_000, "payloads") as tell:
        tell(1_000)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(tmp_path):
    """On stderr, while the payloads go to a file."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", PROGRAM, "generate", "--count", "60000", "-o", str(tmp_path / "x")]
    process = subprocess.Popen(words, stderr=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"})
    os.close(theirs)
    told = b""
    while chunk := _read(ours):
        told += chunk
    os.close(ours)
    assert process.wait() == 0
    assert b"/60000" in told
    assert "━".encode() in told


def _read(terminal):
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other side has gone
        return b""


def test_dask_and_processes_write_the_same_file(shell, tmp_path):
    """A cluster of this computer's own processes is put up where no scheduler is named."""
    pytest.importorskip("distributed", reason="needs the extra dask")
    words = ["--count", 30_000, "--dialect", "2.19"]
    with started(*words, "--engine", "dask", "--processes", 2, "-o", tmp_path / "dask") as process:
        told = process.stderr.read()
    assert process.returncode == 0, told
    assert told.startswith(f"{tmp_path / 'dask'}: 30,000 payloads")
    shell("generate", *words, "-o", "alone")
    assert (tmp_path / "dask").read_bytes() == (tmp_path / "alone").read_bytes()
