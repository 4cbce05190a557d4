"""Registrations of local models that fail, each for another reason."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cluster.scenario import Need, Scenario
from mltask_fixtures.cluster.scenarios._models import LOCAL_SETTINGS, local_model, model_zip, register
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from collections.abc import Callable

    from mltask_fixtures.cluster.scenario import Stage

_NAME = "sparse-tokenizer-refused"


def _wrong_hash(stage: Stage) -> dict[str, Any]:
    model = model_zip()
    return local_model(_NAME, stage.file("model.zip", model), model, model_content_hash_value="0" * 64)


def _no_hash(stage: Stage) -> dict[str, Any]:
    return local_model(_NAME, stage.file("model.zip", model_zip()), None)


def _broken_archive(stage: Stage) -> dict[str, Any]:
    broken = model_zip()[:400]
    return local_model(_NAME, stage.file("model.zip", broken), broken)


def _no_tokenizer(stage: Stage) -> dict[str, Any]:
    model = model_zip(tokenizer=False)
    return local_model(_NAME, stage.file("model.zip", model), model)


def _no_file(stage: Stage) -> dict[str, Any]:
    url = stage.file("model.zip", b"")
    return local_model(_NAME, url.replace("model.zip", "missing.zip"), b"")


def _no_service(stage: Stage) -> dict[str, Any]:
    with stage.remote() as remote:
        url = remote.url
    return local_model(_NAME, f"{url}/model.zip", b"")  # it is gone by now


def _whole(stage: Stage) -> dict[str, Any]:
    model = model_zip()
    return local_model(_NAME, stage.file("model.zip", model), model)


def play(stage: Stage, make: Callable[[Stage], dict[str, Any]]) -> None:
    """Register, and see it fail."""
    body = make(stage)
    with stage.recorded():
        register(stage, body)


# Name, what happens, the body of the call, settings.
_REASONS: tuple[tuple[str, str, Callable[[Stage], dict[str, Any]], dict[str, Any]], ...] = (
    ("wrong-hash", "The hash that the call gives is not that of the archive", _wrong_hash, {}),
    ("no-hash", "The call gives no hash of the archive", _no_hash, {}),
    ("broken-archive", "The archive is cut off", _broken_archive, {}),
    ("no-tokenizer", "The archive has no tokenizer", _no_tokenizer, {}),
    ("no-file", "There is no such file on the server", _no_file, {}),
    ("no-service", "Nothing answers where the archive is to be fetched", _no_service, {}),
    (
        "task-limit",
        "The node may run no registration",
        _whole,
        {"plugins.ml_commons.max_register_model_tasks_per_node": 0},
    ),
    (
        "disk-breaker",
        "The breaker for a full disk is open",
        _whole,
        {"plugins.ml_commons.disk_free_space_threshold": "1024tb"},
    ),
)

SCENARIOS = tuple(
    Scenario(
        name=f"register-{name}-failed",
        sentence=f"{what}: the registration of a local model fails.",
        play=partial(play, make=make),
        must_see={TaskType.REGISTER_MODEL: (TaskState.CREATED, TaskState.FAILED)},
        settings={**LOCAL_SETTINGS, **settings},
        since="2.15.0" if "breaker" in name else "2.11.0",
        needs=(Need.THIS_COMPUTER,),
    )
    for name, what, make, settings in _REASONS
)
