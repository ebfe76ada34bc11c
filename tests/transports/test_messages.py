"""Our own frames against the library's idea of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage
from wsproto.frame_protocol import XorMaskerSimple

from dffmpeg.transports.messages import Masker, frame_header, joined, mask_in_c

BORDERS = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000]


@pytest.mark.parametrize("key", [b"", b"abcd", bytes(4)])
@pytest.mark.parametrize("length", BORDERS)
def test_a_message_is_read_as_it_was_sent(length: int, key: bytes) -> None:
    receiver = Connection(ConnectionType.SERVER if key else ConnectionType.CLIENT)
    data = bytes(range(256)) * (length // 256) + bytes(length % 256)
    sent = Masker(key).process(data) if key else data
    receiver.receive_data(frame_header(length, key) + sent)
    events = [event for event in receiver.events() if isinstance(event, BytesMessage)]
    assert b"".join(bytes(event.data) for event in events) == data
    assert events[-1].message_finished


@given(st.lists(st.binary(max_size=40)))
def test_parts_are_put_together_in_order(parts: list[bytes]) -> None:
    assert b"".join(joined(parts, 20)) == b"".join(parts)


@given(st.binary(min_size=4, max_size=4), st.lists(st.binary(max_size=40)))
def test_masking_is_as_the_librarys(key: bytes, pieces: list[bytes]) -> None:
    ours, theirs = Masker(key), XorMaskerSimple(key)
    for piece in pieces:
        assert ours.process(bytearray(piece)) == theirs.process(bytearray(piece))


def test_the_library_takes_our_masker() -> None:
    mask_in_c()
    receiver = Connection(ConnectionType.SERVER)
    receiver.receive_data(frame_header(10, b"abcd") + b"half")
    list(receiver.events())
    assert isinstance(receiver._proto._frame_decoder.masker, Masker)
