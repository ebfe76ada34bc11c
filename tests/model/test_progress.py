"""What is read from ffmpeg's stderr, whatever stands there and however it is cut."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.model import progress
from dffmpeg.model.expected_length import expected_length, parse_time
from dffmpeg.model.progress import MAX_LINE, RECENT, Progress, ProgressParser

HEADER = (
    b"Input #0, matroska,webm, from 'a b: Duration: 99:00:00.00':\n  Metadata:\n"
    b"    DURATION        : 00:09:00.000000000\n"
    b"  Duration: 00:01:40.00, start: 0.000000, bitrate: 1200 kb/s\n"
    b"  Stream #0:0: Video: h264\nPress [q] to stop, [?] for help\n"
)
VIDEO = (
    b"frame=  250 fps= 25 q=28.0 size=    1024kB time=00:00:25.50 bitrate=1677.7kbits/s dup=1 drop=0 "
    b"speed=2.5x    \r"
)


def after(*pieces: bytes, arguments: tuple[bytes, ...] = (b"-i", b"x", b"out.mkv")) -> Progress | None:
    parser = ProgressParser(arguments)
    for piece in pieces:
        parser.feed(piece)
    return parser.read()


def test_a_status_line() -> None:
    assert after(HEADER, VIDEO) == Progress(
        time=25.5,
        frame=250,
        fps=25.0,
        speed=2.5,
        size=1 << 20,
        duration=100.0,
        fraction=0.255,
        remaining=(100 - 25.5) / 2.5,
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            b"size=    2kB time=00:00:00.02 bitrate= 732.5kbits/s speed=N/A    \r",
            Progress(time=0.02, size=2048),
        ),
        (
            b"size=    256KiB time=00:00:16.33 bitrate= 128.4kbits/s speed=2.25e+03x    \r",
            Progress(time=16.33, size=256 << 10, speed=2250.0),
        ),
        (
            b"frame=    0 fps=0.0 q=0.0 size=N/A time=N/A bitrate=N/A speed=N/A elapsed=0:00:00.50    \r",
            Progress(frame=0, fps=0.0),
        ),
        (
            b"frame=    1 fps=0.0 q=-1.0 size=N/A time=-00:00:00.04 bitrate=N/A speed=N/A    \r",
            Progress(frame=1, fps=0.0, time=0.0),
        ),
        (
            b"frame=   50 fps=0.0 q=-1.0 q=2.0 Lsize=     100kB time=01:00:02.00 bitrate=1k speed=40x    \n",
            Progress(frame=50, fps=0.0, size=102400, time=3602.0, speed=40.0),
        ),
        (b"\x1b[0mframe=    7 fps=1.5 size=1B time=00:00:01.00 speed=1x\x1b[0m\r", None),
        (b"[mp4 @ 0x1] frame=1 time=00:00:09.00\n", None),
        (b"  title           : frame= 1 time=00:00:01.00\n", None),
        (b"time=00:00:01.00\n", None),
        (b"frame=99 time=00:00:99.00 speed=1x\n", Progress(frame=99, speed=1.0)),
    ],
)
def test_other_lines(line: bytes, expected: Progress | None) -> None:
    if line.startswith(b"\x1b"):
        expected = Progress(frame=7, fps=1.5, size=1, time=1.0, speed=1.0)
    assert after(line) == expected


def test_a_line_that_is_not_whole_does_not_count() -> None:
    half = VIDEO.replace(b"25.50", b"99.99")[:-20]
    assert after(VIDEO, half) == after(VIDEO)
    assert after(half) is None


def test_the_last_line_counts_and_what_only_looks_like_one_does_not() -> None:
    found = after(VIDEO.replace(b"250", b"1"), VIDEO, b"[x @ 0x1] time=3\n" * 3)
    assert found is not None
    assert found.frame == 250


def test_pixels_are_those_of_the_inputs() -> None:
    parser = ProgressParser([])
    parser.feed(
        b"Input #0, mov, from 'a':\n  Duration: 00:00:10.00, start: 0.0\n"
        b"  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709), 1920x1080 "
        b"[SAR 1:1 DAR 16:9], 900 kb/s, 23.98 fps, 23.98 tbr (default)\n"
        b"  Stream #0:1: Video: mjpeg, yuvj420p, 600x600, 90k tbr, 90k tbn (attached pic)\n"
        b"Input #1, matroska, from 'b: Video: 10x10, 5 fps':\n  Duration: 00:00:01.00, start: 0.0\n"
        b"    Stream #1:0: Audio: aac\n    Stream #1:1: Video: png, rgb24(pc), 100x50, 30k fps, 2 tbr\n"
        b"    Stream #1:2: Video: png, rgb24(pc), 100x50, 2 fps, 2 tbr\n"
        b"Output #0, null, to 'pipe:':\n  Stream #0:0: Video: raw, 5000x5000, 60 fps\n"
    )
    found = parser.read()
    assert found is not None
    assert found.pixels == pytest.approx(1920 * 1080 * 23.98 * 10 + 100 * 50 * 2)


def test_headers_are_read_only_where_they_stand() -> None:
    late = b"Input #1, wav, from 'x':\n  Duration: 09:00:00.00, start\n"
    found = after(HEADER, late, VIDEO)
    assert found is not None
    assert found.duration == 100.0


@given(st.lists(st.binary(max_size=300) | st.sampled_from([HEADER, VIDEO, b"time=", b"frame="]), max_size=20))
def test_it_takes_anything_and_stays_small(pieces: list[bytes]) -> None:
    parser = ProgressParser([b"-i", b"x", b"y"])
    for piece in pieces:
        parser.feed(piece)
        found = parser.read()
        assert found is None or found.fraction is None or 0 <= found.fraction <= 1
        assert len(parser._recent) <= RECENT
        assert len(parser._begun) <= MAX_LINE


@given(st.lists(st.integers(1, len(HEADER + VIDEO * 3)), max_size=30))
def test_how_it_is_cut_does_not_matter(cuts: list[int]) -> None:
    text = HEADER + VIDEO * 2 + VIDEO.replace(b"250", b"251")
    borders = [0, *sorted(cuts), len(text)]
    pieces = [text[first:last] for first, last in pairwise(borders)]
    assert after(*pieces) == after(text)


@pytest.mark.parametrize(
    ("arguments", "inputs", "expected"),
    [
        ("-i a out", {0: 100.0}, 100.0),
        ("-i a -i b out", {0: 100.0, 1: 150.0}, 150.0),
        ("-ss 10 -i a out", {0: 100.0}, 90.0),
        ("-ss 10 -t 20 -i a out", {0: 100.0}, 20.0),
        ("-ss 10 -to 20 -i a out", {0: 100.0}, 10.0),
        ("-i a -t 20 out", {0: 100.0}, 20.0),
        ("-i a -ss 1:30 out", {0: 100.0}, 10.0),
        ("-i a -ss 10 -to 00:00:30.5 out", {0: 100.0}, 20.5),
        ("-i a -t 500 out", {0: 100.0}, 100.0),
        ("-i a -t 5 out1 -t 7 out2", {0: 100.0}, 7.0),
        ("-f lavfi -i testsrc -t 8 out", {0: None}, 8.0),
        ("-f lavfi -i testsrc out", {0: None}, None),
        ("-loop 1 -i a.png -i b out", {0: 0.04, 1: 9.0}, None),
        ("-stream_loop 3 -i a out", {0: 10.0}, None),
        ("-copyts -ss 5 -i a out", {0: 10.0}, None),
        ("-ss now -i a out", {0: 10.0}, None),
        ("-y -nostdin -i a -map 0:v -c copy out", {0: 10.0}, 10.0),
        ("-i a -ss 20 out", {0: 10.0}, None),
        ("-i", {0: 10.0}, None),
        ("", {}, None),
    ],
)
def test_expected_length(arguments: str, inputs: dict[int, float | None], expected: float | None) -> None:
    assert expected_length(arguments.encode().split(), inputs) == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"55", 55.0),
        (b"0.2", 0.2),
        (b"200ms", 0.2),
        (b"200000us", 0.2),
        (b"23.189s", 23.189),
        (b"12:03:45", 43425.0),
        (b"03:45.5", 225.5),
        (b"-5", None),
        (b"", None),
        (b"1:2:3:4", None),
        (b"5h", None),
    ],
)
def test_durations(text: bytes, seconds: float | None) -> None:
    assert parse_time(text) == (None if seconds is None else pytest.approx(seconds))


def test_what_has_ended_well_is_done() -> None:
    assert progress.completed(Progress(time=9.9, fraction=0.99, remaining=0.1)) == Progress(
        time=9.9, fraction=1.0, remaining=0.0
    )
    assert progress.completed(Progress(time=9.9)) == Progress(time=9.9)
    assert progress.completed(None) is None


@pytest.mark.ffmpeg
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_what_ffmpeg_really_says(tmp_path: Path) -> None:
    def run(*arguments: str) -> Progress:
        command = ["-hide_banner", "-nostdin", "-stats_period", "0.02", *arguments]
        done = subprocess.run(["ffmpeg", *command], cwd=tmp_path, capture_output=True, check=True)
        parser = ProgressParser([argument.encode() for argument in command])
        for start in range(0, len(done.stderr), 11):
            parser.feed(done.stderr[start : start + 11])
        found = parser.read()
        assert found is not None
        return found

    video = run("-f", "lavfi", "-i", "testsrc2=s=64x36:r=25", "-t", "4", "-c:v", "mpeg4", "v.mkv")
    assert (video.frame, video.duration) == (100, 4.0)
    assert video.time == pytest.approx(4.0, abs=0.1)
    assert video.size is not None
    assert video.size > 1000
    audio = run("-f", "lavfi", "-i", "sine=d=5", "a.wav")
    assert (audio.frame, audio.duration) == (None, None)
    assert audio.time == pytest.approx(5.0, abs=0.1)
    cut = run("-ss", "1", "-i", "v.mkv", "-i", "a.wav", "-to", "3", "-f", "null", "-")
    assert cut.duration == 3.0
    assert cut.fraction == pytest.approx(1.0, abs=0.05)
    # 4 s of 64x36 at 25 a second, as far as the header says; sound has none, and what has no end neither.
    assert cut.pixels == pytest.approx(4 * 25 * 64 * 36, rel=0.02)
    assert (video.pixels, audio.pixels) == (None, None)
    copied = run("-i", "a.wav", "-c", "copy", "b.wav")
    assert copied.duration == 5.0
    assert copied.fraction == pytest.approx(1.0, abs=0.05)
