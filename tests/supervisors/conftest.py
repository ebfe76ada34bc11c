from __future__ import annotations

import pytest

from .kit import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()
