"""Where a live view goes: onto a terminal's screen, into lines, into lines of JSON, or nowhere."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Protocol

import trio

from dffmpeg import summaries, tables
from dffmpeg.client.descriptors import Descriptor
from dffmpeg.client.live.picture import Item, JobRow, Notice, Picture, Update, WorkerRow
from dffmpeg.client.sinks import standard_output
from dffmpeg.progress_figures import figures
from dffmpeg.wire import codec
from dffmpeg.wire.scheduling import QueueState

STEP = 10.0
"""Seconds between two lines that tell of one job's progress, at least."""

ENTER = b"\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J"
LEAVE = b"\x1b[?25h\x1b[?1049l"
"""To the alternate screen without a cursor, and back to what was there before."""


class Output(Protocol):
    """Shows a picture again and again."""

    async def show(self, picture: Picture, news: Sequence[Item]) -> None:
        """Show it; `news` is what has changed since the last time.

        Raises:
            StdoutClosed: nobody can see it.
        """

    async def leave(self, picture: Picture | None) -> None:
        """Give the terminal back, if it was taken.

        Args:
            picture: what is to be left on it, at the end; None if it will be taken again.
        """


class Nothing:
    """For who only wants to know how it ends."""

    async def show(self, picture: Picture, news: Sequence[Item]) -> None:
        """Nothing."""

    async def leave(self, picture: Picture | None) -> None:
        """Nothing."""


class Screen:
    """The whole of a terminal.

    Args:
        job_id: the only job to show; None shows the cluster.
    """

    def __init__(self, job_id: str | None) -> None:
        # Not before there is something to draw: loading it takes as long as some whole commands.
        from dffmpeg.client.live import drawing

        self._draw = drawing.draw
        self._view = drawing.cluster if job_id is None else drawing.one_job(job_id, live=True)
        self._last = None if job_id is None else drawing.one_job(job_id, live=False)
        self._write = standard_output()
        self._entered = False

    async def show(self, picture: Picture, news: Sequence[Item]) -> None:
        drawn = self._draw(self._view, picture, *terminal_size(), encoding())
        text = "\x1b[H" + "\x1b[K\n".join(drawn) + "\x1b[K\x1b[J"
        first, self._entered = b"" if self._entered else ENTER, True
        # In one piece, so that nobody sees half of it.
        await self._write(first + text.encode(encoding(), "backslashreplace"))

    async def leave(self, picture: Picture | None) -> None:
        if self._entered:
            self._entered = False
            kept = b""
            if picture is not None and self._last is not None:
                drawn = self._draw(self._last, picture, *terminal_size(), encoding())
                kept = "".join(f"{line}\n" for line in drawn).encode(encoding(), "backslashreplace")
            with trio.move_on_after(1.0, shield=True):
                try:
                    await Descriptor(1).write(LEAVE + kept)
                except OSError:
                    # There is no terminal any more that could be left.
                    return


class Lines:
    """A line for each change, without anything that only a terminal understands."""

    def __init__(self) -> None:
        self._write = standard_output()
        self._told: dict[str, float] = {}

    async def show(self, picture: Picture, news: Sequence[Item]) -> None:
        lines = [line for item in news if (line := self._line(item, picture)) is not None]
        if lines:
            text = "".join(f"{tables.plain(line)}\n" for line in lines)
            await self._write(text.encode(encoding(), "backslashreplace"))

    async def leave(self, picture: Picture | None) -> None:
        """Nothing was taken."""

    def _line(self, item: Item, picture: Picture) -> str | None:
        stamp = time.strftime("%H:%M:%S")
        match item:
            case JobRow():
                self._told.pop(item.job_id, None)
                where = "" if item.worker_id is None or item.status == "pending" else f" on {item.worker_id}"
                reason = "" if item.reason is None else f": {item.reason}"
                title = tables.shortened(item.title)
                return f"{stamp} job {item.job_id} {item.state}{where}{reason} ({title})"
            case WorkerRow():
                reason = "" if item.hold_reason is None else f": {item.hold_reason}"
                return f"{stamp} worker {item.worker_id} {item.status}, {item.slots} slots{reason}"
            case QueueState():
                return f"{stamp} queue {summaries.queue_line(item)}"
            case Notice():
                return f"{stamp} {item.text}"
            case Update() if self._is_due(item.job_id):
                return f"{stamp} job {item.job_id} {figures(item.progress)}"
        return None

    def _is_due(self, job_id: str) -> bool:
        now = trio.current_time()
        if now < self._told.get(job_id, 0.0) + STEP and job_id in self._told:
            return False
        self._told[job_id] = now
        while len(self._told) > 1000:
            del self._told[next(iter(self._told))]
        return True


_NAMES = {JobRow: "job", WorkerRow: "worker", QueueState: "queue", Notice: "notice", Update: "progress"}


class JsonLines:
    """An object for each change: `event` (job, worker, queue, progress, notice) and its `data`."""

    def __init__(self) -> None:
        self._write = standard_output()

    async def show(self, picture: Picture, news: Sequence[Item]) -> None:
        lines = [
            json.dumps({"event": _NAMES[type(item)], "data": codec.to_builtins(item)}) + "\n" for item in news
        ]
        if lines:
            await self._write("".join(lines).encode("ascii"))

    async def leave(self, picture: Picture | None) -> None:
        """Nothing was taken."""


def output_for(*, quiet: bool, as_json: bool, job_id: str | None) -> Output:
    """Where the view goes, as the options and standard output have it."""
    if as_json:
        return JsonLines()
    if quiet:
        return Nothing()
    if os.isatty(1) and os.environ.get("TERM", "dumb") not in ("", "dumb"):
        return Screen(job_id)
    return Lines()


def terminal_size() -> tuple[int, int]:
    """Columns and lines of the terminal at standard output; 80 and 24 where it does not know."""
    try:
        size = os.get_terminal_size(1)
    except OSError:
        return 80, 24
    return size.columns or 80, size.lines or 24


def encoding() -> str:
    """How text is written to standard output."""
    return sys.stdout.encoding or "utf-8"
