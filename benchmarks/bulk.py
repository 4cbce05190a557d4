"""Payloads by the million: checked lines a second, what a second process brings, and memory at any count.

python benchmarks/bulk.py                      # the figures of docs/bulk.md
python benchmarks/bulk.py --memory 10000000    # memory at ten million lines as well; takes a minute or two
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _measure import Case, Group, fail, interleaved, machine, missed, ratio, table

from mltask_fixtures.factory.bulk import FORMS, Order, alone, generate, processes

PROGRAM = "import sys; from mltask_fixtures.cli import main; main(sys.argv[1:])"
# The peak of a process begins at the size of the one that started it, so a small one does.
LAUNCHER = """import os, subprocess, sys
_, status, used = os.wait4(subprocess.Popen(sys.argv[1:], stderr=subprocess.DEVNULL).pid, 0)
print(status, used.ru_maxrss)"""


def speed(lines: int, rounds: int) -> tuple[Group, Group]:
    """Measure files of lines: on the processor's clock for one process, on the wall's for one against two."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tasks")

        def write(form: str, engine=alone, **wish):
            return lambda: generate(Order(count=lines, form=form, **wish), path, engine=engine)

        forms = [
            Case("ndjson, no free text", write("ndjson", types=("TRAINING",), states=("RUNNING",)), lines, ours=True),
            Case("ndjson, all types and states of documented", write("ndjson"), lines),
            Case("ndjson, all types and states of 3.6", write("ndjson", dialect="3.6"), lines),
            Case("bulk, all types and states of documented", write("bulk"), lines),
            Case("search, all types and states of documented", write("search"), lines),
            Case("parquet, all types and states of documented", write("parquet"), lines),
        ]
        one = interleaved(forms, rounds, clock=time.process_time)
        engines = [
            Case("two processes", write("ndjson", processes(2)), lines, ours=True),
            Case("one process", write("ndjson"), lines),
        ]
        two = interleaved(engines, rounds)
    return (
        Group("A checked line in a file, one process, processor time", one, "150,000 lines/s: 6.67 us"),
        Group("The same file by two processes, start included, wall clock", two, "1.8 times as fast"),
    )


def size_of(form: str, count: int = 100_000) -> float:
    """Give the bytes of a payload in a form."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tasks")
        generate(Order(count=count, form=form), path)
        return path.stat().st_size / count


def peak_of(count: int) -> tuple[float, float]:
    """Run `generate` for so many lines; give its peak of resident memory in MB and the seconds it took."""
    begun = time.perf_counter()
    words = [sys.executable, "-c", PROGRAM, "generate", "--count", str(count), "-o", os.devnull]
    done = subprocess.run([sys.executable, "-c", LAUNCHER, *words], check=True, capture_output=True, text=True)
    status, peak = map(int, done.stdout.split())
    if status:
        sys.exit(f"generate ended with {status}")
    return peak / 1024, time.perf_counter() - begun


def main() -> None:
    """Print everything; exit code 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200_000, help="in each file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=int, default=1_000_000, metavar="LINES", help="the largest count")
    asked = parser.parse_args()
    print(machine("mltask-fixtures", "pydantic", "faker", "pyarrow"), "\n")
    one, two = speed(asked.lines, asked.rounds)
    print(table([one, two]), "\n")
    for result in one.results:
        print(f"{1e6 / result.median:>10,.0f} lines/s  {result.name}")
    gain = ratio(two.results[1], two.results[0])
    print(f"{gain:>10.2f} times as fast with two processes\n")
    for form in FORMS:
        print(f"{size_of(form):>10,.1f} bytes a payload  {form}")
    peaks = {}
    count = 10_000
    while count <= asked.memory:
        peaks[count], seconds = peak_of(count)
        print(f"{count:>12,} lines: peak of {peaks[count]:,.0f} MB resident, {seconds:,.1f} s", flush=True)
        count *= 10
    fail(
        missed(
            [
                ("us for a line", one.results[0].median, 1e6 / 150_000),
                ("share of the time that two processes need", 1 / gain, 1 / 1.8),
                (
                    "growth of memory from the middle count to the largest",
                    max(peaks.values()) / statistics.median(peaks.values()),
                    1.2,
                ),
            ]
        )
    )


if __name__ == "__main__":
    main()
