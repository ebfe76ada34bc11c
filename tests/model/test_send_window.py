"""The output window against a receiver that loses its memory, its answers and what does not follow."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dffmpeg.errors import BadInput
from dffmpeg.model.send_window import Piece, SendWindow

CAPACITY = 64


class Receiver:
    """What the contract asks of a coordinator: append what follows, refuse gaps, jump to a floor."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.gap_end = 0
        self.received = 0
        self.acked = 0

    def take(self, piece: Piece) -> None:
        if piece.floor > self.received:
            self.gap_end = piece.floor
            self.data += b"?" * (piece.floor - self.received)
            self.received = piece.floor
        if piece.offset <= self.received:
            fresh = piece.payload[self.received - piece.offset :]
            self.data += fresh
            self.received += len(fresh)

    def forget(self, offset: int) -> None:
        self.received = min(self.received, offset)
        self.acked = min(self.acked, self.received)
        del self.data[self.received :]


class WindowMachine(RuleBasedStateMachine):
    """Any order of writing, sending, losing answers and restarting ends with the same bytes."""

    @initialize()
    def begin(self) -> None:
        self.window = SendWindow(CAPACITY)
        self.receiver = Receiver()
        self.written = bytearray()
        self.highest_ack = 0

    @rule(data=st.binary(max_size=CAPACITY))
    def write(self, data: bytes) -> None:
        data = data[: self.window.room]
        self.window.append(data)
        self.written += data

    @rule()
    def close(self) -> None:
        self.window.close()

    @rule(limits=st.lists(st.integers(0, CAPACITY), min_size=1, max_size=3), lost=st.booleans())
    def send(self, limits: list[int], lost: bool) -> None:
        for limit in limits:
            self.receiver.take(self.window.take(limit))
        if not lost:
            self.answer()

    def answer(self) -> None:
        self.highest_ack = max(self.highest_ack, self.receiver.acked)
        self.window.acknowledge(self.receiver.received, self.receiver.acked)

    @rule(share=st.floats(0, 1))
    def consume(self, share: float) -> None:
        reach = self.receiver.received - self.receiver.acked
        self.receiver.acked += int(reach * share)

    @precondition(lambda self: self.receiver.received > 0)
    @rule(share=st.floats(0, 1))
    def restart_receiver(self, share: float) -> None:
        self.receiver.forget(int(self.receiver.received * share))
        self.window.doubt()

    @invariant()
    def bounded_and_ordered(self) -> None:
        window = self.window
        assert window.kept <= window.sent <= window.end == len(self.written)
        assert window.end - window.kept <= CAPACITY

    @invariant()
    def only_acknowledged_bytes_are_ever_missing(self) -> None:
        assert self.receiver.gap_end <= self.highest_ack
        tail = self.receiver.data[self.receiver.gap_end :]
        assert tail == self.written[self.receiver.gap_end :][: len(tail)]

    @invariant()
    def delivered_means_delivered(self) -> None:
        if self.window.delivered:
            assert self.window.closed

    def teardown(self) -> None:
        self.window.close()
        for _ in range(2000):
            if self.window.delivered:
                break
            self.receiver.take(self.window.take(16))
            self.receiver.acked = self.receiver.received
            self.answer()
        assert self.window.delivered
        assert len(self.receiver.data) == len(self.written)


