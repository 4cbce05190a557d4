"""The one table of rules: what each server line, and the documentation, says of a task.

A dialect is data. Each server line states only what it changed from the line before it, so a new server version is one
more entry in `DIALECTS`. Everything that judges or makes a payload reads this table and nothing else.

Sources: ML Commons at its release tags (`MLTask`, `MLTaskManager`, the transport actions that create tasks), answers of
live 2.19.1 and 3.6.0 servers, and the page "Get ML Task API" for `documented`.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Literal

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.contract.vocabulary import FunctionName, InputType, TaskState, TaskType

_F, _S, _T = FunctionName, TaskState, TaskType


class ErrorForm(Enum):
    """How a server writes the `error` of a task; the value says it in words."""

    MESSAGE = "plain text"
    NODES_AS_JSON = "JSON text of an object, node id to message"
    NODES_AS_JAVA_MAP = "a Java map's text, {node id=message}"
    STACK_TRACE = "a Java stack trace"


_ON_THE_WAY: Mapping[TaskState, tuple[TaskState, ...]] = {
    _S.CREATED: (),
    _S.RUNNING: (_S.CREATED,),
    _S.CANCELLING: (_S.CREATED, _S.RUNNING),
    _S.CANCELLED: (_S.CREATED, _S.RUNNING, _S.CANCELLING),
    **dict.fromkeys(
        (_S.COMPLETED, _S.COMPLETED_WITH_ERROR, _S.FAILED, _S.EXPIRED, _S.UNREACHABLE), (_S.CREATED, _S.RUNNING)
    ),
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What one dialect says of one task type."""

    states: Mapping[TaskState, tuple[str, ...]]
    """The states that the server can be brought to show, each with the keys that it adds to `keys`."""
    keys: tuple[str, ...]
    """The keys that a body has in every state."""
    optional: tuple[str, ...] = ()
    """The keys that a body may have."""
    functions: tuple[FunctionName, ...] = ()
    input_types: tuple[InputType, ...] = ()
    not_async: tuple[FunctionName, ...] | None = ()
    """The functions whose tasks say `"is_async":false`; None where either is said."""
    nodes: Literal["one", "any"] = "one"
    """How many nodes `worker_node` names."""
    model_minted: Literal["before", "during"] | None = None
    """When the model's id was minted: before the task, or while it ran; None where nothing follows from it."""
    error_forms: tuple[ErrorForm, ...] = ()
    response_keys: Mapping[TaskState, tuple[str, ...]] = field(default_factory=dict)
    """The keys that `response` has in a state, as far as they are certain."""
    transitions: Mapping[TaskState, tuple[TaskState, ...]] = field(default_factory=lambda: _ON_THE_WAY)
    """The states that come before a state, in order; those that the kind never shows are passed over unseen."""
    seldom: tuple[TaskState, ...] = ()
    """The states that most tasks pass over, although some show them."""
    gives_up_after: int | None = None
    """Seconds after which the server fails a task that has not ended; None where it waits for ever."""
    update_lags: bool = False
    """Whether GET shows the `last_update_time` of the write before the one that it makes itself."""

    def path(self, outcome: TaskState) -> tuple[TaskState, ...]:
        """List the states that polls can see until a task is in `outcome`, in order, `outcome` itself last.

        Example:
            >>> [str(state) for state in DIALECTS["2.19"].kinds[TaskType.BATCH_PREDICTION].path(TaskState.CANCELLED)]
            ['RUNNING', 'CANCELLING', 'CANCELLED']
        """
        return (*(state for state in self.transitions[outcome] if state in self.states), outcome)


