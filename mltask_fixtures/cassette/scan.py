"""What must never be written: the last look at a recording, after everything known to be secret was removed.

The shapes of keys come from detect-secrets, whose plugins look at each value by itself; a table here adds those of the
services that models are reached at. Ids and hashes of OpenSearch are none of them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from mltask_fixtures._errors import MLTaskFixturesError
from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette.redact import REDACTED, is_user_and_password

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import TypeAlias

    Look: TypeAlias = Callable[[str], Any]

_SHAPES: Final = {
    "OpenAI key": r"\bsk-(?!ant-)(?:[a-z]{2,12}-)?[A-Za-z0-9_-]{20,}",
    "Anthropic key": r"\bsk-ant-[\w-]{20,}",
    "Hugging Face token": r"\b(?:hf|api_org)_[A-Za-z0-9]{30,}",
    "Google API key": r"\bAIza[\w-]{35}",
    "Google OAuth token": r"\bya29\.[\w-]{20,}|\bGOCSPX-[\w-]{20,}|\b1//0[\w-]{30,}",
    "Groq key": r"\bgsk_[A-Za-z0-9]{30,}",
    "Replicate token": r"\br8_[A-Za-z0-9]{30,}",
    "xAI key": r"\bxai-[A-Za-z0-9]{30,}",
    "Perplexity key": r"\bpplx-[A-Za-z0-9]{30,}",
    "NVIDIA key": r"\bnvapi-[\w-]{30,}",
    "Voyage key": r"\bpa-[A-Za-z0-9_-]{40,}",
    "Pinecone key": r"\bpcsk_\w{30,}",
    "LangSmith key": r"\blsv2_(?:pt|sk)_\w{30,}",
    "Databricks token": r"\bdapi[0-9a-f]{32}",
    "GitHub token": r"\bgithub_pat_\w{30,}",
    "GitLab token": r"\bgl(?:pat|dt|rt|cbt|ptt|ft|soat|oas)-[\w-]{20,}",
    "DigitalOcean token": r"\bdo[opr]_v1_[0-9a-f]{64}",
    "Shopify token": r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
    "HashiCorp Vault token": r"\bhv[sbr]\.[\w-]{24,}",
    "Stripe key": r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|\bwhsec_[A-Za-z0-9+/=]{20,}",
    "Linear key": r"\blin_(?:api|oauth)_\w{30,}",
    "Notion token": r"\b(?:secret|ntn)_[A-Za-z0-9]{40,}",
    "PostHog or Sentry token": r"\b(?:ph[cx]|sntrys|sntryu)_[\w+/=-]{30,}",
    "Slack token": r"\bx(?:ox[a-z]|app)-[\w-]{10,}",
    "New Relic key": r"\bNRAK-[A-Z0-9]{27}",
    "Postman key": r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}",
    "Atlassian token": r"\bATATT3[\w=-]{30,}",
    "age key": r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,}",
    "AWS session token": r"\b(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz)[A-Za-z0-9+/=_-]{20,}",
    "private key": r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY",
    "JSON Web Token": r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*",
    "encrypted JSON Web Token": r"\beyJ[\w-]{8,}\.[\w-]*\.[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}",
    "password hash": (
        r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}|\$argon2(?:id?|d)\$v=\d+\$[^\s\"']+|\$6\$[^\s\"'$]+\$[./\w]{60,}"
    ),
    "user and password in a URL": r"[a-z][a-z0-9+.-]{1,20}://[^/\s:@\"'<>?#]+:[^/\s@\"'<>?#]+@",
}
_OURS: Final = re.compile("|".join(f"(?P<_{number}>{shape})" for number, shape in enumerate(_SHAPES.values())))
_KINDS: Final = tuple(_SHAPES)
_UNUSED_PLUGINS: Final = frozenset(
    # They judge by entropy or by the words around, which names the redaction, or find what is no secret.
    {"Base64HighEntropyString", "HexHighEntropyString", "IPPublicDetector", "KeywordDetector"}
)
_WORDS: Final = re.compile(r"[A-Za-z0-9+/_=-]{16,}")
_PATH: Final = re.compile(r"(?:^|/)[a-z_][a-z_-]{4,}(?:/|$)")
"""A slash beside a plain word divides a path; random letters may have one, too."""
_ID: Final = re.compile(r"(?=[A-Za-z0-9_-]*[a-z])[A-Za-z0-9_-]{20}(?:[A-Za-z0-9_-]{2})?(?:_\d+)?")
"""A document id has 20 letters of base64, a node's or a cluster's 22; a chunk of a model has a number after it."""
_RANDOM_LENGTHS: Final = range(28, 257)
"""Of a word that is nothing but random letters: shorter ones are ids, longer ones are data."""
_RANDOM_TURNS: Final = 0.4
"""How often, between two letters, a random word turns from small to capital to digit: 0.62 on average; names seldom."""
_LONG_IDS: Final = re.compile(
    r"(?i)(.*[._\]])?(_?scroll_id|pit_id|search_context_id|etag|x-opaque-id)(\[\d+\])?|.*\bpit\.id"
)
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_SHORTEST: Final = 8


@dataclass(frozen=True)
class Suspicion:
    """A place in a recording whose value looks like a secret; the value itself is not kept."""

    place: str
    """The interaction and the field."""
    kind: str
    """What it looks like."""
    fingerprint: str
    """What stands for the value when it is to be let through."""

    def __str__(self) -> str:
        """Give it as one line, with nothing of the secret in it."""
        return f"{self.place}: looks like a secret ({self.kind}); fingerprint {self.fingerprint}"


class SecretFoundError(MLTaskFixturesError, ValueError):
    """A recording would have held what looks like a secret, so it was not written."""

    def __init__(self, path: Path, suspicions: list[Suspicion]) -> None:
        """Take the file and the places."""
        self.path, self.suspicions = path, suspicions
        counted = "1 value looks" if len(suspicions) == 1 else f"{len(suspicions)} values look"
        allow = " ".join(f"--mltask-allow-secret {one}" for one in dict.fromkeys(s.fingerprint for s in suspicions))
        super().__init__(
            "\n".join(
                [
                    f"{path} was not written: {counted} like a secret",
                    *(f"  - {suspicion}" for suspicion in suspicions),
                    f"keep it out of the traffic, or, if it is no secret, record again with {allow}",
                ]
            )
        )


def scan(cassette: Mapping[str, Any], allowed: Collection[str] = ()) -> list[Suspicion]:
    """List the places of a cassette whose values look like secrets.

    Args:
        cassette: vcrpy's dict of it.
        allowed: the fingerprints of values that are let through.

    Example:
        >>> key = "sk-" + "a1B2" * 12
        >>> request = {"method": "GET", "uri": "http://h/", "headers": {"x-note": [key]}, "body": None}
        >>> response = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": b""}}
        >>> found, = scan({"interactions": [{"request": request, "response": response}]})
        >>> found.place, found.kind
        ('interaction 1 (GET /): request.headers.x-note', 'OpenAI key')
    """
    found: dict[tuple[str, str], Suspicion] = {}
    known: dict[str, list[tuple[str, str]]] = {}
    texts = [one for one in _texts(cassette) if len(one[2]) >= _SHORTEST and one[2] != REDACTED]
    looks = _worth_a_look(dict.fromkeys(text for _, _, text in texts))
    for place, field, text in texts:
        if text not in known:
            known[text] = list(_secrets_in(text, looks))
        for kind, secret in known[text]:
            if kind == _RANDOM and _LONG_IDS.fullmatch(field):
                continue
            fingerprint = fingerprint_of(secret)
            if fingerprint not in allowed:
                where = f"{place}{field}".replace(secret, "…")
                found.setdefault((where, fingerprint), Suspicion(where, kind, fingerprint))
    return list(found.values())


@cache
def fingerprint_of(secret: str) -> str:
    """Give what stands for a secret: 12 hexadecimal digits, made at a cost that makes guessing the secret slow.

    Example:
        >>> len(fingerprint_of("a secret"))
        12
    """
    return hashlib.scrypt(secret.encode("utf-8", "replace"), salt=b"mltask-fixtures", n=2**12, r=8, p=1, dklen=6).hex()


# ------------------------------------------------------------------------------------------------------------- places


def _texts(cassette: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Give every text of a cassette, with its interaction and its field."""
    for field, text in _leaves("metadata", cassette.get("metadata") or {}):
        yield "", field, text
    for number, interaction in enumerate(cassette["interactions"], 1):
        request, response = interaction["request"], interaction["response"]
        place = f"interaction {number} ({request['method']} {_path(request['uri'])}): "
        yield place, "request.uri", request["uri"]
        yield place, "response.status.message", str(response["status"].get("message") or "")
        for side, message in (("request", request), ("response", response)):
            for field, text in _leaves(f"{side}.headers", message["headers"]):
                yield place, field, text
            body = message["body"]
            raw = body["string"] if isinstance(body, dict) else body
            for field, text in _body(f"{side}.body", raw):
                yield place, field, text


