"""Scripts that list what they like, as ffmpeg does, and say whether it works."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

_SCRIPT = """#!/bin/sh
echo "$*" >> "$0.calls"
case "$1" in
-version) echo "ffmpeg version {version} of a test"; exit ;;
-encoders) printf ' ------\\n{encoders}'; exit ;;
-codecs) printf ' -------\\n DEV.LS h264   H.264 (encoders: {names} )\\n'; exit ;;
-hwaccels) printf 'Hardware acceleration methods:\\n{hwaccels}'; exit ;;
-decoders|-filters|-muxers|-demuxers|-protocols) exit ;;
esac
[ -e "$0.mended" ] || for word; do
  case " {broken} " in *" ${{word%%=*}} "*) exit 1 ;; esac
done
{body}
"""


def fake_ffmpeg(
    path: Path,
    *,
    encoders: Collection[str] = ("libx264",),
    broken: Collection[str] = (),
    hwaccels: Collection[str] = (),
    version: str = "7.1",
    body: str = "exit 0",
) -> Path:
    """A program that lists these encoders; what is given a broken one ends with 1, and all else runs `body`.

    What it was called with is in `calls`. Once a file of its name and `.mended` is there nothing is broken.
    """
    text = _SCRIPT.format(
        version=version,
        encoders="".join(f" V....D {name} x\\n" for name in encoders),
        names=" ".join(encoders),
        hwaccels="".join(f"{name}\\n" for name in hwaccels),
        broken=" ".join(broken),
        body=body,
    )
    # In one step: it may be running, and a worker may look at it at any time.
    other = path.with_name(f"{path.name}.new")
    other.write_text(text)
    other.chmod(0o755)
    os.replace(other, path)
    return path


def calls(path: Path) -> list[str]:
    """The command lines that the program was called with."""
    log = Path(f"{path}.calls")
    return log.read_text().splitlines() if log.exists() else []
