"""What the plugin costs a test run beside its peers: loaded and unused, per unmarked test, and for one marked test.

Run it with `python benchmarks/plugin.py`; each figure is a pytest process of its own, in turn, round after round. Needs
the dependency group `benchmarks`.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from _measure import Group, Result, as_json, fail, machine, missed, plot, ratio, table
from replay import OURS, interactions, uris, write

BARE = "pytest alone"
PLUGINS = {
    BARE: [],
    OURS: ["mltask_fixtures.pytest_plugin"],
    "pytest-recording": ["pytest_recording.plugin"],
    "cassetter": ["cassetter.pytest_plugin"],
    "pytest-httpx": ["pytest_httpx"],
}
PACKAGES = ("mltask-fixtures", "pytest", "pytest-recording", "cassetter", "pytest-httpx", "vcrpy", "requests")
MARKERS = {
    OURS: 'pytest.mark.mltask_cassette(name="ours")',
    "pytest-recording": "pytest.mark.vcr",
    "cassetter": "pytest.mark.vcr",
}
INTERACTIONS, TESTS = 10, 2_000


def run(folder: Path, plugins: list[str], *options: str) -> float:
    """Run pytest with these plugins and no others; give what the process took, in ms of processor time."""
    chosen = [option for plugin in plugins for option in ("-p", plugin)]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        "--rootdir",
        str(folder),
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, *chosen, *options, str(folder)],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 5):  # 5: there was no test
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def measured(folders: dict[str, Path], rounds: int, *options: str) -> list[Result]:
    """Run each plugin in its folder, in turn; the first round warms up the caches of the disk."""
    seen: dict[str, list[float]] = {name: [] for name in folders}
    for number in range(rounds + 1):
        for name, folder in folders.items():
            took = run(folder, PLUGINS[name], *options)
            if number:
                seen[name].append(took)
    return [Result(name, name == OURS, times) for name, times in seen.items()]


def marked(folder: Path) -> dict[str, Path]:
    """Write a project of one test with a recording of ten interactions for each tool."""
    made = interactions(INTERACTIONS)
    asks = f"    for uri in {uris(made)!r}:\n        assert requests.get(uri).json()['state'] == 'COMPLETED'\n"
    projects = {}
    for name, marker in MARKERS.items():
        projects[name] = there = folder / name
        test = "test_it.py"
        kept = there / "cassettes" / "test_it"
        kept.mkdir(parents=True)
        (there / test).write_text(f"import pytest\nimport requests\n\n@{marker}\ndef test_it():\n{asks}")
        write(kept, made)
        (kept / "vcr.yaml").replace(kept / "test_it.yaml" if name == "pytest-recording" else kept / "vcr.yaml")
        if name == "cassetter":
            (kept / "cassetter.yaml").replace(kept / "test_it.yaml")
        (kept / "ours.json").replace(there / "cassettes" / "ours.json")
    return projects


def main() -> None:
    """Measure, print, and fail where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write every round there")
    parser.add_argument("--plot", type=Path, help="draw the medians there")
    options = parser.parse_args()
    logging.disable()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        empty, full = folder / "empty", folder / "full"
        empty.mkdir()
        full.mkdir()
        (full / "test_full.py").write_text("".join(f"def test_{number}():\n    pass\n\n" for number in range(TESTS)))
        loads = measured(dict.fromkeys(PLUGINS, empty), 3 * options.rounds, "--collect-only")
        fulls = measured(dict.fromkeys(PLUGINS, full), options.rounds)
        one = measured(marked(folder / "marked"), options.rounds)
    on = machine(*PACKAGES)
    groups = [
        Group("Start of pytest, no tests", loads, "at most 5 ms more than pytest alone"),
        Group(f"{TESTS:,} empty tests", fulls, "nothing that can be measured"),
        Group(f"One test with a recording of {INTERACTIONS} interactions, the whole process", one, "below both peers"),
    ]
    print(f"{on}\n\n{table(groups, 'ms')}")
    if options.json:
        options.json.write_text(as_json(groups, on))
    if options.plot:
        options.plot.write_text(plot(groups, on, "ms"))
    fail(missed(promises(loads, fulls, one)))


def promises(loads: list[Result], fulls: list[Result], one: list[Result]) -> list[tuple[str, float, float]]:
    """List what was promised: what, what was seen, and at most what it may be."""
    load, full, ones = ({result.name: result for result in results} for results in (loads, fulls, one))

    def more(results):
        # What other processes do to the caches only ever adds, so the least of the rounds are compared.
        return min(results[OURS].rounds) - min(results[BARE].rounds)

    per_test = (more(full) - more(load)) / TESTS * 1e3
    return [
        ("start, ms more than pytest alone", more(load), 5),
        ("an empty test, us more", per_test, 30),  # as much as two runs of pytest alone differ
        ("a marked test, to pytest-recording's", ratio(ones[OURS], ones["pytest-recording"]), 1),
        ("a marked test, to cassetter's", ratio(ones[OURS], ones["cassetter"]), 1),
    ]


if __name__ == "__main__":
    main()
