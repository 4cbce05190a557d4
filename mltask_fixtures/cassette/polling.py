"""How a recording of polls is played: for any id, from a state on, at its own times, with other values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypedDict

from pydantic import ValidationError

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cassette.judge import rules_of
from mltask_fixtures.cassette.replay import Answer, NoRecordedAnswerError
from mltask_fixtures.cassette.timeline import body_of, polled_task
from mltask_fixtures.contract import (
    Dialect,
    Finding,
    InvalidTaskError,
    TaskState,
    check,
    parse_task,
)
from mltask_fixtures.contract.responses import SearchResponse
from mltask_fixtures.contract.task import WIRE_ORDER
from mltask_fixtures.contract.wire import encode, in_map_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mltask_fixtures.cassette.match import Key
    from mltask_fixtures.cassette.replay import Following, MLTaskCassette
    from mltask_fixtures.contract.check import Surface

    _Polls = tuple[Key, list[tuple[int, dict[str, Any]]]]
    _New = Callable[[Mapping[str, Any]], dict[str, Any]]

_TASK: Final = re.compile(r"(.*/_plugins/_ml/(?:profile/)?tasks/)(?!_search$)([^/]+)(.*)")
_SEARCH: Final = re.compile(r".*/_plugins/_ml/tasks/_search")
_OK: Final = 200
_MAPS: Final = ("remote_job", "response")


class TaskFields(TypedDict, total=False):
    """Fields of a task, with the API's names; None takes a field away."""

    task_id: str | None
    model_id: str | None
    task_type: str
    function_name: str | None
    state: str
    input_type: str | None
    progress: float | None
    output_index: str | None
    worker_node: list[str] | str | None
    create_time: int
    last_update_time: int
    error: str | None
    user: Mapping[str, Any] | None
    is_async: bool
    remote_job: Mapping[str, Any] | None
    response: Mapping[str, Any] | None
    tenant_id: str | None


class Overrides(TaskFields, total=False):
    """Fields of a task for all its polls, and under the name of a state for the polls that show it."""

    CREATED: TaskFields
    RUNNING: TaskFields
    COMPLETED: TaskFields
    FAILED: TaskFields
    CANCELLED: TaskFields
    COMPLETED_WITH_ERROR: TaskFields
    CANCELLING: TaskFields
    EXPIRED: TaskFields
    UNREACHABLE: TaskFields


def polls_of(cassette: MLTaskCassette) -> Iterator[tuple[Key, list[tuple[int, dict[str, Any]]]]]:
    """Give each task's polls with the numbers and bodies of the answers that show it."""
    for key, numbers in cassette.recorded.items():
        if polled_task(key.method, key.path) is None:
            continue
        bodies = []
        for number in numbers:
            answer = cassette.recorded_answer(number)
            body = body_of(answer.body)
            if answer.status == _OK and isinstance(body, dict) and "state" in body:
                bodies.append((number, body))
        yield key, bodies


def changed(answer: Answer, body: bytes) -> Answer:
    """Give an answer with another body, and a length that agrees with it."""
    headers = tuple(
        (name, str(len(body)) if name.lower() == "content-length" else value) for name, value in answer.headers
    )
    return answer._replace(body=body, headers=headers)


# ------------------------------------------------------------------------------------------------------- any task id


class AnyTaskId:
    """Answers for ids that were not recorded: the first one that is asked for is the first recorded task, and so on."""

    def __init__(self, cassette: MLTaskCassette) -> None:
        """Find the recorded tasks."""
        self._cassette = cassette
        self._recorded = list(_ids(cassette))
        self._known = {task_id: task_id for task_id in self._recorded}
        """The recorded id of each id that may be asked for."""
        self._free = list(self._recorded)

    def __call__(self, following: Following, key: Key) -> Answer | None:
        """Ask for the recorded id, and say the one that was asked for."""
        match = _TASK.fullmatch(key.path)
        path = f"{match[1]}{self._recorded_id(match[2])}{match[3]}" if match else key.path
        answer = following(
            key._replace(path=path, query=self._in(key.query, self._known), body=self._in(key.body, self._known))
        )
        if answer is None:
            return None
        shown = {recorded: json.dumps(asked)[1:-1] for asked, recorded in self._known.items() if asked != recorded}
        body = self._in(answer.body.decode("utf-8", "surrogateescape"), shown).encode("utf-8", "surrogateescape")
        return answer if body == answer.body else changed(answer, body)

    def _recorded_id(self, asked: str) -> str:
        if asked not in self._known:
            if not self._free:
                self._cassette.unanswered.append(f"task {asked}"[:300])
                count = "1 task" if len(self._recorded) == 1 else f"{len(self._recorded)} tasks"
                others = ", ".join(other for other in self._known if other not in self._recorded) or "none other"
                raise NoRecordedAnswerError(
                    f"{self._cassette.path} has {count}, and {asked!r} is one more; asked for before: {others}. "
                    "any_task_id=True gives each new id a recorded task of its own"
                )
            self._known[asked] = self._free[0]
        recorded = self._known[asked]
        if recorded in self._free:
            self._free.remove(recorded)
        return recorded

    @staticmethod
    def _in(text: str, ids: Mapping[str, str]) -> str:
        """Put each id in the place of another at once, so that none is replaced twice."""
        if not ids or not text:
            return text
        pattern = "|".join(re.escape(task_id) for task_id in sorted(ids, key=len, reverse=True))
        return re.sub(rf"(?<![\w-])(?:{pattern})(?![\w-])", lambda match: ids[match[0]], text)


