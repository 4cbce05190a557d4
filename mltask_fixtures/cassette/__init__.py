"""Recorded traffic: files of it, what they say, and their use under a test."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cassette.intercept._guard import NetworkBlockedError
from mltask_fixtures.cassette.judge import InvalidCassetteError, findings_of, load
from mltask_fixtures.cassette.recording import Interaction, Recording
from mltask_fixtures.cassette.replay import RECORD_MODES, MLTaskCassette, NoRecordedAnswerError
from mltask_fixtures.cassette.store import DamagedCassetteError, UnknownCassetteError, bundled
from mltask_fixtures.cassette.use import recording, use_cassette

if TYPE_CHECKING:
    from mltask_fixtures.cassette.interop import join_vcr
    from mltask_fixtures.cassette.scan import SecretFoundError, Suspicion

__all__ = [
    "RECORD_MODES",
    "DamagedCassetteError",
    "Interaction",
    "InvalidCassetteError",
    "MLTaskCassette",
    "NetworkBlockedError",
    "NoRecordedAnswerError",
    "Recording",
    "SecretFoundError",
    "Suspicion",
    "UnknownCassetteError",
    "bundled",
    "findings_of",
    "join_vcr",
    "load",
    "recording",
    "use_cassette",
]

# A replay needs none of these, and they take longer to import than a small recording to play.
_LATER = {"SecretFoundError": "scan", "Suspicion": "scan", "join_vcr": "interop"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = value
    return value
