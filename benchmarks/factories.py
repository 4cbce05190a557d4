"""The factories beside polyfactory, factory_boy, mimesis, faker and hypothesis: same model, same fields, one run.

Run `pip install -e . --group benchmarks`, then `python benchmarks/factories.py`. With `--json FILE`, `--plot FILE.svg`
and `--page FILE.md` it writes what it has measured; with `--check` it fails if a promise is not kept.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _measure
import factory
from faker import Faker
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mimesis import Choice, Numeric
from polyfactory.factories.pydantic_factory import ModelFactory
from polyfactory.fields import Ignore, Use

from mltask_fixtures import FunctionName, InputType, TaskFactory, TaskState, TrainingTask

if TYPE_CHECKING:
    from collections.abc import Callable

PEERS = ("mltask-fixtures", "pydantic", "polyfactory", "factory-boy", "mimesis", "faker", "hypothesis")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
FIRST, LAST = 1_735_689_600_000, 2_051_049_600_000
WORDS = list(FunctionName), list(TaskState), list(InputType)


def text(length: int, rng: random.Random) -> str:
    """An id as users of general libraries make one."""
    return "".join(rng.choices(LETTERS, k=length))


def peers() -> dict[str, Callable[[], TrainingTask]]:
    """One payload of each library: nine fields, times in order, checked by the model."""
    rng = random.Random(1)
    fields = {
        "model_id": lambda: text(20, rng),
        "function_name": lambda: rng.choice(WORDS[0]),
        "state": lambda: rng.choice(WORDS[1]),
        "input_type": lambda: rng.choice(WORDS[2]),
        "worker_node": lambda: [text(22, rng)],
        "create_time": lambda: rng.randint(FIRST, LAST),
        "last_update_time": lambda: rng.randint(LAST + 1, LAST + 100_000),
    }

    class Poly(ModelFactory[TrainingTask]):
        __random_seed__ = 1
        __allow_none_optionals__ = False
        task_id, progress, output_index, error, user, tenant_id = (Ignore() for _ in range(6))
        model_id, worker_node = Use(fields["model_id"]), Use(fields["worker_node"])
        create_time, last_update_time = Use(fields["create_time"]), Use(fields["last_update_time"])

    class Boy(factory.Factory):
        class Meta:
            model = TrainingTask

        task_type, is_async = "TRAINING", True
        model_id = factory.LazyFunction(fields["model_id"])
        function_name = factory.LazyFunction(fields["function_name"])
        state = factory.LazyFunction(fields["state"])
        input_type = factory.LazyFunction(fields["input_type"])
        worker_node = factory.LazyFunction(fields["worker_node"])
        create_time = factory.LazyFunction(fields["create_time"])
        last_update_time = factory.LazyAttribute(lambda task: task.create_time + rng.randint(1, 100_000))

    choice, numeric = Choice(seed=1), Numeric(seed=1)

    def mimesis() -> TrainingTask:
        create = numeric.integer_number(FIRST, LAST)
        return TrainingTask.model_validate(
            {
                "model_id": choice(LETTERS, length=20),
                "task_type": "TRAINING",
                "function_name": choice(WORDS[0]),
                "state": choice(WORDS[1]),
                "input_type": choice(WORDS[2]),
                "worker_node": [choice(LETTERS, length=22)],
                "create_time": create,
                "last_update_time": create + numeric.integer_number(1, 100_000),
                "is_async": True,
            }
        )

    fake = Faker()
    fake.seed_instance(1)

    def faker() -> TrainingTask:
        create = fake.random_int(FIRST, LAST)
        return TrainingTask.model_validate(
            {
                "model_id": fake.lexify("?" * 20, LETTERS),
                "task_type": "TRAINING",
                "function_name": fake.random_element(WORDS[0]),
                "state": fake.random_element(WORDS[1]),
                "input_type": fake.random_element(WORDS[2]),
                "worker_node": [fake.lexify("?" * 22, LETTERS)],
                "create_time": create,
                "last_update_time": create + fake.random_int(1, 100_000),
                "is_async": True,
            }
        )

    return {"polyfactory": Poly.build, "factory_boy": Boy, "mimesis": mimesis, "faker": faker}


def with_hypothesis(n: int) -> Callable[[], object]:
    """N payloads by strategies that are put together field by field."""
    ids, nodes = st.text(LETTERS, min_size=20, max_size=20), st.text(LETTERS, min_size=22, max_size=22)
    strategy = st.builds(
        TrainingTask, model_id=ids, task_type=st.just("TRAINING"), function_name=st.sampled_from(WORDS[0]),
        state=st.sampled_from(WORDS[1]), input_type=st.sampled_from(WORDS[2]), worker_node=st.lists(nodes, min_size=1, max_size=1),
        create_time=st.integers(FIRST, LAST), last_update_time=st.integers(LAST, LAST + 100_000), is_async=st.just(True),
    )  # fmt: skip

    @settings(max_examples=n, database=None, phases=[Phase.generate], derandomize=True, suppress_health_check=list(HealthCheck), deadline=None)  # fmt: skip
    @given(strategy)
    def run(_: Any) -> None:
        pass

    return run


def loop(make: Callable[[], object], n: int) -> Callable[[], None]:
    """Call it n times."""

    def run() -> None:
        for _ in range(n):
            make()

    return run


def payloads() -> _measure.Group:
    """One checked payload."""
    ours = TaskFactory(1)
    cases = [
        _measure.Case(
            "mltask-fixtures, build", loop(lambda: ours.build("TRAINING", "COMPLETED"), 3000), 3000, ours=True
        )
    ]
    cases += [_measure.Case(name, loop(make, 400), 400) for name, make in peers().items()]
    cases.append(_measure.Case("hypothesis, builds", with_hypothesis(60), 60))
    target = "20x polyfactory, 8x factory_boy, 3x mimesis"
    return _measure.Group("One checked payload", _measure.interleaved(cases), target)


def lines(folder: Path) -> _measure.Group:
    """Checked NDJSON, written to a file."""
    n, poly = 30_000, peers()["polyfactory"]
    ours = TaskFactory(1)

    def write(dialect: str, *pair: str) -> Callable[[], None]:
        tasks = TaskFactory(1, dialect)

        def run() -> None:
            with (folder / "one").open("wb") as out:
                out.writelines(tasks.ndjson(0, n, *pair))

        return run

    def of_the_model(make: Callable[[], Any], count: int) -> Callable[[], None]:
        def run() -> None:
            with (folder / "other").open("w") as out:
                out.writelines(f"{make().model_dump_json()}\n" for _ in range(count))

        return run

    cases = [
        _measure.Case("mltask-fixtures, ndjson", write("documented"), n, ours=True),
        _measure.Case("mltask-fixtures, ndjson, 3.6, half with free text", write("3.6"), n),
        _measure.Case(
            "mltask-fixtures, build and dump", of_the_model(lambda: ours.build("TRAINING", "COMPLETED"), 1000), 1000
        ),
        _measure.Case("polyfactory, build and dump", of_the_model(poly, 300), 300),
    ]
    return _measure.Group(
        "One checked NDJSON line, written", _measure.interleaved(cases), "150,000 lines a second: 6.67 us"
    )


SHARD = "import sys; from mltask_fixtures import TaskFactory; a, b = map(int, sys.argv[2:])\n"
SHARD += "open(sys.argv[1], 'wb').writelines(TaskFactory(1).ndjson(a, b))"


def processes(folder: Path) -> _measure.Group:
    """The same lines by one process and by two, their start included; the files lie in memory."""
    n = 1_000_000

    def run(shards: int) -> Callable[[], None]:
        def start() -> None:
            size = n // shards
            started = [
                subprocess.Popen(
                    [sys.executable, "-c", SHARD, str(folder / f"s{i}"), str(i * size), str((i + 1) * size)]
                )
                for i in range(shards)
            ]
            assert [process.wait() for process in started] == [0] * shards

        return start

    cases = [_measure.Case("two processes", run(2), n, ours=True), _measure.Case("one process", run(1), n)]
    return _measure.Group(
        "One line of 1,000,000, by processes", _measure.interleaved(cases, 3), "two are 1.8 times faster"
    )


def the_rest() -> list[_measure.Group]:
    """Lifecycles, coverage, invalid bodies, first use: nobody else has the first three."""
    ours = TaskFactory(1, "3.6")
    every = TaskFactory(1)
    bodies = len(ours.invalid("TRAINING", "COMPLETED"))
    life = [
        _measure.Case(
            "one snapshot of a lifecycle", loop(lambda: ours.lifecycle("TRAINING", "COMPLETED"), 1000), 3000, ours=True
        ),
        _measure.Case("one payload", loop(lambda: ours.build("TRAINING", "COMPLETED"), 3000), 3000),
    ]
    cover = [
        _measure.Case("documented, 3,780 payloads", every.coverage, 1, ours=True),
        _measure.Case("documented, all pairs of values", lambda: every.coverage(pairwise=True)),
        _measure.Case("3.6, 340 payloads", ours.coverage),
    ]
    bad = [
        _measure.Case(
            "one labelled body", loop(lambda: ours.invalid("TRAINING", "COMPLETED"), 20), 20 * bodies, ours=True
        )
    ]
    child = [
        _measure.Case("mltask-fixtures, a payload with free text", process("from mltask_fixtures import TaskFactory; TaskFactory(1, '2.19').build('TRAINING', 'FAILED')"), ours=True),
        _measure.Case("faker and a pydantic model", process("from faker import Faker; Faker().sentence()\nfrom pydantic import BaseModel\nclass M(BaseModel):\n    x: int\nM(x=1)")),
    ]  # fmt: skip
    return [
        _measure.Group("One checked snapshot of a lifecycle", _measure.interleaved(life), "under one payload"),
        _measure.Group("Full coverage of a dialect", _measure.interleaved(cover, 9), "under 50,000 us"),
        _measure.Group("One labelled invalid body", _measure.interleaved(bad), "under 10 us"),
        _measure.Group("First use in a process", _measure.interleaved(child, 7), "faker and pydantic alone + 10 %"),
    ]


def process(program: str) -> Callable[[], object]:
    """Run a program in a process of its own; what it imports is compiled once, as an installed package is."""
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return lambda: subprocess.run([sys.executable, "-c", program], check=True, env=compiled)


def promises(groups: list[_measure.Group]) -> list[tuple[str, float, float]]:
    """What is promised, what was measured, and what it may be at most."""
    payload, line, two, life, cover, bad, first = (group.results for group in groups)
    of = {result.name: result for result in payload}
    slower = [("polyfactory", 20), ("factory_boy", 8), ("mimesis", 3)]
    return [
        *(
            (f"1 / times faster than {name}", 1 / _measure.ratio(of[name], payload[0]), 1 / times)
            for name, times in slower
        ),
        ("us a line", line[0].median, 1e6 / 150_000),
        ("two processes, part of the time of one", 1 / _measure.ratio(two[1], two[0]), 1 / 1.8),
        ("a snapshot, payloads", 1 / _measure.ratio(life[1], life[0]), 1),
        ("us of a coverage", cover[0].median, 50_000),
        ("us of an invalid body", bad[0].median, 10),
        ("first use, times faker and pydantic", 1 / _measure.ratio(first[1], first[0]), 1.1),
    ]


def page(groups: list[_measure.Group], on: str, picture: str) -> str:
    """The section of docs/benchmarks.md: a picture, the tables, the machine."""
    return (
        "## Factories\n\n`python benchmarks/factories.py` measured this side by side in one run: the same model, the same nine\n"
        "fields, every payload checked, rounds interleaved, medians. Nobody else has lifecycles, coverage of every pair or\n"
        f"labelled faults, so those stand alone.\n\n![Medians as bars]({picture})\n\n{_measure.table(groups)}\n\n{on}\n"
    )


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--json", "--plot", "--page"):
        parser.add_argument(option, type=Path)
    parser.add_argument("--check", action="store_true", help="fail if a promise is not kept")
    asked = parser.parse_args()
    # In memory where that is possible: what a disk does with 200 MB is not what is measured.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        groups = [payloads(), lines(Path(folder)), processes(Path(folder)), *the_rest()]
    on = _measure.machine(*PEERS)
    print(_measure.table(groups), on, sep="\n\n")
    if asked.json:
        asked.json.write_text(_measure.as_json(groups, on))
    if asked.plot:
        asked.plot.write_text(_measure.plot(groups, on))
    if asked.page:
        asked.page.write_text(page(groups, on, asked.plot.name if asked.plot else "factories.svg"))
    missing = _measure.missed(promises(groups))
    print("\n".join(["", *(missing or ["every promise is kept"])]))
    if asked.check:
        _measure.fail(missing)


if __name__ == "__main__":
    main()
