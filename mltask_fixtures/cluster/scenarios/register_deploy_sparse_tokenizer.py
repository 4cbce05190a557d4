"""A local model's life: registered, deployed, undeployed."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cluster.scenario import Scenario, remove_model
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage

_WORDS = ("[UNK]", "open", "search", "machine", "learning")

# The smallest tokenizer that the Hugging Face library reads, and the weight of each word.
_TOKENIZER: dict[str, Any] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": None,
    "decoder": None,
    "model": {
        "type": "WordLevel",
        "vocab": {word: number for number, word in enumerate(_WORDS)},
        "unk_token": "[UNK]",
    },
}
_WEIGHTS = dict.fromkeys(_WORDS, 1.0)


def model_zip() -> bytes:
    """A model of under 1 kB: the same bytes each time, so its hash in a recording never changes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in (("tokenizer.json", _TOKENIZER), ("idf.json", _WEIGHTS)):
            archive.writestr(zipfile.ZipInfo(name), json.dumps(content, separators=(",", ":")))
    return buffer.getvalue()


def play(stage: Stage) -> None:
    """Register it from a file that the server reads, deploy it, look at it, undeploy it, delete it."""
    model = model_zip()
    folder = Path(tempfile.mkdtemp(prefix="mltask-fixtures-"))
    stage.afterwards(lambda: shutil.rmtree(folder))
    folder.chmod(0o755)  # the server's account is another than ours
    path = folder / "sparse-tokenizer.zip"
    path.write_bytes(model)
    path.chmod(0o644)
    stage.show(str(folder), as_="/models")
    with stage.recorded():
        registered = stage.ml(
            "POST",
            "models/_register",
            body={
                "name": "sparse-tokenizer",
                "version": "1.0.0",
                "description": "five words",
                "function_name": "SPARSE_TOKENIZE",
                "model_format": "TORCH_SCRIPT",
                "model_content_hash_value": hashlib.sha256(model).hexdigest(),
                "url": path.as_uri(),
            },
        )
        model_id = stage.wait(registered["task_id"]).get("model_id")
        if model_id is None:
            return  # what is missing is told by the check
        stage.afterwards(lambda: remove_model(stage, model_id))
        deployed = stage.ml("POST", f"models/{model_id}/_deploy")
        stage.wait(deployed["task_id"])
        stage.ml("GET", f"models/{model_id}")
        stage.ml(
            "POST",
            "tasks/_search",
            body={"query": {"term": {"model_id": model_id}}, "sort": [{"create_time": "asc"}]},
        )
        stage.ml("POST", f"models/{model_id}/_undeploy")
        stage.ml("DELETE", f"models/{model_id}")


SCENARIO = Scenario(
    name="register-deploy-sparse-tokenizer",
    sentence="A local sparse tokenizer is registered from a file, deployed, undeployed and deleted.",
    play=play,
    must_see={
        TaskType.REGISTER_MODEL: (TaskState.CREATED, TaskState.COMPLETED),
        TaskType.DEPLOY_MODEL: (TaskState.CREATED, TaskState.RUNNING, TaskState.COMPLETED),
    },
    settings={
        "plugins.ml_commons.only_run_on_ml_node": False,
        "plugins.ml_commons.allow_registering_model_via_url": True,
        "plugins.ml_commons.allow_registering_model_via_local_file": True,
    },
    since="2.11.0",
)
