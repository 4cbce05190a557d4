"""Verify a cassette: send the test's requests to a live cluster, and tell in what the answers differ from the file."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from mltask_fixtures._errors import MLTaskFixturesError
from mltask_fixtures.cassette import Recording, load, use_cassette
from mltask_fixtures.cassette.drift import Drift, drift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mltask_fixtures.cassette import MLTaskCassette

_MOST: Final = 50
"""Lines of a report."""


class DriftError(MLTaskFixturesError):
    """A live cluster answers otherwise than it was recorded; `drift` lists everything."""

    def __init__(self, path: Path, found: list[Drift]) -> None:
        """Take the file and the differences."""
        self.path, self.drift = path, found
        counted = "1 difference" if len(found) == 1 else f"{len(found)} differences"
        more = [f"  and {len(found) - _MOST} more"] if len(found) > _MOST else []
        super().__init__(
            "\n".join(
                [f"{path} is not what the cluster says now: {counted}", *(f"  - {one}" for one in found[:_MOST]), *more]
            )
        )


@contextmanager
def verifying(path: Path, url: str, *, passed: Callable[[], bool]) -> Iterator[MLTaskCassette]:
    """Let the test talk to the live cluster, and compare its traffic with a file at the end; the file stays as it is.

    Args:
        path: of the cassette.
        url: of the cluster.
        passed: tells at the end whether the test passed; if not, what it did not come to is no difference.

    Raises:
        DriftError: the cluster answers otherwise.
        InvalidCassetteError: it answers what no server of its version says.
    """
    recorded = load(path)
    with TemporaryDirectory(prefix="mltask-verify-") as folder:
        file = Path(folder) / "live.json"
        # What is recorded has its secrets removed, and so has what it is compared with.
        with use_cassette(file, record="all", upstream=url) as cassette:
            yield cassette
        live = load(file) if file.exists() else Recording(file, {}, ())
    found = drift(recorded, live)
    if not passed():
        found = [one for one in found if not _is_missing(one)]
    if found:
        raise DriftError(path, found)


def _is_missing(one: Drift) -> bool:
    return one.kind == "gone" and one.field in ("exchange", "response.body.state")
