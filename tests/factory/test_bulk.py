"""Payloads by the million: the same bytes from whoever makes them, whole or not at all, continued after any end."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import io
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltask_fixtures import DIALECTS, TaskFactory, check
from mltask_fixtures._errors import OutsideError, WrongUseError
from mltask_fixtures.contract.responses import SearchResponse, check_exchange
from mltask_fixtures.contract.wire import map_order
from mltask_fixtures.factory import ContradictionError
from mltask_fixtures.factory.bulk import FORMS, Block, Order, dask, generate, processes

TEXTS = [name for name, form in FORMS.items() if form.text]


def written(order, **options):
    """Give the bytes that an order makes."""
    file = io.BytesIO()
    generate(order, file, **options)
    return file.getvalue()


def break_off_after(payloads):
    """Give a listener that ends the work as Ctrl-C would, once so many payloads are done."""

    def tell(done):
        if done >= payloads:
            raise KeyboardInterrupt

    return tell


# --------------------------------------------------------------------------------------------------- what is written


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 300), st.integers(1, 300), st.integers(1, 120), st.sampled_from([*DIALECTS]))
def test_lines_are_the_factory_s_whatever_the_blocks(start, count, block, dialect):
    """Line n is payload n: the size of the blocks and where they begin change nothing."""
    order = Order(count=count, start=start, block=block, dialect=dialect, seed="s")
    assert written(order) == b"".join(TaskFactory("s", dialect).ndjson(start, start + count))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 200), st.integers(1, 9), st.sampled_from(["ndjson", "bulk"]), st.integers(1, 50))
def test_shards_one_after_the_other_are_the_whole(count, shards, form, block):
    """Byte for byte, even where there are more shards than payloads."""
    whole = Order(count=count, form=form, block=block, states=("FAILED", "RUNNING"))
    parts = [written(dataclasses.replace(whole, shards=shards, shard=shard)) for shard in range(shards)]
    assert b"".join(parts) == written(whole)


@pytest.mark.parametrize("form", TEXTS)
@pytest.mark.parametrize("shard", range(3))
def test_the_blocks_of_every_shard_make_one_document(form, shard):
    """Head and tail stand once in each shard, also in an empty one."""
    for count in (2, 7):
        order = Order(count=count, form=form, shards=3, shard=shard)
        assert written(dataclasses.replace(order, block=1)) == written(order)


def test_types_and_states_that_were_asked_for_take_turns():
    """In the dialect's order, whatever the order in which they were named."""
    order = Order(count=8, dialect="3.6", types=("REGISTER_MODEL", "TRAINING"), states=("FAILED", "CREATED"))
    bodies = list(map(json.loads, written(order).splitlines()))
    assert [(body["task_type"], body["state"]) for body in bodies[:4]] == [
        ("TRAINING", "CREATED"),
        ("TRAINING", "FAILED"),
        ("REGISTER_MODEL", "CREATED"),
        ("REGISTER_MODEL", "FAILED"),
    ]
    assert bodies[4:6] == [
        json.loads(line)
        for state in ("CREATED", "FAILED")
        for line in TaskFactory(0, "3.6").ndjson(1, 2, "TRAINING", state)
    ]


def test_json_is_one_body_or_an_array():
    """A single payload is the body alone, so that it can be served as it is."""
    one = written(Order(count=1, form="json"))
    assert check(one) == []
    assert one == written(Order(count=1))
    many = json.loads(written(Order(count=250, form="json", block=100)))
    assert many == list(map(json.loads, written(Order(count=250)).splitlines()))


def test_bulk_lines_load_every_payload():
    """An action names the index and the task's id, a document follows it."""
    lines = written(Order(count=2_000, form="bulk", index="tasks%s", types=("TRAINING",))).splitlines()
    actions = [json.loads(line)["index"] for line in lines[::2]]
    factory = TaskFactory()
    ids = [factory.task_id(task) for task in islice(factory.stream("TRAINING"), 2_000)]
    assert actions == [{"_index": "tasks%s", "_id": task_id} for task_id in ids]
    assert b"\n".join(lines[1::2]) + b"\n" == written(Order(count=2_000, types=("TRAINING",)))


