"""Files: whole or not at all, locked, never overwritten when they are not ours to understand."""

import contextlib
import json
import multiprocessing
import os
import random
import stat
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import pytest

from mltask_fixtures._errors import OutsideError
from mltask_fixtures.cassette import DamagedCassetteError, InvalidCassetteError, load, store, use_cassette
from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette.replay import MLTaskCassette

BUNDLED = "3.6.0/train-kmeans-completed"


def exchange(number, body=b"{}"):
    return {
        "request": {"method": "GET", "uri": f"http://h/{number}", "headers": {}, "body": None},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": body}},
    }


def packed(*numbers, body=b"{}"):
    return our_format.packed({"version": 1, "interactions": [exchange(number, body) for number in numbers]})


def uris(path):
    return [one["request"]["uri"] for one in store.read(path)["interactions"]]


def left_behind(folder):
    return sorted(path.name for path in folder.rglob("*") if path.name.startswith("."))


# --------------------------------------------------------------------------------------------------- whole or not at all


@pytest.mark.parametrize("limit", [0, 1, 100, 5000])
def test_a_full_disk_leaves_what_was_there(tmp_path, limit):
    """When a byte too many is written, the error says so, the older file is whole and no draft stays."""
    path = tmp_path / "c.json"
    store.write(path, *packed(1))
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from mltask_fixtures.cassette import store, format as f\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))\n"
        "try:\n"
        f"    store.write(Path({str(path)!r}), 'x' * 10_000)\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"OutsideError {path} cannot be written: File too large; what was there is untouched\n"
    assert uris(path) == ["http://h/1"]
    assert left_behind(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_an_error_in_words(tmp_path):
    """A file in the place of the folder."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutsideError, match=r"file cannot be locked: .*; nothing was written"):
        store.write(tmp_path / "file" / "c.json", *packed(1))


def test_a_folder_in_its_place_is_an_error_in_words(tmp_path):
    """A folder in the place of the file, which stays."""
    (tmp_path / "c.json" / "kept").mkdir(parents=True)
    with pytest.raises(OutsideError, match=r"c\.json cannot be written: Is a directory"):
        store.write(tmp_path / "c.json", *packed(1))
    assert (tmp_path / "c.json" / "kept").is_dir()
    assert left_behind(tmp_path) == []


def test_a_kill_while_saving_leaves_a_whole_file():
    """Killed at 100 random moments, the file is the older or the newer one, with its side files, and no draft stays."""
    script = Path(__file__).parents[2] / "benchmarks" / "kill_while_saving.py"
    done = subprocess.run([sys.executable, script, "100"], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[:4] == [
        "kills while saving: 100",
        "older or newer, whole: 100",
        "damaged: 0",
        "gone: 0",
    ]
    assert done.returncode == 0


def test_the_file_keeps_its_permissions(tmp_path):
    """A file that only its owner may read stays so."""
    path = tmp_path / "c.json"
    store.write(path, *packed(1))
    path.chmod(0o600)
    store.write(path, *packed(2))
    assert path.stat().st_mode & 0o777 == 0o600


# ------------------------------------------------------------------------------------------------------------- side files

LARGE = b"a" * (our_format.LARGE_BODY + 1)


def test_large_bodies_lie_in_a_folder_beside(tmp_path):
    """Read back they are in their place; when the recording no longer has them they are gone."""
    path = tmp_path / "c.json"
    store.write(path, *packed(1, 2, body=LARGE))
    assert [one.name for one in store.bodies_of(path).iterdir()] == [our_format.name_of(LARGE)]
    assert [one["response"]["body"]["string"] for one in store.read(path)["interactions"]] == [LARGE, LARGE]
    store.write(path, *packed(1, body=b"b" + LARGE))
    assert len(list(store.bodies_of(path).iterdir())) == 1
    store.write(path, *packed(1))
    assert [one.name for one in tmp_path.iterdir()] == ["c.json"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: file.unlink(), "cannot be read: No such file"),
        (lambda file: file.write_bytes(LARGE[:-1]), "has 65536 bytes, not 65537"),
        (lambda file: file.write_bytes(b"b" + LARGE[1:]), "was changed: its SHA-256 is another"),
        (lambda file: os.truncate(file, 1 << 30), "has 1073741824 bytes, not 65537"),
    ],
)
def test_a_damaged_side_file_is_an_error_that_says_which(tmp_path, damage, said):
    """Missing, cut, changed, or grown to a gigabyte: nothing of it is used."""
    path = tmp_path / "c.json"
    store.write(path, *packed(1, body=LARGE))
    damage(next(store.bodies_of(path).iterdir()))
    with pytest.raises(DamagedCassetteError, match=rf"c\.json is no cassette: interaction 1: the side file .*{said}"):
        store.read(path)


def test_side_files_are_not_written_through_a_link(tmp_path):
    """A folder of bodies that is a link leads elsewhere; nothing there is written or removed."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ("0" * 64 + ".body")).write_text("kept")
    (tmp_path / "c.bodies").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutsideError, match=r"c\.bodies is a link"):
        store.write(tmp_path / "c.json", *packed(1, body=LARGE))
    store.write(tmp_path / "c.json", *packed(1))
    assert [one.read_text() for one in (tmp_path / "elsewhere").iterdir()] == ["kept"]


