"""Which versions of OpenSearch with ML Commons can be had here: what was tried, and what Maven finds."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cluster import maven, servers
from mltask_fixtures.cluster.home import home
from mltask_fixtures.cluster.install import installed
from mltask_fixtures.cluster.java import find_java
from mltask_fixtures.cluster.report import SILENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mltask_fixtures.cluster.report import Report

_VERSION = re.compile(r"\d+\.\d+\.\d+(-[\w.]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What is known of one version.

    Args:
        version: of OpenSearch.
        tried: whether this package knows how to put it up, and has done so.
        installed: whether it is installed here.
        served: the Maven coordinates of its zips, and of each whether Maven finds it.
    """

    version: str
    tried: bool
    installed: bool
    served: dict[str, bool]

    @property
    def missing(self) -> list[str]:
        """What no repository of Maven's settings has."""
        return [coordinates for coordinates, there in self.served.items() if not there]


def versions(names: Iterable[str] = (), *, report: Report = SILENCE) -> list[Served]:
    """Ask Maven for the artefacts of these versions, or of every one that was tried. Nothing large is downloaded.

    Args:
        names: versions to the patch, such as `2.11.0`; known here or not.
        report: told about each question.

    Raises:
        WrongUseError: a name is no version.
        OutsideError: no `mvn`, or it could not ask.
    """
    wanted = list(names) or list(servers.SERVERS)
    for name in wanted:
        if not _VERSION.fullmatch(name):
            raise WrongUseError(f"{name!r} is no version to the patch, such as {servers.NEWEST}")
    return [_ask(name, report) for name in wanted]


def _ask(version: str, report: Report) -> Served:
    known = servers.SERVERS.get(version)
    java = find_java(known or servers.SERVERS[servers.NEWEST])
    served = {}
    for part in servers.parts(version):
        report.say(f"asking Maven for {part.coordinates}")
        with tempfile.TemporaryDirectory(prefix="mltask-fixtures-") as scratch:
            served[part.coordinates] = maven.serves(part, Path(scratch, "zip"), java=java, report=report)
    there = known is not None and installed(known, home()) is not None
    return Served(version=version, tried=known is not None, installed=there, served=served)
