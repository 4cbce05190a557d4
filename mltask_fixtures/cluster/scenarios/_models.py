"""What the scenarios of models have in common: archives of local models, connectors, and the bodies of the calls."""

from __future__ import annotations

import hashlib
import io
import json
import random
import zipfile
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cluster.scenario import remove_group, remove_model

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

LOCAL_SETTINGS = {
    "plugins.ml_commons.only_run_on_ml_node": False,
    "plugins.ml_commons.allow_registering_model_via_url": True,
    "plugins.ml_commons.allow_registering_model_via_local_file": True,
}
REMOTE_SETTINGS = {
    "plugins.ml_commons.only_run_on_ml_node": False,
    "plugins.ml_commons.connector.private_ip_enabled": True,
    "plugins.ml_commons.trusted_connector_endpoints_regex": [r"^http://127\.0\.0\.1.*$", r"^http://192\.0\.2\.10.*$"],
}


def model_zip(*, tokenizer: bool = True, broken: bool = False, filler: int = 0) -> bytes:
    """Give a model of under 1 kB: the same bytes each time, so its hash in a recording never changes.

    Args:
        tokenizer: whether its tokenizer is in it.
        broken: whether the tokenizer is none that can be read.
        filler: bytes of ballast, so that copying it takes a while.
    """
    content = {"tokenizer.json": "{}" if broken else _compact(_TOKENIZER)} if tokenizer else {}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, text in {**content, "idf.json": _compact(_WEIGHTS)}.items():
            archive.writestr(zipfile.ZipInfo(name), text)
        if filler:
            archive.writestr(zipfile.ZipInfo("filler.bin"), random.Random(0).randbytes(filler))  # noqa: S311 - ballast
    return buffer.getvalue()


def _compact(values: Any) -> str:
    return json.dumps(values, separators=(",", ":"))


def sha256(content: bytes) -> str:
    """Give the hash of a model as ML Commons takes it."""
    return hashlib.sha256(content).hexdigest()


def local_model(name: str, url: str, content: bytes | None, **more: Any) -> dict[str, Any]:
    """Give the body that registers a local model; without content it says no hash."""
    return {
        "name": name,
        "version": "1.0.0",
        "description": "five words",
        "function_name": "SPARSE_TOKENIZE",
        "model_format": "TORCH_SCRIPT",
        **({"model_content_hash_value": sha256(content)} if content is not None else {}),
        "url": url,
        **more,
    }


def register(stage: Stage, body: dict[str, Any]) -> str | None:
    """Register this model, wait for the end, and remove it afterwards.

    Returns:
        Its id; None if the registration failed.
    """
    stage.afterwards(lambda: remove_group(stage, body["name"]))
    registered = stage.ml("POST", "models/_register", body=body)
    model_id: str | None = registered.get("model_id")
    if model_id is not None:
        stage.afterwards(lambda: remove_model(stage, str(model_id)))
    ended = stage.wait(registered["task_id"])
    if model_id is None and "model_id" in ended:
        model_id = str(ended["model_id"])
        stage.afterwards(lambda: remove_model(stage, str(model_id)))
    return model_id


def embeddings_connector(url: str) -> dict[str, Any]:
    """Give the connector to the embeddings of a remote service."""
    return {
        "name": "embeddings",
        "description": "a remote model on loopback",
        "version": "1",
        "protocol": "http",
        "parameters": {"model": "stub-embeddings"},
        "credential": {"key": "none"},
        "actions": [
            {
                "action_type": "predict",
                "method": "POST",
                "url": f"{url}/v1/embeddings",
                "headers": {"Content-Type": "application/json"},
                "request_body": '{ "model": "${parameters.model}", "input": ${parameters.input} }',
            },
        ],
    }


def remote_model(name: str, connector_id: str) -> dict[str, Any]:
    """Give the body that registers a remote model."""
    return {
        "name": name,
        "function_name": "remote",
        "description": "four numbers for each text",
        "connector_id": connector_id,
    }
