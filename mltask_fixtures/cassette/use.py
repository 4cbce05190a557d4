"""Put a cassette into use: as a context manager or a decorator, for synchronous and asynchronous code."""

from __future__ import annotations

import functools
import inspect
import os
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeVar

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cassette import store
from mltask_fixtures.cassette.clock import CLOCK_MODES, ClockMode, running
from mltask_fixtures.cassette.faults import AsRecorded, AtPolls, Faults
from mltask_fixtures.cassette.faults import checked as check_faults
from mltask_fixtures.cassette.intercept import intercepting
from mltask_fixtures.cassette.polling import AnyTaskId, AtRecordedTimes, Overrides, override, start_at
from mltask_fixtures.cassette.replay import RECORD_MODES, MLTaskCassette, NoRecordedAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from types import TracebackType

    from mltask_fixtures.contract import TaskState

_P = ParamSpec("_P")
_R = TypeVar("_R")
_FOLDER: Final = "cassettes"

put_to_use: Final[set[Path]] = set()
"""The files that were opened for replay or recording in this process; the plugin finds those that never are."""


class use_cassette:  # noqa: N801 - it reads as vcrpy's function of this name does
    """Answer the HTTP requests of the code inside from a recording.

    Use it as a context manager or a decorator; with `async with` and on coroutine functions as well. Inside, no request
    reaches the network unless something is recorded.

    Args:
        name: of a recording in `folder`, else of a bundled one such as `3.6.0/train-kmeans-completed`, or a file: ours,
            or any YAML or JSON cassette of vcrpy.
        record: `none` replays only; `once` records if there is no such file yet; `new` records what the file does not
            answer; `all` records everything anew.
        strict: whether a request that comes more often than it was recorded is an error; else the last answer holds
            for requests that change nothing.
        upstream: when something is recorded, the URL of the cluster that all requests are sent to; by default each
            goes where it says.
        folder: where names are looked up and recordings are written; `cassettes` here by default.
        allowed_hosts: addresses that may be connected to while a recording is replayed.
        allow_secrets: the fingerprints of values that look like secrets, are none, and may be recorded.
        clock: in replay, `virtual` lets sleeps of this thread, and of those that it starts, pass at once and the clocks
            they read agree; `recorded` does so, and answers come at the times at which they were recorded; `real`
            changes nothing. Recording always takes its time.
        any_task_id: whether ids that were not recorded are answered as well: the first one that is asked for is the
            first recorded task, and so on; answers then say the id that was asked for.
        start_at: a state; each task's polls begin with the first recorded answer that shows it.
        with_: values of the recorded tasks to change, such as `{"error": "no such index"}`, or for the polls that show
            one state, `{"FAILED": {"error": "no such index"}}`; None takes a field away. What a search finds of these
            tasks says the same.
        faults: what happens at the nth poll of each task in place of its recorded answer, such as
            `{2: 429, 5: "timeout", range(6, 9): 503}`: an HTTP status, `timeout`, `reset`, `refused`, `truncated`, or a
            `timedelta` that the answer takes. The recorded answers go on after it.

    Raises:
        WrongUseError: an option that there is not, or one that contradicts what the recording's server says.
        UnknownCassetteError: there is no such recording, and none is to be made; the error names the nearest.
        DamagedCassetteError: the file is no whole cassette.
        InvalidCassetteError: it holds what no server says; the error names interaction and field.
        SecretFoundError: at the end, if what was recorded looks like a secret; nothing was written.
        NoRecordedAnswerError: at the end, if a request was not answered and the error was swallowed on its way.

    Example:
        >>> from opensearchpy import OpenSearch
        >>> with use_cassette("3.6.0/train-kmeans-completed") as cassette, OpenSearch("http://any:9200") as client:
        ...     client.plugins.ml.get_task(task_id=cassette.task_ids[0])["state"]
        'CREATED'
    """

    def __init__(
        self,
        name: str | os.PathLike[str],
        *,
        record: str = "none",
        strict: bool = False,
        upstream: str | None = None,
        folder: str | os.PathLike[str] | None = None,
        allowed_hosts: tuple[str, ...] = (),
        allow_secrets: Iterable[str] = (),
        clock: ClockMode = "virtual",
        any_task_id: bool = False,
        start_at: TaskState | str | None = None,
        with_: Overrides | None = None,
        faults: Faults | None = None,
    ) -> None:
        """Take the options; nothing is read until the block begins."""
        _known("record mode", record, RECORD_MODES)
        _known("clock", clock, CLOCK_MODES)
        if faults is not None:
            check_faults(faults)
        self._clock: ClockMode = clock
        self._any_task_id, self._start_at, self._with, self._faults = any_task_id, start_at, with_, faults
        self._name = Path(name) if isinstance(name, os.PathLike) else name
        self._record = record
        self._options: dict[str, Any] = {"strict": strict, "upstream": upstream, "allowed_hosts": allowed_hosts}
        self._options["allow_secrets"] = tuple(allow_secrets)
        self._folder = Path(folder) if folder is not None else Path(_FOLDER)
        self._entered: list[ExitStack] = []

    def __enter__(self) -> MLTaskCassette:
        """Read the recording and begin to answer from it."""
        with ExitStack() as stack:
            cassette = self._cassette()
            stack.push(_finish(cassette))
            cassette.clock = stack.enter_context(running(self._clock if cassette.write_protected else "real"))
            if cassette.write_protected:
                self._set_rules(cassette)
            stack.enter_context(intercepting(cassette))
            self._entered.append(stack.pop_all())
        return cassette

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop answering; save what was recorded if all went well."""
        self._entered.pop().__exit__(kind, error, trace)

    async def __aenter__(self) -> MLTaskCassette:
        """Read the recording and begin to answer from it."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop answering; save what was recorded if all went well."""
        self.__exit__(kind, error, trace)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Decorate a function or coroutine function; each call reads the recording anew."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call_async(*args: _P.args, **kwargs: _P.kwargs) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

            return call_async  # type: ignore[return-value]  # a coroutine function is what was given

        @functools.wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with self._again():
                return function(*args, **kwargs)

        return call

    def _again(self) -> Self:
        """Give a copy with a state of its own, so that decorated functions may call themselves and run side by side."""
        again = object.__new__(type(self))
        again.__dict__.update(self.__dict__, _entered=[])
        return again

    def _cassette(self) -> MLTaskCassette:
        """Replay what is there; what is to be recorded goes to the project's folder, never among the bundled ones."""
        is_file = isinstance(self._name, Path) or self._name.endswith(store.SUFFIXES)
        own = Path(self._name) if is_file else store.path_of(self._name, self._folder)
        record = self._record
        if record in ("once", "new") and not own.exists() and not is_file and self._name in store.bundled():
            record = "none"
        if record == "none":
            own = store.find(self._name, self._folder)
        elif own.resolve().is_relative_to(store.bundled_folder().resolve()):
            raise WrongUseError(f"{own} comes with the package and is never written to; give the cassette another name")
        put_to_use.add(own)
        return MLTaskCassette(own, record=record, **self._options)

    def _set_rules(self, cassette: MLTaskCassette) -> None:
        """Let the options change what is played; the later a rule is added, the earlier it has its say."""
        if self._start_at is not None:
            start_at(cassette, self._start_at)
        if self._with:
            override(cassette, self._with)
        if self._clock == "recorded":
            cassette.add_rule(AtRecordedTimes(cassette))
        if cassette.failures:
            cassette.add_rule(AsRecorded(cassette))
        if self._faults:
            cassette.add_rule(AtPolls(cassette, self._faults))
        if self._any_task_id:
            cassette.add_rule(AnyTaskId(cassette))


