"""What is removed from every recording, always: credentials in headers, URLs and bodies, on both sides.

A name decides where there is one: of a header, a JSON key, a query or form parameter. Elsewhere the text decides: an
authorization scheme, a user in a URL, a private key. Redacting twice is redacting once, and JSON stays JSON.
"""

from __future__ import annotations

import binascii
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote_plus, urlsplit, urlunsplit

from mltask_fixtures.cassette import format as our_format

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REDACTED: Final = "REDACTED"

_HEADERS: Final = frozenset({"x-tenant-id"})
_COOKIES: Final = {"cookie": 0, "set-cookie": 1}
"""The headers of cookies, and how many pairs in a text are cookies: all, or the first, before the attributes."""
_COOKIE: Final = re.compile(r"([^=;\s]+)=[^;]*")
"""Headers whose names do not sound like a secret."""

_STRONG: Final = (
    r"authorization|pass_?word|passwd|pass_?phrase|pwd|secret|bearer|"
    r"(api|access|secret|private|account|shared|encryption|signing|master|auth|service|client|subscription|storage|db)"
    r"_?key|(open_?ai|cohere|anthropic|claude|bedrock|sage_?maker|azure|gemini|mistral|hugging_?face|hf|voyage|jina|"
    r"deep_?seek|groq|together|replicate|aleph_?alpha|watsonx?|titan|vertex)_?(key|token)"
)
_SECRET: Final = re.compile(
    rf"(.*_)?({_STRONG}|auth|(?<!_per_)token|jwt|credentials?|signature|sig|sas|cookie|session_id|connection_string)"
    r"(_id|_value|_text|_base64|_b64)?s?"
)
_IN_PROSE: Final = re.compile(rf"(.*_)?({_STRONG})")
"""Names after which even a colon in running text is followed by a secret."""
_NO_SECRET: Final = re.compile(
    # What a tokenizer and a paging API call a token, and counts of tokens.
    r"(.*_)?(pad|cls|sep|bos|eos|unk|mask|stop|special|next|page|paging|pagination|continuation|start|end|first|last|"
    r"current|previous|word|sub|max|min|total|num|prompt|input|output|completion|max_new|generated|per|image)_tokens?"
    r"|tokens|(.*_)?token_ids?|(.*_)?auth_(type|method|scheme|url|uri)"
)
_PLACEHOLDER: Final = re.compile(r"\$\{[^{}]*\}")
_SCHEMES: Final = re.compile(r"(?i)\b(bearer|basic|apikey|token)\b")

_BASIC: Final = re.compile(r"(?i)\b(basic)(\s+)([A-Za-z0-9+/_-]{4,}={0,2})")
_BEARER: Final = re.compile(
    r"(?i)\b(bearer|apikey|negotiate|ntlm|aws4-hmac-sha256|splunk|token)(\s+)((?!credential=)[A-Za-z0-9+/=._~:-]{6,})"
)
_AUTHORIZATION: Final = re.compile(r"""(?i)\b((?:proxy-)?authorization\\?["']?\s*[:=]\s*\\?["']?)([^\r\n"',;\\]+)""")
_AWS: Final = re.compile(r"(?i)\b(credential|signature)(=)([A-Za-z0-9/+=_-]{8,})")
_USERINFO: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}://)[^/\s@\"'<>?#]+@")
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY[A-Z ]*)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)
_BCRYPT: Final = re.compile(r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}")
_PAIR: Final = re.compile(
    r"""(?<![\w.%-])(?P<name>[A-Za-z-][\w.%-]{1,80})(?P<between>\\?["']?\s{0,3}(?P<sign>=>|[=:])(?!//)\s{0,3})"""
    r"""(?:(?P<quote>\\?["'])(?P<quoted>(?:(?!(?P=quote)).)*)(?P=quote)|(?P<bare>[^\s"'&,;<>\\{}()\[\]]+))"""
)
_SAYS_SOMETHING: Final = re.compile(r"[\s=:$\"{\[]")
"""One of these is in every text that hides a secret: none has the form of a plain word."""
_PART: Final = re.compile(r'(\bname="([^"\r\n]+)"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n)(.*?)(?=\r\n--)', re.DOTALL)


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Tell whether a name says that its value is a secret.

    Example:
        >>> is_secret("openAI_key"), is_secret("X-Amz-Security-Token"), is_secret("total_tokens"), is_secret("task_id")
        (True, True, False, False)
    """
    plain = _plain(name)
    return bool(_SECRET.fullmatch(plain)) and not _NO_SECRET.fullmatch(plain)


@lru_cache(maxsize=4096)
def _is_secret_in_prose(name: str) -> bool:
    return bool(_IN_PROSE.fullmatch(_plain(name)))


def _plain(name: str) -> str:
    """One spelling for `secretAccessKey`, `secret-access-key` and `aws.secret_access_key`."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[:200]).lower()).strip("_")


