"""The arithmetic of following: whatever is repeated, cut or restarted, each byte is delivered once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.client.progress import OutputDiffers, OutputMissing, Progress
from dffmpeg.wire.frames import Frame, Kind
from tests.client.records import record


def frame(
    offset: int, data: bytes, *, attempt: int = 1, eof: bool = False, kind: Kind = Kind.STDOUT
) -> Frame:
    return Frame(kind, attempt, offset, data, eof=eof)


class Reader:
    """Takes frames and delivers at once what is new."""

    def __init__(self, *, owner: bool = True) -> None:
        self.progress = Progress(owner=owner)
        self.out: dict[int, bytes] = {Kind.STDOUT: b"", Kind.STDERR: b""}
        self.missing: list[int] = []

    def feed(self, *frames: Frame) -> None:
        for each in frames:
            piece = self.progress.take(each)
            if piece is not None:
                self.out[piece.stream] += piece.data
                if piece.missing:
                    self.missing.append(piece.missing)
                self.progress.stream(piece.stream).done(piece)

    @property
    def stdout(self) -> bytes:
        return self.out[Kind.STDOUT]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([frame(0, b"abc"), frame(3, b"def")], b"abcdef"),
        ([frame(0, b"abc"), frame(0, b"abc"), frame(3, b"d")], b"abcd"),
        ([frame(0, b"abc"), frame(1, b"bcdef")], b"abcdef"),
        ([frame(0, b"abcdef"), frame(1, b"bc"), frame(6, b"g")], b"abcdefg"),
        ([frame(0, b""), frame(0, b"a"), frame(1, b"")], b"a"),
    ],
)
def test_repeated_and_overlapping_frames_are_trimmed(frames: list[Frame], expected: bytes) -> None:
    reader = Reader()
    reader.feed(*frames)
    assert reader.stdout == expected
    assert reader.progress.position().stdout == len(expected)


def test_a_gap_is_an_error_for_the_owner_and_changes_nothing() -> None:
    reader = Reader()
    reader.feed(frame(0, b"abc"))
    with pytest.raises(OutputMissing, match="gap from byte 3 to 5"):
        reader.feed(frame(5, b"x"))
    reader.feed(frame(3, b"de"), frame(5, b"x"))
    assert reader.stdout == b"abcdex"


def test_a_gap_is_marked_for_others() -> None:
    reader = Reader(owner=False)
    reader.feed(frame(100, b"abc"), frame(103, b"d"), frame(110, b"e"))
    assert (reader.stdout, reader.missing) == (b"abcde", [100, 6])
    assert reader.progress.position().stdout == 111


def test_a_position_acknowledges_only_what_was_delivered() -> None:
    progress = Progress(owner=True)
    piece = progress.take(frame(0, b"abc"))
    assert piece is not None
    assert progress.position().stdout == 0
    progress.stream(Kind.STDOUT).done(piece)
    position = progress.position(wait=2.0)
    assert (position.attempt, position.stdout, position.stderr, position.owner, position.wait) == (
        1,
        3,
        0,
        True,
        2.0,
    )


def test_what_is_delivered_of_an_older_attempt_is_not_acknowledged_for_the_new_one() -> None:
    progress = Progress(owner=True)
    piece = progress.take(frame(0, b"abc"))
    assert piece is not None
    progress.take(frame(0, b"ab", attempt=2))
    progress.stream(Kind.STDOUT).done(piece)
    assert (progress.position().attempt, progress.position().stdout) == (2, 0)


def test_a_new_attempt_continues_behind_what_was_delivered() -> None:
    reader = Reader()
    reader.feed(frame(0, b"abcdef"), frame(0, b"err1", kind=Kind.STDERR))
    reader.feed(frame(0, b"abc", attempt=2), frame(0, b"err2", attempt=2, kind=Kind.STDERR))
    assert reader.stdout == b"abcdef"
    reader.feed(frame(3, b"defghi", attempt=2), frame(6, b"lost", attempt=1), frame(9, b"jk", attempt=2))
    assert reader.stdout == b"abcdefghijk"
    assert reader.out[Kind.STDERR] == b"err1err2"
    assert reader.progress.position().stdout == 11


@pytest.mark.parametrize("cut", [1, 3, 5, 6])
def test_a_new_attempt_that_differs_is_refused_before_a_byte_of_it_is_delivered(cut: int) -> None:
    reader = Reader()
    reader.feed(frame(0, b"abcdef"))
    other = b"abcXefgh"
    with pytest.raises(OutputDiffers, match="6 bytes"):
        reader.feed(frame(0, other[:cut], attempt=2), frame(cut, other[cut:], attempt=2))
    assert reader.stdout == b"abcdef"


def test_a_third_attempt_is_compared_from_its_beginning() -> None:
    reader = Reader()
    reader.feed(frame(0, b"abcdef"), frame(0, b"abX", attempt=2), frame(0, b"abcdefg", attempt=3))
    assert reader.stdout == b"abcdefg"


def test_an_attempt_may_be_skipped_entirely_and_compared_after_a_gap_was_shown() -> None:
    reader = Reader(owner=False)
    reader.feed(frame(10, b"abc"))
    # Bytes 0 to 9 were never seen and may be anything; 10 to 12 must be the same.
    reader.feed(frame(0, b"0123456789abcd", attempt=2))
    assert (reader.stdout, reader.missing) == (b"abcd", [10])
    with pytest.raises(OutputDiffers):
        reader.feed(frame(0, b"0123456789abXd", attempt=3))


def test_what_cannot_be_compared_is_continued_for_those_who_only_watch() -> None:
    reader = Reader(owner=False)
    reader.feed(frame(0, b"abcdef"), frame(3, b"defg", attempt=2))
    assert (reader.stdout, reader.missing) == (b"abcdefg", [])


def test_a_completed_attempt_that_wrote_less_is_refused_at_the_end() -> None:
    reader = Reader()
    reader.feed(frame(0, b"abcdef"), frame(0, b"abc", attempt=2, eof=True))
    reader.progress.see(record("failed", 2, exit_code=1))
    reader.progress.check_whole()
    reader.progress.see(record("completed", 2, exit_code=0))
    with pytest.raises(OutputDiffers):
        reader.progress.check_whole()


def test_complete_needs_the_final_state_and_both_ends_of_the_same_attempt() -> None:
    reader = Reader()
    progress = reader.progress
    reader.feed(frame(0, b"a", eof=True), frame(0, b"", eof=True, kind=Kind.STDERR))
    assert not progress.complete
    progress.see(record("completed", 2))
    assert not progress.complete
    reader.feed(frame(0, b"ab", attempt=2), frame(2, b"", attempt=2, eof=True))
    assert not progress.complete
    reader.feed(frame(0, b"", attempt=2, eof=True, kind=Kind.STDERR))
    assert progress.complete


def test_a_job_that_never_ran_is_complete_at_once() -> None:
    progress = Progress(owner=True)
    assert progress.see(record("pending", 0))
    assert not progress.see(record("pending", 0, client_last_seen="later"))
    assert not progress.complete
    assert progress.see(record("canceled", 0))
    assert progress.complete


@given(
    st.binary(min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 39), st.integers(0, 20)), max_size=30),
    st.lists(st.integers(0, 40), max_size=3),
)
def test_any_cutting_and_any_restarts_deliver_each_byte_once(
    stream: bytes, cuts: list[tuple[int, int]], restarts: list[int]
) -> None:
    reader = Reader()
    for attempt, until in enumerate([*restarts, len(stream)], start=1):
        for start, length in cuts:
            taken = reader.progress.streams[Kind.STDOUT].taken if reader.progress.attempt == attempt else 0
            begin = min(start, taken)
            reader.feed(frame(begin, stream[:until][begin : begin + length], attempt=attempt))
        taken = reader.progress.streams[Kind.STDOUT].taken if reader.progress.attempt == attempt else 0
        reader.feed(frame(taken, stream[taken:until], attempt=attempt))
        assert stream.startswith(reader.stdout)
    assert reader.stdout == stream
