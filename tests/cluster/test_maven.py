from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from mltask_fixtures._errors import OutsideError
from mltask_fixtures.cluster import maven
from mltask_fixtures.cluster.java import find_java
from mltask_fixtures.cluster.report import SILENCE
from mltask_fixtures.cluster.servers import SERVERS, Artifact


@dataclass
class Listener:
    """Keeps what it is told."""

    lines: list[str] = field(default_factory=list)
    transfers: list[tuple[str, float, float]] = field(default_factory=list)

    def say(self, text):
        """Keep this line."""
        self.lines.append(text)

    def transfer(self, what, done, total):
        """Keep this step."""
        self.transfers.append((what, done, total))


@pytest.fixture
def fetch(bench):
    """Fetch the server's zip on this bench."""
    java = find_java(SERVERS[bench.version])

    def call(coordinates="org.example:opensearch:9.9.9:zip", report=SILENCE):
        return maven.fetch_zip(Artifact(coordinates, 1, ""), bench.folder / "zip", java=java, report=report)

    return call


def test_a_zip_arrives_with_mavens_own_progress(bench, fetch):
    """What Maven redraws with carriage returns reaches the report as bytes done of bytes in all."""
    listener = Listener()
    archive = fetch(report=listener)
    assert archive.read_bytes() == (bench.served / archive.name).read_bytes()
    assert listener.transfers == [("org.example:opensearch:9.9.9:zip", 182e6, 363e6)]


def test_without_maven_the_error_says_how_to_get_it(bench, fetch):
    """No traceback, no "file not found": a sentence with a remedy."""
    (bench.folder / "bin" / "mvn").unlink()
    with pytest.raises(OutsideError, match=r"no `mvn` on PATH.*Install it"):
        fetch()


def test_what_is_served_nowhere_is_named(fetch):
    """The error says what was looked for, and that the repositories are those of the user's settings."""
    with pytest.raises(OutsideError) as caught:
        fetch("org.example:opensearch:8.8.8:zip")
    assert str(caught.value).startswith("org.example:opensearch:8.8.8:zip is not served")
    assert "settings.xml" in str(caught.value)


def test_a_failed_transfer_is_told_in_mavens_words(bench, fetch):
    """A refused connection is another thing than a missing artefact, and running again is the remedy."""
    bench.mood("offline")
    with pytest.raises(OutsideError) as caught:
        fetch()
    text = str(caught.value)
    assert (
        "could not fetch org.example:opensearch:9.9.9:zip: Could not transfer artifact x: Connection refused." in text
    )
    assert "[Help 1]" not in text
    assert "run this again" in text


def test_a_failure_that_maven_remembers_is_asked_anew(bench, fetch):
    """Maven keeps "not found" for a day; what is served today is fetched today."""
    bench.mood("remembers")
    assert fetch().is_file()
    first, second = (bench.served / "calls").read_text().splitlines()
    assert "--update-snapshots" not in first
    assert "--update-snapshots" in second
