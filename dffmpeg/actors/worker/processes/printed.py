"""What a program prints where it could not have its caller's names: with these put back in."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

import trio

from dffmpeg.actors.worker.processes.launches import Command
from dffmpeg.model.paths import PrintedPaths

_PAUSE = 0.02
"""Seconds after which the possible beginning of a name is passed on: a prompt must not wait."""


def with_callers_names(
    command: Command, outputs: Mapping[int, trio.abc.ReceiveStream]
) -> Mapping[int, trio.abc.ReceiveStream]:
    """The outputs of a command as its caller should read them."""
    names = command.renamed
    if names is None:
        return outputs
    texts = _texts(command)
    return {
        number: RenamedStream(stream, PrintedPaths(names.here, names.there)) if number in texts else stream
        for number, stream in outputs.items()
    }


def _texts(command: Command) -> set[int]:
    """The descriptors on which text is printed, and no data."""
    described = {one.number: one for one in command.descriptors}
    texts = {number for number, one in described.items() if one.kind == "terminal"} | {2}
    merged = 2 in described and described[2].kind == "same" and described[2].of == 1
    if merged or os.path.basename(command.program).startswith(b"ffprobe"):
        texts.add(1)
    return texts


class RenamedStream(trio.abc.ReceiveStream):
    """A stream through `PrintedPaths`. Owns the stream."""

    def __init__(self, stream: trio.abc.ReceiveStream, printed: PrintedPaths) -> None:
        self._stream = stream
        self._printed = printed
        self._ready = b""
        self._ended = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What is there; empty at the end. A wait that is cancelled loses nothing."""
        await trio.lowlevel.checkpoint()
        while not self._ready and not self._ended:
            await self._read(max_bytes)
        end = len(self._ready) if max_bytes is None else max_bytes
        taken, self._ready = self._ready[:end], self._ready[end:]
        return taken

    async def _read(self, max_bytes: int | None) -> None:
        with trio.move_on_after(_PAUSE if self._printed.held else math.inf) as pause:
            data = bytes(await self._stream.receive_some(max_bytes))
            self._ended = not data
            self._ready = self._printed.feed(data) if data else self._printed.flush()
        if pause.cancelled_caught:
            self._ready = self._printed.flush()

    async def aclose(self) -> None:
        await self._stream.aclose()
