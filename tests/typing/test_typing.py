"""Wrong overrides are type errors, in both type checkers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("overrides.py")
CHECKERS = {
    "mypy": ["--strict", "--no-incremental", "--cache-dir", "/dev/null", "--config-file", ""],
    "pyright": ["--pythonpath", sys.executable],
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_wrong_overrides_are_type_errors(checker):
    """Exactly the marked lines are refused: misspelt, unknown and impossible keywords."""
    refused = {number for number, line in enumerate(CASES.read_text().splitlines(), 1) if "# refused" in line}
    pytest.importorskip(checker)
    run = subprocess.run(
        [sys.executable, "-m", checker, *CHECKERS[checker], str(CASES)], check=False, capture_output=True, text=True
    )
    seen = {int(line) for line in re.findall(r"overrides\.py:(\d+).*error", run.stdout)}
    assert seen == refused, run.stdout + run.stderr
    assert len(refused) == 9
