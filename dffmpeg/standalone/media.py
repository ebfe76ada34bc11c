"""What the demo looks at: ffmpeg's progress on stderr, and what is inside a finished file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dffmpeg.errors import DffmpegError

_TIME = re.compile(rb"\btime=(\d+):(\d\d):(\d\d(?:\.\d+)?)")
_DURATION = re.compile(r"Duration: (\d+):(\d\d):(\d\d\.\d+)")
_STREAM = re.compile(r"Stream #\S+: (Video|Audio): (\w+)")
_LINE_LIMIT = 64 * 1024


class Unreadable(DffmpegError):
    """A file that ought to be a film is none."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is inside a file: its length in seconds, and the codec of each kind of stream."""

    duration: float
    codecs: dict[str, str]


def seconds(hours: str | bytes, minutes: str | bytes, rest: str | bytes) -> float:
    """ffmpeg's `HH:MM:SS.ss`, split at its colons, in seconds."""
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def positions(chunks: Iterable[bytes]) -> Iterator[float]:
    """How far ffmpeg is, in seconds of output, for each statistics line of its stderr.

    Args:
        chunks: stderr as it comes, split anywhere.
    """
    rest = b""
    for chunk in chunks:
        # Statistics end with a carriage return where a log line ends with a newline.
        *lines, rest = re.split(rb"[\r\n]", rest[-_LINE_LIMIT:] + chunk)
        for line in lines:
            if found := _TIME.search(line):
                yield seconds(*found.groups())


def look_inside(file: Path, ffmpeg: str) -> Contents:
    """Ask ffprobe where there is one, else ffmpeg itself.

    Raises:
        Unreadable: they find nothing that they know.
    """
    ffprobe = shutil.which("ffprobe")
    return _by_ffprobe(file, ffprobe) if ffprobe is not None else by_ffmpeg(file, ffmpeg)


def _by_ffprobe(file: Path, ffprobe: str) -> Contents:
    entries = "stream=codec_type,codec_name:format=duration"
    command = [ffprobe, "-v", "error", "-show_entries", entries, "-of", "json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unreadable(f"{file}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    codecs = {stream["codec_type"]: stream["codec_name"] for stream in found.get("streams", ())}
    return Contents(float(found.get("format", {}).get("duration", 0.0)), codecs)


def by_ffmpeg(file: Path, ffmpeg: str) -> Contents:
    """What `ffmpeg -i` says of a file; it ends with status 1, because it was told of no output."""
    command = [ffmpeg, "-hide_banner", "-i", str(file)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    duration = _DURATION.search(said)
    if duration is None:
        raise Unreadable(f"{file}: ffmpeg cannot read it")
    return Contents(
        seconds(*duration.groups()), {kind.lower(): codec for kind, codec in _STREAM.findall(said)}
    )
