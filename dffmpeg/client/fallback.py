"""Running the local program instead: which one, and what is told about it."""

from __future__ import annotations

import os
import time
from pathlib import Path

_LOOKED_AT = 4096
"""Bytes of a script in which a stand-in names itself."""


def program(name: str, configured: dict[str, str], search: bytes) -> bytes | None:
    """The local program of a name.

    Args:
        configured: the configuration's own choice.
        search: the caller's PATH.

    Returns:
        Its absolute path; None if there is none.
    """
    if name in configured:
        return os.fsencode(configured[name])
    for folder in search.split(os.fsencode(os.pathsep)):
        path = os.path.join(folder, os.fsencode(name))
        if os.path.isabs(path) and os.access(path, os.X_OK) and os.path.isfile(path) and not _stands_in(path):
            return path
    return None


def _stands_in(path: bytes) -> bool:
    """Whether it is one of ours: running that would begin all over again."""
    try:
        with open(path, "rb") as file:
            text = file.read(_LOOKED_AT)
    except OSError:
        # It may be executable and not readable, as our scripts never are.
        return False
    return text.startswith(b"#!") and b"dffmpeg" in text


def state_directory() -> Path:
    """Where what is to be remembered is written, after the XDG base directory specification."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return Path(state if os.path.isabs(state) else os.path.expanduser("~/.local/state"), "dffmpeg")


def log_file() -> Path:
    """A line for each time that the local program ran instead."""
    return state_directory() / "fallback.log"


def note(name: str, path: bytes, reason: str) -> None:
    """Write the line.

    Raises:
        OSError: it cannot be written.
    """
    file = log_file()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    line = f"{moment} {name} {os.fsdecode(path)}: {' '.join(reason.split())}\n"
    with file.open("ab") as log:
        log.write(os.fsencode(line))


def count() -> int:
    """How often that happened; 0 where nothing was written yet."""
    try:
        with log_file().open("rb") as log:
            return sum(1 for _ in log)
    except FileNotFoundError:
        return 0
