from __future__ import annotations

import pytest

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cluster import NEWEST, SERVERS, servers


def test_an_unknown_version_is_refused_with_the_known_ones():
    """Whoever asks for a server that is not in the table learns which are."""
    with pytest.raises(WrongUseError, match=r"no server '2\.11' is known here; known are 2\.19\.1, 3\.6\.0"):
        servers.find("2.11")


@pytest.mark.parametrize(
    ("version", "java", "runs"),
    [
        ("2.19.1", 8, False),
        ("2.19.1", 11, True),
        ("2.19.1", 21, True),
        ("2.19.1", 25, False),
        ("3.6.0", 17, False),
        ("3.6.0", 21, True),
        ("3.6.0", 25, True),
    ],
)
def test_each_server_knows_the_javas_that_run_it(version, java, runs):
    """2.19 needs a security manager, which Java 24 took away; 3.x needs Java 21."""
    assert SERVERS[version].runs_on(java) is runs


def test_every_artifact_is_of_its_servers_version():
    """Plugins and server must agree to the patch, or the node refuses to start."""
    for version, server in SERVERS.items():
        assert server.version == version
        for part in (*server.artifacts, *server.modules):
            assert part.coordinates.split(":")[2] in {version, f"{version}.0"}


def test_the_newest_server_is_the_default():
    """What `up` takes when nothing is said is the last row of the table."""
    assert NEWEST == "3.6.0"
