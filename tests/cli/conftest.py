"""Run the commands as a shell would."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mltask_fixtures.cli import main

PROGRAM = "import sys; from mltask_fixtures.cli import main; main(sys.argv[1:])"


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys):
    """Call it with the words of a command, in an empty folder; a process of its own only where it matters."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*words, columns=None, stdin="", before=None, environment=None):
        words = [str(word) for word in words]
        if before is not None or environment is not None:
            settings = {**os.environ, **({"COLUMNS": str(columns)} if columns else {}), **(environment or {})}
            program = [sys.executable, "-c", f"{before or ''}\n{PROGRAM}", *words]
            return subprocess.run(program, capture_output=True, check=False, env=settings, text=True, timeout=120)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            if columns:
                patch.setenv("COLUMNS", str(columns))
            with pytest.raises(SystemExit) as left:
                main(words)
        return SimpleNamespace(returncode=left.value.code, stdout=(told := capsys.readouterr()).out, stderr=told.err)

    return run


@pytest.fixture
def bundled():
    """The folder of bundled recordings."""
    from mltask_fixtures.cassette import store

    return Path(store.bundled_folder())
