"""What a replay costs beside its peers: one GET among many, its growth, loading with full validation, saving.

Run it with `python benchmarks/replay.py`; all tools are measured in one process, in turn, round after round. Needs the
dependency group `benchmarks`.
"""

from __future__ import annotations

import argparse
import gc
import logging
import shutil
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import cassetter
import httpx
import pytest_httpx
import pytest_recording._vcr
import requests
import responses
import vcr
from _measure import Group, Result, as_json, fail, machine, missed, plot, ratio, table
from vcr.cassette import Cassette
from vcr.request import Request as VcrRequest
from vcr.serializers import jsonserializer, yamlserializer

from mltask_fixtures import TaskFactory
from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette import use_cassette
from mltask_fixtures.cassette.replay import MLTaskCassette
from mltask_fixtures.cassette.request import Request
from mltask_fixtures.contract import mint_document_id

OURS = "mltask-fixtures"
PACKAGES = (
    "mltask-fixtures",
    "vcrpy",
    "pytest-recording",
    "cassetter",
    "responses",
    "pytest-httpx",
    "requests",
    "httpx",
)
SAMPLE = 50
"""How many of the GETs a tool is asked that takes milliseconds for each; they are spread over the whole."""
SLOW = {"vcrpy, YAML", "vcrpy, JSON", "pytest-recording", "responses", "pytest-httpx"}


# ---------------------------------------------------------------------------------------------------------- the traffic


def interactions(number: int) -> list[dict]:
    """Make polls of as many deployed models, in vcrpy's form; the bodies are those of a 3.6 server."""
    made = []
    for n, task in enumerate(TaskFactory(dialect="3.6").batch(number, "DEPLOY_MODEL", "COMPLETED")):
        task_id = mint_document_id(task.create_time + 20, n, bytes(6))
        body = task.model_dump_json()
        headers = {
            "X-OpenSearch-Version": ["OpenSearch/3.6.0 (opensearch)"],
            "content-type": ["application/json; charset=UTF-8"],
        }
        made.append(
            {
                "request": {
                    "method": "GET",
                    "uri": f"http://localhost:9200/_plugins/_ml/tasks/{task_id}",
                    "body": None,
                    "headers": {
                        "Accept": ["*/*"],
                        "User-Agent": ["python-requests/2.32.3"],
                        "Connection": ["keep-alive"],
                    },
                },
                "response": {
                    "status": {"code": 200, "message": "OK"},
                    "headers": {**headers, "content-length": [str(len(body))]},
                    "body": {"string": body.encode()},
                },
            }
        )
    return made


def uris(made: list[dict]) -> list[str]:
    """Give what is asked."""
    return [one["request"]["uri"] for one in made]


def write(folder: Path, made: list[dict]) -> None:
    """Write the same traffic in each tool's own form, by its own writer."""
    ours = {"version": 1, "metadata": {"synthetic": True}, "interactions": made}
    (folder / "ours.json").write_text(our_format.serialize(ours))
    for name, serializer in (("vcr.yaml", yamlserializer), ("vcr.json", jsonserializer)):
        filled_vcr(folder / name, serializer, made)._save(force=True)
    for name in ("cassetter.toml", "cassetter.yaml"):
        with cassetter.use_cassette(folder / name, record_mode="all") as cassette:
            fill_cassetter(cassette, made)


def filled_vcr(path: Path, serializer: object, made: list[dict]) -> Cassette:
    """Give a cassette of vcrpy that has everything to save."""
    cassette = Cassette(str(path), serializer=serializer, record_mode=vcr.mode.ALL)
    for one in made:
        asked = one["request"]
        cassette.append(VcrRequest(asked["method"], asked["uri"], None, asked["headers"]), one["response"])
    return cassette


def fill_cassetter(cassette: cassetter.Cassette, made: list[dict]) -> None:
    """Put everything into a cassette of cassetter."""
    for one in made:
        cassette.record(
            method="GET",
            uri=one["request"]["uri"],
            request_headers=one["request"]["headers"],
            request_body=None,
            status=200,
            response_headers=one["response"]["headers"],
            response_body=one["response"]["body"]["string"],
            order=cassette.reserve_record_order(),
            expected=None,
        )


# ------------------------------------------------------------------------------------------------------------ the tools


def _of_vcr(path: Path, serializer: str):
    return vcr.VCR(serializer=serializer, record_mode="none").use_cassette(str(path))


def _of_pytest_recording(folder: Path):
    config = SimpleNamespace(hook=SimpleNamespace(pytest_recording_configure=lambda **_: None))
    return pytest_recording._vcr.use_cassette("vcr", str(folder), "none", [], {}, config)


@contextmanager
def _of_responses(made: list[dict]):
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for one in made:
            answer = one["response"]
            mock.add("GET", one["request"]["uri"], body=answer["body"]["string"], content_type="application/json")
        yield