class StreamingMachine(RuleBasedStateMachine):
    """The same where both sides speak when they like, and what they say arrives later, in order.

    A connection that breaks loses what is under way on it, both ways; the sender then goes back to what it
    heard of. A receiver that finds a gap says so once, as one does that has forgotten something.
    """

    @initialize()
    def begin(self) -> None:
        self.window = SendWindow(CAPACITY, ends=True)
        self.receiver = Receiver()
        self.written = bytearray()
        self.pieces: deque[Piece] = deque()
        self.acks: deque[tuple[int, int, bool]] = deque()
        self.doubt = self.ended = False

    @rule(data=st.binary(max_size=CAPACITY))
    def write(self, data: bytes) -> None:
        data = data[: self.window.room]
        self.window.append(data)
        self.written += data

    @rule()
    def close(self) -> None:
        self.window.close()

    @precondition(lambda self: self.window.pending)
    @rule(limit=st.integers(1, CAPACITY))
    def send(self, limit: int) -> None:
        self.pieces.append(self.window.take(limit))

    @precondition(lambda self: self.pieces)
    @rule()
    def arrive(self) -> None:
        piece = self.pieces.popleft()
        if max(piece.floor, self.receiver.received) < piece.offset:
            self.doubt = True
        self.receiver.take(piece)
        self.ended |= piece.eof and piece.offset + len(piece.payload) == self.receiver.received

    @rule(share=st.floats(0, 1))
    def acknowledge(self, share: float) -> None:
        self.receiver.acked += int((self.receiver.received - self.receiver.acked) * share)
        self.acks.append((self.receiver.received, self.receiver.acked, self.doubt))
        self.doubt = False

    @precondition(lambda self: self.acks)
    @rule()
    def hear(self) -> None:
        received, acked, resend = self.acks.popleft()
        self.window.advance(received, acked)
        if resend:
            self.window.rewind(received)

    @rule()
    def reconnect(self) -> None:
        self.pieces.clear()
        self.acks.clear()
        self.window.rewind()
        self.acks.append((self.receiver.received, self.receiver.acked, self.doubt))

    @rule(share=st.floats(0, 1))
    def forget(self, share: float) -> None:
        """Not below what the sender was told that it may forget: that was delivered."""
        self.receiver.forget(int(self.receiver.received * share))
        self.receiver.acked = min(self.receiver.received, self.receiver.acked)
        self.doubt, self.ended = True, False

    @invariant()
    def bounded_and_ordered(self) -> None:
        window = self.window
        assert window.kept <= window.sent <= window.end == len(self.written)
        assert window.end - window.kept <= CAPACITY

    def teardown(self) -> None:
        self.window.close()
        for _ in range(2000):
            if self.window.delivered and self.ended:
                break
            if self.window.pending:
                self.send(16)
            while self.pieces:
                self.arrive()
            self.acknowledge(1.0)
            while self.acks:
                self.hear()
        assert self.window.delivered
        assert self.ended
        assert len(self.receiver.data) == len(self.written)
        tail = self.receiver.data[self.receiver.gap_end :]
        assert tail == self.written[self.receiver.gap_end :]


TestStreaming = StreamingMachine.TestCase
TestStreaming.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)

TestWindow = WindowMachine.TestCase
TestWindow.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)


@given(st.binary(max_size=300), st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None)
def test_a_faithful_receiver_gets_every_byte_once(data: bytes, limit: int, capacity: int) -> None:
    window, got, position = SendWindow(capacity), bytearray(), 0
    while not window.delivered:
        part = data[position : position + window.room]
        window.append(part)
        position += len(part)
        if position == len(data):
            window.close()
        piece = window.take(limit)
        assert piece.offset == len(got)
        got += piece.payload
        window.acknowledge(len(got), len(got))
    assert bytes(got) == data


def test_a_gap_rewinds_to_what_is_kept_and_says_so() -> None:
    window = SendWindow(10)
    window.append(b"0123456789")
    window.take(10)
    window.acknowledge(8, 6)
    window.take(10)
    window.acknowledge(2, 0)
    assert window.take(10) == Piece(6, b"6789", 6, False)


def test_an_end_alone_is_not_sent() -> None:
    window = SendWindow(10)

    def state() -> tuple[bool, bool]:
        return window.pending, window.delivered

    assert state() == (False, False)
    window.close()
    assert state() == (False, True)
    window.doubt()
    assert state() == (True, False)
    assert window.take(5) == Piece(0, b"", 0, True)
    assert state() == (False, False)
    window.acknowledge(0, 0)
    assert state() == (False, True)


def test_the_last_bytes_may_say_that_they_are() -> None:
    window = SendWindow(10)
    window.append(b"abc")
    window.close()
    assert window.take(5) == Piece(0, b"abc", 0, True)
    assert not window.delivered
    window.acknowledge(3, 0)
    assert window.delivered


@pytest.mark.parametrize(("received", "acked"), [(4, 0), (1, 2), (-1, -1)])
def test_impossible_answers_are_refused(received: int, acked: int) -> None:
    window = SendWindow(10)
    window.append(b"abc")
    with pytest.raises(BadInput):
        window.acknowledge(received, acked)


def test_too_much_is_refused() -> None:
    window = SendWindow(3)
    with pytest.raises(ValueError, match="do not fit"):
        window.append(b"abcd")
    window.close()
    with pytest.raises(ValueError, match="do not fit"):
        window.append(b"a")
    with pytest.raises(ValueError, match="at least one"):
        SendWindow(0)


def test_a_window_grows_with_what_was_acknowledged() -> None:
    window = SendWindow(10, start=4)
    assert window.room == 4
    window.append(b"abcd")
    assert window.room == 0
    window.take(4)
    window.advance(4, 3)
    # Three were acknowledged, which is less than it began with.
    assert window.room == 3
    window.append(b"efg")
    window.take(3)
    window.advance(7, 7)
    assert window.room == 7
    window.append(b"hijklmn")
    window.take(7)
    window.advance(14, 14)
    assert window.room == 10
