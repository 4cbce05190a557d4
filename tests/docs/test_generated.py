"""The pages that are drawn from tables are what the tables say now."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def generator():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", generator().PAGES)
def test_a_generated_page_is_current(page):
    """After a change of a table `python docs/generate.py` has to be run."""
    assert (DOCS / page).read_text(encoding="utf-8") == generator().PAGES[page]()
