"""Recording <-> text: vcrpy's structure, readable and byte-exact.

A JSON body is kept as indented JSON whenever writing it again gives back the same bytes, any other text as it is, and
what is no text as base64. Register this module with plain vcrpy and it opens our files:
`vcr.VCR().register_serializer("mltask", mltask_fixtures.cassette.format)`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from mltask_fixtures.contract.wire import encode

RECORDED_MS: Final = "recorded_ms"
"""When an answer came, in ms since the first request; stands beside request and response of an interaction."""

_WRITERS: Final[Mapping[str, Callable[[Any], str]]] = {
    "compact": encode,
    "spaced": lambda value: json.dumps(value, ensure_ascii=False),
    "ascii": json.dumps,
    "compact ascii": lambda value: json.dumps(value, separators=(",", ":")),
}
"""How servers and clients write JSON; the first needs no mention in the file."""
_USUAL: Final = "compact"


def serialize(cassette: Mapping[str, Any]) -> str:
    """Write vcrpy's dict of a cassette as text.

    Example:
        >>> print(serialize({"version": 1, "interactions": []}))
        {
          "version": 1,
          "interactions": []
        }
        <BLANKLINE>
    """
    head = {key: cassette[key] for key in ("version", "metadata") if key in cassette}
    interactions = [_to_file(interaction) for interaction in cassette["interactions"]]
    return json.dumps({**head, "interactions": interactions}, indent=2, ensure_ascii=False) + "\n"


def deserialize(text: str) -> dict[str, Any]:
    """Read the text of a cassette into vcrpy's dict; plain vcrpy's JSON is read as well.

    Raises:
        ValueError: the text is no JSON, or no cassette.

    Example:
        >>> deserialize(serialize({"version": 1, "interactions": []}))
        {'version': 1, 'interactions': []}
    """
    return checked(json.loads(text))


def checked(cassette: Any) -> dict[str, Any]:
    """See that parsed values have a cassette's structure, and put bodies into vcrpy's form.

    Raises:
        ValueError: they have not; the error says at which interaction.
    """
    if not isinstance(cassette, dict) or not isinstance(cassette.get("interactions"), list):
        raise ValueError("a cassette is an object with a list of interactions")  # noqa: TRY004 - bad input, not a bug
    cassette["interactions"] = [
        _from_file(interaction, number) for number, interaction in enumerate(cassette["interactions"], 1)
    ]
    return cassette


def _to_file(interaction: Mapping[str, Any]) -> dict[str, Any]:
    request, response = dict(interaction["request"]), dict(interaction["response"])
    request["body"] = _body_to_file(request.get("body"))
    response["body"] = _body_to_file((response.get("body") or {}).get("string"))
    when = response.pop(RECORDED_MS, None)
    ordered = {key: request[key] for key in ("method", "uri", "headers", "body") if key in request}
    return {**({RECORDED_MS: when} if when is not None else {}), "request": ordered, "response": response}


def _from_file(interaction: Any, number: int) -> dict[str, Any]:
    try:
        request, response = dict(interaction["request"]), dict(interaction["response"])
        request = {key: request[key] for key in ("method", "uri", "body", "headers")}
        request["body"] = _body_from_file(request["body"])
        response["body"] = {"string": _body_from_file(response["body"]) or ""}
        response["status"] = {
            "code": int(response["status"]["code"]),
            "message": response["status"].get("message") or "",
        }
        _see_headers(request, response)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        what = f"has no {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"interaction {number}: {what}") from None
    if RECORDED_MS in interaction:
        response[RECORDED_MS] = interaction[RECORDED_MS]
    return {"request": request, "response": response}


def _see_headers(request: Mapping[str, Any], response: Mapping[str, Any]) -> None:
    if not isinstance(request["uri"], str) or not isinstance(request["headers"], dict):
        raise TypeError("a request has a uri and headers")
    if not isinstance(response["headers"], dict):
        raise TypeError("a response has headers")


def _body_to_file(body: Any) -> Any:
    if body is None:
        return None
    if isinstance(body, bytes):
        try:
            body = body.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(body).decode()}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {"string": body}
    for name, write in _WRITERS.items():
        if isinstance(value, (dict, list)) and _written(write, value) == body:
            return {"json": value} if name == _USUAL else {"json": value, "written": name}
    return {"string": body}


def _written(write: Callable[[Any], str], value: Any) -> str | None:
    try:
        return write(value)
    except (ValueError, RecursionError):
        return None


def _body_from_file(body: Any) -> Any:
    if not isinstance(body, Mapping):
        return body
    if "json" in body:
        return _WRITERS[body.get("written", _USUAL)](body["json"])
    if "base64" in body:
        return base64.b64decode(body["base64"], validate=True)
    return body["string"]
