"""The answers around a task: errors, search hits, deletions, and the bodies that start tasks.

Each model states what every recorded answer of its route has; servers may add keys to the open ones.
Sources: `BytesRestResponse` and `OpenSearchException` of the OpenSearch core; the REST actions of ML Commons.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mltask_fixtures.contract.agree import headers_agree, surely_agrees
from mltask_fixtures.contract.check import InvalidTaskError, check, parse_task
from mltask_fixtures.contract.dialect import DIALECTS, Dialect
from mltask_fixtures.contract.headers import CONTENT_TYPE, check_headers
from mltask_fixtures.contract.reading import UNREADABLE, Finding, read, show

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, strict=True, defer_build=True)


class Cause(_Open):
    """One cause inside an error answer; breakers and shards add keys of their own."""

    type: str
    reason: str | None


class Failure(Cause):
    """What went wrong, with its root causes."""

    root_cause: list[Cause] | None = None
    caused_by: Cause | None = None


class ErrorResponse(_Open):
    """An error in OpenSearch's envelope, or the bare text of an unknown route or method."""

    error: Failure | str
    status: int | None = Field(default=None, ge=400, le=599)


class TaskStarted(_Open):
    """What starts a task answers: the id to poll."""

    task_id: str = Field(min_length=1)
    status: str
    task_type: str | None = None
    model_id: str | None = None
    remote_job: dict[str, Any] | None = None
    response: dict[str, Any] | None = None


class ModelTrained(_Open):
    """What a synchronous training answers: the model, no task."""

    model_id: str
    status: str


class Cancelled(_Open):
    """What cancelling a batch job answers; the state follows with a later poll."""

    status: str


class Shards(_Open):
    """How many shards took part."""

    total: int
    successful: int
    failed: int


class TaskDeleted(_Open):
    """What deleting a task answers."""

    index: str = Field(alias="_index")
    id: str = Field(alias="_id")
    version: int = Field(alias="_version")
    result: str
    shards: Shards = Field(alias="_shards")
    seq_no: int = Field(alias="_seq_no")
    primary_term: int = Field(alias="_primary_term")


class Hit(_Open):
    """One task that a search found; its source has the keys in the stored document's order."""

    index: str = Field(alias="_index")
    id: str = Field(alias="_id")
    version: int = Field(alias="_version")
    seq_no: int = Field(alias="_seq_no")
    primary_term: int = Field(alias="_primary_term")
    source: dict[str, Any] = Field(alias="_source")


class Hits(_Open):
    """The tasks that a search found."""

    total: dict[str, Any]
    hits: list[Hit]


class SearchResponse(_Open):
    """What a search for tasks answers."""

    took: int
    timed_out: bool
    shards: Shards = Field(alias="_shards")
    hits: Hits


class NodeProfile(_Open):
    """What one node holds in memory: the tasks that run, each by its id, and the deployed models."""

    tasks: dict[str, dict[str, Any]] | None = None
    models: dict[str, Any] | None = None


class Profile(_Open):
    """What the profile answers; it is empty while nothing runs."""

    nodes: dict[str, NodeProfile] | None = None


_TASK = "/_plugins/_ml/tasks/(?!_search$)(?P<task_id>[^/]+)/?"
_QUICK = re.compile(_TASK.replace("[^/]", "[A-Za-z0-9_-]"))


@dataclass(frozen=True)
class _Route:
    method: str
    path: str
    model: type[BaseModel] | Literal["task"]


_ROUTES = (
    _Route("GET", _TASK, "task"),
    _Route("DELETE", r"/_plugins/_ml/tasks/[^/]+", TaskDeleted),
    _Route("GET|POST", r"/_plugins/_ml/tasks/_search", SearchResponse),
    _Route("POST", r"/_plugins/_ml/tasks/[^/]+/(_cancel|_cancel_batch)", Cancelled),
    _Route("POST", r"/_plugins/_ml/models/(_register|_upload)", TaskStarted),
    _Route("POST", r"/_plugins/_ml/models/[^/]+/(_deploy|_load|_batch_predict)", TaskStarted),
    _Route("POST", r"/_plugins/_ml/_batch_ingestion", TaskStarted),
    _Route("POST", r"/_plugins/_ml/_train/[^/]+", TaskStarted),
    _Route("GET", r"/_plugins/_ml/profile(/(tasks|models)(/[^/]+)?)?", Profile),
)
_OK, _REDIRECTED, _FIRST_ERROR = 200, 300, 400
_JSON = "application/json"
_ML = re.compile(r"/_plugins/_ml/")
_RESHAPED = re.compile(r"(^|&)(format|filter_path|pretty)(=|&|$)")


