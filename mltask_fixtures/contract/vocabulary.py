"""The words of the task API, each with the release that brought it.

Source: `MLTaskType`, `MLTaskState`, `FunctionName` and `MLInputDataType` of ML Commons, read at its release tags.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class _Word(StrEnum):
    since: str
    """The first OpenSearch release that knows the word, such as `2.17.1`."""

    def __new__(cls, value: str, since: str = "") -> Self:
        word = str.__new__(cls, value)
        word._value_ = value
        word.since = since
        return word

    # A word is found wherever its text is, at the cost of a text.
    __hash__ = str.__hash__


class TaskType(_Word):
    """What kind of work a task does.

    Example:
        >>> TaskType("DEPLOY_MODEL").since
        '2.7.0'
    """

    TRAINING = "TRAINING", "1.3.0"
    PREDICTION = "PREDICTION", "1.3.0"
    TRAINING_AND_PREDICTION = "TRAINING_AND_PREDICTION", "1.3.0"
    EXECUTION = "EXECUTION", "1.3.0"
    UPLOAD_MODEL = "UPLOAD_MODEL", "2.4.0"
    LOAD_MODEL = "LOAD_MODEL", "2.4.0"
    REGISTER_MODEL = "REGISTER_MODEL", "2.7.0"
    DEPLOY_MODEL = "DEPLOY_MODEL", "2.7.0"
    BATCH_INGEST = "BATCH_INGEST", "2.17.0"
    BATCH_PREDICTION = "BATCH_PREDICTION", "2.17.0"
    AGENT_EXECUTION = "AGENT_EXECUTION", "3.0.0"


class TaskState(_Word):
    """Where a task stands.

    Example:
        >>> TaskState.EXPIRED.since
        '2.17.1'
    """

    CREATED = "CREATED", "1.3.0"
    RUNNING = "RUNNING", "1.3.0"
    COMPLETED = "COMPLETED", "1.3.0"
    FAILED = "FAILED", "1.3.0"
    CANCELLED = "CANCELLED", "1.3.0"
    COMPLETED_WITH_ERROR = "COMPLETED_WITH_ERROR", "2.4.0"
    CANCELLING = "CANCELLING", "2.17.1"
    EXPIRED = "EXPIRED", "2.17.1"
    UNREACHABLE = "UNREACHABLE", "2.19.0"


class FunctionName(_Word):
    """The algorithm or kind of model that a task is about; always upper case in an answer.

    Example:
        >>> FunctionName.REMOTE.since
        '2.9.0'
    """

    LINEAR_REGRESSION = "LINEAR_REGRESSION", "1.3.0"
    KMEANS = "KMEANS", "1.3.0"
    AD_LIBSVM = "AD_LIBSVM", "1.3.0"
    SAMPLE_ALGO = "SAMPLE_ALGO", "1.3.0"
    LOCAL_SAMPLE_CALCULATOR = "LOCAL_SAMPLE_CALCULATOR", "1.3.0"
    FIT_RCF = "FIT_RCF", "1.3.0"
    BATCH_RCF = "BATCH_RCF", "1.3.0"
    ANOMALY_LOCALIZATION = "ANOMALY_LOCALIZATION", "2.4.0"
    RCF_SUMMARIZE = "RCF_SUMMARIZE", "2.4.0"
    LOGISTIC_REGRESSION = "LOGISTIC_REGRESSION", "2.4.0"
    TEXT_EMBEDDING = "TEXT_EMBEDDING", "2.4.0"
    METRICS_CORRELATION = "METRICS_CORRELATION", "2.7.0"
    REMOTE = "REMOTE", "2.9.0"
    SPARSE_ENCODING = "SPARSE_ENCODING", "2.11.0"
    SPARSE_TOKENIZE = "SPARSE_TOKENIZE", "2.11.0"
    TEXT_SIMILARITY = "TEXT_SIMILARITY", "2.12.0"
    QUESTION_ANSWERING = "QUESTION_ANSWERING", "2.12.0"
    AGENT = "AGENT", "2.13.0"
    CONNECTOR = "CONNECTOR", "2.15.0"
    TOOL = "TOOL", "3.2.0"


class InputType(_Word):
    """The form in which the input of a training or a batch prediction was given.

    Example:
        >>> InputType.SEARCH_QUERY.value
        'SEARCH_QUERY'
    """

    SEARCH_QUERY = "SEARCH_QUERY", "1.3.0"
    DATA_FRAME = "DATA_FRAME", "1.3.0"
    TEXT_DOCS = "TEXT_DOCS", "2.4.0"
    REMOTE = "REMOTE", "2.9.0"
    TEXT_SIMILARITY = "TEXT_SIMILARITY", "2.12.0"
    QUESTION_ANSWERING = "QUESTION_ANSWERING", "2.13.0"
