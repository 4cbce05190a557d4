"""The words of every other answer around a task: what starts one, and each error, with the lines that say it.

Sources: the REST and transport actions of ML Commons, `BytesRestResponse` and `RestController` of the OpenSearch core,
the security plugin's filter; answers of live 2.19.1 and 3.6.0 servers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mltask_fixtures.contract.vocabulary import TaskType
from mltask_fixtures.contract.wire import encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mltask_fixtures.contract.dialect import Dialect, ErrorAnswer

TASKS: Final = "/_plugins/_ml/tasks/"
_NEWEST: Final = (999, 0)
_TRANSIENT: Final[Mapping[str, Any]] = {"bytes_wanted": 0, "bytes_limit": 0, "durability": "TRANSIENT"}


def line_of(dialect: Dialect) -> tuple[int, int]:
    """Give major and minor version of a line; the documentation is as new as anything.

    Example:
        >>> from mltask_fixtures import DIALECTS
        >>> line_of(DIALECTS["2.19.1"])
        (2, 19)
    """
    major, _, minor = dialect.name.partition(".")
    return (int(major), int(minor)) if minor.isdecimal() else _NEWEST


@dataclass(frozen=True, kw_only=True)
class Start:
    """The answer of the call that starts a task; its keys are in the order of the fields."""

    path: str
    """Of the call, with holes for ids and the algorithm."""
    status: str = "CREATED"
    remote_status: str = ""
    """What it says of a remote model, where that differs."""
    task_type: bool = False
    """Whether it repeats the type."""
    model_id: bool = False
    """Whether it tells the id of a remote model."""
    job: str | None = None
    """The key with what a remote service or an agent said at once."""
    since: tuple[int, int] = (1, 3)


STARTS: Final[Mapping[TaskType, tuple[Start, ...]]] = {
    TaskType.TRAINING: (Start(path="_train/{algorithm}?async=true"),),
    TaskType.UPLOAD_MODEL: (Start(path="models/_upload"),),
    TaskType.LOAD_MODEL: (Start(path="models/{model_id}/_load"),),
    # A line that covers the change says what its oldest release says.
    TaskType.REGISTER_MODEL: (
        Start(path="models/_register"),
        Start(path="models/_register", model_id=True, since=(2, 12)),
    ),
    TaskType.DEPLOY_MODEL: (
        Start(path="models/{model_id}/_deploy"),
        Start(path="models/{model_id}/_deploy", task_type=True, remote_status="COMPLETED", since=(2, 12)),
    ),
    TaskType.BATCH_INGEST: (Start(path="_batch_ingestion", task_type=True),),
    TaskType.BATCH_PREDICTION: (
        Start(path="models/{model_id}/_batch_predict"),
        Start(path="models/{model_id}/_batch_predict", job="remote_job", since=(2, 19)),
    ),
    TaskType.AGENT_EXECUTION: (Start(path="agents/{agent_id}/_execute?async=true", status="RUNNING", job="response"),),
}
"""The calls that start a task of each type, as the lines answer them, oldest first."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An error answer: to which call, in which words, and which lines say it so."""

    name: str
    method: str = "GET"
    path: str = TASKS + "{task_id}"
    status: int
    type: str = ""
    """Empty where `error` is the bare reason."""
    reason: str
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of each cause."""
    root: Mapping[str, Any] | None = None
    """The root cause, where it is another than the error itself."""
    repeats_status: bool = True
    """Whether the status stands in the body too."""
    headers: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False
    """Whether the body is the bare reason as plain text."""
    since: tuple[int, int] = (1, 3)
    before: tuple[int, int] = (1000, 0)

    def body(self, **holes: str) -> bytes:
        """Give the bytes of the answer, its holes filled.

        Example:
            >>> REFUSALS[0].body()[:44]
            b'{"error":{"root_cause":[{"type":"status_exce'
        """
        reason = self.reason
        for hole, value in holes.items():
            reason = reason.replace(f"{{{hole}}}", value)
        if self.plain:
            return reason.encode()
        cause = {"type": self.type, "reason": reason, **self.more}
        error: Any = {"root_cause": [self.root or cause], **cause} if self.type else reason
        return encode({"error": error, **({"status": self.status} if self.repeats_status else {})}).encode()


_BATCH: Final = (2, 17)
_CANCEL: Final = TASKS + "{task_id}/_cancel"
_TOO_LARGE: Final = (
    "[parent] Data too large, data for [<http_request>] would be [1030292000/982.5mb], which is larger than the limit of "
    "[1020054732/972.7mb]"
)
REFUSALS: Final = (
    Refusal(name="task_not_found_to_cancel", method="POST", path=_CANCEL, status=404, type="status_exception", reason="Fail to find task", since=_BATCH),
    Refusal(name="not_a_batch_job", method="POST", path=_CANCEL, status=400, type="illegal_argument_exception", reason="The task ID you provided does not have any associated batch job", since=_BATCH),
    Refusal(name="empty_id", path=TASKS, status=400, reason=f"no handler found for uri [{TASKS}] and method [GET]", repeats_status=False),
    Refusal(name="wrong_method", method="POST", status=405, reason=f"Incorrect HTTP method for uri [{TASKS}{{task_id}}] and method [POST], allowed: [GET, DELETE]", headers={"Allow": "GET,DELETE"}),
    Refusal(name="unknown_parameter", path=TASKS + "{task_id}?colour=blue", status=400, type="illegal_argument_exception", reason=f"request [{TASKS}{{task_id}}] contains unrecognized parameter: [colour]"),
    Refusal(name="no_permission", status=403, type="security_exception", reason="no permissions for [cluster:admin/opensearch/ml/tasks/get] and User [name=bob, backend_roles=[], requestedTenant=null]"),
    Refusal(name="no_credentials", status=401, reason="Unauthorized", plain=True, headers={"WWW-Authenticate": 'Basic realm="OpenSearch Security"', "content-type": "text/plain; charset=UTF-8"}),
    Refusal(name="no_tenant", status=403, type="status_exception", reason="Tenant ID header is missing or has no value", since=(2, 19)),
    Refusal(name="foreign_tenant", status=403, type="status_exception", reason="You don't have permission to access this resource", since=(2, 19)),
    Refusal(name="batch_inference_off", status=500, type="illegal_state_exception", reason='Offline Batch Inference is currently disabled. To enable it, update the setting "plugins.ml_commons.offline_batch_inference_enabled" to true.', since=_BATCH),
    Refusal(name="batch_model_gone", status=404, type="status_exception", reason="Failed to retrieve the ML model for the given task ID", since=_BATCH),
    Refusal(name="batch_no_access", status=500, type="m_l_validation_exception", reason="You don't have permission to access this batch job", since=_BATCH),
    Refusal(name="batch_status_unknown", status=404, type="resource_not_found_exception", reason="Couldn't fetch status of the transform job", since=_BATCH),
    Refusal(name="remote_overloaded", status=429, type="status_exception", reason='Error from remote service: {"error": {"message": "too many requests"}}', since=_BATCH),
    Refusal(name="unknown_stored_word", status=400, type="illegal_argument_exception", reason="No enum constant org.opensearch.ml.common.MLTaskType.A_LATER_TYPE"),
    Refusal(name="ml_breaker_open", method="POST", path="/_plugins/_ml/_train/kmeans", status=500, type="m_l_limit_exceeded_exception", reason="Memory Circuit Breaker is open, please check your resources!", before=(2, 17)),
    Refusal(name="ml_breaker_open", method="POST", path="/_plugins/_ml/_train/kmeans", status=429, type="circuit_breaking_exception", reason="Memory Circuit Breaker is open, please check your resources!", more=_TRANSIENT, since=(2, 17)),
    Refusal(name="parent_breaker_open", status=429, type="circuit_breaking_exception", reason=_TOO_LARGE, more={"bytes_wanted": 1030292000, "bytes_limit": 1020054732, "durability": "TRANSIENT"}),
    Refusal(name="too_many_batch_jobs", method="POST", path="/_plugins/_ml/models/{model_id}/_batch_predict", status=429, type="status_exception", reason="Exceeded maximum limit for BATCH_PREDICTION tasks. To increase the limit, update the plugins.ml_commons.max_batch_inference_tasks setting.", since=(2, 19)),
    Refusal(name="node_restarts", status=500, type="status_exception", reason="Failed to get data object from index .plugins-ml-task", root={"type": "no_shard_available_action_exception", "reason": None}, since=(2, 19)),
)  # fmt: skip
"""The errors that do not stand in the table of dialects; the lines before `since` and from `before` on do not say them."""


def refusals(dialect: Dialect) -> Iterator[Refusal]:
    """Go through every error answer of a dialect.

    Example:
        >>> from mltask_fixtures import DIALECTS
        >>> next(refusals(DIALECTS["2.8"])).status
        500
    """
    said: tuple[tuple[str, str, ErrorAnswer], ...] = (
        ("task_not_found", "GET", dialect.unknown_task),
        ("task_not_found_to_delete", "DELETE", dialect.unknown_task_deleted),
        ("task_runs", "DELETE", dialect.running_task_deleted),
    )
    for name, method, answer in said:
        yield Refusal(name=name, method=method, status=answer.status, type=answer.type, reason=answer.reason)
    line = line_of(dialect)
    yield from (refusal for refusal in REFUSALS if refusal.since <= line < refusal.before)


def start_of(task_type: TaskType, dialect: Dialect) -> Start | None:
    """Find how a dialect answers the call that starts a task of this type; None where no call does."""
    starts = [start for start in STARTS.get(task_type, ()) if start.since <= line_of(dialect)]
    return starts[-1] if starts and task_type in dialect.kinds else None
