"""The table: names, lines, and what each line changed."""

from __future__ import annotations

import warnings

import pytest

from mltask_fixtures.contract import (
    DIALECTS,
    FunctionName,
    NewerServerWarning,
    TaskState,
    TaskType,
    UnknownDialectError,
)

T, S = TaskType, TaskState
LINES = ["1.3", "2.4", "2.5", "2.7", "2.9", "2.12", "2.17", "2.19", "3.0", "3.2", "3.6"]


def test_the_names():
    """The documentation comes first, then the server lines from old to new."""
    assert list(DIALECTS) == ["documented", *LINES]


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("1.3.20", "1.3"), ("2.0.0", "1.3"), ("2.4.1", "2.4"), ("2.6.0", "2.5"), ("2.8.0", "2.7"), ("2.11.1", "2.9"),
        ("2.12.0", "2.12"), ("2.16.0", "2.12"), ("2.17.0", "2.17"), ("2.18.0", "2.17"), ("2.19.1", "2.19"),
        ("2.19.6", "2.19"), ("3.0.0", "3.0"), ("3.1.0", "3.0"), ("3.5.0", "3.2"), ("3.6.0", "3.6"), ("3.6.9", "3.6"),
        ("3.x", "3.6"), ("2.x", "2.19"), ("3.6.0-SNAPSHOT", "3.6"), ("2.19-SNAPSHOT", "2.19"),
    ],
)  # fmt: skip
def test_a_version_finds_the_line_that_covers_it(version, line):
    """A full version finds its line without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert DIALECTS[version].name == line


@pytest.mark.parametrize("version", ["3.7.0", "3.12.1", "4.0.0", "9.1"])
def test_a_newer_version_takes_the_newest_line_and_says_so(version):
    """An unknown newer server gets the newest rules, with a warning that names both."""
    with pytest.warns(NewerServerWarning, match=rf"OpenSearch {version} is newer .* the rules of 3\.6 are used"):
        assert DIALECTS[version].name == "3.6"


@pytest.mark.parametrize("name", ["", "2", "latest", "2.x.y.", "0.9", "1.2.4", "documentd", "../2.19", "2.19.1 "])
def test_an_unknown_name_is_an_error_that_lists_the_names(name):
    """What is no dialect is refused, and is not `in` the table."""
    assert name not in DIALECTS
    with pytest.raises(UnknownDialectError, match=r"documented, 1\.3, 2\.4"):
        DIALECTS[name]


def test_documented_shows_every_type_in_every_state():
    """The documentation knows eleven types in nine states each."""
    assert DIALECTS["documented"].pairs() == [(task_type, state) for task_type in TaskType for state in TaskState]


REACHABLE = {
    "1.3": {T.TRAINING: "CREATED RUNNING COMPLETED FAILED"},
    "2.4": {T.UPLOAD_MODEL: "CREATED COMPLETED FAILED", T.LOAD_MODEL: "CREATED RUNNING COMPLETED COMPLETED_WITH_ERROR FAILED"},
    "2.7": {T.REGISTER_MODEL: "CREATED COMPLETED FAILED", T.DEPLOY_MODEL: "CREATED RUNNING COMPLETED COMPLETED_WITH_ERROR FAILED"},
    "2.17": {T.BATCH_PREDICTION: "RUNNING COMPLETED CANCELLING CANCELLED EXPIRED", T.BATCH_INGEST: "CREATED COMPLETED FAILED"},
    "2.19": {T.BATCH_PREDICTION: "RUNNING COMPLETED CANCELLING CANCELLED EXPIRED FAILED", T.BATCH_INGEST: "CREATED COMPLETED FAILED"},
    "3.0": {T.AGENT_EXECUTION: "CREATED RUNNING COMPLETED FAILED"},
    "3.6": {T.BATCH_PREDICTION: "RUNNING COMPLETED CANCELLING CANCELLED EXPIRED FAILED", T.AGENT_EXECUTION: "CREATED RUNNING COMPLETED FAILED"},
}  # fmt: skip


@pytest.mark.parametrize("line", REACHABLE)
def test_reachable_states(line):
    """Each line shows exactly the states that its servers can be brought into."""
    shown = {task_type: " ".join(DIALECTS[line].kinds[task_type].states) for task_type in REACHABLE[line]}
    assert shown == REACHABLE[line]


@pytest.mark.parametrize(
    ("line", "absent"),
    [
        ("1.3", {T.UPLOAD_MODEL, T.REGISTER_MODEL}),
        ("2.5", {T.REGISTER_MODEL, T.DEPLOY_MODEL}),
        ("2.7", {T.UPLOAD_MODEL, T.LOAD_MODEL}),
        ("2.12", {T.BATCH_INGEST, T.BATCH_PREDICTION}),
        ("2.19", {T.AGENT_EXECUTION}),
        ("3.0", {T.BATCH_INGEST}),
    ],
)
def test_types_that_a_line_never_shows(line, absent):
    """A type is absent before it came and after it went; what lives in memory only is never shown."""
    assert not (absent | {T.PREDICTION, T.TRAINING_AND_PREDICTION, T.EXECUTION}) & set(DIALECTS[line].kinds)


def test_no_server_line_shows_unreachable():
    """UNREACHABLE is a word that no released server could be brought to write."""
    assert all((T.BATCH_PREDICTION, S.UNREACHABLE) not in DIALECTS[line].pairs() for line in LINES)


@pytest.mark.parametrize(
    ("line", "status", "error", "reason"),
    [
        ("2.7", 500, "m_l_resource_not_found_exception", "Fail to find task"),
        ("2.9", 404, "status_exception", "Fail to find task"),
        ("2.17", 404, "status_exception", "Fail to find task"),
        ("2.19", 404, "status_exception", "Failed to find task"),
        ("3.6", 404, "status_exception", "Failed to find task"),
    ],
)
def test_the_answer_for_an_unknown_id(line, status, error, reason):
    """Status, type and wording changed with 2.9 and 2.19."""
    answer = DIALECTS[line].unknown_task
    assert (answer.status, answer.type, answer.reason) == (status, error, reason)


def test_the_unknown_ids_body_byte_for_byte():
    """The 155 bytes that live 2.19.1 and 3.6.0 servers sent."""
    body = (
        b'{"error":{"root_cause":[{"type":"status_exception","reason":"Failed to find task"}],'
        b'"type":"status_exception","reason":"Failed to find task"},"status":404}'
    )
    assert DIALECTS["3.6"].unknown_task.body() == body
    assert len(body) == 155


def test_words_come_with_their_versions():
    """A line knows the function names up to its newest release and none of the next line's."""
    assert FunctionName.SPARSE_TOKENIZE in DIALECTS["2.9"].functions
    assert FunctionName.TEXT_SIMILARITY not in DIALECTS["2.9"].functions
    assert FunctionName.TOOL not in DIALECTS["3.0"].functions
    assert DIALECTS["3.6"].functions == frozenset(FunctionName)


def test_worker_node_became_a_list_with_2_5():
    """Text up to 2.4, a list from 2.5; the documentation shows both."""
    assert {line: DIALECTS[line].worker_node for line in ("2.4", "2.5", "documented")} == {
        "2.4": ("text",),
        "2.5": ("list",),
        "documented": ("list", "text"),
    }


def test_only_3_x_says_its_version_in_a_header():
    """X-OpenSearch-Version came with 3.0."""
    assert [line for line in LINES if DIALECTS[line].version_header] == ["3.0", "3.2", "3.6"]
