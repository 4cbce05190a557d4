"""`mltask-fixtures schema`: the task models as JSON Schema, for other languages and tools."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any

import click

from mltask_fixtures._errors import WrongUseError


@click.command(name="schema")
@click.argument("task_type", required=False, metavar="[TYPE]")
def command(task_type: str | None) -> None:
    """Write the JSON Schema of a task of one TYPE, or of all types.

    It accepts what any released server or the documentation may say of the type; `check` holds a body to one dialect.

    \b
    Example:
      mltask-fixtures schema DEPLOY_MODEL > deploy-model.schema.json
    """
    from mltask_fixtures.contract import KINDS

    kinds = {str(name): kind for name, kind in KINDS.items()}
    if task_type is None:
        schema = _of_all(kinds)
    elif task_type in kinds:
        schema = kinds[task_type].model_json_schema(mode="validation")
    else:
        near = get_close_matches(task_type.upper(), kinds, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(kinds)}"
        raise WrongUseError(f"there is no task type {task_type!r}; {hint}")
    click.echo(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2))


def _of_all(kinds: dict[str, Any]) -> dict[str, Any]:
    from pydantic.json_schema import models_json_schema

    refs, schema = models_json_schema([(kind, "validation") for kind in dict.fromkeys(kinds.values())])
    named = {name: refs[(kind, "validation")]["$ref"] for name, kind in kinds.items()}
    return {
        "title": "Task",
        "oneOf": [{"$ref": ref} for ref in dict.fromkeys(named.values())],
        "discriminator": {"propertyName": "task_type", "mapping": named},
        **schema,
    }
