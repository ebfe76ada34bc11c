"""How much work a job's inputs are, as ffprobe tells of them: pixels. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import msgspec

from dffmpeg.model.paths import inside, path_to_variable
from dffmpeg.model.paths.places import Use, places_in

MOST = 32
"""Inputs that are looked at."""

ARGUMENTS = (
    *("-v", "quiet", "-of", "json", "-show_entries"),
    "stream=width,height,avg_frame_rate:stream_disposition=attached_pic:format=duration",
)
"""What ffprobe is asked; the input's name goes behind it."""

_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.,-]*:")


class _Stream(msgspec.Struct):
    width: int = 0
    height: int = 0
    avg_frame_rate: str = "0/0"
    disposition: dict[str, int] = {}

    @property
    def rate(self) -> float:
        """Pixels a second; 0 where there are no pictures, or only a cover's."""
        above, _, below = self.avg_frame_rate.partition("/")
        try:
            frames = float(above) / float(below or 1)
        except (ValueError, ZeroDivisionError):
            return 0.0
        return 0.0 if self.disposition.get("attached_pic") else frames * self.width * self.height


class _Format(msgspec.Struct):
    duration: str = "0"


class _Answer(msgspec.Struct):
    streams: list[_Stream] = []
    format: _Format = msgspec.field(default_factory=_Format)


def files_of(
    program: str, arguments: Sequence[bytes], directories: Mapping[str, bytes], cwd: bytes | None
) -> list[bytes]:
    """The inputs of a command line that a mapping covers, as paths here; none for what only reads.

    Args:
        directories: the mapped ones.
        cwd: the working directory; None where there is none.
    """
    if not program.startswith("ffmpeg"):
        return []
    mapped = tuple(directories.values())
    here = cwd if cwd is not None and path_to_variable(cwd, directories)[1] else None
    found: dict[bytes, None] = {}
    for place in places_in(arguments):
        path = place.path
        if place.use is not Use.READ or path == b"-" or b"\0" in path:
            continue
        if not path.startswith(b"/"):
            if here is None or _SCHEME.match(path):
                continue
            path = here + b"/" + path
        if inside(path, mapped):
            found[path] = None
    return list(found)[:MOST]


def pixels(answer: bytes) -> float | None:
    """What ffprobe says of one input: the pixels of its first stream with pictures, all frames together.

    Returns:
        None where it does not say, or there are no pictures.
    """
    try:
        said = msgspec.json.decode(answer, type=_Answer)
        duration = float(said.format.duration)
    except (msgspec.MsgspecError, ValueError):
        return None
    rate = next((stream.rate for stream in said.streams if stream.rate > 0), 0.0)
    found = rate * duration
    return found if math.isfinite(found) and 0 < found <= 1e18 else None