def test_no_two_payloads_share_an_id():
    """A second document of the same id would replace the first one in an index."""
    ids = [task_id for task_id, _ in TaskFactory().documents(0, 20_000, "TRAINING")]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_search_response_is_one_that_a_server_gives(dialect):
    """It passes the model and the check; versions, numbers and the order of the keys are as in a stored document."""
    body = written(Order(count=200, form="search", dialect=dialect, block=70))
    assert check_exchange("POST", "/_plugins/_ml/tasks/_search", 200, {}, body, dialect=dialect) == []
    found = SearchResponse.model_validate_json(body)
    assert found.hits.total == {"value": 200, "relation": "eq"}
    assert [hit.seq_no for hit in found.hits.hits] == list(range(200))
    assert all(list(hit.source) == map_order(list(hit.source)) for hit in found.hits.hits)


def test_a_hit_is_as_often_written_as_the_recorded_ones():
    """So it is in 2.19.1 and 3.6.0: `state` stands before a `model_id` that came later, and after one that was there."""
    pairs = {("TRAINING", "COMPLETED"): 3, ("REGISTER_MODEL", "COMPLETED"): 2, ("DEPLOY_MODEL", "RUNNING"): 2}
    for (task_type, state), version in pairs.items():
        order = Order(count=1, form="search", dialect="3.6", types=(task_type,), states=(state,))
        [hit] = json.loads(written(order))["hits"]["hits"]
        keys = [key for key in hit["_source"] if key in ("state", "model_id")]
        assert hit["_version"] == version
        assert keys == (["model_id", "state"] if task_type == "DEPLOY_MODEL" else ["state", "model_id"])