def _known(what: str, word: str, words: Collection[str]) -> None:
    if word not in words:
        near = get_close_matches(str(word), words, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(words)}"
        raise WrongUseError(f"there is no {what} {word!r}; {hint}")


def _finish(cassette: MLTaskCassette) -> Callable[..., None]:
    def finish(kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None or cassette.abandoned:
            return
        cassette.save()
        if cassette.unanswered:
            asked = "\n".join(f"  {request}" for request in dict.fromkeys(cassette.unanswered))
            raise NoRecordedAnswerError(
                f"{cassette.path} had no answer to what was asked, and the error was swallowed on its way:\n{asked}"
            )

    return finish


@contextmanager
def recording(
    path: Path,
    *,
    metadata: Mapping[str, Any],
    replace: Mapping[str, str] | None = None,
    dialect: str | None = None,
    allow_secrets: Iterable[str] = (),
) -> Iterator[MLTaskCassette]:
    """Record what is done inside into a file, in place of an older one; nothing is written after an error.

    Args:
        path: the file; `.json`.
        metadata: what the recording says of itself; it can be added to inside.
        replace: texts, and what the recording shows in their place.
        dialect: to judge it by; None finds it out.
        allow_secrets: the fingerprints of values that look like secrets and are none.

    Raises:
        SecretFoundError: something looks like a secret; the older file stays.
        InvalidCassetteError: an answer is none that this server gives; the older file stays.
        OutsideError: it cannot be written; the older file stays.
    """
    cassette = MLTaskCassette(
        path,
        record="all",
        replacing=replace,
        metadata=metadata,
        dialect=dialect,
        anew=True,
        allow_secrets=allow_secrets,
    )
    with intercepting(cassette):
        yield cassette
    cassette.save()
