"""`mltask-fixtures convert`: between our recordings and vcrpy's cassettes."""

from __future__ import annotations

from pathlib import Path

import click

from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cli import _files


@click.command(name="convert")
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--vcrpy", is_flag=True, help="Write vcrpy's own JSON into a .json file; a .yaml file has vcrpy's YAML.")
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
def command(source: str, target: Path, vcrpy: bool, force: bool) -> None:
    """Write a recording in the other form: ours as vcrpy's, or any cassette of vcrpy as ours.

    IN is a name that `list` shows, or a file. OUT ends in .json, .yaml or .yml. Bodies stay the same to the byte.
    What becomes ours is redacted, and held to the contract first: what no server says is not written.

    \b
    Example:
      mltask-fixtures convert tests/cassettes/test_training.yaml cassettes/training.json
      mltask-fixtures convert 3.6.0/train-kmeans-completed training.yaml
    """
    from mltask_fixtures.cassette import InvalidCassetteError, SecretFoundError, store
    from mltask_fixtures.cassette.judge import judge
    from mltask_fixtures.cassette.recording import from_dict
    from mltask_fixtures.cassette.scan import scan

    form = _form(target, vcrpy=vcrpy)
    path = _files.find(source)
    if target.exists() and not force:
        raise WrongUseError(f"{target} exists; --force replaces it")
    cassette = store.read(path)
    if form == "mltask":
        cassette = _files.redacted(cassette)
        recording = from_dict(path, cassette)
        if findings := judge(recording.interactions, recording.dialect, recording.server):
            raise InvalidCassetteError(path, findings)
        if suspicions := scan(cassette):
            raise SecretFoundError(target, suspicions)
    store.write(target, *_files.text_of(cassette, form))
    count = len(cassette["interactions"])
    click.echo(f"{target}: {count} {'interaction' if count == 1 else 'interactions'}", err=True)


def _form(target: Path, *, vcrpy: bool) -> _files.Form:
    if target.suffix in (".yaml", ".yml"):
        return "vcrpy-yaml"
    if target.suffix == ".json":
        return "vcrpy-json" if vcrpy else "mltask"
    raise WrongUseError(f"{target} has no suffix that says what to write: .json, or .yaml for vcrpy's YAML")
