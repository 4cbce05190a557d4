"""The headers of an answer: what its server says, or nothing at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltask_fixtures import DIALECTS, TaskFactory, TaskState, TaskType
from mltask_fixtures.contract import check_exchange
from mltask_fixtures.contract.agree import surely_agrees
from mltask_fixtures.contract.headers import check_headers

JSON = "application/json; charset=UTF-8"
V3 = "OpenSearch/3.6.0 (opensearch)"
BODY = TaskFactory(seed=1, dialect="3.6").build(TaskType.TRAINING, TaskState.CREATED).model_dump_json().encode()
PATH = "/_plugins/_ml/tasks/x"
VERSION, KIND = "X-OpenSearch-Version", "content-type"

FINE = {
    "as it is": {VERSION: V3, KIND: JSON, "content-length": "7"},
    "a patch of the line": {VERSION: "OpenSearch/3.6.12 (opensearch)"},
    "newer than the newest line": {VERSION: "OpenSearch/3.9.0 (opensearch)"},
    "not released": {VERSION: "OpenSearch/3.6.0-rc1-SNAPSHOT (opensearch)"},
    "other letters in the names": {"x-opensearch-version": V3, "Content-Type": "application/json;charset=utf-8"},
    "none": {},
    "none but others": {"x-cache": "MISS", "via": "1.1 proxy"},
    "yaml was asked for": {KIND: "application/yaml"},
}
REDACTED = [
    "REDACTED",
    "**REDACTED**",
    "<redacted>",
    "[FILTERED]",
    "OpenSearch/x.y.z (opensearch)",
    "***",
    "",
    "removed",
]
WRONG = {
    "another line": {VERSION: "OpenSearch/3.5.0 (opensearch)"},
    "a line that sends none": {VERSION: "OpenSearch/2.19.1 (opensearch)"},
    "a version that there is not": {VERSION: "OpenSearch/0.1.0 (opensearch)"},
    "the bare version": {VERSION: "3.6.0"},
    "no distribution": {VERSION: "OpenSearch/3.6.0"},
    "another product": {VERSION: "Elasticsearch/8.11.0 (default)"},
    "no version": {VERSION: "nonsense"},
    "another case": {VERSION: "opensearch/3.6.0 (opensearch)"},
    "no charset": {KIND: "application/json"},
    "another charset": {KIND: "application/json; charset=ISO-8859-1"},
    "a type of Elasticsearch": {KIND: "application/vnd.elasticsearch+json;compatible-with=8"},
    "a page": {KIND: "text/html; charset=UTF-8"},
    "plain text": {KIND: "text/plain; charset=UTF-8"},
}


def exchange(headers, body=BODY, status=200, path=PATH, method="GET", **options):
    return check_exchange(method, path, status, headers, body, **{"dialect": "3.6", **options})


@pytest.mark.parametrize("case", FINE)
def test_what_a_server_says_is_fine(case):
    """So is what is not there, and what only looks otherwise to who does not read HTTP."""
    assert [finding for finding in exchange(FINE[case]) if finding.code == "wrong_header"] == []


@pytest.mark.parametrize("word", REDACTED)
@pytest.mark.parametrize("name", [VERSION, KIND])
def test_a_word_in_place_of_a_value_is_no_fault(name, word):
    """Whoever records may filter what he likes."""
    assert list(check_headers({name: word}, DIALECTS["3.6"])) == []
    assert list(check_headers({name: word}, DIALECTS["documented"])) == []


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize(
    ("status", "body"), [(200, BODY), (404, DIALECTS["3.6"].unknown_task.body())], ids=["task", "unknown id"]
)
def test_what_no_server_says_is_found(case, status, body):
    """The finding names the header, what it says, and what it should, also where the task itself is as it should be."""
    (name, value), *_ = WRONG[case].items()
    found = [one for one in exchange({KIND: JSON, VERSION: V3, **WRONG[case]}, body, status) if one.field != "error"]
    assert [(one.code, one.field) for one in found] == [("wrong_header", f"headers.{name}")]
    assert value in found[0].seen


def test_a_finding_reads_as_a_sentence():
    """Header, what was seen, what was expected."""
    header = {VERSION: "OpenSearch/3.5.0 (opensearch)", KIND: "application/json"}
    version, kind = map(str, exchange(header))
    assert version == (
        'headers.X-OpenSearch-Version is "OpenSearch/3.5.0 (opensearch)"; '
        "the answer is held to what a 3.6 server says [wrong_header]"
    )
    assert kind == (
        'headers.content-type is "application/json"; a 3.6 server says "application/json; charset=UTF-8" [wrong_header]'
    )


@pytest.mark.parametrize("line", DIALECTS)
def test_each_line_has_its_own_version_header(line):
    """Sent since 3.0, never before; the documentation says nothing of it."""
    own = DIALECTS[line].headers()
    assert list(check_headers(own, DIALECTS[line])) == []
    assert (VERSION in own) is (line[0] == "3")
    for other in DIALECTS:
        wrong = [one.field for one in check_headers(DIALECTS[other].headers(), DIALECTS[line])]
        assert bool(wrong) is (other[0] == "3" and line not in (other, "documented"))


def test_a_server_may_be_newer_than_the_task_that_it_shows():
    """Then the headers are held to the server, the body to the dialect."""
    task = TaskFactory(seed=1, dialect="2.5").build(TaskType.UPLOAD_MODEL, TaskState.CREATED).model_dump_json().encode()
    assert exchange({VERSION: V3, KIND: JSON}, task, dialect="2.5", server=DIALECTS["3.6"]) == []
    assert [one.code for one in exchange({VERSION: V3, KIND: JSON}, task, dialect="2.5")] == ["wrong_header"]


PAGE = b"<html><head><title>502 Bad Gateway</title></head></html>"
OTHERS = {
    "a proxy's page": (PATH, 502, {KIND: "text/html"}, PAGE, []),
    "a proxy's page, no headers": (PATH, 502, {}, PAGE, []),
    "a way to log in": (PATH, 302, {KIND: "text/html"}, PAGE, []),
    "no credentials": (PATH, 401, {KIND: "text/plain; charset=UTF-8", VERSION: V3}, b"Unauthorized", []),
    "no credentials, another version": (PATH, 401, {VERSION: "OpenSearch/3.0.0 (opensearch)"}, b"Unauthorized", ["wrong_header"]),
    "a page for a task": (PATH, 200, {KIND: "text/html"}, PAGE, ["not_json", "wrong_header"]),
    "a page for a task, no headers": (PATH, 200, {}, PAGE, ["not_json"]),
    "a page that says that it is JSON": (PATH, 502, {KIND: JSON}, PAGE, ["not_json"]),
    "a page for a search": ("/_plugins/_ml/tasks/_search", 200, {KIND: "image/png"}, b"\x89PNG", ["encoding", "wrong_header"]),
    "a stream": ("/_plugins/_ml/models/x/_predict/stream", 200, {KIND: "text/event-stream"}, b"data: {}", []),
    "a list of names": ("/_cat/indices", 200, {KIND: "text/plain; charset=UTF-8"}, b"[green] a", []),
    "nothing": (PATH, 200, {KIND: "text/plain; charset=UTF-8"}, b"", []),
    "yaml": (PATH, 200, {KIND: "application/yaml"}, b"---\nstate: CREATED\n", []),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_no_json_is_judged_where_only_json_can_be(case):
    """An answer of the task API is JSON; what a proxy says in its place, and other routes, is left alone."""
    path, status, headers, body, expected = OTHERS[case]
    assert sorted(one.code for one in exchange(headers, body, status, path)) == expected
    unknown_server = exchange(headers, body, status, path, dialect=None)
    assert sorted(one.code for one in unknown_server) == [code for code in expected if code != "wrong_header"]


_HEADERS = st.dictionaries(
    st.sampled_from([VERSION, VERSION.lower(), KIND, "Content-Type", "content-length", "warning"]),
    st.sampled_from([V3, JSON, "REDACTED", "7", *(value for case in WRONG.values() for value in case.values())])
    | st.text(max_size=12)
    | st.builds("OpenSearch/{}.{}.{} (opensearch)".format, *[st.integers(0, 20)] * 3),
)


@settings(max_examples=400, deadline=None)
@given(_HEADERS, st.sampled_from([*DIALECTS]), st.sampled_from([None, *DIALECTS]))
def test_a_quick_yes_is_never_wrong(headers, name, server):
    """Whatever the headers: the quick way, asked twice, says yes exactly where the words find nothing."""
    rules, answered_by = DIALECTS[name], DIALECTS[server] if server else None
    task = TaskFactory(seed=1, dialect=name).build(*rules.pairs()[0]).model_dump_json().encode()
    wrong = list(check_headers(headers, answered_by or rules))
    for _ in range(2):
        if surely_agrees(task, rules):
            assert surely_agrees(task, rules, None, headers, answered_by) is not bool(wrong)
