"""Command lines for shells: what is written is what bash reads."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dffmpeg.model import shell

WORD = st.binary(max_size=20).map(lambda word: word.replace(b"\0", b""))


def read(line: str) -> list[bytes]:
    """The words that bash makes of a line, behind the first."""
    script = f"printf '%s\\0' {line}".encode()
    printed = subprocess.run(["bash", "-c", script], check=True, capture_output=True).stdout
    return printed.split(b"\0")[:-1]


@settings(max_examples=60, deadline=None)
@given(st.lists(WORD, min_size=1, max_size=5))
def test_bash_reads_the_same_words(words: list[bytes]) -> None:
    assert read(shell.line(words)) == words


@pytest.mark.parametrize(
    ("word", "line"),
    [
        (b"ffmpeg", "ffmpeg"),
        (b"", "''"),
        (b"$Movies/a b.mkv", "'$Movies/a b.mkv'"),
        (b"it's", "'it'\"'\"'s'"),
        ("Grün".encode(), "'Grün'"),
        (b"Gr\xfcn7.mkv", r"$'Gr\374n7.mkv'"),
        (b"a\xff1'\\", r"$'a\3771\'\\'"),
        (b"two\nlines\x1b[0m", r"$'two\nlines\033[0m'"),
        ("gp\u202e4m.mkv".encode(), r"$'gp\342\200\2564m.mkv'"),
        (b"$(rm -rf /)`x`", "'$(rm -rf /)`x`'"),
    ],
)
def test_words(word: bytes, line: str) -> None:
    assert shell.quoted(word) == line
    assert read(line) == [word]