def _ids(cassette: MLTaskCassette) -> dict[str, None]:
    """The ids of the recorded tasks in the order in which they appear: in the answer that started one, or in a poll."""
    ids: dict[str, None] = {}
    for request, response in cassette.data:
        started = body_of(response["body"]["string"])
        if request.method == "POST" and isinstance(started, dict) and isinstance(started.get("task_id"), str):
            ids[started["task_id"]] = None
        if task_id := polled_task(request.method, request.uri):
            ids[task_id] = None
    return ids


# -------------------------------------------------------------------------------------------------------- from a state


def start_at(cassette: MLTaskCassette, state: TaskState | str) -> None:
    """Begin each task's polls at the first answer that shows a state; tasks that never show it stay as they are.

    Raises:
        WrongUseError: there is no such state, or no recorded task shows it.
    """
    word = str(state.value) if isinstance(state, TaskState) else state
    known = [member.value for member in TaskState]
    if word not in known:
        near = get_close_matches(str(word).upper(), known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise WrongUseError(f"start_at={word!r} is no state; {hint}")
    shown: dict[str, None] = {}
    found = False
    for key, bodies in list(polls_of(cassette)):
        shown |= dict.fromkeys(str(body["state"]) for _, body in bodies)
        first = next((number for number, body in bodies if body["state"] == word), None)
        if first is not None:
            found = True
            cassette.leave_out(key, cassette.recorded[key].index(first))
    if not found:
        states = f"shows {', '.join(shown)}" if shown else "has no polls of a task"
        raise WrongUseError(f"start_at={word!r}: no task in {cassette.path} is ever {word}; it {states}")


# --------------------------------------------------------------------------------------------------- at recorded times


class AtRecordedTimes:
    """Answers come at the times at which they were recorded, counted from the first answer.

    A request that changes nothing gets what the server said at that time, however often it is asked; any other waits
    for its answer.
    """

    def __init__(self, cassette: MLTaskCassette) -> None:
        """Take the recording; its clock starts with the first answer."""
        self._cassette = cassette
        self._times = {key: [cassette.recorded_ms(n) for n in numbers] for key, numbers in cassette.recorded.items()}
        self._began: float | None = None

    def __call__(self, following: Following, key: Key) -> Answer | None:
        """Go to the answer of the present time, or wait for it."""
        cassette, times = self._cassette, self._times.get(key, [])
        if not times:
            return following(key)
        if self._began is None:
            self._began = cassette.clock.now() - times[0] / 1000
        now = (cassette.clock.now() - self._began) * 1000
        played = cassette.played(key)
        if key.repeatable and not cassette.strict and played:
            came = sum(1 for time in times if time <= now)
            cassette.go_to(key, max(came - 1, played - 1))
        answer = following(key)
        wait = times[min(cassette.played(key), len(times)) - 1] - now
        return answer._replace(delay=wait / 1000) if answer is not None and wait > 0 else answer


# --------------------------------------------------------------------------------------------------------- other values


def override(cassette: MLTaskCassette, with_: Overrides | Mapping[str, Any]) -> None:
    """Let recorded tasks have other values.

    A field goes where the recorded answers have it; into all of them where none has. Under the name of a state it goes
    into every answer that shows this state. What a search finds of these tasks says the same.

    Raises:
        WrongUseError: there is no such field, no task is ever in such a state, or what comes of it is no body that the
            recording's server sends; the error names the rule.
    """
    fields, by_state = _split(with_)
    rules = rules_of(cassette.dialect).dialect
    tasks = list(polls_of(cassette))
    shown = {str(body["state"]) for _, bodies in tasks for _, body in bodies}
    if not shown:
        raise WrongUseError(f"with_: {cassette.path} has no polls of a task")
    if strange := [state for state in by_state if state not in shown]:
        states = ", ".join(sorted(shown))
        raise WrongUseError(f"with_: no task in {cassette.path} is ever {strange[0]}; it shows {states}")
    somewhere = {key for _, bodies in tasks for _, body in bodies for key in body}

    def new(body: Mapping[str, Any]) -> dict[str, Any]:
        everywhere = {name: value for name, value in fields.items() if name in body or name not in somewhere}
        return everywhere | by_state.get(str(body.get("state")), {})

    findings: dict[str, list[int]] = {}
    for number, body, wrong in [*_new_polls(tasks, new, rules), *_new_searches(cassette, tasks, new, rules)]:
        for finding in wrong:
            findings.setdefault(str(finding), []).append(number + 1)
        cassette.show(number, changed(cassette.recorded_answer(number), encode(body).encode()))
    if findings:
        told = (f"  - {_interactions(numbers)}: {finding}" for finding, numbers in findings.items())
        raise WrongUseError("\n".join([f"with_ makes of {cassette.path} what its server does not say:", *told]))


def _new_polls(tasks: list[_Polls], new: _New, rules: Dialect | None) -> Iterator[tuple[int, Any, list[Finding]]]:
    for key, bodies in tasks:
        for number, body in bodies:
            if others := new(body):
                task = _ordered({**body, **others})
                yield number, task, _findings(task, rules, polled_task(key.method, key.path))


def _new_searches(
    cassette: MLTaskCassette, tasks: list[_Polls], new: _New, rules: Dialect | None
) -> Iterator[tuple[int, Any, list[Finding]]]:
    polled = {polled_task(key.method, key.path) for key, _ in tasks}
    for number, answer in _searches_of(cassette):
        wrong: list[Finding] = []
        changes = False
        for hit in answer["hits"]["hits"]:
            source = hit["_source"]
            if hit["_id"] in polled and (others := new(source)):
                # A stored document keeps its order, and what is written later stands at its end.
                hit["_source"] = _said({**source, **others})
                wrong += _findings(hit["_source"], rules, hit["_id"], surface="search_source")
                changes = True
        if changes:
            yield number, answer, wrong


def _searches_of(cassette: MLTaskCassette) -> Iterator[tuple[int, Any]]:
    """Give the answers to searches for tasks, each with its number."""
    for key, numbers in cassette.recorded.items():
        if not _SEARCH.fullmatch(key.path):
            continue
        for number in numbers:
            answer = cassette.recorded_answer(number)
            with suppress(ValidationError):
                SearchResponse.model_validate_json(answer.body)
                yield number, json.loads(answer.body)


def _interactions(numbers: list[int]) -> str:
    first = f"interaction {numbers[0]}"
    return first if len(numbers) == 1 else f"{first} and {len(numbers) - 1} more"


def _split(with_: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Part the fields for all polls from those for one state each."""
    fields: dict[str, Any] = {}
    by_state: dict[str, dict[str, Any]] = {}
    for name, value in with_.items():
        word = str(name.value) if isinstance(name, TaskState) else name
        if word in [member.value for member in TaskState]:
            if not isinstance(value, Mapping):
                raise WrongUseError(f"with_: under a state stand fields, such as {{{word!r}: {{'error': '...'}}}}")
            by_state[word] = {_field(key): item for key, item in value.items()}
        else:
            fields[_field(word, *(member.value for member in TaskState))] = value
    return fields, by_state


def _field(name: Any, *others: str) -> str:
    if name in WIRE_ORDER:
        return str(name)
    near = get_close_matches(str(name), [*WIRE_ORDER, *others], 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join([*WIRE_ORDER, *others])}"
    raise WrongUseError(f"with_: a task has no field {name!r}; {hint}")


def _ordered(body: Mapping[str, Any]) -> dict[str, Any]:
    """Write a body as a server would: its order of keys, and none without a value."""
    keys = sorted(body, key=lambda key: WIRE_ORDER.index(key) if key in WIRE_ORDER else len(WIRE_ORDER))
    task = _said({key: body[key] for key in keys})
    return {
        key: in_map_order(value) if key in _MAPS and isinstance(value, Mapping) else value
        for key, value in task.items()
    }


def _said(body: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the keys without a value, and say words as text."""
    return {key: getattr(value, "value", value) for key, value in body.items() if value is not None}


def _findings(
    task: Mapping[str, Any], rules: Dialect | None, task_id: str | None, surface: Surface = "get"
) -> list[Finding]:
    if rules is not None:
        return check(task, rules, surface=surface, task_id=task_id)
    try:
        parse_task(task)
    except InvalidTaskError as error:
        return error.findings
    return []
