"""Command lines as one types them into a shell. Pure functions over bytes, because file names are bytes."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

_ESCAPES = {ord("'"): "\\'", ord("\\"): "\\\\", ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}


def line(words: Iterable[bytes]) -> str:
    """A command as one line, which the shell makes the same words of again.

    What is no UTF-8, or cannot be seen, is written as `$'\\…'`, which bash, ksh, zsh and POSIX of 2024 know.

    Args:
        words: the program first; none holds a NUL byte.
    """
    return " ".join(map(quoted, words))


def quoted(word: bytes) -> str:
    """One word."""
    try:
        text = word.decode("utf-8")
    except UnicodeDecodeError:
        return _escaped(word)
    # Besides control characters, also those that would have it look like something else.
    return shlex.quote(text) if text.isprintable() else _escaped(word)


def _escaped(word: bytes) -> str:
    return "$'" + "".join(map(_escape, _pieces(word))) + "'"


def _pieces(word: bytes) -> Iterable[str]:
    """Characters; a byte that is part of none stands for itself, as Python has it."""
    return word.decode("utf-8", "surrogateescape")


def _escape(piece: str) -> str:
    known = _ESCAPES.get(ord(piece))
    if known is not None:
        return known
    if piece.isprintable():
        return piece
    # Of three digits each: so that none that comes behind is taken for one more.
    return "".join(f"\\{byte:03o}" for byte in piece.encode("utf-8", "surrogateescape"))
