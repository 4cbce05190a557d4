"""The examples in docstrings run as they stand."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import mltask_fixtures

MODULES = sorted(
    {"mltask_fixtures"}
    | {module.name for module in pkgutil.walk_packages(mltask_fixtures.__path__, "mltask_fixtures.")}
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name, tmp_path, monkeypatch):
    """Whoever copies an example sees what the docstring shows."""
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    # Under a name of their own, as a caller's code has one: the clock leaves the package's own modules alone.
    assert doctest.testmod(module, globs={**vars(module), "__name__": "example"}).failed == 0
