"""Each target answers what is kept in its corpus: what was found once stays mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus(name: str) -> None:
    cases = sorted((CORPUS / name).iterdir())
    assert cases, f"nothing is kept for {name}"
    for case in cases:
        TARGETS[name](case.read_bytes())
