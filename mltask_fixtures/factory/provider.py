"""The faker provider: tasks for any `Faker`, and every free text in the shapes that servers were seen to send."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Unpack

from faker.providers import BaseProvider

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.contract import TaskType, mint_document_id, mint_node_id
from mltask_fixtures.factory.plan import EPOCH, SPAN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mltask_fixtures.contract import Dialect, Task, TaskState
    from mltask_fixtures.factory.build import TaskFactory, TaskOverrides
    from mltask_fixtures.factory.lifecycle import Lifecycle

_REGISTERING = (
    "model content changed",
    "No tokenizer file",
    "zip END header not found",
    "Connection refused",
    "Model group not found",
    "exceed max running task limit",
    "/models/{index}.zip (No such file or directory)",
    "Disk Circuit Breaker is open, please check your resources!",
)
_DEPLOYING = (
    "Duplicate deploy model task",
    "Exceed max local model per node limit",
    "exceed max running task limit",
    "Model missing. at line 1 column 17",
    "Memory Circuit Breaker is open, please check your resources!",
)
_SEEN: Final[Mapping[TaskType, tuple[str, ...]]] = {
    TaskType.TRAINING: (
        "no such index [{index}]",
        "No document found",
        "Empty target when generating dataset from data frame.",
        "timeout after 600 seconds",
    ),
    TaskType.UPLOAD_MODEL: _REGISTERING,
    TaskType.REGISTER_MODEL: _REGISTERING,
    TaskType.LOAD_MODEL: _DEPLOYING,
    TaskType.DEPLOY_MODEL: _DEPLOYING,
    TaskType.BATCH_INGEST: (
        "Can't find class for type {word}",
        "Failed to batch ingest: java.lang.IllegalArgumentException: the bulk ingestion is empty",
        "batch ingestion successful rate is 50.0",
    ),
    TaskType.AGENT_EXECUTION: ("Failed to find model", "Missing property in path $['choices']", "{sentence}"),
}
_NUMBER: Final = 48
"""Bits that pick a payload."""
_WORD: Final = 20
"""Bits that pick a word."""
_WORD_MASK: Final = (1 << _WORD) - 1


class MLTaskProvider(BaseProvider):
    """ML tasks, their lifecycles, ids and texts; add it to any `Faker`.

    All is drawn from the generator's own random, so `Faker.seed`, `seed_instance` and the `faker` fixture's seed hold.
    The locale gives the words of the free text and changes nothing else.

    Example:
        >>> from faker import Faker
        >>> fake = Faker()
        >>> fake.add_provider(MLTaskProvider)
        >>> fake.seed_instance(1)
        >>> isinstance(fake.ml_error_message("TRAINING"), str)
        True
    """

    generator: Any  # faker adds the methods of its providers at run time

    def ml_task(
        self,
        task_type: TaskType | str | None = None,
        state: TaskState | str | None = None,
        dialect: Dialect | str = "documented",
        **overrides: Unpack[TaskOverrides],
    ) -> Task:
        """Make a task; what is left open is drawn. See `TaskFactory.build` for the overrides.

        Example:
            >>> from faker import Faker
            >>> fake = Faker("de_DE")
            >>> fake.add_provider(MLTaskProvider)
            >>> str(fake.ml_task("TRAINING", "FAILED", dialect="2.19").state)
            'FAILED'
        """
        return self._factory(dialect).nth(self._number(), task_type, state, **overrides)

    def ml_lifecycle(
        self,
        task_type: TaskType | str | None = None,
        outcome: TaskState | str | None = None,
        dialect: Dialect | str = "documented",
        **overrides: Unpack[TaskOverrides],
    ) -> Lifecycle:
        """Make one task's snapshots over time; what is left open is drawn. See `TaskFactory.lifecycle`."""
        factory = self._factory(dialect)
        if task_type is None or outcome is None:
            drawn = factory.nth(self._number(), task_type, None if outcome in {"stuck", "timed_out"} else outcome)
            task_type, outcome = drawn.task_type, outcome or drawn.state
        return factory.lifecycle(task_type, outcome, n=self._number(), **overrides)

    def ml_task_type(self, dialect: Dialect | str = "documented") -> TaskType:
        """Draw a task type that the dialect shows."""
        return self.ml_task(dialect=dialect).task_type

    def ml_task_state(
        self, task_type: TaskType | str | None = None, dialect: Dialect | str = "documented"
    ) -> TaskState:
        """Draw a state that the dialect shows, of a type if one is given."""
        return self.ml_task(task_type, dialect=dialect).state

    def ml_task_id(self) -> str:
        """Make the id of a task: a document id that holds the ms in which it was minted."""
        bits = self.generator.random.getrandbits(128)
        return mint_document_id(
            EPOCH + (bits >> 72) % SPAN, bits & 0xFFFFFF, (bits >> 24 & (1 << 48) - 1).to_bytes(6, "big")
        )

    def ml_model_id(self) -> str:
        """Make the id of a model, of the same form as a task's."""
        return self.ml_task_id()

    def ml_node_id(self) -> str:
        """Make the id of a node: a version 4 UUID in 22 characters."""
        return mint_node_id(self.generator.random.getrandbits(128).to_bytes(16, "big"))

    def ml_index_name(self) -> str:
        """Make the name of an index, such as `movie-reviews`."""
        return "-".join(self._words(2)).lower()

    def ml_error_message(self, task_type: TaskType | str) -> str:
        """Make a message that a task of this type fails with; its holes are filled with free text."""
        messages = _SEEN.get(TaskType(task_type), ("{sentence}",))
        message = messages[int(self.generator.random.random() * len(messages))]
        for hole, fill in self._holes:
            if hole in message:
                message = message.replace(hole, fill())
        return message

    def ml_agent_answer(self) -> str:
        """Make what an agent says at its end."""
        return " ".join(self._sentence(4, 12) for _ in range(3))

    def _number(self) -> int:
        return int(self.generator.random.getrandbits(_NUMBER))

    def _factory(self, dialect: Dialect | str) -> TaskFactory:
        """Give the factory of a dialect, whose free text is in the words of this generator's locale."""
        from mltask_fixtures.factory.build import TaskFactory

        name = dialect if isinstance(dialect, str) else dialect.name
        if name not in self._factories:
            self._factories[name] = TaskFactory("faker", dialect, words=self.generator)
        return self._factories[name]

    @cached_property
    def _factories(self) -> dict[str, TaskFactory]:
        return {}

    def _words(self, n: int) -> list[str]:
        """Draw n words of the locale from one number, which is much faster than a draw for each."""
        words = self._lorem[0]
        bits, many = self.generator.random.getrandbits(_WORD * n), len(words)
        return [words[(bits >> shift & _WORD_MASK) * many >> _WORD] for shift in range(0, _WORD * n, _WORD)]

    def _sentence(self, least: int, most: int) -> str:
        _, connector, end = self._lorem
        text = connector.join(self._words(least + int(self.generator.random.random() * (most - least + 1))))
        return text[:1].upper() + text[1:] + end

    @cached_property
    def _holes(self) -> tuple[tuple[str, Callable[[], str]], ...]:
        return (
            ("{index}", self.ml_index_name),
            ("{word}", lambda: self._words(1)[0]),
            ("{sentence}", lambda: self._sentence(4, 9)),
        )

    @cached_property
    def _lorem(self) -> tuple[tuple[str, ...], str, str]:
        lorem = lorem_of(self.generator)
        return tuple(lorem.get_words_list()), lorem.word_connector, lorem.sentence_punctuation


def lorem_of(generator: Any) -> Any:
    """Find the provider that has the words of a generator's locale.

    Raises:
        WrongUseError: the generator was made without it.
    """
    for provider in generator.get_providers():
        if hasattr(provider, "get_words_list") and hasattr(provider, "sentence_punctuation"):
            return provider
    raise WrongUseError("this Faker has no words: make it with the provider faker.providers.lorem, as Faker() does")
