"""FFmpeg's quoting and escaping, ffmpeg-utils(1): what a text means, and where each byte of it is written.

An argument may be quoted at more than one level: a filter graph is cut into filters, and what
is left of the quoting there is cut into options. Each level is a `Token` of the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

WHITESPACE = b" \n\t\r"
STYLES = 2
"""Ways to write a text so that it means the same: ours, and Jellyfin's `'\\\\\\''` for a quote."""

_KEY = re.compile(rb"[ \n\t\r]*([A-Za-z0-9_/.-]*)[ \n\t\r]*=")


@dataclass(frozen=True, slots=True)
class Plain:
    """Text that is written as it is."""

    text: bytes

    def offset(self, index: int) -> int:
        """Where in the argument the byte at `index` is written."""
        return index

    def spelled(self, text: bytes, index: int, style: int) -> bytes | None:
        """How `text` is written at `index`; None where it cannot be."""
        return text


@dataclass(frozen=True, slots=True)
class Token:
    """What is left of a part of `source` after one level of quoting.

    Attributes:
        indices: for each byte of `text` and for its end, where in the source's text it is written.
        quoted: for each byte of `text`, whether that is inside single quotes.
        special: bytes that mean something at this level, where they are neither quoted nor escaped.
    """

    text: bytes
    source: Plain | Token
    indices: list[int]
    quoted: bytearray
    special: bytes

    def offset(self, index: int) -> int:
        """Where in the argument the byte at `index` is written."""
        return self.source.offset(self.indices[index])

    def spelled(self, text: bytes, index: int, style: int) -> bytes | None:
        """How `text` is written at `index`, in one of the `STYLES`; what is around it keeps its meaning."""
        if self.quoted[index]:
            written = _QUOTED[style](text)
        else:
            written = _escapable(self.special).sub(rb"\\\g<0>", text)
        if isinstance(self.source, Plain):
            return written
        return self.source.spelled(written, self.indices[index], style)


def _quoted(text: bytes) -> bytes:
    return text.replace(b"'", rb"'\''")


def _quoted_with_escape(text: bytes) -> bytes:
    # The backslash that the next level needs leaves the quotes together with its quote.
    return re.sub(rb"\\?'", lambda found: rb"'\\\''" if len(found[0]) > 1 else rb"'\''", text)


_QUOTED = (_quoted, _quoted_with_escape)


@cache
def _escapable(special: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"[\\'" + re.escape(special) + rb"]")


@cache
def _pieces(terminators: bytes) -> re.Pattern[bytes]:
    # An escaped byte, a quoted text that may lack its end, or a run of ordinary bytes.
    ordinary = rb"[^\\'" + re.escape(terminators) + rb"]+|\\\Z"
    return re.compile(rb"\\(?P<escaped>.)|'(?P<quoted>[^']*)'?|(?P<plain>" + ordinary + rb")", re.DOTALL)


def skip_whitespace(text: bytes, start: int) -> int:
    """The index of the first byte from `start` on that is none."""
    while start < len(text) and text[start] in WHITESPACE:
        start += 1
    return start


def token(source: Plain | Token, start: int, terminators: bytes) -> tuple[Token, int]:
    """Read as av_get_token() does: up to one of the terminators, without whitespace around.

    Returns:
        The token, and the index in the source's text of the terminator, or of its end.
    """
    text = source.text
    position = skip_whitespace(text, start)
    found = bytearray()
    indices: list[int] = []
    quoted = bytearray()
    kept = 0
    pieces = _pieces(terminators)
    while piece := pieces.match(text, position):
        first, last = piece.span(piece.lastgroup or 0)
        found += text[first:last]
        quoted += (b"\1" if piece.lastgroup == "quoted" else b"\0") * (last - first)
        # A byte that is escaped is written from its backslash on.
        indices.extend(range(position if piece.lastgroup == "escaped" else first, last)[: last - first])
        position = piece.end()
        if piece.lastgroup != "plain":
            kept = len(found)
    while len(found) > kept and found[-1] in WHITESPACE:
        found.pop()
    del quoted[len(found) :]
    del indices[len(found) :]
    return Token(bytes(found), source, [*indices, position], quoted, terminators), position


def key_values(
    source: Plain | Token, start: int = 0, separators: bytes = b":"
) -> Iterator[tuple[bytes | None, Token, int]]:
    """Read `key=value:key=value` as av_opt_get_key_value() does.

    Yields:
        The key, None where the value has none; the value; the index of the separator behind it.
    """
    position = start
    while position < len(source.text):
        key = _KEY.match(source.text, position)
        value, position = token(source, key.end() if key else position, separators)
        yield (key[1] if key else None), value, position
        position += 1
