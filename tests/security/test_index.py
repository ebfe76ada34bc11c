"""The index of attacks in `docs/security.md` names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (FOLDER.parents[1] / "docs/security.md").read_text())


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_it_is_there(file: str, name: str) -> None:
    assert re.search(rf"(?m)^(async )?def {name}\(", (FOLDER / file).read_text())


def test_attacks_are_named() -> None:
    assert len(NAMED) > 30
