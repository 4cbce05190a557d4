"""Recording <-> text: vcrpy's structure, readable and byte-exact.

A JSON body is kept as indented JSON whenever writing it again gives back the same bytes, and so is one of JSON lines;
any other text is kept as it is, and what is no text as base64. A header with one value is a text, with several a list.
Register this module with plain vcrpy and it opens our files:
`vcr.VCR().register_serializer("mltask", mltask_fixtures.cassette.format)`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pydantic_core import PydanticSerializationError, from_json, to_json

from mltask_fixtures.contract.wire import encode

RECORDED_MS: Final = "recorded_ms"
"""When an answer came, in ms since the first request; stands beside request and response of an interaction."""
DIGEST: Final = "digest"
"""The key in a cassette's metadata that shows whether the file was edited since it was written."""
LARGE_BODY: Final = 64 * 1024
"""Bodies above this many bytes go into side files, where a side file can be."""

_plain: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_pretty: Final = json.JSONEncoder(ensure_ascii=False, indent=2, separators=(",", " : "), allow_nan=False).encode
_OTHER_THAN_JAVA: Final = re.compile(r"[0-9]{8}\.|0\.000|[0-9]e[-+]?[0-9]")
_EXPONENTS: Final = ("e-", "e+") if to_json(1e16) == b"1e+16" else ("e",)  # older pydantic writes 1e16
"""The doubles that Java writes in another way: the large and the tiny ones."""


def _as_java(value: Any) -> str:
    try:
        text = to_json(value).decode()
    except PydanticSerializationError:  # half a surrogate pair
        return encode(value)
    # This writer is fast; it differs from Java's in control characters, surrogate pairs, some doubles, and no numbers.
    same = text.isascii() and "\\u00" not in text and "NaN" not in text and "Infinity" not in text
    doubles = "." in text or any(exponent in text for exponent in _EXPONENTS)
    return text if same and not (doubles and _OTHER_THAN_JAVA.search(text)) else encode(value)


WRITERS: Final[Mapping[str, Callable[[Any], str]]] = {
    "compact": _as_java,
    "spaced": json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode,
    "ascii": json.JSONEncoder(allow_nan=False).encode,
    "compact ascii": json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode,
    "compact unescaped": _plain,
    "pretty": lambda value: _pretty(value) + "\n",
}
"""How servers and clients write JSON; the first, which is OpenSearch's, needs no mention in the file."""
USUAL: Final = "compact"
SIDE_FILE: Final = ".body"
_NAME_OF_SIDE_FILE: Final = re.compile(rf"[0-9a-f]{{64}}{re.escape(SIDE_FILE)}")
_BEFORE: Final = '{\n  "": [\n'
_AFTER: Final = "\n  ]\n}\n"
"""What stands around a list in an object of nothing else."""
_PORTS: Final = {"http": 80, "https": 443}


# ------------------------------------------------------------------------------------------------------------ writing


def serialize(cassette: Mapping[str, Any], aside: Callable[[bytes], str] | None = None) -> str:
    """Write vcrpy's dict of a cassette as text.

    Args:
        cassette: what vcrpy gives a serializer.
        aside: takes a large body and gives the name of its side file; without it, all bodies stand in the text.

    Example:
        >>> print(serialize({"version": 1, "interactions": []}))
        {
          "version": 1,
          "interactions": []
        }
        <BLANKLINE>
    """
    head = {key: cassette[key] for key in ("version", "metadata") if key in cassette}
    return _indented({**head, "interactions": [_to_file(one, aside) for one in cassette["interactions"]]})


class Piece(NamedTuple):
    """One interaction, as it is to stand in a file."""

    text: str
    """Indented."""
    compact: bytes
    """Without any space, of which the digest is made."""
    bodies: Mapping[str, bytes]
    """Its large bodies, by the names of their side files."""


def piece(interaction: Mapping[str, Any]) -> tuple[Piece, dict[str, Any]]:
    """Write one interaction of vcrpy's dict of a cassette.

    Returns:
        what is to stand in the file, and the same parsed.
    """
    bodies: dict[str, bytes] = {}

    def aside(body: bytes) -> str:
        name = name_of(body)
        bodies[name] = body
        return name

    written = _to_file(interaction, aside)
    return Piece(_indented({"": [written]})[len(_BEFORE) : -len(_AFTER)], _compact(written), bodies), written


