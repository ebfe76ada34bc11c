from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.model.relay import Relay


def test_pieces_join_and_repeats_are_trimmed() -> None:
    relay = Relay()
    assert relay.offer(0, b"abc", floor=0, eof=False) == b"abc"
    assert relay.offer(0, b"abc", floor=0, eof=False) == b""
    assert relay.offer(1, b"bcde", floor=0, eof=False) == b"de"
    assert relay.read(0, 100).data == b"abcde"


def test_a_gap_is_refused_and_changes_nothing() -> None:
    relay = Relay()
    relay.offer(0, b"abc", floor=0, eof=False)
    assert relay.offer(5, b"f", floor=0, eof=True) is None
    assert (relay.end, relay.eof) == (3, False)


def test_a_sender_that_holds_nothing_older_moves_the_beginning() -> None:
    relay = Relay()
    assert relay.offer(10, b"xyz", floor=10, eof=False) == b"xyz"
    assert relay.read(0, 100).offset == 10
    assert (relay.base, relay.end) == (10, 13)


def test_the_end_is_known_only_when_all_before_it_is_here() -> None:
    relay = Relay()
    relay.offer(0, b"abc", floor=0, eof=False)
    assert not relay.read(0, 10).eof
    relay.offer(3, b"", floor=0, eof=True)
    assert relay.read(0, 10).eof
    assert not relay.read(0, 2).eof


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30), st.integers(0, 70)), max_size=30),
)
def test_it_always_holds_exactly_the_bytes_of_the_stream(steps: list[tuple[int, int, int]]) -> None:
    stream = bytes(range(100))
    relay = Relay()
    released = 0
    for offset, length, release in steps:
        relay.offer(offset, stream[offset : offset + length], floor=0, eof=False)
        relay.release(release)
        released = max(released, release)
        for start in (0, relay.base, (relay.base + relay.end) // 2, relay.end, relay.end + 5):
            for limit in (0, 1, 7, 1000):
                piece = relay.read(start, limit)
                assert piece.data == stream[piece.offset : piece.offset + len(piece.data)]
                assert piece.offset == min(max(start, relay.base), relay.end)
                assert len(piece.data) == min(limit, relay.end - piece.offset)
        assert relay.base <= released


@given(st.integers(0, 50), st.integers(0, 50))
def test_release_never_forgets_what_lies_behind_it(length: int, upto: int) -> None:
    stream = bytes(range(length))
    relay = Relay()
    for start in range(0, length, 7):
        relay.offer(start, stream[start : start + 7], floor=0, eof=False)
    relay.release(upto)
    assert relay.base <= min(upto, length)
    assert relay.read(upto, 1000).data == stream[upto:]
