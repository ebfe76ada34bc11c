"""Which paths of a command line are suspect: those that no mapping covers."""

from __future__ import annotations

import pytest

from dffmpeg.model.paths import suspects

HERE = {"Media": b"/mnt/media"}


def found(line: bytes, *, program: str = "ffmpeg", relative: bool = False) -> list[tuple[bytes, bool]]:
    arguments = line.split(b" ")
    return [(s.path, s.parent_counts) for s in suspects(program, arguments, HERE, relative=relative)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"-i /mnt/media/a /mnt/media/b", []),
        (b"-i /mnt/media/../media/a /mnt//media/b", []),
        (b"-i /mnt/media/../a -f null -", [(b"/mnt/media/../a", False)]),
        (b"-i /tmp/a /tmp/b", [(b"/tmp/a", False), (b"/tmp/b", True)]),
        (b"-i /tmp/%03d.png -f null -", [(b"/tmp/%03d.png", True)]),
        (b"-i /usr/share/a /dev/null", []),
        (b"-i /usr2/a -f null -", [(b"/usr2/a", False)]),
        (b"-i file:/tmp/a -f null -", [(b"/tmp/a", False)]),
        (b"-vf subtitles=/tmp/a,scale=1:2", [(b"/tmp/a", False)]),
        (b"-vf psnr=stats_file=/tmp/a", [(b"/tmp/a", True)]),
        (b"-passlogfile /tmp/a", [(b"/tmp/a", True)]),
        (b"-metadata /tmp/a -hls_base_url /tmp/", []),
        (b"-i http://host/tmp/a", []),
        (b"-i a b", []),
    ],
)
def test_absolute(line: bytes, expected: list[tuple[bytes, bool]]) -> None:
    assert found(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"-i a -c:v libx264 -preset fast b", [(b"a", False), (b"b", True)]),
        (b"-i - -f null -", []),
        (b"-i pipe:0 pipe:1", []),
        (b"-i http://a rtmp://b", []),
        (b"-i file:a file:b", [(b"a", False), (b"b", True)]),
        (b"-vf scale=1:2,subtitles=a.srt -f null null", [(b"a.srt", False)]),
        (b"-i /mnt/media/a -pass 1 -f null -", [(b"ffmpeg2pass-0.log", True)]),
        (b"-i /mnt/media/a -pass 1 -passlogfile /mnt/media/l -f null -", []),
    ],
)
def test_relative_where_the_working_directory_is_not_mapped(
    line: bytes, expected: list[tuple[bytes, bool]]
) -> None:
    assert found(line, relative=True) == expected


def test_what_ffprobe_is_given_is_read() -> None:
    assert found(b"-show_format /tmp/a", program="ffprobe") == [(b"/tmp/a", False)]
    assert found(b"-show_format a", program="ffprobe", relative=True) == [(b"a", False)]
