"""Which OpenSearch versions can be put up here, and what each is made of: one table, read by everything else."""

from __future__ import annotations

from dataclasses import dataclass

from mltask_fixtures._errors import WrongUseError

GROUP = "org.opensearch.plugin"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One zip by its Maven coordinates.

    Args:
        coordinates: `group:artifact:version:packaging`, as Maven writes them.
        size: bytes of the zip, for the check of the disk before the download.
        into: the folder under the server's home that it is unpacked to; "" for the server itself.
    """

    coordinates: str
    size: int
    into: str


@dataclass(frozen=True, slots=True)
class Module:
    """A module that the server's zip lacks and that is made by hand from published jars.

    Args:
        name: the folder's name under `modules/`.
        coordinates: `group:artifact:version` of its jar; the jars it depends on come with it.
        classname: the plugin class that its descriptor names.
    """

    name: str
    coordinates: str
    classname: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A version of OpenSearch with ML Commons that can be assembled from published artefacts.

    Args:
        version: to the patch, as the server itself says it.
        java_from: the oldest major version of Java that runs it.
        java_to: the newest one, or None where none is known to fail.
        artifacts: the zips, the server's own first.
        modules: what the server's zip lacks.
        installed: bytes on disk once assembled.
    """

    version: str
    java_from: int
    java_to: int | None
    artifacts: tuple[Artifact, ...]
    modules: tuple[Module, ...]
    installed: int

    @property
    def java_range(self) -> str:
        """The versions of Java that run it, in words."""
        return f"Java {self.java_from} or newer" if self.java_to is None else f"Java {self.java_from} to {self.java_to}"

    @property
    def downloads(self) -> int:
        """Bytes of all zips together."""
        return sum(artifact.size for artifact in self.artifacts)

    def runs_on(self, java: int) -> bool:
        """Whether this major version of Java runs it."""
        return self.java_from <= java and (self.java_to is None or java <= self.java_to)


def _artifacts(version: str, *, server: int, job_scheduler: int, ml: int) -> tuple[Artifact, ...]:
    return (
        Artifact(f"org.opensearch.distribution.integ-test-zip:opensearch:{version}:zip", server, ""),
        Artifact(
            f"{GROUP}:opensearch-job-scheduler:{version}.0:zip", job_scheduler, "plugins/opensearch-job-scheduler"
        ),
        Artifact(f"{GROUP}:opensearch-ml-plugin:{version}.0:zip", ml, "plugins/opensearch-ml"),
    )


SERVERS = {
    server.version: server
    for server in (
        Server(
            version="2.19.1",
            java_from=11,
            java_to=21,  # it installs a security manager, which Java 24 refuses; 22 and 23 were never released for it
            artifacts=_artifacts("2.19.1", server=51_391_430, job_scheduler=3_318_495, ml=362_924_991),
            modules=(
                Module("reindex", f"{GROUP}:reindex-client:2.19.1", "org.opensearch.index.reindex.ReindexPlugin"),
                Module("lang-painless", f"{GROUP}:lang-painless:2.19.1", "org.opensearch.painless.PainlessPlugin"),
            ),
            installed=440_000_000,
        ),
        Server(
            version="3.6.0",
            java_from=21,
            java_to=None,
            artifacts=_artifacts("3.6.0", server=161_609_640, job_scheduler=368_626, ml=390_566_619),
            modules=(),  # from 3.x on the server's zip has them all
            installed=620_000_000,
        ),
    )
}
"""The known servers by version, the newest last."""

NEWEST = list(SERVERS)[-1]


def parts(version: str) -> tuple[Artifact, ...]:
    """The zips of which a server of this version would be made, known here or not.

    Example:
        >>> [part.coordinates for part in parts("2.11.0")][0]
        'org.opensearch.distribution.integ-test-zip:opensearch:2.11.0:zip'
    """
    if version in SERVERS:
        return SERVERS[version].artifacts
    return _artifacts(version, server=0, job_scheduler=0, ml=0)


def find(version: str) -> Server:
    """The server of this version.

    Raises:
        WrongUseError: no such version is in the table.
    """
    try:
        return SERVERS[version]
    except KeyError:
        raise WrongUseError(f"no server {version!r} is known here; known are {', '.join(SERVERS)}.") from None
