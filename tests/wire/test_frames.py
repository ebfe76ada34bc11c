import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.errors import BadInput
from dffmpeg.wire import frames
from dffmpeg.wire.frames import HEADER_BYTES, MAX_PAYLOAD, Frame, Kind

FRAMES = st.builds(
    Frame,
    kind=st.sampled_from(Kind),
    attempt=st.integers(0, 2**32 - 1),
    offset=st.integers(0, 2**62),
    payload=st.binary(max_size=50),
    floor=st.integers(0, 2**62),
    eof=st.booleans(),
)


@given(st.lists(FRAMES, max_size=5))
def test_what_is_encoded_is_decoded(sent: list[Frame]) -> None:
    assert list(frames.decode_all(b"".join(map(frames.encode, sent)))) == sent


@given(st.binary(max_size=200))
def test_whatever_comes_is_frames_or_bad_input(body: bytes) -> None:
    try:
        decoded = list(frames.decode_all(body))
    except BadInput as error:
        assert "frame at byte" in str(error)  # noqa: PT017 - the property has two sides
    else:
        assert sum(HEADER_BYTES + len(frame.payload) for frame in decoded) == len(body)


def test_a_frame_that_is_cut_short() -> None:
    whole = frames.encode(Frame(Kind.STDOUT, 1, 0, b"abc"))
    for length in range(1, len(whole)):
        with pytest.raises(BadInput, match="cut short"):
            list(frames.decode_all(whole[:length]))


def test_a_length_is_believed_only_up_to_the_limit() -> None:
    whole = bytearray(frames.encode(Frame(Kind.STDOUT, 1, 0, b"")))
    whole[-4:] = (MAX_PAYLOAD + 1).to_bytes(4, "big")
    with pytest.raises(BadInput, match="at most"):
        list(frames.decode_all(bytes(whole)))


def test_an_unknown_kind_and_an_offset_out_of_range() -> None:
    with pytest.raises(BadInput, match="unknown kind 9"):
        list(frames.decode_all(b"\x09" + bytes(HEADER_BYTES - 1)))
    with pytest.raises(BadInput, match="out of range"):
        list(frames.decode_all(frames.encode(Frame(Kind.STDOUT, 1, 2**63, b""))))