def bind(head: Mapping[str, Any], pieces: Sequence[Piece]) -> tuple[str, dict[str, bytes]]:
    """Write a cassette as text that tells, in its metadata, what it was when it was written.

    Args:
        head: the version and the metadata.
        pieces: the interactions.

    Returns:
        the text, and the large bodies by the names of their side files.
    """
    values = {"version": head.get("version", 1), "metadata": dict(head.get("metadata") or {})}
    values["metadata"].pop(DIGEST, None)
    values["metadata"][DIGEST] = _digest(values, (one.compact for one in pieces))
    text = _indented({**values, "interactions": []})
    if pieces:
        text = "".join((text[: -len("]\n}\n")], "\n", ",\n".join([one.text for one in pieces]), _AFTER))
    return text, {name: body for one in pieces for name, body in one.bodies.items()}


def packed(cassette: Mapping[str, Any]) -> tuple[str, dict[str, bytes]]:
    """Write a cassette as text with a digest, and its large bodies as side files, by name."""
    return bind(cassette, [piece(one)[0] for one in cassette["interactions"]])


def edited(text: str) -> bool:
    """Tell whether a cassette was changed since it was written; how it is spaced is no change.

    A file that says nothing of itself, such as one of plain vcrpy, counts as unchanged.

    Raises:
        ValueError: the text is no JSON.

    Example:
        >>> text, _ = packed({"version": 1, "interactions": []})
        >>> edited(text), edited(text.replace('"version": 1', '"version": 2'))
        (False, True)
    """
    values = _parsed(text)
    metadata = values.get("metadata") if isinstance(values, dict) else None
    if not isinstance(metadata, dict) or DIGEST not in metadata:
        return False
    said = metadata.pop(DIGEST)
    return bool(said != _digest(values, map(_compact, values.get("interactions") or ())))


def _digest(values: Mapping[str, Any], interactions: Iterable[bytes]) -> str:
    # Of the interactions one by one, because a recording can be large; of the rest as a whole.
    digest = hashlib.sha256(_compact({**values, "interactions": None}))
    for interaction in interactions:
        digest.update(interaction)
    return f"sha256:{digest.hexdigest()}"


def _compact(values: Any) -> bytes:
    try:
        return to_json(values)
    except PydanticSerializationError:
        return json.dumps(values, separators=(",", ":")).encode()


def _indented(values: Any) -> str:
    try:
        return to_json(values, indent=2).decode() + "\n"
    except PydanticSerializationError:  # half a surrogate pair, or deeper than it goes
        return json.dumps(values, indent=2) + "\n"


def _to_file(interaction: Mapping[str, Any], aside: Callable[[bytes], str] | None) -> dict[str, Any]:
    request, response = interaction["request"], dict(interaction["response"])
    body = response.get("body")
    response["headers"] = _headers_to_file(response["headers"])
    response["body"] = _body_to_file(body.get("string") if isinstance(body, Mapping) else body, aside)
    written = {
        "request": {
            "method": request["method"],
            "uri": request["uri"],
            "headers": _headers_to_file(request["headers"]),
            "body": _body_to_file(request.get("body"), aside),
        },
        "response": response,
    }
    when = response.pop(RECORDED_MS, None)
    return written if when is None else {RECORDED_MS: when, **written}


