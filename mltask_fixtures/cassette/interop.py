"""Our files under plain vcrpy, and under the plugins that are built on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette import store
from mltask_fixtures.cassette.request import Request
from mltask_fixtures.cassette.seal import finish, redacted_request, redacted_response

if TYPE_CHECKING:
    from collections.abc import Iterable


def join_vcr(vcr: Any, *, allow_secrets: Iterable[str] = ()) -> None:
    """Let a `vcr.VCR` read and write our files: readable, without secrets, whole or not at all.

    It registers a serializer, under `mltask` and in place of vcrpy's `json`, whose files it reads as well; and a
    persister, which finds side files, takes secrets out and refuses what still looks like one. Cassettes of other
    serializers go where they went before. For pytest-recording, call it in `pytest_recording_configure(config, vcr)`.

    Args:
        vcr: the object to change.
        allow_secrets: the fingerprints of values that look like secrets and are none.

    Example:
        >>> import vcr
        >>> ours = vcr.VCR(serializer="mltask", record_mode="none")
        >>> join_vcr(ours)
        >>> with ours.use_cassette(str(store.find("3.6.0/unknown-task-id"))) as cassette:
        ...     len(cassette)
        1
    """
    for name in ("mltask", "json"):
        vcr.register_serializer(name, our_format)
    vcr.register_persister(_Persister(vcr.persister, tuple(allow_secrets)))


class _Persister:
    """vcrpy's way to a file, for the cassettes of our serializer."""

    def __init__(self, other: Any, allowed_secrets: tuple[str, ...]) -> None:
        self._other = other
        self._allowed_secrets = allowed_secrets

    def load_cassette(self, cassette_path: str | Path, serializer: Any) -> tuple[list[Any], ...]:
        if serializer is not our_format:
            loaded: tuple[list[Any], ...] = self._other.load_cassette(cassette_path, serializer)
            return loaded
        from vcr.persisters.filesystem import CassetteNotFoundError
        from vcr.request import Request

        # pytest-recording's persister has more files: those that its marker names.
        paths = [Path(path) for path in dict.fromkeys([cassette_path, *getattr(self._other, "extra_paths", ())])]
        cassettes = [store.read(path) for path in paths if path.is_file()]
        if not cassettes:
            raise CassetteNotFoundError
        interactions = [interaction for cassette in cassettes for interaction in cassette["interactions"]]
        requests = [Request(**interaction["request"]) for interaction in interactions]
        responses = [interaction["response"] for interaction in interactions]
        metadata = cassettes[0].get("metadata")
        return (requests, responses, metadata) if metadata else (requests, responses)

    def save_cassette(self, cassette_path: str | Path, cassette_dict: dict[str, Any], serializer: Any) -> None:
        if serializer is not our_format:
            self._other.save_cassette(cassette_path, cassette_dict, serializer)
            return
        path = Path(cassette_path)
        exchanges = zip(cassette_dict["requests"], cassette_dict["responses"], strict=True)
        sealed = finish(
            path,
            {
                "version": 1,
                "metadata": cassette_dict.get("metadata") or {},
                "interactions": [
                    {"request": redacted_request(_as_ours(request)), "response": redacted_response(response)}
                    for request, response in exchanges
                ],
            },
            self._allowed_secrets,
        )
        store.write(path, *sealed)


def _as_ours(request: Any) -> Request:
    """Take vcrpy's request; in ours, the compression of a body is undone, for a secret may hide in it."""
    return Request(request.method, request.uri, request.body, request.headers)
