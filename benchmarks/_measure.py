"""What the benchmarks share: interleaved rounds, medians, ratios, the machine's line, a table and a plot."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_BAR, _LABELS, _WIDTH, _ROW = 420, 330, 860, 22


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Args:
        name: as it stands in the table.
        run: does the work `units` times over, each time that it is called.
        units: how many payloads, lines or polls one call makes.
        ours: whether it is this project's.
    """

    name: str
    run: Callable[[], object]
    units: int = 1
    ours: bool = False


@dataclass(frozen=True)
class Result:
    """What was measured of one case: microseconds for each unit, a number for each round."""

    name: str
    ours: bool
    rounds: list[float] = field(repr=False)

    @property
    def median(self) -> float:
        """The middle round, in us a unit."""
        return statistics.median(self.rounds)


@dataclass(frozen=True)
class Group:
    """Cases that do the same work, measured side by side."""

    title: str
    results: list[Result]
    target: str = ""
    """What is promised, in words."""


def interleaved(cases: Iterable[Case], rounds: int = 5, clock: Callable[[], float] = time.perf_counter) -> list[Result]:
    """Run the cases in turn, round after round, so that what slows the machine down slows all of them down.

    Args:
        cases: what to measure; each is run once beforehand, unmeasured.
        rounds: how many times each is measured.
        clock: `time.process_time` where other processes share the processor and no child process is measured.
    """
    cases = list(cases)
    seen: dict[str, list[float]] = {case.name: [] for case in cases}
    for case in cases:
        case.run()
    for _ in range(rounds):
        for case in cases:
            before = clock()
            case.run()
            seen[case.name].append((clock() - before) / case.units * 1e6)
    return [Result(case.name, case.ours, seen[case.name]) for case in cases]


def ratio(slow: Result, fast: Result) -> float:
    """How many times `fast` is faster: the middle of the rounds' own ratios, which a busy machine moves least."""
    return statistics.median(one / other for one, other in zip(slow.rounds, fast.rounds, strict=True))


def machine(*packages: str) -> str:
    """Say in one line what was measured on: processor, cores, Python, versions of the packages."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"{package} (not installed)")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, {python}; {', '.join(versions)}"


def table(groups: Sequence[Group], unit: str = "us") -> str:
    """Write the groups as one Markdown table each; ratios are to our own case."""
    parts = []
    for group in groups:
        ours = next((result for result in group.results if result.ours), None)
        lines = [f"**{group.title}**" + (f" (promised: {group.target})" if group.target else ""), ""]
        lines += [f"| | {unit}, median | times ours |", "| --- | ---: | ---: |"]
        for result in group.results:
            times = "1.0" if result is ours or ours is None else f"{ratio(result, ours):.1f}"
            lines.append(f"| {result.name} | {result.median:,.2f} | {times} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def as_json(groups: Sequence[Group], on: str) -> str:
    """Write everything that was measured, each round, as JSON."""
    return json.dumps({"machine": on, "groups": [asdict(group) for group in groups]}, indent=1) + "\n"


def plot(groups: Sequence[Group], on: str, unit: str = "us") -> str:
    """Draw the medians as bars, a scale for each group; the picture is an SVG and needs no library.

    Each bar carries its number, for the longest would hide all others on one scale: bars grow with the square root.
    """
    y, body = 30, []
    for group in groups:
        body.append(f'<text x="10" y="{y}" class="title">{escape(group.title)}</text>')
        longest = max(result.median for result in group.results) or 1
        for result in group.results:
            y += _ROW
            width = max(2, _BAR * (result.median / longest) ** 0.5)
            kind = "ours" if result.ours else "other"
            body.append(f'<text x="{_LABELS - 8}" y="{y}" text-anchor="end">{escape(result.name)}</text>')
            body.append(f'<rect x="{_LABELS}" y="{y - 12}" width="{width:.0f}" height="15" class="{kind}"/>')
            body.append(f'<text x="{_LABELS + width + 6:.0f}" y="{y}">{result.median:,.2f} {unit}</text>')
        y += _ROW * 2
    body.append(f'<text x="10" y="{y}" class="small">{escape(on)}; bars grow with the square root</text>')
    style = (
        "text{font:13px sans-serif;fill:#222}.title{font-weight:bold}.small{font-size:10px;fill:#666}"
        ".ours{fill:#005eb8}.other{fill:#b8c4ce}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 15}" role="img">'
    return f'{head}<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>{"".join(body)}</svg>\n'


def missed(promises: Iterable[tuple[str, float, float]]) -> list[str]:
    """List the promises that the figures do not keep: what, what was measured, what it may be at most."""
    return [f"{what}: {seen:,.2f}, promised at most {most:,.2f}" for what, seen, most in promises if seen > most]


def fail(missing: Sequence[str]) -> None:
    """End with exit code 1 and the broken promises, if there are any."""
    if missing:
        sys.exit("\n".join(["not kept:", *missing]))
