"""Kill a process while it saves a recording with side files, many times, and count the files that are whole.

Run it as `python benchmarks/kill_while_saving.py [TIMES] [SEED]`; docs/reliability.md has the figures of 1,000.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette import store

LONGEST_WAIT = 0.03
"""In seconds; a few saves fit into it."""


def recording(number: int) -> tuple[str, dict[str, bytes]]:
    """One of two recordings, of 20 interactions and two large bodies."""
    exchanges = [
        {
            "request": {"method": "GET", "uri": f"http://h/{number}/{place}", "headers": {}, "body": None},
            "response": {
                "status": {"code": 200, "message": "OK"},
                "headers": {},
                "body": {"string": b"%d" % number * (70_000 if place < 2 else 20) + b"%d" % place},
            },
        }
        for place in range(20)
    ]
    return our_format.packed({"version": 1, "interactions": exchanges})


def main() -> None:
    """Kill, look, count, and print."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    rng = random.Random(sys.argv[2] if len(sys.argv) > 2 else "kill")
    versions = [recording(1), recording(2)]
    wholes = {text for text, _ in versions}
    counts = {"older or newer, whole": 0, "damaged": 0, "gone": 0}
    in_the_middle = 0
    found: set[str] = set()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.json"
        store.write(path, *versions[0])
        for _ in range(times):
            for draft in path.parent.rglob("*.draft"):
                draft.unlink()
            child = os.fork()
            if not child:
                while True:
                    for version in versions:
                        store.write(path, *version)
            time.sleep(rng.uniform(0, LONGEST_WAIT))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            in_the_middle += any(one.name.endswith(".draft") for one in path.parent.rglob("*"))
            if not path.exists():
                counts["gone"] += 1
                continue
            try:
                store.read(path)
                found.add(text := path.read_text("utf-8"))
                whole = text in wholes
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                print(error)
                whole = False
            counts["older or newer, whole" if whole else "damaged"] += 1
        store.write(path, *versions[0])
        left = sorted(one.name for one in path.parent.rglob("*") if one.name.endswith(".draft"))
    print(f"kills while saving: {times}")
    for name, count in counts.items():
        print(f"{name}: {count}")
    print(f"recordings found, of two: {len(found)}")
    print(f"killed with a draft on the disk: {in_the_middle}")
    print(f"drafts left after the next save: {len(left)}")
    print(f"seconds: {time.monotonic() - began:.0f}", file=sys.stderr)
    if counts["older or newer, whole"] != times or left:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
