"""Recorded traffic: files of it, what they say, and their use under a test."""

from mltask_fixtures.cassette.intercept._guard import NetworkBlockedError
from mltask_fixtures.cassette.interop import join_vcr
from mltask_fixtures.cassette.judge import InvalidCassetteError, findings_of, load
from mltask_fixtures.cassette.recording import Interaction, Recording
from mltask_fixtures.cassette.replay import RECORD_MODES, MLTaskCassette, NoRecordedAnswerError
from mltask_fixtures.cassette.scan import SecretFoundError, Suspicion
from mltask_fixtures.cassette.store import DamagedCassetteError, UnknownCassetteError, bundled
from mltask_fixtures.cassette.use import recording, use_cassette

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
