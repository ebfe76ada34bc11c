"""What a job has to have to be found, and how much of each part of a list is looked at."""

from __future__ import annotations

import pytest

from dffmpeg.model.pages import JobFilter, Looked, PageRequest, Place, shares, used


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((b"LIBX264",), True),
        ((b"crf", b"holiday"), True),
        ((b"crf", b"nothing"), False),
        ((b"a\xff",), True),
        # The end of the arguments and the beginning of the name are no word.
        ((b"18holi",), False),
        ((), True),
    ],
)
def test_words(words: tuple[bytes, ...], found: bool) -> None:
    wanted = JobFilter(words=words)
    assert wanted.reads_arguments is bool(words)
    assert wanted.finds(b"-c:v libx264 A\xff.mkv -crf 18", "Holiday") is found


def test_a_text_has_its_case() -> None:
    assert not JobFilter(text=b"LIBX264").finds(b"libx264", None)
    assert JobFilter(text=b"x26").finds(b"libx264", None)


def part(*times: int) -> Looked:
    places = [Place(float(time), "J") for time in times]
    return Looked((), places[-1] if places else None, places)


@pytest.mark.parametrize("descending", [True, False])
def test_what_was_of_use_is_looked_at_more(descending: bool) -> None:
    many, few = part(90, 80, 70), part(85, 20, 10)
    request, end = PageRequest(descending=descending), Place(70.0, "J")
    if not descending:
        many, few, end = part(10, 20, 30), part(15, 80, 90), Place(30.0, "J")
    counts = used([many, few, part()], request, end)
    assert counts == [3, 1, 0]
    assert used([many, few], request, None) == [3, 3]
    assert shares(counts, 100, 5) == [75, 25, 5]
    assert shares([0, 0], 100, 5) == [5, 5]
