"""One line that tells how far a job is, drawn again and again over itself on a terminal."""

from __future__ import annotations

import os

from dffmpeg.client.api import Sink
from dffmpeg.progress_figures import known
from dffmpeg.wire.jobs import JobRecord

BAR = 24
"""Characters between the brackets."""

NARROW = 20
"""Below so many columns nothing useful fits."""


def text(record: JobRecord, width: int) -> str:
    """The line for a job, at most `width` characters: state or progress, as far as either is known."""
    progress = record.progress
    if record.status not in ("running", "canceling") or progress is None:
        where = "" if record.worker_id is None else f" on {record.worker_id}"
        return f"{record.status}{where}"[:width]
    parts = [_bar(progress.fraction), *known(progress)]
    line = ""
    for part in filter(None, parts):
        longer = f"{line}  {part}" if line else part
        if len(longer) > width:
            break
        line = longer
    return line


def _bar(fraction: float | None) -> str | None:
    if fraction is None:
        return None
    done = round(fraction * BAR)
    return f"{fraction:6.1%} [{'#' * done}{'-' * (BAR - done)}]"


class ProgressLine:
    """The line on a terminal.

    Args:
        write: writes to the terminal; nothing is drawn where there is none.
        columns: the terminal's width, asked anew each time.
    """

    def __init__(self, write: Sink | None, columns: int | None = None) -> None:
        self._write = write
        self._columns = columns
        self._drawn = 0

    async def show(self, record: JobRecord) -> None:
        """Draw it over the last one."""
        if self._write is None:
            return
        width = (self._columns or _terminal_columns()) - 1
        if width < NARROW:
            return
        line = text(record, width)
        await self._write(("\r" + line.ljust(min(self._drawn, width))).encode("utf-8", "replace"))
        self._drawn = len(line)

    async def end(self) -> None:
        """Leave the last one, and the cursor below it."""
        if self._drawn and self._write is not None:
            self._drawn = 0
            await self._write(b"\n")


def _terminal_columns() -> int:
    try:
        # Some terminals, serial ones among them, do not know theirs.
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80