@dataclass(frozen=True)
class ErrorAnswer:
    """An error as the server words it."""

    status: int
    type: str
    reason: str

    def body(self) -> bytes:
        """Give the bytes of the answer.

        Example:
            >>> ErrorAnswer(404, "status_exception", "Failed to find task").body()[:41]
            b'{"error":{"root_cause":[{"type":"status_e'
        """
        cause = {"type": self.type, "reason": self.reason}
        envelope = {"error": {"root_cause": [cause], **cause}, "status": self.status}
        return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The rules of one server line, or of the documentation.

    Example:
        >>> DIALECTS["2.19.1"].name
        '2.19'
        >>> [state.value for state in DIALECTS["3.6"].kinds[TaskType.REGISTER_MODEL].states]
        ['CREATED', 'COMPLETED', 'FAILED']
    """

    name: str
    kinds: Mapping[TaskType, Kind]
    """The task types that GET can show, each with its rules."""
    worker_node: tuple[Literal["list", "text"], ...]
    """The forms of `worker_node`: a list of node ids, or one text with commas between them."""
    functions: frozenset[FunctionName]
    """The function names that the line's newest release knows."""
    ordered: bool = True
    """Whether the keys come in the server's fixed order, and the ids in the server's form."""
    remote_numbers: Literal["doubles", "as sent"] = "as sent"
    """What becomes of the numbers in a batch job's remote answer."""
    remote_adds: tuple[str, ...] = ()
    """The keys, all of them null, that the server adds to a batch job's remote answer."""
    unknown_task: ErrorAnswer
    """The answer of GET for an id that no task has."""
    unknown_task_deleted: ErrorAnswer
    """The answer of DELETE for an id that no task has."""
    running_task_deleted: ErrorAnswer
    """The answer of DELETE while the task is RUNNING."""
    content_type: str = "application/json; charset=UTF-8"
    """Of every answer in JSON."""
    other_content_types: tuple[str, ...] = ("application/yaml", "application/cbor", "application/smile")
    """Of answers in the forms that `format` and `Accept` can ask for."""
    version_header: bool | None = False
    """Whether every answer carries `X-OpenSearch-Version`; None where nothing is said of it."""
    plans: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What `agree` has made ready of these rules so far."""

    def headers(self) -> dict[str, str]:
        """Give the headers that every answer in JSON has, in the server's order, its length left out.

        Example:
            >>> DIALECTS["3.6"].headers()["X-OpenSearch-Version"], len(DIALECTS["2.19"].headers())
            ('OpenSearch/3.6.0 (opensearch)', 1)
        """
        version = {"X-OpenSearch-Version": f"OpenSearch/{self.name}.0 (opensearch)"} if self.version_header else {}
        return {**version, "content-type": self.content_type}

    def pairs(self) -> list[tuple[TaskType, TaskState]]:
        """List every (task type, state) that the dialect can show, in the vocabulary's order.

        Example:
            >>> len(DIALECTS["documented"].pairs())
            99
        """
        return [(task_type, state) for task_type, kind in self.kinds.items() for state in kind.states]


class UnknownDialectError(WrongUseError, KeyError):
    """No dialect has that name."""

    def __str__(self) -> str:
        """Give the sentence without the quotes that a KeyError puts around it."""
        return str(self.args[0])


class NewerServerWarning(UserWarning):
    """A server is newer than every line that the table knows, so the newest line's rules were taken."""


