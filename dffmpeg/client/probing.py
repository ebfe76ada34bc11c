"""How much work a job is, found out by a local ffprobe before it is submitted, where somebody asks for that.

Never for stand-ins: it takes longer than all that they do. The inputs may lie on another machine's disk,
which may not answer: so all of it happens beside the caller, who waits for so long and no longer.
"""

from __future__ import annotations

import os
import stat
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from dffmpeg.client import fallback
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.model import input_size, paths


@dataclass(frozen=True, slots=True)
class Size:
    """What was found out.

    Attributes:
        pixels: of all inputs together; None where none could be told.
        problem: why something is missing, in words.
    """

    pixels: float | None = None
    problem: str | None = None


def probe(config: ClientConfig, program: str, arguments: Sequence[bytes], cwd: bytes | None) -> Size:
    """Ask ffprobe about the inputs of a command line that lie in mapped directories.

    Waits for `submit.probe_timeout` seconds at most; an ffprobe that has not answered by then is killed.

    Args:
        program: what is to be submitted.
        cwd: the working directory; None where there is none.
    """
    files = input_size.files_of(program, arguments, paths.validated(config.paths), cwd)
    if not files:
        return Size(problem="it has no input in a mapped directory")
    ffprobe = fallback.program("ffprobe", config.fallback.binaries, os.fsencode(os.environ.get("PATH", "")))
    if ffprobe is None:
        return Size(problem="there is no local ffprobe")
    asked = _Asked(ffprobe, files, time.monotonic() + config.submit.probe_timeout)
    asked.start()
    asked.join(config.submit.probe_timeout + 0.5)
    if asked.is_alive():
        return Size(problem=f"no answer within {config.submit.probe_timeout:g} s")
    return asked.size


class _Asked(threading.Thread):
    """One question. A daemon, because a file system that hangs holds it for as long as it likes."""

    def __init__(self, ffprobe: bytes, files: Sequence[bytes], deadline: float) -> None:
        super().__init__(name="ffprobe", daemon=True)
        self._ffprobe = ffprobe
        self._files = files
        self._deadline = deadline
        self.size = Size()

    def run(self) -> None:
        total, problem = 0.0, None
        for file in self._files:
            found = self._ask(file)
            if isinstance(found, str):
                problem = problem or f"{os.fsdecode(file)}: {found}"
            else:
                total += found
        self.size = Size(total or None, problem)

    def _ask(self, file: bytes) -> float | str:
        """The pixels of one input, or what is wrong."""
        try:
            if not stat.S_ISREG(os.stat(file).st_mode):
                # A pipe's bytes would be the program's.
                return "no regular file"
            answer = self._answer(file)
        except OSError as error:
            return error.strerror or str(error)
        except subprocess.TimeoutExpired:
            return "ffprobe did not answer in time"
        return input_size.pixels(answer) or "ffprobe tells of no pictures, or not for how long"

    def _answer(self, file: bytes) -> bytes:
        left = self._deadline - time.monotonic()
        with subprocess.Popen(
            [self._ffprobe, *input_size.ARGUMENTS, b"file:" + file],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                return process.communicate(timeout=max(0.0, left))[0]
            except subprocess.TimeoutExpired:
                process.kill()
                raise
