"""What must never be written: the last look at a recording, after everything known to be secret was removed.

The shapes of keys come from detect-secrets, whose plugins look at each value by itself; a table here adds those of the
services that models are reached at. Ids and hashes of OpenSearch are none of them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
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
    "OpenAI key": (("sk-",), r"\bsk-(?!ant-)(?:[a-z]{2,12}-)?[A-Za-z0-9_-]{20,}"),
    "Anthropic key": (("sk-ant-",), r"\bsk-ant-[\w-]{20,}"),
    "Hugging Face token": (("hf_", "api_org_"), r"\b(?:hf|api_org)_[A-Za-z0-9]{30,}"),
    "Google API key": (("AIza",), r"\bAIza[\w-]{35}"),
    "Google OAuth token": (("ya29.", "GOCSPX-", "1//0"), r"\bya29\.[\w-]{20,}|\bGOCSPX-[\w-]{20,}|\b1//0[\w-]{30,}"),
    "Groq key": (("gsk_",), r"\bgsk_[A-Za-z0-9]{30,}"),
    "Replicate token": (("r8_",), r"\br8_[A-Za-z0-9]{30,}"),
    "xAI key": (("xai-",), r"\bxai-[A-Za-z0-9]{30,}"),
    "Perplexity key": (("pplx-",), r"\bpplx-[A-Za-z0-9]{30,}"),
    "NVIDIA key": (("nvapi-",), r"\bnvapi-[\w-]{30,}"),
    "Voyage key": (("pa-",), r"\bpa-[A-Za-z0-9_-]{40,}"),
    "Pinecone key": (("pcsk_",), r"\bpcsk_\w{30,}"),
    "LangSmith key": (("lsv2_",), r"\blsv2_(?:pt|sk)_\w{30,}"),
    "Databricks token": (("dapi",), r"\bdapi[0-9a-f]{32}"),
    "GitHub token": (("github_pat_",), r"\bgithub_pat_\w{30,}"),
    "GitLab token": (
        ("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glsoat-", "gloas-"),
        r"\bgl(?:pat|dt|rt|cbt|ptt|ft|soat|oas)-[\w-]{20,}",
    ),
    "DigitalOcean token": (("_v1_",), r"\bdo[opr]_v1_[0-9a-f]{64}"),
    "Shopify token": (("shpat_", "shpca_", "shppa_", "shpss_"), r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    "HashiCorp Vault token": (("hvs.", "hvb.", "hvr."), r"\bhv[sbr]\.[\w-]{24,}"),
    "Stripe key": (
        ("k_live_", "k_test_", "whsec_"),
        r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|\bwhsec_[A-Za-z0-9+/=]{20,}",
    ),
    "Linear key": (("lin_api_", "lin_oauth_"), r"\blin_(?:api|oauth)_\w{30,}"),
    "Notion token": (("secret_", "ntn_"), r"\b(?:secret|ntn)_[A-Za-z0-9]{40,}"),
    "PostHog or Sentry token": (("phc_", "phx_", "sntrys_", "sntryu_"), r"\b(?:ph[cx]|sntrys|sntryu)_[\w+/=-]{30,}"),
    "Slack token": (("xox", "xapp-"), r"\bx(?:ox[a-z]|app)-[\w-]{10,}"),
    "New Relic key": (("NRAK-",), r"\bNRAK-[A-Z0-9]{27}"),
    "Postman key": (("PMAK-",), r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    "Atlassian token": (("ATATT3",), r"\bATATT3[\w=-]{30,}"),
    "age key": (("AGE-SECRET-KEY-1",), r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    "AWS session token": (
        ("IQoJb3JpZ2lu", "FwoGZXIvYXdz", "FQoGZXIvYXdz"),
        r"\b(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz)[A-Za-z0-9+/=_-]{20,}",
    ),
    "private key": (("PRIVATE KEY",), r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY"),
    "JSON Web Token": (("eyJ",), r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"),
    "encrypted JSON Web Token": (("eyJ",), r"\beyJ[\w-]{8,}\.[\w-]*\.[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"),
    "password hash": (
        ("$2", "$argon2", "$6$"),
        r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}|\$argon2(?:id?|d)\$v=\d+\$[^\s\"']+|\$6\$[^\s\"'$]+\$[./\w]{60,}",
    ),
    "user and password in a URL": (("@",), r"[a-z][a-z0-9+.-]{1,20}://[^/\s:@\"'<>?#]+:[^/\s@\"'<>?#]+@"),
}
"""The shapes of keys, by kind: what one cannot be without, which is quickly looked for, and the pattern of it."""
_HINTS: Final = tuple(dict.fromkeys(hint for hints, _ in _SHAPES.values() for hint in hints))
_OURS: Final = re.compile("|".join(f"(?P<_{number}>{shape})" for number, (_, shape) in enumerate(_SHAPES.values())))
_KINDS: Final = tuple(_SHAPES)
_UNUSED_PLUGINS: Final = frozenset(
    # They judge by entropy or by the words around, which names the redaction, or find what is no secret.
    {"Base64HighEntropyString", "HexHighEntropyString", "IPPublicDetector", "KeywordDetector"}
)
_SHORTEST_WORD: Final = 16
_WORDS: Final = re.compile(rf"[A-Za-z0-9+/_=-]{{{_SHORTEST_WORD},}}")
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
_NO_TEXTS: Final = frozenset({int, float, bool, type(None)})


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
    suspicions = _look_through("", _leaves("metadata", cassette.get("metadata") or {}))
    for number, interaction in enumerate(cassette["interactions"], 1):
        suspicions += numbered(suspicions_in(interaction), number)
    return [one for one in dict.fromkeys(suspicions) if one.fingerprint not in allowed]


def suspicions_in(interaction: Mapping[str, Any]) -> list[Suspicion]:
    """List the places of one interaction, which has no number yet, whose values look like secrets."""
    if _surely_none(_texts(interaction)):
        return []
    request = interaction["request"]
    return _look_through(f"({request['method']} {_path(request['uri'])}): ", _places(interaction))


def numbered(suspicions: Iterable[Suspicion], number: int) -> list[Suspicion]:
    """Say of which interaction the places are."""
    return [replace(one, place=f"interaction {number} {one.place}") for one in suspicions]


@cache
def fingerprint_of(secret: str) -> str:
    """Give what stands for a secret: 12 hexadecimal digits, made at a cost that makes guessing the secret slow.

    Example:
        >>> len(fingerprint_of("a secret"))
        12
    """
    return hashlib.scrypt(secret.encode("utf-8", "replace"), salt=b"mltask-fixtures", n=2**12, r=8, p=1, dklen=6).hex()


# ------------------------------------------------------------------------------------------------------------- places


def _places(interaction: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give every text of an interaction with its field."""
    request, response = interaction["request"], interaction["response"]
    yield "request.uri", request["uri"]
    yield "response.status.message", str(response["status"].get("message") or "")
    for side, message in (("request", request), ("response", response)):
        yield from _leaves(f"{side}.headers", message["headers"])
        yield from _leaves(f"{side}.body", _read(message["body"]))


