"""Recordings as commands take and write them: names, files, and both ways of writing them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mltask_fixtures._errors import WrongUseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mltask_fixtures.cassette import Recording

Form: TypeAlias = Literal["mltask", "vcrpy-json", "vcrpy-yaml"]


def open_recording(name: str) -> Recording:
    """Read a recording, whatever the contract says of it.

    Raises:
        UnknownCassetteError: there is none; the error names the nearest.
        DamagedCassetteError: the file is no whole cassette.
    """
    from mltask_fixtures.cassette import store
    from mltask_fixtures.cassette.recording import from_dict

    path = find(name)
    return from_dict(path, store.read(path))


def find(name: str) -> Path:
    """Give the file that a name or a path stands for.

    Raises:
        WrongUseError: there is none, or it is a folder.
    """
    from mltask_fixtures.cassette import store

    path = Path(name)
    if path.is_dir() and name not in store.bundled():
        raise WrongUseError(f"{name} is a folder; name a recording in it")
    return path if path.is_file() else store.find(name, Path("cassettes"))


def form_of(path: Path) -> Form:
    """Tell in which way an existing file is written.

    Raises:
        DamagedCassetteError: it is no cassette at all.
    """
    from mltask_fixtures.cassette import format as our_format
    from mltask_fixtures.cassette import store

    if path.suffix != store.SUFFIX:
        return "vcrpy-yaml"
    values = json.loads(path.read_bytes())
    is_ours = our_format.DIGEST in (values.get("metadata") or {}) or not all(map(_is_vcrpys, values["interactions"]))
    return "mltask" if is_ours or not values["interactions"] else "vcrpy-json"


def _is_vcrpys(interaction: Mapping[str, Any]) -> bool:
    """Plain vcrpy puts every body of a response under `string` and that of a request as it is."""
    body = interaction["response"].get("body")
    return isinstance(interaction["request"].get("body"), str | None) and isinstance(body, dict) and "string" in body


def text_of(cassette: Mapping[str, Any], form: Form) -> tuple[str, Mapping[str, bytes]]:
    """Write vcrpy's dict of a cassette as text, and its large bodies as side files, by name.

    Raises:
        WrongUseError: it has a body that this form cannot hold.
    """
    from mltask_fixtures.cassette import format as our_format

    if form == "mltask":
        return our_format.packed({**cassette, "interactions": [_ordered(one) for one in cassette["interactions"]]})
    from vcr.request import Request
    from vcr.serialize import serialize
    from vcr.serializers import jsonserializer, yamlserializer

    exchanges = cassette["interactions"]
    values = {
        "requests": [
            Request(one["request"]["method"], one["request"]["uri"], one["request"]["body"], one["request"]["headers"])
            for one in exchanges
        ],
        "responses": [_vcrpys(one["response"]) for one in exchanges],
        "metadata": {key: said for key, said in (cassette.get("metadata") or {}).items() if key != our_format.DIGEST},
    }
    times = [one["response"].get(our_format.RECORDED_MS) for one in exchanges]
    serializer = _Timed(jsonserializer if form == "vcrpy-json" else yamlserializer, times)
    try:
        return str(serialize(values, serializer)), {}
    except (UnicodeDecodeError, TypeError):
        raise WrongUseError(
            "vcrpy's JSON holds no binary bodies, and this recording has one; write YAML, into a file named *.yaml"
        ) from None


class _Timed:
    """Vcrpy's serializer, and beside each exchange when its answer came: vcrpy reads over that, and we read it."""

    def __init__(self, serializer: Any, times: Sequence[float | None]) -> None:
        self._serializer, self._times = serializer, times

    def serialize(self, values: Mapping[str, Any]) -> str:
        from mltask_fixtures.cassette.format import RECORDED_MS

        for one, when in zip(values["interactions"], self._times, strict=True):
            if when is not None:
                one[RECORDED_MS] = when
        return str(self._serializer.serialize(values))


def _ordered(interaction: Mapping[str, Any]) -> dict[str, Any]:
    """Put a response's keys into our order: vcrpy's YAML has them in the alphabet's."""
    response = interaction["response"]
    order = [key for key in ("status", "headers", "body") if key in response]
    return {**interaction, "response": {key: response[key] for key in [*order, *(set(response) - set(order))]}}


def _vcrpys(response: Mapping[str, Any]) -> dict[str, Any]:
    """A response without what only our form says, its body in bytes as vcrpy wants it."""
    body = response["body"]["string"]
    raw = body.encode() if isinstance(body, str) else body
    known = {key: response[key] for key in ("status", "headers") if key in response}
    return {**known, "body": {"string": raw}}


def redacted(cassette: Mapping[str, Any]) -> dict[str, Any]:
    """Remove every secret that is known as one from vcrpy's dict of a cassette."""
    from mltask_fixtures.cassette.redact import redact_values
    from mltask_fixtures.cassette.request import Request
    from mltask_fixtures.cassette.seal import redacted_request, redacted_response

    exchanges = [
        {**one, "request": redacted_request(Request(**one["request"])), "response": redacted_response(one["response"])}
        for one in cassette["interactions"]
    ]
    about = {"metadata": redact_values(cassette["metadata"])} if cassette.get("metadata") else {}
    return {**cassette, **about, "interactions": exchanges}
