"""Test code that polls OpenSearch ML Commons tasks: factories, real recordings and a checker.

Every public name is loaded when it is first used, so importing the package costs next to nothing.
"""

from __future__ import annotations

__all__: list[str] = []
__version__ = "0.1.0"