def _path(uri: str) -> str:
    try:
        return urlsplit(uri).path or "/"
    except ValueError:
        return ""


def _body(field: str, raw: bytes | str | None) -> Iterator[tuple[str, str]]:
    if not raw:
        return
    try:
        text = raw if isinstance(raw, str) else raw.decode()
    except UnicodeDecodeError:
        yield field, raw.decode("latin-1")  # type: ignore[union-attr]
        return
    if read := our_format.json_of(text):
        yield from _leaves(field, read[1])
    else:
        yield field, text


def _leaves(field: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield f"{field} (a key)", str(key)
            yield from _leaves(f"{field}.{key}", item)
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _leaves(field if len(value) == 1 else f"{field}[{number}]", item)


# ------------------------------------------------------------------------------------------------------------ secrets

_RANDOM: Final = "long random word"


def _worth_a_look(texts: Iterable[str]) -> list[tuple[str, Look]]:
    """Leave out the looks that find nothing in all texts at once: no pattern of theirs spans two lines."""
    joined = "\n".join(texts)
    return [(kind, look) for kind, look, patterns in _looks() if any(pattern.search(joined) for pattern in patterns)]


def _secrets_in(text: str, looks: Iterable[tuple[str, Look]]) -> Iterator[tuple[str, str]]:
    """Give what looks like a secret in a text, and what kind of secret it looks like."""
    for match in _OURS.finditer(text):
        if REDACTED not in match[0]:
            yield _KINDS[match.lastindex - 1 if match.lastindex else 0], match[0]
    for kind, look in looks:
        for secret in look(text):
            if secret and REDACTED not in secret and not _is_id(text, secret):
                yield kind, secret
    yield from _random_words(_CERTIFICATE.sub("", text) if "CERTIFICATE" in text else text)


def _random_words(text: str) -> Iterator[tuple[str, str]]:
    for match in _WORDS.finditer(text):
        word = match[0]
        for part in word.split("/") if "://" in text or _PATH.search(word) else [word]:
            if is_user_and_password(part):
                yield "base64 of a user and a password", part
            elif _is_random(part):
                yield _RANDOM, part


def _is_random(word: str) -> bool:
    if len(word) not in _RANDOM_LENGTHS or _ID.fullmatch(word):
        return False
    kinds = {"d": str.isdigit, "u": str.isupper, "l": str.islower}
    classes = [kind for letter in word for kind, is_of in kinds.items() if is_of(letter)]
    if len(set(classes)) < len(kinds):
        return False
    turns = sum(a != b for a, b in pairwise(classes))
    return turns >= _RANDOM_TURNS * (len(classes) - 1)


def _is_id(text: str, secret: str) -> bool:
    """Tell whether what a plugin found is only a piece of an id."""
    at = text.find(secret.strip())
    words = (match for match in re.finditer(r"[A-Za-z0-9_-]+", text) if match.start() <= at + 1 < match.end())
    return any(_ID.fullmatch(match[0]) for match in words)


@cache
def _looks() -> list[tuple[str, Look, tuple[re.Pattern[str], ...]]]:
    """Load the plugins of detect-secrets, with their patterns; it takes some ms, and only a recording needs them."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    classes: dict[str, Any] = get_mapping_from_secret_type_to_class()
    plugins = [(kind, of()) for kind, of in classes.items() if of.__name__ not in _UNUSED_PLUGINS]
    return [(kind, plugin.analyze_string, tuple(plugin.denylist)) for kind, plugin in plugins]