def partialmethod_of(mock):
    """Do as the plugin's fixture does: the transport is handed on, too."""

    def handle_request(transport, request):
        return mock._handle_request(transport, request)

    return handle_request


@contextmanager
def _of_pytest_httpx(made: list[dict]):
    mock = pytest_httpx.HTTPXMock(pytest_httpx._options._HTTPXMockOptions())
    for one in made:
        mock.add_response(url=one["request"]["uri"], content=one["response"]["body"]["string"], is_reusable=True)
    real = httpx.HTTPTransport.handle_request
    httpx.HTTPTransport.handle_request = partialmethod_of(mock)
    try:
        yield
    finally:
        httpx.HTTPTransport.handle_request = real


def tools(client: str, folder: Path, made: list[dict]) -> dict:
    """Give what opens each tool's replay, by name."""
    common = {
        OURS: lambda: use_cassette(folder / "ours.json"),
        "cassetter": lambda: cassetter.use_cassette(folder / "cassetter.toml", record_mode="none"),
        "vcrpy, YAML": lambda: _of_vcr(folder / "vcr.yaml", "yaml"),
        "vcrpy, JSON": lambda: _of_vcr(folder / "vcr.json", "json"),
        "pytest-recording": lambda: _of_pytest_recording(folder),
    }
    if client == "requests":
        return {**common, "responses": lambda: _of_responses(made)}
    return {**common, "pytest-httpx": lambda: _of_pytest_httpx(made)}


@contextmanager
def client_of(name: str):
    """Give a function that asks for a URL and reads the answer's JSON."""
    if name == "requests":
        with requests.Session() as session:
            session.trust_env = False
            yield lambda uri: session.get(uri).json()
    else:
        with httpx.Client(trust_env=False) as session:
            yield lambda uri: session.get(uri).json()


# ----------------------------------------------------------------------------------------------------- what is measured