def check_exchange(
    method: str,
    path: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    dialect: Dialect | str | None,
    server: Dialect | None = None,
) -> list[Finding]:
    """List everything in which one answer disagrees with the contract.

    Routes of other parts of OpenSearch are held to nothing but being readable where they say that they are JSON. The
    page of a proxy before the server, which is an error and no JSON, is left alone.

    Args:
        method: of the request.
        path: of the request's URL, with its query.
        status: of the answer.
        headers: of the answer; one that is not there is no fault.
        body: of the answer, after its content encoding was undone.
        dialect: of the server that answered; None where it is not known: then the models alone judge.
        server: to hold the headers to, where the task is older than the server that shows it.

    Example:
        >>> [finding.code for finding in check_exchange(
        ...     "GET", "/_plugins/_ml/tasks/MsBi1YsB0jLkkocYjD5f", 200, {}, b'{"state":', dialect="3.6")]
        ['not_json']
    """
    rules = DIALECTS[dialect] if isinstance(dialect, str) else dialect
    answered_by = server or rules
    poll = _QUICK.fullmatch(path) if status == _OK and method == "GET" and rules is not None else None
    if poll and rules and surely_agrees(body, rules, poll["task_id"], headers, server):
        return []
    url = urlsplit(path)
    media = next((value for name, value in headers.items() if name.lower() == CONTENT_TYPE), "")
    media = media.partition(";")[0].strip().lower()
    is_bare = method == "HEAD" or not body
    looks_like_json = body[:64].lstrip()[:1] in (b"{", b"[")
    if not _ML.match(url.path):
        says_json = media == _JSON or (looks_like_json and not media)
        return read(body)[1] if says_json and not (is_bare or _RESHAPED.search(url.query)) else []
    route, task_id = _route(method, url.path)
    is_other_form = media in Dialect.other_content_types
    is_done = route is not None and _OK <= status < _REDIRECTED
    is_page = not (is_bare or media == _JSON or looks_like_json or is_other_form or is_done)
    if is_bare or is_page:
        headers = {name: value for name, value in headers.items() if name.lower() != CONTENT_TYPE}
    findings = []
    if answered_by and not headers_agree(headers, answered_by):
        findings = list(check_headers(headers, answered_by))
    if is_bare or is_page or is_other_form or _RESHAPED.search(url.query):
        return findings
    return findings + _body(route, task_id, status, body, rules)


def _body(route: _Route | None, task_id: str | None, status: int, body: bytes, rules: Dialect | None) -> list[Finding]:
    if status >= _FIRST_ERROR:
        return _error_answer(route, status, body, rules)
    if route is None:
        return read(body)[1]
    if route.model == "task":
        return _task(body, rules, task_id)
    return _answer(route.model, body, rules)


def _route(method: str, path: str) -> tuple[_Route | None, str | None]:
    for route in _ROUTES:
        match = re.fullmatch(route.path, path)
        if match and method in route.method.split("|"):
            return route, unquote(match.groupdict().get("task_id") or "") or None
    return None, None


def _task(body: bytes, rules: Dialect | None, task_id: str | None) -> list[Finding]:
    return _of_the_model(body) if rules is None else check(body, rules, task_id=task_id)


def _of_the_model(body: bytes | Mapping[str, Any]) -> list[Finding]:
    try:
        parse_task(body)
    except InvalidTaskError as error:
        return error.findings
    return []


def _answer(model: type[BaseModel], body: bytes, rules: Dialect | None) -> list[Finding]:
    values, findings = read(body)
    if findings or values is UNREADABLE:
        return findings
    if model is TaskStarted and isinstance(values, dict) and "task_id" not in values:
        model = ModelTrained
    try:
        answer = model.model_validate(values)
    except ValidationError as error:
        return [_misfit(model, more) for more in error.errors(include_url=False)]
    if isinstance(answer, SearchResponse) and rules is not None:
        return [
            Finding(finding.code, f"hits.hits.{number}._source.{finding.field}", finding.seen, finding.rule)
            for number, hit in enumerate(answer.hits.hits)
            for finding in check(hit.source, rules, surface="search_source", task_id=hit.id)
        ]
    if isinstance(answer, Profile):  # memory has states that no dialect shows
        return [
            Finding(finding.code, f"nodes.{node}.tasks.{task_id}.{finding.field}", finding.seen, finding.rule)
            for node, held in (answer.nodes or {}).items()
            for task_id, task in (held.tasks or {}).items()
            for finding in _of_the_model(task)
        ]
    return []


def _misfit(model: type[BaseModel], error: Any) -> Finding:
    where = ".".join(map(str, error["loc"])) or "body"
    seen = "missing" if error["type"] == "missing" else show(error["input"])
    return Finding("wrong_answer", where, seen, f"{(model.__doc__ or '').splitlines()[0].rstrip('.')}: {error['msg']}")


def _error_answer(route: _Route | None, status: int, body: bytes, rules: Dialect | None) -> list[Finding]:
    findings = _answer(ErrorResponse, body, None)
    if findings or rules is None or route is None or route.model not in ("task", TaskDeleted):
        return findings
    failure = json.loads(body)["error"]
    expected = rules.unknown_task if route.model == "task" else rules.unknown_task_deleted
    if isinstance(failure, dict) and re.fullmatch(r"Fail(ed)? to find task", str(failure["reason"])):
        said = (status, failure["type"], failure["reason"])
        if said != (expected.status, expected.type, expected.reason):
            rule = f"a {rules.name} server answers {expected.status} {expected.type}: {expected.reason}"
            return [Finding("wrong_answer", "error", f"{said[0]} {said[1]}: {said[2]}", rule)]
    return []
