"""Assemble a server from its artefacts.

What is installed is whole: a server is made beside its place and moved there at the end.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from mltask_fixtures._errors import OutsideError
from mltask_fixtures.cluster import maven
from mltask_fixtures.cluster.home import HOME_VARIABLE, make_folder

if TYPE_CHECKING:
    from mltask_fixtures.cluster.java import Java
    from mltask_fixtures.cluster.report import Report
    from mltask_fixtures.cluster.servers import Artifact, Module, Server

# The server brings these itself, in lib/ or merged into other jars: a second copy is "jar hell" and stops the node.
_SERVERS_OWN = ("opensearch-core-", "opensearch-common-", "lucene-", "log4j-")

_DESCRIPTOR = """description=assembled from published jars
version={version}
name={name}
classname={classname}
java.version=11
opensearch.version={version}
custom.foldername=
extended.plugins=
has.native.controller=false
"""

_POLICY = "grant {\n  permission java.security.AllPermission;\n};\n"


def installed(server: Server, home: Path) -> Path | None:
    """The folder of this server, or None while it is not installed."""
    folder = home / "servers" / server.version
    return folder if folder.is_dir() else None


def install(server: Server, home: Path, *, java: Java, report: Report) -> Path:
    """Download and assemble this server, unless it is there already.

    The caller holds the home's lock of this version.

    Args:
        server: which one.
        home: the folder that holds everything, see `home.home`.
        java: for a Maven that finds none itself.
        report: told about each step, and about the bytes of a download.

    Returns:
        The server's own folder, with bin/, config/, lib/, modules/ and plugins/.

    Raises:
        OutsideError: disk too small, no `mvn`, an artefact that is not served or does not arrive, a broken zip.
    """
    if there := installed(server, home):
        return there
    maven.mvn()
    final = home / "servers" / server.version
    staging = final.with_name(f".{server.version}.partial")
    shutil.rmtree(staging, ignore_errors=True)  # left by one that was killed
    _check_disk(server, home)
    make_folder(staging)
    try:
        whole = _assemble(server, staging, java=java, report=report)
        whole.rename(final)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return final


def _check_disk(server: Server, home: Path) -> None:
    # Each zip is held twice for a while, once by Maven and once here, and one of the two is unpacked.
    needed = server.installed + 2 * server.downloads
    free = shutil.disk_usage(home).free
    if free < needed:
        raise OutsideError(
            f"OpenSearch {server.version} needs {needed / 1e9:.1f} GB to be downloaded and assembled, "
            f"and the disk of {home} "
            f"has {free / 1e9:.1f} GB left: make room, or set {HOME_VARIABLE} to a folder on a larger disk.",
        )


def _assemble(server: Server, staging: Path, *, java: Java, report: Report) -> Path:
    whole = staging / "server"
    for artifact in server.artifacts:
        report.say(f"fetching {artifact.coordinates} ({artifact.size / 1e6:.0f} MB)")
        archive = maven.fetch_zip(artifact, staging / "zip", java=java, report=report)
        report.say(f"unpacking {archive.name}")
        _unpack(archive, artifact, whole, staging / "unpacked")
        shutil.rmtree(staging / "zip")
    for module in server.modules:
        report.say(f"fetching {module.coordinates} and what it needs")
        jars = maven.fetch_jars(module, staging / "jars", java=java, report=report)
        _make_module(module, jars, whole, server.version)
        shutil.rmtree(staging / "jars")
    _open_to_read(whole)
    return whole


def _unpack(archive: Path, artifact: Artifact, whole: Path, scratch: Path) -> None:
    target = whole / artifact.into if artifact.into else scratch
    try:
        with zipfile.ZipFile(archive) as source:
            for info in source.infolist():
                path = Path(source.extract(info, target))
                if info.external_attr >> 16 & 0o111:  # zipfile forgets what may be run
                    path.chmod(0o755)
    except (zipfile.BadZipFile, EOFError) as error:
        raise OutsideError(
            f"{artifact.coordinates} arrived broken ({error}): remove it from Maven's local repository "
            f"(mvn dependency:purge-local-repository, or delete its folder there) and run this again.",
        ) from error
    if not artifact.into:
        (top,) = target.iterdir()  # opensearch-<version>/
        top.rename(whole)
        scratch.rmdir()


def _make_module(module: Module, jars: list[Path], whole: Path, version: str) -> None:
    folder = whole / "modules" / module.name
    folder.mkdir()
    present = {jar.name for jar in (whole / "lib").glob("*.jar")}
    for jar in jars:
        if jar.name not in present and not jar.name.startswith(_SERVERS_OWN):
            shutil.move(jar, folder / jar.name)
    descriptor = _DESCRIPTOR.format(name=module.name, version=version, classname=module.classname)
    (folder / "plugin-descriptor.properties").write_text(descriptor, encoding="utf-8")
    (folder / "plugin-security.policy").write_text(_POLICY, encoding="utf-8")


def _open_to_read(whole: Path) -> None:
    """Let everybody read it: root installs what an unprivileged account runs, whatever root's umask."""
    for path in (whole, *whole.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(0o755 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o644)