def _texts(interaction: Mapping[str, Any]) -> set[str]:
    """Give the same texts, without their fields."""
    request, response = interaction["request"], interaction["response"]
    texts = {request["uri"], str(response["status"].get("message") or "")}
    for message in (request, response):
        _add(message["headers"], texts)
        _add(_read(message["body"]), texts)
    return texts


def _path(uri: str) -> str:
    try:
        return urlsplit(uri).path or "/"
    except ValueError:
        return ""


def _read(body: Any) -> Any:
    """Give the values of a body of JSON, else its text."""
    raw: bytes | str | None = body["string"] if isinstance(body, dict) else body
    if not raw:
        return None
    try:
        text = raw if isinstance(raw, str) else raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # type: ignore[union-attr]
    read = our_format.json_of(text)
    return read[1] if read else text


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


def _add(value: Any, texts: set[str]) -> None:
    """Add the texts that `_leaves` gives."""
    if isinstance(value, str):
        texts.add(value)
    elif isinstance(value, (dict, list, tuple)):
        if isinstance(value, dict):
            texts.update(map(str, value))
        for item in value.values() if isinstance(value, dict) else value:
            if type(item) is str:
                texts.add(item)
            elif type(item) not in _NO_TEXTS:
                _add(item, texts)


# ------------------------------------------------------------------------------------------------------------ secrets

_RANDOM: Final = "long random word"
_TASK: Final = re.compile(rf"(?<=/_plugins/_ml/tasks/){_ID.pattern}(?![A-Za-z0-9_-])")
_MOST_REMEMBERED: Final = 20_000
_harmless: Final[set[str]] = set()
"""Texts in which nothing was found; the same ones come in every poll."""


def _surely_none(texts: set[str]) -> bool:
    """Tell quickly that nothing in these texts looks like a secret; no says nothing."""
    new = [text for text in texts - _harmless if len(text) >= _SHORTEST and text != REDACTED]
    if not new:
        return True
    joined = "\n".join(new)
    if any(map(joined.__contains__, _HINTS)) or any(True for text in new for _ in _random_words(text)):
        return False
    # What a plugin finds in an id is none, so what is left of a poll's texts without the ids is always the same.
    shown = {_TASK.sub("ID", text) for text in new if not _ID.fullmatch(text)} - _harmless
    if shown and _worth_a_look(shown):
        return False
    if len(_harmless) > _MOST_REMEMBERED:
        _harmless.clear()
    _harmless.update(new, shown)
    return True


def _look_through(place: str, fields: Iterable[tuple[str, str]]) -> list[Suspicion]:
    fields = [(field, text) for field, text in fields if len(text) >= _SHORTEST and text != REDACTED]
    looks = _worth_a_look({text for _, text in fields})
    found: dict[tuple[str, str], Suspicion] = {}
    for field, text in fields:
        for kind, secret in _secrets_in(text, looks):
            if kind == _RANDOM and _LONG_IDS.fullmatch(field):
                continue
            fingerprint = fingerprint_of(secret)
            where = f"{place}{field}".replace(secret, "…")
            found.setdefault((where, fingerprint), Suspicion(where, kind, fingerprint))
    return list(found.values())


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
            if len(part) < _SHORTEST_WORD:
                continue
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
