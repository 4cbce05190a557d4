"""Fetch artefacts with the user's own `mvn`, so that mirrors, proxies, credentials and checksums are his."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

from mltask_fixtures._errors import OutsideError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from mltask_fixtures.cluster.java import Java
    from mltask_fixtures.cluster.report import Report
    from mltask_fixtures.cluster.servers import Artifact, Module

_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"

# What Maven prints while it downloads, also into a pipe: "Progress (1): 88/363 MB", several joined by " | ".
_PROGRESS = re.compile(r"([\d.]+)/([\d.]+) (kB|MB|GB)")
_UNIT = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
_SMALL = 1e6  # bytes: files below, Maven's own plugins mostly, are not worth a bar

_NOT_SERVED = re.compile(r"Could not find artifact|was not found in")
_REMEMBERED = "cached in the local repository"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>mltask-fixtures</groupId><artifactId>module</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>
  </dependency></dependencies>
</project>
"""


def fetch_zip(artifact: Artifact, folder: Path, *, java: Java, report: Report) -> Path:
    """Put this zip into this new folder.

    Raises:
        OutsideError: no `mvn`, it is served nowhere, or the download failed.
    """
    goal = [f"{_PLUGIN}:copy", f"-Dartifact={artifact.coordinates}", f"-DoutputDirectory={folder}"]
    _mvn(goal, artifact.coordinates, folder, java=java, report=report)
    return next(folder.glob("*.zip"))


def fetch_jars(module: Module, folder: Path, *, java: Java, report: Report) -> list[Path]:
    """Put the module's jar and the jars it depends on into this new folder.

    Raises:
        OutsideError: no `mvn`, it is served nowhere, or the download failed.
    """
    folder.mkdir(parents=True)
    pom = folder / "pom.xml"
    pom.write_text(_POM.format(*module.coordinates.split(":")), encoding="utf-8")
    goal = ["-f", str(pom), f"{_PLUGIN}:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    _mvn(goal, module.coordinates, folder, java=java, report=report)
    return sorted(folder.glob("*.jar"))


def serves(artifact: Artifact, folder: Path, *, java: Java, report: Report) -> bool:
    """Whether Maven finds this zip in a repository of its settings; a download that begins says so and is ended.

    Args:
        artifact: the zip.
        folder: a scratch folder.
        java: for a Maven that finds none itself.
        report: told about nothing but what fails.

    Raises:
        OutsideError: no `mvn`, or it could not ask.
    """
    goal = [f"{_PLUGIN}:copy", f"-Dartifact={artifact.coordinates}", f"-DoutputDirectory={folder}"]
    try:
        _mvn(goal, artifact.coordinates, folder, java=java, report=_Begun(report))
    except _BegunError:
        return True
    except NotServedError:
        return False
    return True


class NotServedError(OutsideError):
    """No repository of Maven's settings has an artefact."""


class _BegunError(Exception):
    """A download has begun: somebody serves it."""


class _Begun:
    """The report that ends a download as soon as it has begun."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def say(self, text: str) -> None:
        self._report.say(text)

    def seen(self, state: str) -> None:
        self._report.seen(state)

    def transfer(self, what: str, done: float, total: float) -> None:  # noqa: ARG002 - what a report takes
        raise _BegunError

    def step(self, what: str, done: int, total: int) -> None:
        self._report.step(what, done, total)


def mvn() -> str:
    """The path of the user's `mvn`.

    Raises:
        OutsideError: there is none on PATH.
    """
    if found := shutil.which("mvn"):
        return found
    raise OutsideError(
        "no `mvn` on PATH: the server is downloaded with Apache Maven. Install it "
        "(apt install maven, brew install maven, ...) and run this again.",
    )


def _mvn(goal: Sequence[str], coordinates: str, folder: Path, *, java: Java, report: Report) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    command = [mvn(), "-Dstyle.color=never", *goal]
    environment = dict(os.environ)
    if not shutil.which("java"):
        environment.setdefault("JAVA_HOME", str(java.home))
    code, lines = _run(command, folder, environment, coordinates, report)
    if code and any(_REMEMBERED in line for line in lines):
        # Maven keeps a failure of earlier for a day; what was missing then may be there now.
        code, lines = _run([*command, "--update-snapshots"], folder, environment, coordinates, report)
    if code:
        raise _failure(coordinates, lines)


def _run(
    command: Sequence[str], folder: Path, environment: dict[str, str], what: str, report: Report
) -> tuple[int, list[str]]:
    """Run `mvn` to its end, or end it with everything it started when we are interrupted."""
    with subprocess.Popen(  # noqa: S603 - the user's own mvn
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,  # universal newlines: Maven redraws its progress with carriage returns
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for above
            kept = _listen(process.stdout, what, report)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, kept


def _listen(output: Iterable[str], what: str, report: Report) -> list[str]:
    kept: list[str] = []
    for raw in output:
        line = _COLOUR.sub("", raw).strip()
        if not line.startswith("Progress ("):
            kept.append(line)
            continue
        parts = [
            (float(done) * _UNIT[unit], float(total) * _UNIT[unit]) for done, total, unit in _PROGRESS.findall(line)
        ]
        done, total = max(parts, key=lambda part: part[1], default=(0.0, 0.0))
        if total >= _SMALL:
            report.transfer(what, done, total)
    return kept


def _failure(coordinates: str, lines: list[str]) -> OutsideError:
    errors = [line.removeprefix("[ERROR]").strip() for line in lines if line.startswith("[ERROR]")]
    reason = (errors or [line for line in lines if line] or ["it said nothing"])[0].removesuffix("-> [Help 1]").strip()
    if _NOT_SERVED.search(reason):
        return NotServedError(
            f"{coordinates} is not served: Maven looked for it in every repository of its settings and did not find it "
            f"({reason}). Add a repository or mirror that has it to Maven's settings.xml, or take another --server."
        )
    return OutsideError(
        f"Maven could not fetch {coordinates}: {reason}. Look at the network, the proxy and Maven's settings.xml, "
        "then run this again; what was downloaded whole is kept."
    )
