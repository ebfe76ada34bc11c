"""Patterns of submitters: what they find, and that none of them keeps anybody waiting."""

from __future__ import annotations

import pytest
import trio

from dffmpeg.actors.coordinator.patterns import SECONDS, PatternSearch

TEXT = b"frame=1\rError writing: Connection reset by peer\nConversion failed!\n\xff\n"


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["Connection reset"], True),
        (["no such", r"^Conversion failed!$"], True),
        (["no such"], False),
        ([r"\n\Z"], True),
        (["ö"], False),
    ],
)
async def test_what_is_found(patterns: list[str], found: bool) -> None:
    assert await PatternSearch().found(patterns, TEXT) is found


async def test_a_pattern_without_end_finds_nothing_and_stops() -> None:
    search = PatternSearch()
    found: list[bool] = []

    async def look() -> None:
        found.append(await search.found([r"(a+)+b"], b"a" * 4000))

    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(look)
    assert found == [False, False, False]
    # The third waited for a place until its own time was over.
    assert trio.current_time() - begun < 10 * SECONDS
