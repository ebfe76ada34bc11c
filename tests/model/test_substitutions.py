"""Command lines with a worker's own encoders in place of others."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.model.abilities import Abilities
from dffmpeg.model.needs import derive
from dffmpeg.model.substitutions import Substitution, stand_ins, substituted

RULES = {
    "h264_qsv": Substitution(
        use="h264_nvenc",
        options={"global_quality": "cq", "look_ahead": ""},
        values={"preset": {"veryfast": "p2", "medium": "p4"}},
    ),
    "aac_at": Substitution(use="aac"),
}


def rewritten(line: str) -> str:
    return shlex.join(a.decode() for a in substituted([a.encode() for a in shlex.split(line)], RULES))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-i a -c:v libx264 b", "-i a -c:v libx264 b"),
        ("-i a -c:v h264_qsv b", "-i a -c:v h264_nvenc b"),
        (
            "-i a -vcodec h264_qsv -preset veryfast -global_quality:v 23 -look_ahead 1 -b:v 1M -c:a aac_at b",
            "-i a -vcodec h264_nvenc -preset p2 -cq:v 23 -b:v 1M -c:a aac b",
        ),
        # Options in front of the encoder are its own as well; unknown values stay.
        (
            "-i a -preset slow -global_quality 20 -c:v:0 h264_qsv b",
            "-i a -preset slow -cq 20 -c:v:0 h264_nvenc b",
        ),
        # Another output's options, and another stream's, are not touched.
        (
            "-i a -c:v h264_qsv b -c:v libx264 -preset medium -global_quality 3 c",
            "-i a -c:v h264_nvenc b -c:v libx264 -preset medium -global_quality 3 c",
        ),
        (
            "-i a -c:v:0 h264_qsv -c:v:1 libx264 -preset:v:1 medium -preset:v:0 medium -look_ahead:a 1 b",
            "-i a -c:v:0 h264_nvenc -c:v:1 libx264 -preset:v:1 medium -preset:v:0 p4 -look_ahead:a 1 b",
        ),
        # A decoder of that name is not an encoder.
        ("-c:v h264_qsv -i a -c:v h264_qsv b", "-c:v h264_qsv -i a -c:v h264_nvenc b"),
        (
            "-i a -metadata title=h264_qsv -f h264_qsv h264_qsv",
            "-i a -metadata title=h264_qsv -f h264_qsv h264_qsv",
        ),
        ("-i a b -c:v h264_qsv", "-i a b -c:v h264_qsv"),
    ],
)
def test_substituted(line: str, expected: str) -> None:
    assert rewritten(line) == expected


@given(st.lists(st.binary(max_size=8), max_size=10))
def test_without_such_an_encoder_nothing_changes(arguments: list[bytes]) -> None:
    assert substituted(arguments, RULES) == tuple(arguments)


_WORDS = st.sampled_from(
    [
        b"-i",
        b"-c:v",
        b"-vcodec",
        b"-c:v:0",
        b"h264_qsv",
        b"libx264",
        b"-preset",
        b"-look_ahead",
        b"1",
        b"o.mkv",
        b"-y",
    ]
)


@given(st.lists(_WORDS, max_size=14))
def test_afterwards_nothing_needs_what_was_replaced(arguments: list[bytes]) -> None:
    before, after = derive("ffmpeg", arguments), derive("ffmpeg", substituted(arguments, RULES))
    assert "h264_qsv" not in after.encoders
    assert {"h264_nvenc" if name == "h264_qsv" else name for name in before.encoders} == set(after.encoders)
    assert after.decoders == before.decoders


def test_only_what_does_not_work_is_stood_in_for() -> None:
    uses = {"h264_qsv": "h264_nvenc", "hevc_qsv": "hevc_nvenc"}
    both = Abilities(encoders=("h264_nvenc", "h264_qsv"))
    own = Abilities(encoders=("h264_nvenc",), broken=("h264_qsv",))
    neither = Abilities(encoders=("libx264",), broken=("h264_nvenc",))
    needed = ("aac", "h264_qsv", "hevc_qsv")
    assert stand_ins(needed, both, uses) == {}
    assert stand_ins(needed, own, uses) == {"h264_qsv": "h264_nvenc"}
    assert stand_ins(needed, neither, uses) == {}
    assert stand_ins(needed, None, uses) == {}
    assert stand_ins(needed, own, {}) == {}
