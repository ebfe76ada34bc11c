"""Searching stderr for a submitter's patterns, which may be made to take for ever."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import trio

import dffmpeg

logger = logging.getLogger(__name__)

_MATCHER = Path(dffmpeg.__file__).with_name("coordinator") / "matcher.py"

SECONDS = 5.0
"""After so long nothing was found. A reasonable pattern takes some milliseconds."""

_AT_ONCE = 2

_FOUND, _NOT_FOUND = 0, 1


class PatternSearch:
    """Searches in processes of their own, two at a time, with a deadline each."""

    def __init__(self) -> None:
        self._limit = trio.CapacityLimiter(_AT_ONCE)

    async def found(self, patterns: Sequence[str], text: bytes) -> bool:
        """Whether one of the patterns is found in a text; no, if that cannot be said in time."""
        parts = [*(pattern.encode("utf-8") for pattern in patterns), text]
        words = b"%d\n" % len(patterns) + b"".join(b"%d\n%b" % (len(part), part) for part in parts)
        with trio.move_on_after(SECONDS):
            async with self._limit:
                done = await trio.run_process(
                    [sys.executable, "-I", "-S", str(_MATCHER)],
                    stdin=words,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=False,
                    cwd="/",
                    deliver_cancel=_kill,
                )
            if done.returncode in (_FOUND, _NOT_FOUND):
                return done.returncode == _FOUND
        logger.warning("no answer in time from the patterns %s", ", ".join(map(repr, patterns)))
        return False


async def _kill(process: trio.Process) -> None:
    process.kill()
