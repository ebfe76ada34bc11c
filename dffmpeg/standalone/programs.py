"""Which ffmpeg and ffprobe this machine has."""

from __future__ import annotations

import importlib
import os
import shutil


def find_ffmpeg() -> str | None:
    """The ffmpeg on the PATH, else the one in the imageio-ffmpeg package, else None. An absolute path."""
    found = shutil.which("ffmpeg")
    if found is not None:
        return os.path.abspath(found)
    try:
        package = importlib.import_module("imageio_ffmpeg")
        return os.path.abspath(str(package.get_ffmpeg_exe()))
    except (ImportError, RuntimeError):
        # The package is optional, and raises RuntimeError on a platform that it has no binary for.
        return None


def find_programs() -> dict[str, str]:
    """Name to absolute path of what there is of ffmpeg and ffprobe."""
    programs = {"ffmpeg": find_ffmpeg(), "ffprobe": shutil.which("ffprobe")}
    return {name: os.path.abspath(path) for name, path in programs.items() if path is not None}