class Dialects(Mapping[str, Dialect]):
    """The dialects by name; a full version finds the line that covers it."""

    def __init__(self, *dialects: Dialect) -> None:
        """Take the dialects; the server lines oldest first."""
        self._by_name = {dialect.name: dialect for dialect in dialects}
        self._lines = {
            (int(major), int(minor)): dialect
            for dialect in dialects
            for major, _, minor in [dialect.name.partition(".")]
            if minor
        }

    def __getitem__(self, name: str) -> Dialect:
        """Find a dialect.

        Args:
            name: `documented`, a line such as `2.19`, a full version such as `2.19.1`, or `3.x` for the newest line of
                a major version.

        Raises:
            UnknownDialectError: the name is neither known nor a version that a line covers.

        Example:
            >>> DIALECTS["2.11.0"].name, DIALECTS["3.x"].name
            ('2.9', '3.6')
        """
        if name in self._by_name:
            return self._by_name[name]
        line, is_newer = self._covering(name)
        if is_newer:
            what = f"OpenSearch {name} is newer than every server line known here; the rules of {line.name} are used"
            warnings.warn(what, NewerServerWarning, stacklevel=2)
        return line

    def line_of(self, version: str) -> Dialect | None:
        """Find the server line of a version of OpenSearch, the newest one for versions that are newer still.

        Example:
            >>> DIALECTS.line_of("3.5.0").name, DIALECTS.line_of("1.2.4")
            ('3.2', None)
        """
        try:
            return self._covering(version)[0]
        except UnknownDialectError:
            return None

    def _covering(self, name: str) -> tuple[Dialect, bool]:
        """Find the line of a version, and tell whether the version is newer than what the table knows."""
        version = re.fullmatch(r"(\d{1,3})\.(\d{1,3}|x)(\.\d+)*(-[\w.-]+)?", name)
        if version is None:
            raise UnknownDialectError(f"no dialect is called {name!r:.60}; there are: {', '.join(self)}")
        wanted = int(version[1]), 999 if version[2] == "x" else int(version[2])
        covering = [line for line in self._lines if line <= wanted and (version[2] != "x" or line[0] == wanted[0])]
        if not covering:
            raise UnknownDialectError(f"no server line covers {name}; the lines are: {', '.join(self)}")
        line = covering[-1]
        return self._lines[line], version[2] != "x" and line == max(self._lines) and wanted > line

    def __iter__(self) -> Iterator[str]:
        """Go through the names, `documented` first, then the lines from old to new."""
        return iter(self._by_name)

    def __len__(self) -> int:
        """Count the dialects."""
        return len(self._by_name)


def _known_before(next_line: str) -> frozenset[FunctionName]:
    newest = tuple(map(int, next_line.split(".")))
    return frozenset(name for name in FunctionName if tuple(map(int, name.since.split(".")[:2])) < newest)


_TRAINED = (
    _F.KMEANS,
    _F.LINEAR_REGRESSION,
    _F.LOGISTIC_REGRESSION,
    _F.FIT_RCF,
    _F.BATCH_RCF,
    _F.RCF_SUMMARIZE,
    _F.AD_LIBSVM,
    _F.SAMPLE_ALGO,
)
_MODELS = (
    _F.TEXT_EMBEDDING,
    _F.SPARSE_ENCODING,
    _F.SPARSE_TOKENIZE,
    _F.TEXT_SIMILARITY,
    _F.QUESTION_ANSWERING,
    _F.METRICS_CORRELATION,
    _F.REMOTE,
)
_HEAD = ("task_type", "function_name", "state")
_TAIL = ("worker_node", "create_time", "last_update_time", "is_async")

