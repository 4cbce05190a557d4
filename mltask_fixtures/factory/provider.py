"""The faker provider: every free text of a payload, in the shapes that servers were seen to send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from faker.providers import BaseProvider

from mltask_fixtures.contract import TaskType

if TYPE_CHECKING:
    from collections.abc import Mapping

_REGISTERING = (
    "model content changed",
    "No tokenizer file",
    "zip END header not found",
    "Connection refused",
    "Model group not found",
    "exceed max running task limit",
    "/models/{file} (No such file or directory)",
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


class MLTaskProvider(BaseProvider):
    """Free text for ML tasks; add it to any `Faker`.

    Example:
        >>> from faker import Faker
        >>> fake = Faker()
        >>> fake.add_provider(MLTaskProvider)
        >>> fake.seed_instance(1)
        >>> isinstance(fake.ml_error_message("TRAINING"), str)
        True
    """

    generator: Any  # faker adds the methods of its providers at run time

    def ml_index_name(self) -> str:
        """Make the name of an index, such as `movie-reviews`."""
        return "-".join(self.generator.words(2)).lower()

    def ml_error_message(self, task_type: TaskType | str) -> str:
        """Make a message that a task of this type fails with; its holes are filled with free text."""
        template = self.random_element(_SEEN.get(TaskType(task_type), ("{sentence}",)))
        return template.format_map(
            {
                "index": self.ml_index_name(),
                "file": f"{self.ml_index_name()}.zip",
                "word": self.generator.word(),
                "sentence": self.generator.sentence(),
            }
        )

    def ml_agent_answer(self) -> str:
        """Make what an agent says at its end."""
        return str(self.generator.paragraph(nb_sentences=3))