def _headers_to_file(headers: Mapping[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for name, values in headers.items():
        if type(values) is list and len(values) == 1:
            values = values[0]  # noqa: PLW2901 - the usual case comes first
        if type(values) is str:
            written[name] = values
        elif isinstance(values, (list, tuple)):
            written[name] = [value if type(value) is str else _text_of(value) for value in values]
        else:
            written[name] = _text_of(values)
    return written


def _text_of(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _body_to_file(body: Any, aside: Callable[[bytes], str] | None) -> Any:
    if body is None:
        return None
    raw = body if isinstance(body, bytes) else _bytes(body)
    if aside is not None and len(raw) > LARGE_BODY:
        return {"file": aside(raw), "bytes": len(raw)}
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}
    read = json_of(text)
    if read is None:
        return {"string": text}
    key, value, name = read
    return {key: value} if name == USUAL else {key: value, "written": name}


@lru_cache(maxsize=2)
def json_of(text: str) -> tuple[str, Any, str] | None:
    """Read a body's JSON if it can be written again to the same text.

    A body that is recorded comes here three times, so its values are remembered: do not change them.

    Returns:
        `json` or `lines`, the value or values, and which of `WRITERS` wrote it; None where nothing gives back the text.

    Example:
        >>> json_of('{"state": "RUNNING"}')
        ('json', {'state': 'RUNNING'}, 'spaced')
    """
    if text[:1] not in ("{", "["):
        return None
    try:
        key, value = "json", from_json(text)
    except ValueError:
        try:
            key, value = "lines", [from_json(line) for line in text.split("\n")[:-1]]
        except ValueError:
            return None
    if key == "json" and write_json(key, value, USUAL) == text:
        return key, value, USUAL
    return next(((key, value, name) for name in WRITERS if write_json(key, value, name) == text), None)


def write_json(key: str, value: Any, name: str) -> str | None:
    """Write what `json_of` read; None where that writer has no words for it."""
    try:
        return _as_lines(WRITERS[name], value) if key == "lines" else WRITERS[name](value)
    except (ValueError, RecursionError):
        return None


def _as_lines(write: Callable[[Any], str], values: list[Any]) -> str:
    """Write one value a line, as the bodies of `_bulk` and `_msearch` are."""
    return "".join(f"{write(value)}\n" for value in values)


# ------------------------------------------------------------------------------------------------------------ reading


def deserialize(text: str, fetch: Callable[[str, int], bytes] | None = None) -> dict[str, Any]:
    """Read the text of a cassette into vcrpy's dict; vcrpy's own JSON is read as well.

    Bodies are bytes, or None; each header has a list of texts.

    Args:
        text: of the file.
        fetch: takes the name of a side file and its size in bytes, and gives what is in it.

    Raises:
        ValueError: the text is no JSON, or no cassette; the error says where.

    Example:
        >>> deserialize(serialize({"version": 1, "interactions": []}))
        {'version': 1, 'interactions': []}
    """
    return checked(_parsed(text), fetch)


def _parsed(text: str) -> Any:
    try:
        return from_json(text, cache_strings="keys")
    except ValueError:
        # Python's reader knows more: half a surrogate pair, deeper nesting, and the place of a fault.
        return json.loads(text)


def parsed(text: str) -> dict[str, Any] | None:
    """Read a cassette of ours as it stands in the file; None where only `deserialize` can tell what it is."""
    try:
        values = from_json(text, cache_strings="keys", allow_inf_nan=False)
    except ValueError:
        return None
    if not isinstance(values, dict) or not isinstance(values.get("interactions"), list):
        return None
    return values if isinstance(values.get("metadata") or {}, dict) else None


def completed(one: Any, number: int, fetch: Callable[[str, int], bytes] | None = None) -> dict[str, Any]:
    """Put one interaction as it stands in a file into vcrpy's form.

    Raises:
        ValueError: it has not the structure of one; the error says its number.
    """
    return _from_file(one, number, fetch)


def opened(piece: Piece) -> dict[str, Any]:
    """Put what is to stand in a file into vcrpy's form."""
    return _from_file(_parsed(piece.compact.decode()), 1, lambda name, _: piece.bodies[name])


def checked(cassette: Any, fetch: Callable[[str, int], bytes] | None = None) -> dict[str, Any]:
    """See that parsed values have a cassette's structure, and put headers and bodies into one form.

    It takes what any version of vcrpy wrote.

    Raises:
        ValueError: they have not; the error says at which interaction.
    """
    if isinstance(cassette, list) and cassette and isinstance(cassette[0], dict) and "request" in cassette[0]:
        cassette = {"version": 1, "interactions": cassette}  # vcrpy before 1.0
    if not isinstance(cassette, dict) or not isinstance(cassette.get("interactions"), list):
        raise ValueError("a cassette is an object with a list of interactions")  # noqa: TRY004 - bad input, not a bug
    if not isinstance(cassette.get("metadata") or {}, dict):
        raise ValueError("metadata is an object")  # noqa: TRY004 - bad input, not a bug
    cassette["interactions"] = [
        _from_file(interaction, number, fetch) for number, interaction in enumerate(cassette["interactions"], 1)
    ]
    return cassette


def _from_file(interaction: Any, number: int, fetch: Callable[[str, int], bytes] | None) -> dict[str, Any]:
    try:
        request, response = interaction["request"], interaction["response"]
        asked = {
            "method": _is_text(request["method"], "method"),
            "uri": _is_text(request["uri"] if "uri" in request else _old_uri(request), "uri"),
            "body": _body_from_file(request["body"], fetch),
            "headers": _headers_from_file(request["headers"]),
        }
        if "status_code" in response:
            response = _from_old_httpx(response)
        status = response["status"]
        answer = {
            **response,
            "status": {"code": int(status["code"]), "message": str(status.get("message") or "")},
            "headers": _headers_from_file(response["headers"]),
            "body": {"string": _body_from_file(response["body"], fetch) or b""},
        }
        if RECORDED_MS in interaction:
            when = interaction[RECORDED_MS]
            answer[RECORDED_MS] = when if type(when) in (int, float) else float(when)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        what = f"has no {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"interaction {number}: {what}") from None
    return {"request": asked, "response": answer}


def _is_text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a request's {what} is a text, not {value!r:.60}")
    return value


def _headers_from_file(headers: Any) -> dict[str, list[str]]:
    if isinstance(headers, list):
        headers = _old_headers(headers)
    read = {}
    for name, values in headers.items():
        if type(name) is not str:
            raise TypeError(f"a header's name is a text, not {name!r:.60}")
        if type(values) is str:
            read[name] = [values]
        elif isinstance(values, (list, tuple)):
            read[name] = [value if type(value) is str else _header(value) for value in values]
        else:
            read[name] = [_header(values)]
    return read


def _header(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if value is None or isinstance(value, (dict, list, tuple)):
        raise TypeError(f"a header's value is a text, not {value!r:.60}")
    return str(value)


def _body_from_file(body: Any, fetch: Callable[[str, int], bytes] | None) -> bytes | None:
    if body is None:
        return None
    if type(body) is not dict:
        return _bytes(body)
    if "json" in body:
        return WRITERS[body.get("written", USUAL)](body["json"]).encode()
    if "lines" in body:
        return _as_lines(WRITERS[body.get("written", USUAL)], body["lines"]).encode()
    if "file" in body:
        return _fetched(body, fetch)
    for key in ("base64", "base64_string"):
        if key in body:
            return base64.b64decode(body[key], validate=True)
    content = body["string"]
    return None if content is None else _bytes(content)


def _fetched(body: Mapping[str, Any], fetch: Callable[[str, int], bytes] | None) -> bytes:
    name, size = body["file"], body["bytes"]
    if not isinstance(name, str) or not _NAME_OF_SIDE_FILE.fullmatch(name) or type(size) is not int:
        raise ValueError(f"a side file is named by its SHA-256 and has a size, not {name!r:.80} and {size!r:.40}")
    if fetch is None:
        raise ValueError(
            f"its body is in the side file {name}, which a serializer cannot see; "
            "let mltask_fixtures.cassette.join_vcr(vcr) register the persister, too"
        )
    raw = fetch(name, size)
    if name_of(raw) != name:
        raise ValueError(f"the side file {name} was changed: its SHA-256 is another")
    return raw


def name_of(body: bytes) -> str:
    """Name the side file of a body: by what is in it."""
    return hashlib.sha256(body).hexdigest() + SIDE_FILE


def _bytes(body: Any) -> bytes:
    """Take a body in any form that vcrpy had: a text, bytes, a file, or parts of them."""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    if hasattr(body, "read"):
        return _bytes(body.read())
    if isinstance(body, (int, float, Mapping)):
        raise TypeError(f"a body is a text or bytes, not {body!r:.60}")
    return b"".join(map(_bytes, body))


# ---------------------------------------------------------------------------------------- what older versions of vcrpy
# wrote: see vcr/migration.py for files before 1.0, and `_from_serialized_response` of its httpx stub for those before 6


def _old_uri(request: Mapping[str, Any]) -> str:
    scheme, port = request["protocol"], request["port"]
    shown = "" if port == _PORTS.get(scheme) else f":{port}"
    return f"{scheme}://{request['host']}{shown}{request['path']}"


def _old_headers(headers: list[Any]) -> dict[str, list[str]]:
    read: dict[str, list[str]] = {}
    for line in headers:
        if isinstance(line, dict):
            for name, value in line.items():
                read.setdefault(name, []).append(_header(value))
        elif isinstance(line, (list, tuple)) and line and isinstance(line[0], (list, tuple)):
            for name, value in line:
                read.setdefault(_header(name), []).append(_header(value))
        else:
            name, value = line.split(":", 1) if isinstance(line, str) else line
            read.setdefault(name.strip(), []).append(_header(value).strip())
    return read


def _from_old_httpx(response: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "status": {"code": response["status_code"], "message": response.get("reason") or ""},
        "headers": response["headers"],
        "body": {"string": response.get("content")},
    }