# ------------------------------------------------------------------------------------------------- 1.3
_TRAINING = Kind(
    states={_S.CREATED: (), _S.RUNNING: (), _S.COMPLETED: ("model_id",), _S.FAILED: ("error",)},
    keys=(*_HEAD, "input_type", *_TAIL),
    functions=_TRAINED,
    input_types=(InputType.SEARCH_QUERY, InputType.DATA_FRAME),
    model_minted="during",
    error_forms=(ErrorForm.MESSAGE,),
    gives_up_after=600,  # plugins.ml_commons.ml_task_timeout_in_seconds
)
_1_3 = Dialect(
    name="1.3",
    kinds={_T.TRAINING: _TRAINING},
    worker_node=("text",),
    functions=_known_before("2.4"),
    unknown_task=ErrorAnswer(500, "m_l_resource_not_found_exception", "Fail to find task"),
    unknown_task_deleted=ErrorAnswer(500, "m_l_resource_not_found_exception", "Fail to find task"),
    running_task_deleted=ErrorAnswer(500, "exception", "Task cannot be deleted in running state. Try after sometime"),
)
# ------------------------------------------------------------------------------------------------- 2.4
_UPLOAD = Kind(
    # RUNNING is kept in memory only: GET goes from CREATED to the end.
    states={_S.CREATED: (), _S.COMPLETED: ("model_id",), _S.FAILED: ("error",)},
    keys=(*_HEAD, *_TAIL),
    functions=_MODELS,
    model_minted="during",
    error_forms=(ErrorForm.STACK_TRACE,),
    gives_up_after=600,
)
_LOAD = Kind(
    states={
        _S.CREATED: (),
        _S.RUNNING: (),
        _S.COMPLETED: (),
        _S.COMPLETED_WITH_ERROR: ("error",),
        _S.FAILED: ("error",),
    },
    keys=("model_id", *_HEAD, *_TAIL),
    functions=(*_MODELS, *_TRAINED),
    nodes="any",
    model_minted="before",
    error_forms=(ErrorForm.NODES_AS_JAVA_MAP, ErrorForm.MESSAGE),
    gives_up_after=600,
)
_2_4 = replace(
    _1_3,
    name="2.4",
    kinds={**_1_3.kinds, _T.UPLOAD_MODEL: _UPLOAD, _T.LOAD_MODEL: _LOAD},
    functions=_known_before("2.5"),
)
# ------------------------------------------------------------------------------------------------- 2.5
_UPLOAD_2_5 = replace(_UPLOAD, error_forms=(ErrorForm.MESSAGE,))
_LOAD_2_5 = replace(_LOAD, error_forms=(ErrorForm.NODES_AS_JSON, ErrorForm.MESSAGE))
_2_5 = replace(
    _2_4,
    name="2.5",
    kinds={**_2_4.kinds, _T.UPLOAD_MODEL: _UPLOAD_2_5, _T.LOAD_MODEL: _LOAD_2_5},
    worker_node=("list",),
    functions=_known_before("2.7"),
)
# ------------------------------------------------------------------------------------------------- 2.7
_2_7 = replace(
    _2_5,
    name="2.7",
    kinds={_T.TRAINING: _TRAINING, _T.REGISTER_MODEL: _UPLOAD_2_5, _T.DEPLOY_MODEL: _LOAD_2_5},
    functions=_known_before("2.9"),
)
# ------------------------------------------------------------------------------------------------- 2.9
_REGISTER_2_9 = replace(_UPLOAD_2_5, not_async=(_F.REMOTE,))
_2_9 = replace(
    _2_7,
    name="2.9",
    kinds={**_2_7.kinds, _T.REGISTER_MODEL: _REGISTER_2_9},
    functions=_known_before("2.12"),
    unknown_task=ErrorAnswer(404, "status_exception", "Fail to find task"),
)
# ------------------------------------------------------------------------------------------------- 2.12
_2_12 = replace(_2_9, name="2.12", functions=_known_before("2.17"))
# ------------------------------------------------------------------------------------------------- 2.17
_BATCH_PREDICTION = Kind(
    # CREATED stands in the answer that starts the job only; before 2.19 a failed job stays RUNNING for ever.
    states={_S.RUNNING: (), _S.COMPLETED: (), _S.CANCELLING: (), _S.CANCELLED: (), _S.EXPIRED: ()},
    keys=("model_id", *_HEAD, "input_type", *_TAIL, "remote_job"),
    functions=(_F.REMOTE,),
    input_types=(InputType.REMOTE,),
    not_async=(_F.REMOTE,),
    model_minted="before",
    update_lags=True,
)
_BATCH_INGEST = Kind(
    states={_S.CREATED: (), _S.COMPLETED: (), _S.FAILED: ("error",)},
    keys=("task_type", "state", "create_time", "last_update_time", "is_async"),
    error_forms=(ErrorForm.MESSAGE,),
)
_2_17 = replace(
    _2_12,
    name="2.17",
    kinds={**_2_12.kinds, _T.BATCH_INGEST: _BATCH_INGEST, _T.BATCH_PREDICTION: _BATCH_PREDICTION},
    functions=_known_before("2.19"),
)
# ------------------------------------------------------------------------------------------------- 2.19
# UNREACHABLE came into the vocabulary with 2.19, yet the job that should write it never does, up to 3.6.
_BATCH_PREDICTION_2_19 = replace(_BATCH_PREDICTION, states={**_BATCH_PREDICTION.states, _S.FAILED: ()})


