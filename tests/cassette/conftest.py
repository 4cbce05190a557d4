"""A real server for each test, on the loopback."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the tests are no package; their helpers stand beside them

from servers import serving


@pytest.fixture
def server():
    with serving() as server:
        yield server
