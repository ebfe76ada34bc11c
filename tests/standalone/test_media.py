"""What the demo reads out of ffmpeg, and what it takes for right."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dffmpeg.standalone.demo import DemoFailed, check
from dffmpeg.standalone.media import Contents, Unreadable, by_ffmpeg, look_inside, positions

STDERR = (
    b"Input #0, matroska\n  Duration: 00:00:10.00, start: 0.000000\n"
    b"frame=   25 fps=0.0 q=28.0 size=       0kB time=N/A bitrate=N/A speed=N/A\r"
    b"frame=   50 fps=0.0 q=28.0 size=       0kB time=00:00:01.96 bitrate=   0.2kbits/s speed=3.9x\r"
    b"frame=  250 fps=120 q=-1.0 Lsize=     700kB time=01:00:09.96 bitrate= 575.0kbits/s speed=4.8x\n"
)


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_positions_are_found_however_the_bytes_come(size: int) -> None:
    chunks = (STDERR[start : start + size] for start in range(0, len(STDERR), size))
    assert list(positions(chunks)) == [1.96, 3609.96]


def test_endless_lines_are_bounded() -> None:
    assert list(positions(b"x" * 60_000 for _ in range(50))) == []


RIGHT = {"video": "h264", "audio": "aac"}


@pytest.mark.parametrize(
    "contents",
    [
        Contents(10.0, {"video": "h264"}),
        Contents(10.0, {"video": "mpeg4", "audio": "aac"}),
        Contents(10.0, {}),
        Contents(9.0, RIGHT),
        Contents(0.0, RIGHT),
        Contents(11.0, RIGHT),
    ],
)
def test_a_wrong_result_is_no_success(contents: Contents) -> None:
    with pytest.raises(DemoFailed):
        check(contents)


def test_a_right_result_is_one() -> None:
    check(Contents(10.04, RIGHT))


@pytest.mark.ffmpeg
def test_a_file_is_looked_into_with_and_without_ffprobe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ffmpeg = shutil.which("ffmpeg")
    assert ffmpeg is not None
    file = tmp_path / "a.mkv"
    inputs = ["-f", "lavfi", "-i", "testsrc2=d=1:s=64x64", "-f", "lavfi", "-i", "sine=d=1"]
    subprocess.run([ffmpeg, "-v", "error", *inputs, "-c:v", "mpeg4", "-c:a", "flac", file], check=True)
    for contents in (look_inside(file, ffmpeg), by_ffmpeg(file, ffmpeg)):
        assert contents.codecs == {"video": "mpeg4", "audio": "flac"}
        assert contents.duration == pytest.approx(1.0, abs=0.1)
    (tmp_path / "b.mkv").write_text("no film")
    with pytest.raises(Unreadable):
        by_ffmpeg(tmp_path / "b.mkv", ffmpeg)
    with pytest.raises(Unreadable):
        look_inside(tmp_path / "b.mkv", ffmpeg)