def _with_tenants(kinds: Mapping[TaskType, Kind]) -> dict[TaskType, Kind]:
    return {task_type: replace(kind, optional=(*kind.optional, "tenant_id")) for task_type, kind in kinds.items()}


_2_19 = replace(
    _2_17,
    name="2.19",
    kinds=_with_tenants({**_2_17.kinds, _T.BATCH_PREDICTION: _BATCH_PREDICTION_2_19}),
    functions=_known_before("3.0"),
    remote_numbers="doubles",
    remote_adds=("dlq",),
    unknown_task=ErrorAnswer(404, "status_exception", "Failed to find task"),
    unknown_task_deleted=ErrorAnswer(404, "status_exception", "Failed to find task"),
    running_task_deleted=ErrorAnswer(500, "exception", "Task cannot be deleted in running state. Try after some time."),
)
# ------------------------------------------------------------------------------------------------- 3.0
_AGENT_3_0 = Kind(
    states={_S.CREATED: (), _S.RUNNING: (), _S.COMPLETED: ("response",), _S.FAILED: ("response",)},
    keys=(*_HEAD, *_TAIL),
    optional=("response", "tenant_id"),
    functions=(_F.AGENT,),
    not_async=(_F.AGENT,),
    response_keys={_S.FAILED: ("error_message",)},
    seldom=(_S.RUNNING,),  # agents that plan, after their first step
)
_3_0 = replace(
    _2_19,
    name="3.0",
    # The route that starts a batch ingestion is gone since 3.0.
    kinds={
        **{task_type: kind for task_type, kind in _2_19.kinds.items() if task_type is not _T.BATCH_INGEST},
        _T.AGENT_EXECUTION: _AGENT_3_0,
    },
    functions=_known_before("3.2"),
    remote_numbers="as sent",
    version_header=True,
)
# ------------------------------------------------------------------------------------------------- 3.2
_AGENT_3_2 = replace(
    _AGENT_3_0,
    states=dict.fromkeys(_AGENT_3_0.states, ()),
    keys=(*_AGENT_3_0.keys, "response"),
    optional=("tenant_id",),
    not_async=(),
)
_3_2 = replace(
    _3_0,
    name="3.2",
    kinds={**_3_0.kinds, _T.AGENT_EXECUTION: _AGENT_3_2},
    functions=frozenset(FunctionName),
)
# ------------------------------------------------------------------------------------------------- 3.6
_3_6 = replace(_3_2, name="3.6")

# ------------------------------------------------------------------------------------------------- the documentation
_DOCUMENTED_KIND = Kind(
    states={state: ("model_id",) if state is _S.COMPLETED else () for state in TaskState},
    keys=(*_HEAD, *_TAIL),
    functions=tuple(FunctionName),
    input_types=tuple(InputType),
    not_async=None,
    nodes="any",
    gives_up_after=600,
)
_DOCUMENTED = replace(
    _3_6,
    name="documented",
    kinds={
        task_type: replace(_DOCUMENTED_KIND, keys=(*_DOCUMENTED_KIND.keys, "input_type"))
        if task_type in {_T.TRAINING, _T.TRAINING_AND_PREDICTION}
        else _DOCUMENTED_KIND
        for task_type in TaskType
    },
    # The page's table says array, one of its examples shows the older text.
    worker_node=("list", "text"),
    ordered=False,
    version_header=None,
)

DIALECTS = Dialects(_DOCUMENTED, _1_3, _2_4, _2_5, _2_7, _2_9, _2_12, _2_17, _2_19, _3_0, _3_2, _3_6)
"""Every dialect by name, `documented` first; see `Dialects`."""