def test_only_side_files_are_ever_removed(tmp_path):
    """A file of somebody else's in the folder of bodies stays."""
    path = tmp_path / "c.json"
    store.write(path, *packed(1, body=LARGE))
    (store.bodies_of(path) / "notes.txt").write_text("mine")
    store.write(path, *packed(1))
    assert [one.name for one in store.bodies_of(path).iterdir()] == ["notes.txt"]


# ---------------------------------------------------------------------------------------------------------- many writers


def record(folder, worker, count):
    """Record into one cassette as a worker of pytest-xdist does, without a network."""
    for number in range(count):
        cassette = MLTaskCassette(folder / "shared.json", record="new")
        one = exchange(f"{worker}-{number}")
        from mltask_fixtures.cassette.request import Request

        cassette.append(Request(**one["request"]), one["response"])
        cassette.save()


def test_processes_that_record_into_one_cassette_lose_nothing(tmp_path):
    """Eight workers, ten recordings each: eighty exchanges in the file."""
    context = multiprocessing.get_context("forkserver")
    workers = [context.Process(target=record, args=(tmp_path, worker, 10)) for worker in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 8
    assert sorted(uris(tmp_path / "shared.json")) == sorted(f"http://h/{w}-{n}" for w in range(8) for n in range(10))
    assert left_behind(tmp_path) == []


def test_cassettes_that_were_open_at_once_lose_nothing(tmp_path):
    """What another saved since a cassette was opened is kept when it is saved."""
    from mltask_fixtures.cassette.request import Request

    opened = [MLTaskCassette(tmp_path / "c.json", record="once") for _ in range(3)]
    for number, cassette in enumerate(opened):
        cassette.append(Request(**exchange(number)["request"]), exchange(number)["response"])
        cassette.save()
    assert uris(tmp_path / "c.json") == ["http://h/0", "http://h/1", "http://h/2"]


def test_recording_anew_keeps_what_another_recorded_anew(tmp_path):
    """Old answers go, those that another has just recorded stay."""
    from mltask_fixtures.cassette.request import Request

    path = tmp_path / "c.json"
    store.write(path, *packed(1, 2, body=b'"old"'))
    opened = [MLTaskCassette(path, record="all") for _ in range(2)]
    for number, cassette in enumerate(opened, 1):
        one = exchange(number, b'"new"')
        cassette.append(Request(**one["request"]), one["response"])
        cassette.save()
    found = [(one["request"]["uri"], one["response"]["body"]["string"]) for one in store.read(path)["interactions"]]
    assert found == [("http://h/1", b'"new"'), ("http://h/2", b'"new"')]


def test_the_lock_holds_against_another_process(tmp_path):
    """While one process writes, a second waits; when the first is killed, it waits no longer."""
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom mltask_fixtures.cassette import store\n"
        "def change(current):\n    print('in', flush=True)\n    time.sleep(60)\n"
        f"store.update(Path({str(tmp_path / 'c.json')!r}), change)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    holder.stdout.readline()
    context = multiprocessing.get_context("forkserver")
    waiting = context.Process(target=store.write, args=(tmp_path / "c.json", *packed(1)))
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    waiting.join(30)
    assert waiting.exitcode == 0
    assert uris(tmp_path / "c.json") == ["http://h/1"]


def test_a_folder_that_cannot_be_locked_is_locked_by_a_file(tmp_path, monkeypatch):
    """As on network file systems, which lock only what is open for writing."""
    import fcntl

    real = fcntl.flock

    def flock(handle, how):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(9, "Bad file descriptor")
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    store.write(tmp_path / "c.json", *packed(1))
    assert uris(tmp_path / "c.json") == ["http://h/1"]
    assert left_behind(tmp_path) == [".mltask.lock"]


# ------------------------------------------------------------------------------------------------- damaged and foreign

FOREIGN = {
    "empty.json": (b"", "it is empty"),
    "blank.json": (b" \n", "it is empty"),
    "cut.json": (None, "is damaged at line"),
    "text.json": (b"hello", "is damaged at line 1, column 1"),
    "other.json": (b'{"a": 1}', "a cassette is an object with a list of interactions"),
    "bytes.json": (b'{"version": 1, \xff', "byte 15 is not UTF-8"),
    "nul.json": (b"\0" * 4096, "is damaged at line 1, column 1"),
    "deep.json": (b"[" * 100_000, "recursion"),
    "half.json": (
        b'{"interactions": [{"request": {"method": "GET", "uri": "\\ud800", "headers": {}, "body": "\\ud800"}, "response": {}}]}',
        "interaction 1: ",
    ),
    "empty.yaml": (b"", "it is empty"),
    "text.yaml": (b"hello", "a cassette is an object"),
    "cut.yaml": (b"version: 1\ninteractions: [", "while parsing"),
    "tab.yaml": (b"version:\t1\n\tx: 2", "while scanning"),
    "tag.yaml": (b"!!python/object/apply:os.system ['touch OWNED']", "could not determine a constructor"),
    "new.yaml": (
        b"version: 1\ninteractions: !!python/object/new:os.system ['touch OWNED']",
        "could not determine a constructor",
    ),
    "module.yaml": (b"interactions: [!!python/module:os x]", "could not determine a constructor"),
    "deep.yaml": (b"[" * 10_000, ""),
    "cycle.yaml": (b"interactions: &a [*a]", "its aliases stand for more than"),
    "laughs.yaml": (
        b"a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 12))
        + b"interactions: *a11\n",
        "its aliases stand for more than",
    ),
    "merge.yaml": (
        b"a0: &a0 {x: 1}\n"
        + b"".join(b"a%d: &a%d {<<: [%s]}\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 12))
        + b"interactions: []\n",
        "a cassette merges no mappings",
    ),
    "gzip.json": (None, "its body inflates to more than"),
    "badgzip.json": (None, "its body is no gzip"),
    "bytes1gb.json": (None, "bytes, not 1073741824"),
}


def foreign(name):
    raw, _ = FOREIGN[name]
    if raw is not None:
        return raw
    if name == "cut.json":
        return store.find(BUNDLED).read_bytes()[:5000]
    values = {"version": 1, "interactions": [exchange(1, b"x")]}
    response = values["interactions"][0]["response"]
    if name == "bytes1gb.json":
        text = our_format.serialize(values)
        stored = json.loads(text)
        stored["interactions"][0]["response"]["body"] = {"file": "0" * 64 + ".body", "bytes": 1 << 30}
        return json.dumps(stored).encode()
    bomb = zlib.compressobj(9, wbits=31)
    zeros = b"\0" * (1 << 20)
    packed_zeros = (
        b"".join([*(bomb.compress(zeros) for _ in range(300)), bomb.flush()])
        if name == "gzip.json"
        else b"\x1f\x8bxxxx"
    )
    response["headers"] = {"Content-Encoding": ["gzip"], "Content-Length": ["1073741824"]}
    response["body"] = {"string": packed_zeros}
    return our_format.serialize(values).encode()


@pytest.mark.parametrize("name", FOREIGN)
def test_a_damaged_or_foreign_file_is_an_error_that_says_where_and_stays(tmp_path, monkeypatch, name):
    """Read, replayed or recorded into: refused in words, not a byte changed, nothing executed, no memory filled."""
    monkeypatch.chdir(tmp_path)
    raw = foreign(name)
    path = tmp_path / name
    path.write_bytes(raw)
    (tmp_path / f"{path.stem}.bodies").mkdir()
    (tmp_path / f"{path.stem}.bodies" / ("0" * 64 + ".body")).write_bytes(b"x")
    _, said = FOREIGN[name]
    tracemalloc.start()
    try:
        with pytest.raises(DamagedCassetteError) as error:
            store.read(path)
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert said in str(error.value)
    assert str(path) in str(error.value)
    for record in ("none", "once", "new", "all"):
        with pytest.raises(DamagedCassetteError), use_cassette(path, record=record):
            pass
    with pytest.raises(DamagedCassetteError):
        store.update(path, lambda current: packed(1))
    assert path.read_bytes() == raw
    assert not (tmp_path / "OWNED").exists()


def test_a_file_of_a_gigabyte_is_not_read(tmp_path):
    """It is refused by its size; a sparse file takes no room."""
    with (tmp_path / "c.json").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(DamagedCassetteError, match="it has 1073741824 bytes"):
        store.read(tmp_path / "c.json")


def test_what_is_no_file_is_not_waited_for(tmp_path):
    """A pipe in the place of a cassette would wait for a writer for ever."""
    os.mkfifo(tmp_path / "c.json")
    with pytest.raises(DamagedCassetteError, match="it is no file"):
        store.read(tmp_path / "c.json")


def test_an_alias_of_vcrpys_is_read(tmp_path):
    """What occurs twice is written once by vcrpy's YAML; that is no bomb."""
    (tmp_path / "c.yaml").write_text(
        "version: 1\ninteractions:\n- request: &r {method: GET, uri: http://h/, body: null, headers: &h {a: [b]}}\n"
        "  response: &s {status: {code: 200, message: OK}, headers: *h, body: {string: x}}\n- {request: *r, response: *s}\n"
    )
    assert len(store.read(tmp_path / "c.yaml")["interactions"]) == 2


def test_a_link_is_replaced_and_not_followed(tmp_path):
    """What a link leads to is left as it is, whether it is there or not."""
    target = tmp_path / "target.json"
    for there in (True, False):
        path = tmp_path / f"c{there}.json"
        path.symlink_to(target if there else tmp_path / "missing.json")
        if there:
            target.write_text("kept")
        store.write(path, *packed(1))
        assert not path.is_symlink()
        assert uris(path) == ["http://h/1"]
    assert target.read_text() == "kept"
    assert not (tmp_path / "missing.json").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "",
        ".",
        "..",
        "a\\b",
        "a\0b",
        "a\nb",
        "c:d",
        "x" * 201,
        "ü" * 101,
        "a/./b",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    """Names stay below the folder and are names on every system."""
    with pytest.raises(store.WrongUseError, match="is no name of a cassette"):
        store.path_of(name, tmp_path)


# ---------------------------------------------------------------------------------------------------------------- mutations


def mutated(raw, rng):
    """Change a file as accidents do: a bit, a byte, a cut, a piece twice, a piece gone, lines exchanged, a number."""
    at = rng.randrange(len(raw))
    kind = rng.randrange(8)
    if kind == 0:
        return raw[:at] + bytes([raw[at] ^ 1 << rng.randrange(8)]) + raw[at + 1 :]
    if kind == 1:
        return raw[:at] + bytes([rng.randrange(256)]) + raw[at:]
    if kind == 2:
        return raw[:at]
    end = min(len(raw), at + rng.randrange(1, 400))
    if kind == 3:
        return raw[:at] + raw[at:end] * 2 + raw[end:]
    if kind == 4:
        return raw[:at] + raw[end:]
    if kind == 5:
        lines = raw.split(b"\n")
        one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        lines[one], lines[other] = lines[other], lines[one]
        return b"\n".join(lines)
    if kind == 6:
        return raw[:at] + b"\0" * (end - at) + raw[end:]
    digits = [index for index, byte in enumerate(raw) if byte in b"0123456789"]
    at = rng.choice(digits)
    return raw[:at] + str(rng.randrange(10)).encode() + raw[at + 1 :]


def outcome(path, values):
    """Tell what becomes of a changed file: an error, a note, or nothing because it says the same."""
    try:
        load(path)
    except (DamagedCassetteError, InvalidCassetteError) as error:
        return "refused" if str(path) in str(error) else "refused without a name"
    if store.edited(path):
        return "noted"
    assert store.read(path) == values
    return "harmless"


def test_500_mutations_are_refused_or_noted_or_harmless_and_none_is_overwritten(tmp_path):
    """Whatever happens to a file, it is seen, and no damaged one is written over."""
    rng = random.Random(500)
    original = store.find("3.6.0/train-missing-index-failed").read_bytes()
    path = tmp_path / "c.json"
    path.write_bytes(original)
    values = store.read(path)
    counts = {"refused": 0, "noted": 0, "harmless": 0}
    for _ in range(500):
        raw = mutated(original, rng)
        path.write_bytes(raw)
        kind = outcome(path, values)
        counts[kind] += 1
        if kind == "refused":
            for record in ("once", "all"):
                with pytest.raises((DamagedCassetteError, InvalidCassetteError)), use_cassette(path, record=record):
                    pass
        assert path.read_bytes() == raw
    assert sum(counts.values()) == 500
    assert counts["refused"] > 200
    assert counts["harmless"] < 100


def test_nothing_is_saved_when_the_code_inside_failed(tmp_path):
    """An error inside is no recording."""
    from mltask_fixtures.cassette.request import Request

    path = tmp_path / "c.json"
    with contextlib.suppress(ZeroDivisionError), use_cassette(path, record="once") as cassette:
        cassette.append(Request(**exchange(1)["request"]), exchange(1)["response"])
        _ = 1 / 0
    assert not path.exists()