def test_parquet_has_a_row_for_each_payload(tmp_path):
    """The columns are the body's keys, times are times, free maps are JSON; rows come in groups."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
    path = tmp_path / "tasks.parquet"
    generate(Order(count=1_000, form="parquet", dialect="3.6", block=300), path)
    rows = parquet.read_table(path).to_pylist()
    factory = TaskFactory(0, "3.6")
    assert len(rows) == 1_000
    for row, task in zip(rows, factory.stream(), strict=False):
        body = {key: value for key, value in row.items() if value is not None}
        assert body.pop("task_id") == factory.task_id(task)
        for key in ("create_time", "last_update_time"):
            body[key] = round(body[key].timestamp() * 1_000)
        for key in {"remote_job", "response"} & body.keys():
            body[key] = json.loads(body[key])
        assert body == task.model_dump()
    made_from = json.loads(parquet.read_metadata(path).metadata[b"mltask_fixtures"])
    assert (made_from["dialect"], made_from["seed"], made_from["count"]) == ("3.6", "0", 1_000)


# ------------------------------------------------------------------------------------------------------- wrong wishes


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"count": 0}, "count is 0; it is a whole number from 1"),
        ({"count": -3}, "count is -3"),
        ({"count": 2.0}, "count is 2.0"),
        ({"count": True}, "count is True"),
        ({"shards": 4, "shard": 4}, "there is no shard 4 of 4; they are counted from 0, so the last is 3"),
        ({"shard": -1}, "shard is -1; it is a whole number from 0"),
        ({"seed": 1.5}, "the seed is 1.5; it is a whole number or a text"),
        ({"seed": None}, "the seed is None"),
        ({"dialect": "4.x"}, "no server line covers 4.x"),
        ({"dialect": "2.19", "types": ("AGENT_EXECUTION",)}, "a 2.19 server never shows such a task"),
        ({"types": ("TRAININ",)}, "the nearest known word is TRAINING"),
        ({"states": ("DONE",)}, 'state is "DONE"; no server knows it'),
        ({"dialect": "3.6", "types": ("TRAINING",), "states": ("EXPIRED",)}, "a TRAINING task is only ever seen as"),
        (
            {"dialect": "3.6", "types": ("TRAINING", "REGISTER_MODEL"), "states": ("CREATED", "EXPIRED")},
            "none of TRAINING, REGISTER_MODEL is ever seen as EXPIRED in 3.6",
        ),
        ({"index": "Tasks"}, "'Tasks' is no name of an index"),
        ({"index": ""}, "'' is no name of an index"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is(wish, words):
    """Each with the rule that it breaks."""
    with pytest.raises(WrongUseError) as caught:
        Order(**{"count": 10, **wish})
    assert words in str(caught.value)


def test_a_type_that_none_of_the_states_suits_is_refused_though_another_type_has_them():
    """Nothing that was asked for is silently left out."""
    with pytest.raises(ContradictionError, match="REGISTER_MODEL task is only ever seen as"):
        Order(count=1, dialect="3.6", types=("TRAINING", "REGISTER_MODEL"), states=("RUNNING",))


def test_another_version_than_where_the_order_was_placed_makes_nothing():
    """A worker with another faker would write other texts."""
    order = Order(count=1, made_with="mltask-fixtures 0.0 with faker 1")
    with pytest.raises(OutsideError, match=r"for mltask-fixtures 0\.0 with faker 1, but a worker has mltask-fixtures"):
        written(order)


# ------------------------------------------------------------------------------------------------------------- files


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    """What breaks off leaves what was there, and no draft."""
    path = tmp_path / "tasks.ndjson"
    path.write_text("before")
    path.chmod(0o600)
    with pytest.raises(KeyboardInterrupt):
        generate(Order(count=100, block=10), path, told=break_off_after(50))
    assert (path.read_text(), list(tmp_path.iterdir())) == ("before", [path])
    generate(Order(count=100, block=10), path)
    assert path.read_bytes() == written(Order(count=100))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path):
    """The file behind it is what is written."""
    (tmp_path / "data").mkdir()
    link = tmp_path / "tasks.ndjson"
    link.symlink_to(tmp_path / "data" / "real.ndjson")
    generate(Order(count=3), link)
    assert link.is_symlink()
    assert link.read_bytes() == written(Order(count=3))


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_that_is_not_there_is_named(tmp_path, resume):
    """And so is a folder in place of a file."""
    with pytest.raises(WrongUseError, match=r"nowhere is not there; make it first"):
        generate(Order(count=1), tmp_path / "nowhere" / "x.ndjson", resume=resume)
    with pytest.raises(WrongUseError, match=r"is a folder; name a file in it"):
        generate(Order(count=1), tmp_path, resume=resume)
    (tmp_path / "file").touch()
    with pytest.raises(WrongUseError, match=r"file is no folder"):
        generate(Order(count=1), tmp_path / "file" / "x.ndjson", resume=resume)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the platform has no /dev/full")
@pytest.mark.parametrize("form", ["ndjson", "parquet"])
def test_a_device_is_written_to_as_it_is(tmp_path, form):
    """No draft beside /dev/null; a full one is an error in words."""
    generate(Order(count=1, form=form), Path("/dev/null"))
    with pytest.raises(OutsideError, match=r"^/dev/full cannot be written: .*No space left on device"):
        generate(Order(count=1, form=form), Path("/dev/full"))
    with pytest.raises(WrongUseError, match="only a file can be resumed"):
        generate(Order(count=1), Path("/dev/null"), resume=True)


# ---------------------------------------------------------------------------------------------------------- resuming

LONG = Order(count=330, block=20, states=("FAILED",))


def broken_off(path, order=LONG):
    """Leave a draft of 200 payloads; give the draft and its journal."""
    with pytest.raises(KeyboardInterrupt):
        generate(order, path, resume=True, told=break_off_after(200))
    assert not path.exists()
    return path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.journal")


@pytest.mark.parametrize("form", TEXTS)
def test_a_run_that_broke_off_is_continued(tmp_path, form):
    """It begins where the draft ends, and the file is that of a run in one go; draft and journal are gone."""
    order, path, told = dataclasses.replace(LONG, form=form), tmp_path / "tasks", []
    broken_off(path, order)
    generate(order, path, resume=True, told=told.append)
    assert told[:2] == [200, 220]
    assert path.read_bytes() == written(order)
    assert list(tmp_path.iterdir()) == [path]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_was_on_disk_when_it_ended_the_file_is_the_same(tmp_path, data):
    """Draft and journal cut anywhere, bytes turned over, rubbish behind: as kill -9 or a power failure leave them."""
    path = tmp_path / "tasks.ndjson"
    path.unlink(missing_ok=True)
    draft, journal = broken_off(path)
    whole = draft.read_bytes()
    kept = bytearray(whole[: data.draw(st.integers(0, len(whole)), "bytes of the draft")])
    if kept and data.draw(st.booleans(), "a byte is turned over"):
        kept[data.draw(st.integers(0, len(kept) - 1), "which")] ^= 0x5A
    draft.write_bytes(bytes(kept) + data.draw(st.binary(max_size=60), "rubbish"))
    said = journal.read_bytes()
    first = said.index(b"\n") + 1
    journal.write_bytes(said[: data.draw(st.integers(first, len(said)), "bytes of the journal")])
    generate(LONG, path, resume=True)
    assert path.read_bytes() == written(LONG)


def test_kill_9_at_any_time_is_survived(tmp_path):
    """A real process, killed again and again as soon as its draft has grown; the last one is left alone."""
    path, draft = tmp_path / "tasks.ndjson", tmp_path / "tasks.ndjson.part"
    order = Order(count=6_000, block=100, seed="kill")
    program = (
        "import sys, pathlib\nfrom mltask_fixtures.factory.bulk import Order, generate\n"
        "told = lambda done: print(done, flush=True)\n"
        "generate(Order(count=6_000, block=100, seed='kill'), pathlib.Path(sys.argv[1]), resume=True, told=told)"
    )
    begun = []
    for blocks in (7, 20):
        with subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE, text=True) as process:
            begun.append(int(process.stdout.readline()))
            for _ in range(blocks):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not path.exists()
        assert draft.stat().st_size > 0
    told = []
    generate(order, path, resume=True, told=told.append)
    assert 0 == begun[0] < 700 <= begun[1] < 2_700 <= told[0]
    assert path.read_bytes() == written(order)


def test_a_draft_of_something_else_is_left_alone(tmp_path):
    """The error names what differs."""
    path = tmp_path / "tasks.ndjson"
    draft, journal = broken_off(path)
    before = draft.read_bytes(), journal.read_bytes()
    with pytest.raises(WrongUseError) as caught:
        generate(dataclasses.replace(LONG, seed=7, count=400), path, resume=True)
    assert str(caught.value) == (
        f"{draft} was begun with count 330, now 400; seed '0', now '7'. Ask for the same again, or delete it"
    )
    journal.unlink()
    with pytest.raises(WrongUseError, match=r"is there, but without its journal; delete it, or choose another"):
        generate(LONG, path, resume=True)
    assert draft.read_bytes() == before[0]
    journal.write_bytes(b"[1]\n")
    with pytest.raises(WrongUseError, match=r"is no journal; delete it and"):
        generate(LONG, path, resume=True)


def test_a_draft_that_would_be_made_otherwise_now_is_refused(tmp_path, monkeypatch):
    """The last block is made anew: digests alone would not show that the payloads have changed since."""
    path = tmp_path / "tasks.ndjson"
    broken_off(path)
    form = dataclasses.replace(FORMS["ndjson"], block=lambda maker, block: b"other\n")
    monkeypatch.setattr("mltask_fixtures.factory.bulk.forms.FORMS", {**FORMS, "ndjson": form})
    with pytest.raises(WrongUseError, match="what is installed now makes other bytes"):
        generate(LONG, path, resume=True)


def test_two_processes_do_not_write_one_draft(tmp_path):
    """The second is told so."""
    path = tmp_path / "tasks.ndjson"
    draft, _ = broken_off(path)
    with draft.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OutsideError, match=r"tasks\.ndjson\.part is being written by another process"):
            generate(LONG, path, resume=True)


def test_a_finished_file_is_not_made_again(tmp_path):
    """Both of its ends are compared; another file of that name is replaced."""
    path, told = tmp_path / "tasks.ndjson", []
    generate(LONG, path, resume=True)
    inode = path.stat().st_ino
    generate(LONG, path, resume=True, told=told.append)
    assert (path.stat().st_ino, told) == (inode, [330])
    path.write_bytes(path.read_bytes()[:-1])
    generate(LONG, path, resume=True)
    assert path.read_bytes() == written(LONG)


def test_parquet_and_streams_are_not_resumed(tmp_path):
    """The error says what to do instead."""
    with pytest.raises(WrongUseError, match=r"cannot be continued; write it in shards"):
        generate(Order(count=1, form="parquet"), tmp_path / "x.parquet", resume=True)
    with pytest.raises(WrongUseError, match="only a file can be resumed"):
        generate(Order(count=1), io.BytesIO(), resume=True)


# --------------------------------------------------------------------------------------------------- several processes


@pytest.mark.parametrize("form", ["bulk", "json"])
def test_processes_write_the_same_bytes(form):
    """However many there are."""
    order = Order(count=1_000, form=form, block=70, dialect="3.6")
    assert written(order, engine=processes(2)) == written(order)


def test_a_process_that_dies_is_an_error_in_words(tmp_path):
    """Nothing is written, and no other process stays."""
    before = set(multiprocessing.active_children())

    def kill_one(done):
        if done == 100:
            [*ours] = set(multiprocessing.active_children()) - before
            ours[0].kill()

    with pytest.raises(OutsideError, match="a worker process ended with code -9 in the middle of its work"):
        generate(Order(count=100_000, block=100), tmp_path / "x", engine=processes(2), told=kill_one)
    assert list(tmp_path.iterdir()) == []
    assert set(multiprocessing.active_children()) <= before


def test_no_number_of_processes():
    """Zero is none."""
    with pytest.raises(WrongUseError, match="0 processes cannot work"):
        processes(0)


# -------------------------------------------------------------------------------------------------------------- Dask


@pytest.fixture
def free_port():
    """A port of this computer that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def dask_processes(tmp_path, workers):
    """Start a real scheduler and workers on loopback, without dashboards; give its address and their processes."""
    pytest.importorskip("distributed", reason="needs the extra dask")
    where = tmp_path / "scheduler.json"
    quiet = {**os.environ, "DASK_LOGGING__DISTRIBUTED": "critical", "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s"}
    common = ["--scheduler-file", where, "--no-dashboard"]
    commands = [["scheduler", "--host", "127.0.0.1", "--port", "0"]]
    commands += [
        ["worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--local-directory", tmp_path]
    ] * workers
    with contextlib.ExitStack() as stack:
        started = []
        for command in commands:
            words = [sys.executable, "-m", "distributed.cli.dask_" + command[0], *command[1:], *common]
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=quiet)
            stack.callback(process.wait)
            stack.callback(process.kill)
            started.append(process)
        for _ in range(600):
            if where.exists():
                break
            time.sleep(0.05)
        yield json.loads(where.read_text())["address"], started


