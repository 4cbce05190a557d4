"""Hold the headers of an answer to the server that gave it.

A header that is not there is no fault: who records may leave out what he likes, or put a word in its place. One that is
there says what its server says.

Sources: `DefaultRestChannel` of the OpenSearch core; answers of live 2.19.1 and 3.6.0 servers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mltask_fixtures.contract.dialect import DIALECTS
from mltask_fixtures.contract.reading import Finding, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mltask_fixtures.contract.dialect import Dialect

VERSION: Final = "x-opensearch-version"
CONTENT_TYPE: Final = "content-type"
_FORM: Final = re.compile(r"OpenSearch/(\d{1,3}\.\d{1,3}\.\d{1,9})(-[\w.-]+)? \([\w.-]+\)")
_LEFT_OUT: Final = re.compile(
    r"\W*|OpenSearch/\D*|[A-Z_\W]+|<\D*>|\[\D*\]|\{\D*\}"
    r"|\D*(?i:redact|filter|remov|hidden|mask|scrub|anonym|sanit|dummy|fake|placeholder)\D*"
)
"""What stands in place of a value that was filtered away: a mark or a word, and no version."""


def check_headers(headers: Mapping[str, str], rules: Dialect) -> Iterator[Finding]:
    """Go through what is wrong with the headers of an answer that is no page of a proxy.

    Args:
        headers: of the answer.
        rules: the dialect of the server.

    Example:
        >>> [str(finding) for finding in check_headers({"Content-Type": "text/html"}, DIALECTS["3.6"])]
        ['headers.Content-Type is "text/html"; a 3.6 server says "application/json; charset=UTF-8" [wrong_header]']
    """
    for name, value in headers.items():
        wrong = _RULES.get(name.lower())
        if wrong and not _LEFT_OUT.fullmatch(value) and (rule := wrong(value, rules)):
            yield Finding("wrong_header", f"headers.{name}", show(value), rule)


def _version(value: str, rules: Dialect) -> str:
    if rules.version_header is False:
        return f"a {rules.name} server does not send it"
    form = _FORM.fullmatch(value)
    if form is None:
        return f'it has the form "OpenSearch/{rules.name if rules.version_header else "x"}.0 (opensearch)"'
    if rules.version_header and DIALECTS.line_of(form[1]) != rules:
        return f"the answer is held to what a {rules.name} server says"
    return ""


def _content_type(value: str, rules: Dialect) -> str:
    said = _media(value)
    if said == _media(rules.content_type) or said in map(_media, rules.other_content_types):
        return ""
    return f'a {rules.name} server says "{rules.content_type}"'


def _media(value: str) -> tuple[str, ...]:
    """A media type with its parameters as HTTP compares them: case and white space do not matter."""
    first, *parameters = (part.strip().lower() for part in value.split(";"))
    return (first, *sorted(parameter.replace('"', "") for parameter in parameters if parameter))


_RULES: Final = {VERSION: _version, CONTENT_TYPE: _content_type}
