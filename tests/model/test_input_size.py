"""How much work inputs are: which files are asked about, and what comes of the answers."""

from __future__ import annotations

import json

import pytest

from dffmpeg.model.input_size import files_of, pixels

DIRECTORIES = {"Media": b"/media", "Serving": b"/srv"}


@pytest.mark.parametrize(
    ("arguments", "cwd", "files"),
    [
        (
            ["-i", "/media/a.mkv", "-i", "/srv/b.mkv", "/media/out.mkv"],
            None,
            ["/media/a.mkv", "/srv/b.mkv"],
        ),
        (["-i", "/media/a.mkv", "-i", "/media/a.mkv", "out.mkv"], None, ["/media/a.mkv"]),
        (["-i", "file:/media/a.mkv", "out.mkv"], None, ["/media/a.mkv"]),
        (["-i", "concat:/media/a|/media/b", "x"], None, ["/media/a", "/media/b"]),
        # Relative to a mapped directory, or to another one.
        (["-i", "a.mkv", "out.mkv"], "/media/films", ["/media/films/a.mkv"]),
        (["-i", "a.mkv", "out.mkv"], "/home", []),
        (["-i", "a.mkv", "out.mkv"], None, []),
        # What is no file, or not on the worker.
        (["-i", "/elsewhere/a.mkv", "x"], None, []),
        (["-f", "lavfi", "-i", "testsrc2", "x"], "/media", []),
        (["-i", "-", "x"], "/media", []),
        (["-i", "https://host/a.mkv", "x"], "/media", []),
    ],
)
def test_which_files_are_asked_about(arguments: list[str], cwd: str | None, files: list[str]) -> None:
    encoded = [argument.encode() for argument in arguments]
    found = files_of("ffmpeg", encoded, DIRECTORIES, None if cwd is None else cwd.encode())
    assert [file.decode() for file in found] == files
    assert files_of("ffprobe", encoded, DIRECTORIES, None) == []


def stream(width: int, height: int, rate: str, cover: int = 0) -> dict[str, object]:
    return {"width": width, "height": height, "avg_frame_rate": rate, "disposition": {"attached_pic": cover}}


FILM = stream(1920, 1080, "24000/1001")


@pytest.mark.parametrize(
    ("streams", "duration", "expected"),
    [
        ([{}, FILM], "100.1", 1920 * 1080 * 2400.0),
        ([stream(64, 36, "25/1"), FILM], "2", 64 * 36 * 50.0),
        ([stream(600, 600, "90000/1", cover=1), FILM], "1.001", 1920 * 1080 * 24.0),
        ([stream(64, 36, "25")], "2", 64 * 36 * 50.0),
        ([stream(64, 36, "0/0")], "2", None),
        ([stream(64, 36, "25/0")], "2", None),
        ([stream(64, 36, "x")], "2", None),
        ([FILM], "N/A", None),
        ([FILM], "-1", None),
        ([FILM], "1e300", None),
        ([{}], "2", None),
        ([], "2", None),
    ],
)
def test_what_an_answer_says(streams: list[object], duration: str, expected: float | None) -> None:
    answer = {"streams": streams, "format": {"duration": duration}}
    found = pixels(json.dumps(answer).encode())
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    "answer", [b"", b"{}", b"[]", b'{"streams": 1}', b"\xff", b'{"format": {"duration": 2}}']
)
def test_what_is_no_answer(answer: bytes) -> None:
    assert pixels(answer) is None
