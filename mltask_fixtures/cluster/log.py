"""Read why a node died from what it printed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# What a dying node prints, and what to do about it; the first that is found in the log is told.
_AGAIN = "remove the installed folder and run this again."
_REMEDIES = (
    (r"can not run (\w+ )?as root", "run this as an ordinary user, or create an account named opensearch for it."),
    (r"Missing plugin \[.+?\]", f"the installed server lacks that plugin: {_AGAIN}"),
    (r"was built for OpenSearch version", f"plugin and server must agree to the patch: {_AGAIN}"),
    (r"jar hell", f"two copies of one jar are on the server's path: {_AGAIN}"),
    (
        r"Module jdk\.incubator\.vector not found",
        "this Java lacks that module: let OPENSEARCH_JAVA_HOME name a full JDK.",
    ),
    (
        r"security manager.* not (allowed|supported)",
        "this Java is too new for the server: let OPENSEARCH_JAVA_HOME name an older one.",
    ),
    (
        r"UnsupportedClassVersionError",
        "this Java is too old for the server: let OPENSEARCH_JAVA_HOME name a newer one.",
    ),
    (r"unknown setting \[.+?\]", "the server does not know a setting that this package gives it: please report it."),
    (r"AccessDeniedException", "the account that runs the node may not read or write there: look at its owner."),
    (r"BindException|Address already in use", "another program took the port: choose one with --port."),
    (
        r"Cannot allocate memory|insufficient memory|Could not reserve enough space",
        "the node needs 1.5 GB of free memory: end something else and run this again.",
    ),
    (r"No space left on device", "make room on the disk and run this again."),
)

_WARNING = "[WARN "  # a healthy 3.x node warns of a "Missing plugin" that it can do without

_LOUD = re.compile(r"\b(?:fatal|error|exception)\b|Exception", re.IGNORECASE)


def telling_line(log: Path) -> tuple[str, str]:
    """The line of this log that says best why the node died, and what to do about it.

    Returns:
        The line, "" for an empty log; and the remedy, a sentence.
    """
    try:
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    except FileNotFoundError:
        lines = []
    grave = [line for line in lines if _WARNING not in line]
    for pattern, remedy in _REMEDIES:
        for line in grave:
            if re.search(pattern, line, re.IGNORECASE):
                return line, remedy
    loud = [line for line in lines if _LOUD.search(line)] or [line for line in lines if line]
    return (loud[-1] if loud else "", "the log says more.")