def redact_uri(uri: str) -> str:
    """Remove user, password and secret parameters from a URL.

    Example:
        >>> redact_uri("http://me:secret@host:9200/_search?pretty&api_key=abc")
        'http://host:9200/_search?pretty&api_key=REDACTED'
    """
    if "@" not in uri and "?" not in uri:
        return uri
    try:
        parts = urlsplit(uri)
    except ValueError:
        return redact_text(uri)
    pairs = (pair.partition("=") for pair in parts.query.split("&"))
    query = "&".join(f"{name}{equals}{_parameter(name, value)}" for name, equals, value in pairs)
    netloc = parts.netloc.rpartition("@")[2]
    if netloc == parts.netloc and query == parts.query:
        return uri
    return urlunsplit(parts._replace(netloc=netloc, query=query))


def _parameter(name: str, value: str) -> str:
    if is_secret(unquote_plus(name)):
        return REDACTED if value else value
    text = unquote_plus(value)
    redacted = _in_string(text)
    return value if redacted == text else quote(redacted)


def redact_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Replace what headers carry of credentials; a value is a text or a list of texts.

    Example:
        >>> redact_headers({"Authorization": ["Basic bWU6c2VjcmV0"], "accept": "*/*"})
        {'Authorization': ['REDACTED'], 'accept': '*/*'}
    """
    return {
        name: [_header(name, one) for one in value] if isinstance(value, (list, tuple)) else _header(name, value)
        for name, value in headers.items()
    }


@lru_cache(maxsize=1024)
def _header(name: str, value: Any) -> str:
    """Redact one value; the same ones come in every poll."""
    return _hiding(name.lower())(value.decode("latin-1") if isinstance(value, bytes) else str(value))


def _hiding(name: str) -> Callable[[str], str]:
    """Give what hides the secrets in a header of this name; of cookies, the names stay."""
    if name in _COOKIES:
        return lambda text: _COOKIE.sub(rf"\1={REDACTED}", text, count=_COOKIES[name]) if "=" in text else REDACTED
    return (lambda _: REDACTED) if name in _HEADERS or is_secret(name) else redact_text


def redact_body(body: bytes) -> bytes:
    """Remove secrets from a body: from JSON and forms by name, from any text by what it says.

    Example:
        >>> redact_body(b'{"credential":{"access_key":"AKIA"},"parameters":{"model":"x"}}')
        b'{"credential":{"access_key":"REDACTED"},"parameters":{"model":"x"}}'
    """
    try:
        return _in_string(body.decode()).encode()
    except UnicodeDecodeError:
        return redact_text(body.decode("latin-1")).encode("latin-1")


def redact_values(value: Any) -> Any:
    """Remove secrets from JSON values, by key and by value.

    Example:
        >>> redact_values({"password": "x", "note": "Authorization: Bearer abc.def-123"})
        {'password': 'REDACTED', 'note': 'Authorization: REDACTED'}
    """
    if isinstance(value, dict):
        # A piece of analysed text is called a token, too.
        analysed = "start_offset" in value
        return {
            key: _in_secret(key, item) if is_secret(key) and not (analysed and key == "token") else redact_values(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [redact_values(item) for item in value]
    return _in_string(value) if isinstance(value, str) else value


def _in_secret(key: str, value: Any) -> Any:
    """Redact everything under a secret's name, but neither switches, nor numbers unless they may be a password."""
    if isinstance(value, dict):
        return {name: _in_secret(name if is_secret(name) else key, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_in_secret(key, item) for item in value]
    if isinstance(value, str):
        return REDACTED if _says_more_than_where(value) else value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return REDACTED if is_number and re.search("(?i)pass|pwd|secret", key) else value


def _says_more_than_where(text: str) -> bool:
    """Tell whether a value is more than `Bearer ${credential.key}`, which only says where the secret is."""
    return bool(_SCHEMES.sub("", _PLACEHOLDER.sub("", text)).strip(" :"))


def _in_string(text: str) -> str:
    """Redact a text that may be JSON, or JSON lines."""
    if not _SAYS_SOMETHING.search(text):
        return text
    if text[:1] not in ("{", "[") and text[:64].lstrip()[:1] not in ("{", "["):
        return redact_text(text)
    if read := our_format.json_of(text):
        key, value, writer = read
        redacted = redact_values(value)
        return text if redacted == value else our_format.write_json(key, redacted, writer) or REDACTED
    try:
        value = json.loads(text)
        redacted = redact_values(value)
        if redacted != value:
            text = our_format.WRITERS["compact"](redacted)
    except (ValueError, RecursionError):
        pass
    # It is damaged, or says a key twice; so the text is looked at in any case.
    return redact_text(text)


def redact_text(text: str) -> str:
    """Remove what reads like a credential from any text, and leave the rest as it is.

    Example:
        >>> redact_text("curl -u https://me:pw@host/?api_key=abc # a basic model")
        'curl -u https://host/?api_key=REDACTED # a basic model'
    """
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(REDACTED, text)
    if "://" in text:
        text = _USERINFO.sub(r"\1", text)
    if "$2" in text:
        text = _BCRYPT.sub(REDACTED, text)
    if 'name="' in text:
        text = _PART.sub(lambda part: part[1] + (REDACTED if is_secret(part[2]) else part[3]), text)
    if "=" in text or ":" in text:
        text = _AUTHORIZATION.sub(
            lambda found: found[1] + (REDACTED if _says_more_than_where(found[2]) else found[2]), text
        )
        text = _AWS.sub(rf"\1\2{REDACTED}", text)
        text = _PAIR.sub(_pair, text)
    if " " in text:
        text = _BASIC.sub(lambda found: _unless(is_user_and_password(found[3]), found), text)
        text = _BEARER.sub(lambda found: _unless(_is_no_word(found[3]), found), text)
    return text


def _unless(secret: bool, found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}{REDACTED}" if secret else found[0]


def _is_no_word(text: str) -> bool:
    """Tell a token from the next word of a sentence: `Bearer abc-123`, but `bearer authentication`."""
    plain_word = 20
    return bool(re.search(r"[0-9+/=_~]|[.:-]\w", text)) or len(text) >= plain_word


def is_user_and_password(text: str) -> bool:
    """Tell whether a text is base64 of `user:password`.

    Example:
        >>> is_user_and_password("bWU6c2VjcmV0"), is_user_and_password("tokenizer")
        (True, False)
    """
    try:
        plain = text.replace("-", "+").replace("_", "/")
        raw = binascii.a2b_base64(plain + "=" * (-len(text) % 4), strict_mode=True)
        decoded = raw.decode()
    except (ValueError, UnicodeDecodeError):
        return False
    return decoded.isprintable() and bool(re.fullmatch(r"[^:\s]+:\S.*", decoded))


def _pair(pair: re.Match[str]) -> str:
    """Redact the value of `name=value`, `name: value` and `"name": "value"` if the name says that it is a secret."""
    name, quoted = pair["name"], pair["quote"]
    value = pair["quoted"] if quoted is not None else pair["bare"]
    in_prose = pair["sign"] == ":" and not quoted
    secret = _is_secret_in_prose(name) if in_prose else is_secret(unquote_plus(name))
    if not secret or not _says_more_than_where(value) or value == REDACTED:
        return _within(pair, value) if quoted else pair[0]
    rest = pair.string[pair.end() : pair.end() + 1]
    if in_prose and (rest == "(" or value.startswith(("[", "null"))):
        return pair[0]
    mark = quoted or ""
    return f"{name}{pair['between']}{mark}{REDACTED}{mark}"


def _within(pair: re.Match[str], value: str) -> str:
    """Look once more into a quoted value, which may itself hold pairs."""
    if "=" not in value and ":" not in value:
        return pair[0]
    mark = pair["quote"]
    return f"{pair['name']}{pair['between']}{mark}{_PAIR.sub(_pair, value)}{mark}"
