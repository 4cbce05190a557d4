"""Where servers are kept and run, and as whom.

The home has `servers/<version>/` for what is installed (whole or absent), `nodes/<cluster>/` for what a running
cluster needs and writes, `nodes/<cluster>@2/` for its second node, and `<version>.lock`, `<cluster>.cluster.lock`.
"""

from __future__ import annotations

import os
import pwd
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import platformdirs

from mltask_fixtures._errors import OutsideError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mltask_fixtures.cluster.report import Report

HOME_VARIABLE = "MLTASK_FIXTURES_HOME"

# OpenSearch refuses to run as root. The first of these that the system has runs it instead.
_ACCOUNTS = ("opensearch", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged account that runs the server when the caller is root."""

    name: str
    uid: int
    gid: int

    def for_subprocess(self) -> dict[str, Any]:
        """The arguments that make `subprocess` run as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def account() -> Account | None:
    """The account to run the server as; None when the caller is not root and runs it as himself.

    Raises:
        OutsideError: the caller is root and the system has no unprivileged account.
    """
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise OutsideError(
        "OpenSearch refuses to run as root, and this system has no account to run it as: "
        "create one (useradd --system opensearch) or run this command as an ordinary user.",
    )


def home() -> Path:
    """The folder that holds everything: `$MLTASK_FIXTURES_HOME`, or the platform's cache folder.

    For root that is the system's cache folder, since an unprivileged account cannot enter root's own.
    """
    if named := os.environ.get(HOME_VARIABLE):
        return Path(named).expanduser().absolute()
    if os.geteuid() == 0:
        return platformdirs.site_cache_path("mltask-fixtures")
    return platformdirs.user_cache_path("mltask-fixtures")


def prepare_home() -> Path:
    """Make the home if need be, and see that the account that runs the server can enter it.

    Raises:
        OutsideError: it cannot be made or entered.
        WrongUseError: `$MLTASK_FIXTURES_HOME` has a space.
    """
    folder = home()
    if " " in str(folder):
        raise WrongUseError(
            f"the start script of OpenSearch breaks on the space in {folder}: "
            f"set {HOME_VARIABLE} to a folder without one.",
        )
    try:
        make_folder(folder)
    except OSError as error:
        raise OutsideError(
            f"cannot make {folder} ({error.strerror}): set {HOME_VARIABLE} to a folder of yours."
        ) from error
    runs_as = account()
    if runs_as is None:
        return folder
    for part in (folder, *folder.parents):
        about = part.stat()
        if about.st_uid != runs_as.uid and not about.st_mode & stat.S_IXOTH:
            raise OutsideError(
                f"OpenSearch refuses to run as root, and the account {runs_as.name!r} that runs it instead "
                f"cannot enter {part}: set {HOME_VARIABLE} to a folder outside of it.",
            )
    return folder


def make_folder(folder: Path) -> None:
    """Make this folder and what is missing above it, for everybody to enter whatever the umask."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)


@contextmanager
def locked(folder: Path, lock: str, report: Report, *, what: str) -> Iterator[None]:
    """Keep other processes away from this part of the home for the while; `what` names it in words."""
    held = filelock.FileLock(folder / f"{lock}.lock")
    try:
        held.acquire(timeout=0)
    except filelock.Timeout:
        report.say(f"another process is at work on {what} in {folder}: waiting for it")
        held.acquire()
    try:
        yield
    finally:
        held.release()
