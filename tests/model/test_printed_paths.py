"""What a program prints, with another machine's directories, however it is cut into pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.model.paths import PrintedPaths

HERE = {"A": b"/w/a", "B": b"/w/a/b/c", "C": b"/w/caf\xe9", "D": b"/data", "E": b"/w/it's", "Only": b"/only"}
THERE = {"A": b"/mnt/media", "B": b"/srv/films", "C": b"/c", "D": b"/w/a", "E": b"/e"}


def printed(*pieces: bytes) -> bytes:
    stream = PrintedPaths(HERE, THERE)
    return b"".join([*(stream.feed(piece) for piece in pieces), stream.flush()])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", b""),
        (b"Input #0, from '/w/a/x.mkv':\n", b"Input #0, from '/mnt/media/x.mkv':\n"),
        (b"/w/a: Is a directory\n", b"/mnt/media: Is a directory\n"),
        (b"file:/w/a/x|/w/a/y", b"file:/mnt/media/x|/mnt/media/y"),
        (b'{"filename": "/w/a/b/c/d"}', b'{"filename": "/srv/films/d"}'),
        (b"/w/a/b/x", b"/mnt/media/b/x"),
        (b"/w/a", b"/mnt/media"),
        (b"/w/a2/x /w/a.mkv /w/ab", b"/w/a2/x /w/a.mkv /w/ab"),
        (b"x/w/a/b //w/a/b ./w/a/b \xff/w/a/", b"x/w/a/b //w/a/b ./w/a/b \xff/w/a/"),
        (b"/w/caf\xe9/\xff", b"/c/\xff"),
        (b"/w/it's/x", b"/e/x"),
        (
            b"\x1b[48;5;0m\x1b[38;5;196m/w/a/x\x1b[0m/w/a\n",
            b"\x1b[48;5;0m\x1b[38;5;196m/mnt/media/x\x1b[0m/mnt/media\n",
        ),
        (b"/10m/w/a/x", b"/10m/w/a/x"),
        # What was put in is not looked at again.
        (b"/data/x", b"/w/a/x"),
        (b"/only/x", b"/only/x"),
    ],
)
def test_table(text: bytes, expected: bytes) -> None:
    assert printed(text) == expected
    assert printed(*(text[i : i + 1] for i in range(len(text)))) == expected


def test_nothing_waits_that_cannot_become_a_name() -> None:
    stream = PrintedPaths(HERE, THERE)
    assert stream.feed(b"frame=  1 /x\r") == b"frame=  1 /x\r"
    assert stream.feed(b"Overwrite? [y/N] ") == b"Overwrite? [y/N] "
    assert stream.feed(b"from '/w") == b"from '"
    assert stream.held == 2
    assert stream.feed(b"x") == b"/wx"
    assert stream.feed(b" /w/a/b") == b" "
    assert stream.feed(b"/x") == b"/mnt/media/b/x"
    assert stream.feed(b" /w/a") == b" "
    assert stream.flush() == b"/mnt/media"
    assert stream.feed(b"/w/a/") == b"/w/a/"


def test_machines_that_agree() -> None:
    assert PrintedPaths(HERE, HERE).changes_nothing
    assert PrintedPaths({}, {}).changes_nothing
    assert PrintedPaths({}, {}).feed(b"/w") == b"/w"
    assert not PrintedPaths(HERE, THERE).changes_nothing


_piece = st.sampled_from([b"/", b" ", b"'", b"x", b"/w", b"/a", b"/b", b"/c", b"/w/a", *HERE.values()])


@given(st.lists(_piece | st.binary(max_size=2), max_size=20), st.lists(st.integers(0, 60), max_size=8))
def test_how_it_is_cut_makes_no_difference(pieces: list[bytes], cuts: list[int]) -> None:
    text = b"".join(pieces)
    at = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    whole = printed(text)
    assert printed(*(text[a:b] for a, b in pairwise(at))) == whole
    assert printed(*(text[i : i + 1] for i in range(len(text)))) == whole


@given(st.lists(_piece | st.binary(max_size=3), max_size=30))
def test_no_more_is_held_than_a_name(pieces: list[bytes]) -> None:
    stream = PrintedPaths(HERE, THERE)
    for piece in pieces:
        stream.feed(piece)
        assert stream.held <= max(map(len, HERE.values()))


@given(st.binary(max_size=60) | st.lists(_piece, max_size=20).map(b"".join))
def test_paths_that_are_not_mapped_are_unchanged(text: bytes) -> None:
    stream = PrintedPaths({"Z": b"/zz/top"}, {"Z": b"/y"})
    if b"/zz/top" not in text:
        assert stream.feed(text) + stream.flush() == text
