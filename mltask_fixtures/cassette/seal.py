"""Make a recording fit to be kept: secrets out, texts replaced, held to the contract, looked through, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette.judge import InvalidCassetteError, Rules, findings_in, named, of_clusters, rules_of
from mltask_fixtures.cassette.recording import Interaction, as_read, dialect_of, server_of
from mltask_fixtures.cassette.redact import redact_body, redact_headers, redact_uri, redact_values
from mltask_fixtures.cassette.scan import SecretFoundError, Suspicion, numbered, scan, suspicions_in
from mltask_fixtures.contract import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from mltask_fixtures.cassette.request import Request
    from mltask_fixtures.contract import Finding

_VERSION = 1
"""Of vcrpy's structure."""


class SealedInteraction:
    """A request with its answer, made fit to be kept; what is wrong with it is found out and told later.

    Most of what a recording costs is done here, for one exchange: while the next one is awaited.
    """

    __slots__ = ("_findings", "_rules", "asked", "piece", "spoken", "suspicions")

    def __init__(self, request: Request, response: Mapping[str, Any], replacing: Mapping[str, str]) -> None:
        """Take the secrets out, look for what is left of them, and write it.

        Args:
            request: as vcrpy keeps it.
            response: vcrpy's dict of it.
            replacing: texts and what is shown in their place, everywhere.
        """
        values = {"request": _request(request, replacing), "response": _response(response, replacing)}
        self.piece, written = our_format.piece(values)
        self.suspicions = suspicions_in(values)
        interaction = as_read(written, values)
        self.asked = interaction.asked
        self.spoken = dialect_of({}, [interaction])
        """The dialect that the answer tells."""
        self._rules = Rules(DIALECTS.line_of(self.spoken) if self.spoken else None, None)
        self._findings = findings_in(interaction, self._rules)

    def findings(self, rules: Rules) -> list[Finding]:
        """List everything in which the answer disagrees with the rules."""
        if rules == self._rules:
            return self._findings
        return findings_in(Interaction(our_format.opened(self.piece)), rules)


class Sealed(NamedTuple):
    """What is to be written."""

    text: str
    """Of the cassette file."""
    bodies: Mapping[str, bytes]
    """Large bodies, by the names of their side files."""


def seal(
    path: Path,
    interactions: Sequence[SealedInteraction],
    metadata: Mapping[str, Any],
    *,
    dialect: str | None,
    allowed_secrets: Collection[str] = (),
) -> Sealed:
    """Give what a cassette file and its side files are to hold.

    Args:
        path: of the file, for errors.
        interactions: in the order of the file.
        metadata: what the recording says of itself.
        dialect: to judge by; None finds it out.
        allowed_secrets: the fingerprints of values that look like secrets and are none.

    Raises:
        InvalidCassetteError: an answer is none that this server gives.
        SecretFoundError: something still looks like a secret; the error names the place.
    """
    head = {"version": _VERSION, "metadata": redact_values(dict(metadata))}
    spoken = (one.spoken for one in interactions if one.spoken)
    said = dialect or dialect_of(head["metadata"], ()) or next(spoken, None)
    rules = rules_of(said, server_of(head["metadata"]))
    if findings := named(interactions, of_clusters(interactions, lambda one: one.findings(rules))):
        raise InvalidCassetteError(path, findings)
    suspicions = scan({**head, "interactions": []})
    for number, one in enumerate(interactions, 1):
        suspicions += numbered(one.suspicions, number)
    _refuse(path, suspicions, allowed_secrets)
    return Sealed(*our_format.bind(head, [one.piece for one in interactions]))


def finish(path: Path, cassette: Mapping[str, Any], allowed_secrets: Collection[str] = ()) -> Sealed:
    """Look through a cassette whose secrets were removed, and make it text.

    Raises:
        SecretFoundError: something still looks like a secret.
    """
    _refuse(path, scan(cassette), allowed_secrets)
    return Sealed(*our_format.packed(cassette))


def _refuse(path: Path, suspicions: list[Suspicion], allowed_secrets: Collection[str]) -> None:
    if left := [one for one in suspicions if one.fingerprint not in allowed_secrets]:
        raise SecretFoundError(path, left)


def redacted_request(request: Request) -> dict[str, Any]:
    """Take the secrets out of a request; its compression is undone, for a secret may hide in it."""
    headers = {
        name: [_text(value) for value in (values if isinstance(values, list) else [values])]
        for name, values in request.headers.items()
    }
    body = bytes(request.body_bytes) if request.body_bytes else None
    kept = redact_body(body) if body else None
    return {
        "method": request.method,
        "uri": redact_uri(request.uri),
        "headers": _with_length(redact_headers(headers), body, kept),
        "body": kept,
    }


def redacted_response(response: Mapping[str, Any]) -> dict[str, Any]:
    """Take the secrets out of an answer."""
    body = response["body"]["string"] or b""
    kept = redact_body(body)
    return {
        **response,
        "headers": _with_length(redact_headers(response["headers"]), body, kept),
        "body": {"string": kept},
    }


def _with_length(headers: dict[str, Any], before: bytes | None, after: bytes | None) -> dict[str, Any]:
    """Let `Content-Length` say the length of what is kept."""
    if before == after or before is None or after is None:
        return headers
    length = {name: [str(len(after))] for name in headers if name.lower() == "content-length"}
    return {**headers, **length}


def _request(request: Request, replacing: Mapping[str, str]) -> dict[str, Any]:
    kept = redacted_request(request)
    if not replacing:
        return kept
    headers = {name: [_shown(text, replacing) for text in texts] for name, texts in kept["headers"].items()}
    return {
        **kept,
        "uri": _shown(kept["uri"], replacing),
        "headers": headers,
        "body": _shown_bytes(kept["body"], replacing) if kept["body"] else kept["body"],
    }


def _response(response: Mapping[str, Any], replacing: Mapping[str, str]) -> dict[str, Any]:
    kept = redacted_response(response)
    return {**kept, "body": {"string": _shown_bytes(kept["body"]["string"], replacing)}} if replacing else kept


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _shown(text: str, replacing: Mapping[str, str]) -> str:
    for literal, shown in replacing.items():
        text = text.replace(literal, shown)
    return text


def _shown_bytes(body: bytes, replacing: Mapping[str, str]) -> bytes:
    for literal, shown in replacing.items():
        body = body.replace(literal.encode(), shown.encode())
    return body
