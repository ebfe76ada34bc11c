"""Which files a command line writes, where they are."""

import pytest

from dffmpeg.model.paths import located, outputs_of

HERE = {"Media": b"/srv/media"}


@pytest.mark.parametrize(
    ("arguments", "outputs"),
    [
        ("-i $Media/a.mkv $Media/b.mkv", ["$Media/b.mkv"]),
        ("-i a.mkv b.mkv sub/c.mkv", ["b.mkv", "sub/c.mkv"]),
        ("-i a.mkv -f null -", []),
        ("-i a.mkv -f null out", []),
        ("-i a.mkv pipe:1 tcp://x:1 file:b.mkv rtmp://h/a", ["b.mkv"]),
        ("-i a.mkv -f tee [f=mpegts]$Media/x.ts|[f=mp4]y.mp4", ["$Media/x.ts", "y.mp4"]),
        ("-i a -vf psnr=stats_file=log.txt -y b.mkv b.mkv", ["b.mkv"]),
        (
            "-i a -f hls -hls_segment_filename $Media/s%03d.ts $Media/p.m3u8",
            ["$Media/s%03d.ts", "$Media/p.m3u8"],
        ),
        ("-y -- -odd.mkv", ["-odd.mkv"]),
    ],
)
def test_outputs(arguments: str, outputs: list[str]) -> None:
    assert outputs_of("ffmpeg", arguments.encode().split()) == [output.encode() for output in outputs]


def test_a_program_that_reads_has_none() -> None:
    assert outputs_of("ffprobe", [b"$Media/a.mkv"]) == []


@pytest.mark.parametrize(
    ("path", "directory", "here"),
    [
        (b"$Media/a b.mkv", None, b"/srv/media/a b.mkv"),
        (b"$Media~1/a.mkv", None, b"/srv/media/a.mkv"),
        (b"$Other/a.mkv", None, None),
        (b"$Unused/a.mkv", None, None),
        (b"$Media/../a.mkv", None, None),
        (b"$Media/x/../a.mkv", None, None),
        (b"$Mediaa.mkv", None, None),
        (b"/srv/media/a.mkv", None, None),
        (b"a.mkv", None, None),
        (b"a.mkv", b"$Media/dir", b"/srv/media/dir/a.mkv"),
        (b"./a.mkv", b"$Media", b"/srv/media/./a.mkv"),
        (b"../a.mkv", b"$Media/dir", None),
        (b"$$Media/a.mkv", b"$Media", b"/srv/media/$Media/a.mkv"),
        (b"a.mkv", b"/tmp", None),
        (b"a.mkv", b"$$Media", None),
    ],
)
def test_where_an_output_is(path: bytes, directory: bytes | None, here: bytes | None) -> None:
    assert located(path, HERE, {"Media", "Other"}, directory) == here