def per_get(client: str, opened: dict, asked: list[str], rounds: int) -> list[Result]:
    """Measure one GET among as many distinct ones, in us."""
    seen: dict[str, list[float]] = {name: [] for name in opened}
    for number in range(rounds + 1):
        for name, cassette in opened.items():
            sample = asked[:: max(1, len(asked) // SAMPLE)] if name in SLOW else asked
            with cassette(), client_of(client) as get:
                gc.collect()  # else what one tool left behind is charged to another
                before = time.process_time()
                for uri in sample:
                    get(uri)
                took = (time.process_time() - before) / len(sample) * 1e6
            if number or name in SLOW:  # the first round warms up
                seen[name].append(took)
    return [Result(name, name == OURS, times[-rounds:]) for name, times in seen.items()]


def _measured(cases: dict, rounds: int) -> list[Result]:
    seen: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, (prepare, run) in cases.items():
            prepared = prepare()
            gc.collect()
            before = time.process_time()
            kept = run(prepared)
            took = (time.process_time() - before) * 1e3
            del kept  # it is no part of the work to throw the result away
            if number:
                seen[name].append(took)
    return [Result(name, name == OURS, times) for name, times in seen.items()]


def loading(folder: Path, rounds: int) -> list[Result]:
    """Measure opening a cassette, in ms; ours holds every body to the dialect of its server meanwhile."""

    def opening(make):
        manager: list = []

        def prepare():
            if manager:
                manager.pop().__exit__(None, None, None)
            manager.append(make())
            return manager[-1]

        return prepare, lambda one: one.__enter__()

    return _measured(
        {
            OURS: (lambda: None, lambda _: MLTaskCassette(folder / "ours.json")),
            "cassetter, TOML": opening(lambda: cassetter.use_cassette(folder / "cassetter.toml", record_mode="none")),
            "cassetter, YAML": opening(lambda: cassetter.use_cassette(folder / "cassetter.yaml", record_mode="none")),
            "vcrpy, JSON": (
                lambda: None,
                lambda _: Cassette.load(path=str(folder / "vcr.json"), serializer=jsonserializer),
            ),
            "vcrpy, YAML": (
                lambda: None,
                lambda _: Cassette.load(path=str(folder / "vcr.yaml"), serializer=yamlserializer),
            ),
        },
        rounds,
    )


def saving(folder: Path, made: list[dict], rounds: int) -> tuple[list[Result], list[Result]]:
    """Measure saving what was recorded, and keeping it and saving it, in ms.

    Ours redacts, scans, validates and writes each exchange when it is recorded, and joins and syncs at the end.
    """

    def ours():
        cassette = MLTaskCassette(folder / "saved.json", record="all", anew=True)
        for one in made:
            asked = one["request"]
            cassette.append(Request(asked["method"], asked["uri"], None, asked["headers"]), one["response"])
        return cassette

    def cassetters(name):
        def prepare():
            (folder / name).unlink(missing_ok=True)
            manager = cassetter.use_cassette(folder / name, record_mode="all")
            fill_cassetter(manager.__enter__(), made)
            return manager

        return prepare, lambda manager: manager.__exit__(None, None, None)

    def vcrs(name, serializer):
        return lambda: filled_vcr(folder / name, serializer, made), lambda cassette: cassette._save(force=True)

    cases = {
        OURS: (ours, lambda cassette: cassette.save()),
        "cassetter, TOML": cassetters("saved.toml"),
        "cassetter, YAML": cassetters("saved.yaml"),
        "vcrpy, JSON": vcrs("saved-vcr.json", jsonserializer),
        "vcrpy, YAML": vcrs("saved-vcr.yaml", yamlserializer),
    }
    both = {name: (lambda: None, partial(_kept_and_saved, *case)) for name, case in cases.items()}
    return _measured(cases, rounds), _measured(both, rounds)


def _kept_and_saved(keep, save, _) -> None:
    save(keep())


def growth(folder: Path, sizes: tuple[int, ...], rounds: int) -> list[Result]:
    """Measure one GET of ours among more and more, in us."""
    results = []
    for size in sizes:
        there = folder / str(size)
        there.mkdir()
        made = interactions(size)
        (there / "ours.json").write_text(our_format.serialize({"version": 1, "interactions": made}))
        asked = uris(made)
        del made  # else each pass of the garbage collector looks at it, and that is charged to the larger one
        for client in ("requests", "httpx"):
            (one,) = per_get(client, {OURS: partial(use_cassette, there / "ours.json")}, asked, rounds)
            results.append(
                Result(f"{client}, {size:,} ids", ours=size == sizes[0] and client == "requests", rounds=one.rounds)
            )
    return results


def main() -> None:
    """Measure, print, and fail where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=1_000, help="how many interactions")
    parser.add_argument("--json", type=Path, help="write every round there")
    parser.add_argument("--plot", type=Path, help="draw the medians there")
    options = parser.parse_args()
    logging.disable()  # else each tool is charged for what it logs
    folder = Path(tempfile.mkdtemp())
    try:
        made = interactions(options.size)
        write(folder, made)
        gets = {
            client: per_get(client, tools(client, folder, made), uris(made), options.rounds)
            for client in ("requests", "httpx")
        }
        loads = loading(folder, options.rounds)
        saves, whole = saving(folder, made, options.rounds)
        del made
        grown = growth(folder, (100, 10_000), options.rounds)
    finally:
        shutil.rmtree(folder)
    on = machine(*PACKAGES)
    in_us = [
        Group(f"One GET of {options.size:,} distinct ones, {client}", results, "at or below cassetter, 20x below vcrpy")
        for client, results in gets.items()
    ] + [Group("Growth", grown, "under 1.2x from 100 to 10,000")]
    in_ms = [
        Group(f"Load {options.size:,} interactions", loads, "below cassetter's TOML, 20x below vcrpy's YAML"),
        Group(f"Save {options.size:,} interactions", saves, "5x below vcrpy's JSON"),
        Group(f"Keep {options.size:,} interactions as they come, and save them", whole, "nothing"),
    ]
    print(f"{on}\n\n{table(in_us)}\n\n{table(in_ms, 'ms')}")
    if options.json:
        options.json.write_text(as_json([*in_us, *in_ms], on))
    if options.plot:
        options.plot.write_text(plot([*in_us, *in_ms], on, ""))
    fail(missed(promises(gets, loads, saves, grown)))


def promises(
    gets: dict, loads: list[Result], saves: list[Result], grown: list[Result]
) -> list[tuple[str, float, float]]:
    """List what was promised: what, what was seen, and at most what it may be."""

    def compared(results, other):
        by_name = {one.name: one for one in results}
        return ratio(by_name[OURS], by_name[other])

    kept = []
    for client, results in gets.items():
        kept += [
            (f"one GET, {client}, to cassetter", compared(results, "cassetter"), 1),
            (f"one GET, {client}, to vcrpy", compared(results, "vcrpy, YAML"), 1 / 20),
        ]
    sizes = {one.name: one.median for one in grown}
    for client in gets:
        few, many = (median for name, median in sizes.items() if name.startswith(client))
        kept.append((f"growth, {client}", many / few, 1.2))
    return [
        *kept,
        ("load, to cassetter's TOML", compared(loads, "cassetter, TOML"), 1),
        ("load, to vcrpy's YAML", compared(loads, "vcrpy, YAML"), 1 / 20),
        ("save, to vcrpy's JSON", compared(saves, "vcrpy, JSON"), 1 / 5),
    ]


if __name__ == "__main__":
    main()
