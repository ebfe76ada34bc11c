"""Frames whose ends are found while they pass, however they are cut."""

from __future__ import annotations

import struct
from itertools import cycle

from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.transports.frame_ends import FrameEnds

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


def frame(opcode: int, size: int, *, masked: bool) -> bytes:
    """As RFC 6455, section 5.2, has it."""
    mask = 0x80 if masked else 0
    if size < 126:
        header = struct.pack("!BB", 0x80 | opcode, mask | size)
    elif size < 1 << 16:
        header = struct.pack("!BBH", 0x80 | opcode, mask | 126, size)
    else:
        header = struct.pack("!BBQ", 0x80 | opcode, mask | 127, size)
    # A payload that looks like frames itself.
    return header + (b"mask" if masked else b"") + (b"\x88\x00" * size)[:size]


lengths = st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536, 70_000]) | st.integers(0, 300)
made = st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING]), lengths, st.booleans()), max_size=8)


@given(made, st.lists(st.integers(1, 20), max_size=20))
def test_ends_are_found(frames: list[tuple[int, int, bool]], steps: list[int]) -> None:
    texts = [frame(opcode, size, masked=masked) for opcode, size, masked in frames]
    ends, position = {0}, 0
    for text in texts:
        position += len(text)
        ends.add(position)
    whole = b"".join(texts)
    sizes = cycle([*steps, 8192])
    found, passed = FrameEnds(), 0
    while passed < len(whole):
        cut = min(passed + next(sizes), len(whole))
        found.feed(whole[passed:cut])
        passed = cut
        assert (found.missing == 0) == (passed in ends)
        # Never more than there is until the next end.
        assert passed + found.missing <= min(end for end in ends if end >= passed)
    assert not found.closed


@given(lengths.filter(lambda size: size < 126), st.booleans())
def test_a_close_frame_is_seen(size: int, masked: bool) -> None:
    found = FrameEnds()
    found.feed(frame(BINARY, 200_000, masked=masked))
    assert not found.closed
    found.feed(frame(CLOSE, size, masked=masked))
    assert found.closed