def test_a_dask_cluster_that_loses_a_worker_writes_the_same_bytes(tmp_path):
    """One of two worker processes is killed half-way: its blocks are made by the other, and the file is the same."""
    order, path = Order(count=12_000, block=200, dialect="3.6", form="bulk"), tmp_path / "tasks.bulk"
    with dask_processes(tmp_path, workers=2) as (address, (_, *workers)):
        from distributed import Client

        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            alive = []

            def kill_one(done):
                if done == 6_000:
                    workers[0].kill()
                    workers[0].wait()
                if done == order.count:
                    alive.extend(client.scheduler_info()["workers"])

            generate(order, path, engine=dask(address), told=kill_one)
        assert len(alive) == 1
        assert path.read_bytes() == written(order)
        assert [worker.poll() for worker in workers] == [-signal.SIGKILL, None]


def test_a_scheduler_that_does_not_answer_is_named(free_port, tmp_path, monkeypatch):
    """And nothing is written."""
    pytest.importorskip("distributed", reason="needs the extra dask")
    monkeypatch.setattr("mltask_fixtures.factory.bulk.engines._PATIENCE", 0.5)
    address = f"tcp://127.0.0.1:{free_port}"
    for wrong in (address, "tcp://127.0.0.1:nonsense", "nowhere://x"):
        with pytest.raises(OutsideError) as caught:
            generate(Order(count=1), tmp_path / "x", engine=dask(wrong))
        assert f"no Dask scheduler answers at {wrong}" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_scheduler_without_workers_is_named(tmp_path, monkeypatch):
    """With the command that starts one."""
    monkeypatch.setattr("mltask_fixtures.factory.bulk.engines._PATIENCE", 2)
    with (
        dask_processes(tmp_path, workers=0) as (address, _),
        pytest.raises(OutsideError, match=r"has no workers; `dask worker tcp://127\.0\.0\.1:\d+` starts one"),
    ):
        generate(Order(count=1), tmp_path / "x", engine=dask(address))


@pytest.mark.parametrize(
    ("engine", "form", "missing", "extra"),
    [("dask()", "ndjson", "distributed", "dask"), ("alone", "parquet", "pyarrow", "parquet")],
)
def test_without_the_extra_a_sentence_names_it(engine, form, missing, extra):
    """What to install."""
    program = (
        f"import sys\nsys.modules[{missing!r}] = None\nfrom mltask_fixtures.factory.bulk import *\n"
        f"try:\n    generate(Order(count=1, form={form!r}), engine={engine})\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("OutsideError")
    assert f'needs the Python package {missing}: pip install "mltask-fixtures[{extra}]"' in done.stdout


def test_a_block_is_an_ordinary_pair():
    """So that an order can be cut by hand."""
    assert list(Order(count=25, block=10).blocks(1)) == [Block(10, 20), Block(20, 25)]
