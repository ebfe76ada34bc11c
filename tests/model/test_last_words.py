"""The one line by which a person knows why a program failed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.model.last_words import MOST, last_line


@pytest.mark.parametrize(
    ("end", "line"),
    [
        (b"", None),
        (b"\r\n \n\x1b[0m\n", None),
        (b"one\ntwo\n", "two"),
        (b"no end of line", "no end of line"),
        (b"why\nframe=1\rframe=2\r", "frame=2"),
        (b"Unknown encoder 'x'\nConversion failed!\n", "Unknown encoder 'x'"),
        (b"Conversion failed!\n", "Conversion failed!"),
        (b"\x1b[1;31mred\x1b[0m and \x1b]0;title\x07plain\n", "red and plain"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", "link"),
        (b"a\x08b\x00c\xe2\x80\xaed\n", "a\\x08b\\x00c\\u202ed"),
        (b"\xff \xc3\xa9\n", "\ufffd é"),
        (b"x" * MOST, "x" * MOST),
        (b"x" * (MOST + 1), "x" * (MOST - 1) + "…"),
        (b"\x01" * MOST, "\\x01" * 49 + "\\x0…"),
    ],
)
def test_a_line(end: bytes, line: str | None) -> None:
    assert last_line(end) == line


@given(st.binary(max_size=400) | st.text("\x1b[]P;01mAK\\\x07\r\n x", max_size=400).map(str.encode))
def test_it_is_short_and_harmless_whatever_was_said(end: bytes) -> None:
    line = last_line(end)
    assert line is None or (0 < len(line) <= MOST and line.isprintable())
