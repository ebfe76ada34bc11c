"""A picture as lines for a terminal of some size: the only file that knows rich."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dffmpeg import summaries, tables
from dffmpeg.client.live.picture import JobRow, Picture, WorkerRow
from dffmpeg.progress_figures import clock, known

WIDE = 100
"""Columns from which on a job has all its figures in one line."""

MIDDLE = 64
"""Columns from which on a job has one line."""

NAMED = 130
"""Columns from which on jobs are shown with their ids."""

CELLS = 16
"""Slots that are drawn one by one; of a worker with more only the share."""

STYLES = {
    "running": "cyan",
    "assigned": "cyan",
    "canceling": "yellow",
    "pending": "dim",
    "completed": "green",
    "failed": "red",
    "canceled": "yellow",
    "online": "green",
    "offline": "red",
    "quarantined": "red",
}

View = Callable[[Picture, int, int], RenderableType]
"""From a picture and the terminal's columns and lines to what is shown."""


class _Page(io.StringIO):
    """Where it is drawn: rich looks there for what the terminal can show."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


def draw(view: View, picture: Picture, columns: int, lines: int, encoding: str) -> list[str]:
    """The lines of a view, at most so many, none too wide for it; in colors unless NO_COLOR is set."""
    page = _Page(encoding)
    console = Console(
        file=page, force_terminal=True, width=columns, height=lines, legacy_windows=False, highlight=False
    )
    console.print(view(picture, columns, lines))
    return page.getvalue().splitlines()[:lines]


# The cluster


def cluster(picture: Picture, columns: int, lines: int) -> RenderableType:
    """Everything: workers, jobs, and what ended lately."""
    parts: list[RenderableType] = [*_head(picture, columns), Text()]
    room = lines - len(parts)
    workers = list(picture.workers.values())
    shown, rest = _fitting(workers, max(3, room // 3), 1)
    parts += [_title("WORKERS", rest), _workers(shown, columns)] if workers else [_faint("no workers")]
    room -= len(shown) + 2
    ended = sorted(picture.ended.values(), key=lambda row: row.ended_at or "", reverse=True)
    for_ended = min(len(ended), max(2, room // 4), 10)
    size = 1 if columns >= MIDDLE else 2
    rows = sorted(picture.jobs.values(), key=_urgency)
    jobs, rest = _fitting(rows, max(3, room - 2 - (for_ended + 2 if ended else 0)), size)
    parts += [Text(), _title("JOBS", rest), *_jobs(jobs, columns)] if jobs else [Text(), _faint("no jobs")]
    room -= len(jobs) * size + 2
    if ended and room > 3:
        parts += [Text(), _title("ENDED", 0), _ended(ended[: max(1, min(for_ended, room - 3))], columns)]
    return Group(*parts)


def _head(picture: Picture, columns: int) -> Iterator[RenderableType]:
    yield _line(Text(tables.plain(picture.place), "bold"), Text(time.strftime("%H:%M:%S"), "dim"))
    if picture.lost is not None:
        yield _lost(picture.lost)
    there = [row for row in picture.workers.values() if row.status != "offline"]
    used, slots = sum(row.used_slots for row in there), sum(row.slots for row in there)
    counts = [f"{number} {state}" for state, number in picture.counts.items() if number and state in _LIVE]
    facts = [f"{len(there)} of {len(picture.workers)} workers here", f"{used} of {slots} slots used", *counts]
    yield _cut(Text(", ".join(facts) if columns >= MIDDLE else f"{used}/{slots} slots, " + ", ".join(counts)))
    if picture.queue is not None and picture.queue.paused:
        yield _cut(Text(f"queue {tables.plain(summaries.queue_line(picture.queue))}", "yellow"))


_LIVE = ("pending", "assigned", "running", "canceling")


def _workers(rows: Sequence[WorkerRow], columns: int) -> Table:
    grid = _grid()
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, justify="right")
    if columns >= MIDDLE:
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for row in rows:
        cells = [_text(row.worker_id), _state(row.status), _slots(row)]
        more = [Text(tables.plain(row.hold_reason or ""), "dim")] if columns >= MIDDLE else []
        grid.add_row(*cells, *more)
    return grid


def _slots(row: WorkerRow) -> Text:
    number = f" {row.used_slots}/{row.slots}"
    if row.slots > CELLS:
        return Text(number)
    return Text("#" * row.used_slots, "cyan") + Text("-" * max(0, row.slots - row.used_slots), "dim") + number


def _jobs(rows: Sequence[JobRow], columns: int) -> list[RenderableType]:
    if columns < MIDDLE:
        return [line for row in rows for line in _two_lines(row)]
    grid = _grid()
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(width=20 if columns >= WIDE else 12)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_column(no_wrap=True, justify="right")
    grid.add_column(no_wrap=True, justify="right")
    if columns >= WIDE:
        grid.add_column(no_wrap=True, justify="right")
        grid.add_column(no_wrap=True, overflow="ellipsis", max_width=24)
    for row in rows:
        progress = row.progress
        cells: list[RenderableType] = [_job_name(row, columns), _bar(row), *map(Text, _figures(row))]
        if columns >= WIDE:
            fps = None if progress is None else progress.fps
            cells += [Text("" if fps is None else f"{fps:.3g} fps"), _text(row.worker_id or "")]
        grid.add_row(*cells)
    return [grid]


def _two_lines(row: JobRow) -> Iterator[RenderableType]:
    yield _cut(_job_name(row, 0))
    grid = _grid()
    grid.add_column(ratio=1)
    cells: list[RenderableType] = [_bar(row)]
    for figure in filter(None, _figures(row)):
        grid.add_column(no_wrap=True, justify="right")
        cells.append(Text(figure))
    grid.add_row(*cells)
    yield grid


def _figures(row: JobRow) -> tuple[str, str, str]:
    progress = row.progress
    if row.status == "pending" or progress is None:
        age = tables.age(row.created_at if row.status == "pending" else row.last_update, time.time())
        return "", age or "", ""
    return (
        "" if progress.fraction is None else f"{progress.fraction:.1%}",
        "" if progress.remaining is None else f"{clock(progress.remaining)} left",
        "" if progress.speed is None else f"{progress.speed:.3g}x",
    )


def _ended(rows: Sequence[JobRow], columns: int) -> Table:
    grid = _grid()
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, justify="right")
    for row in rows:
        state = Text(row.state if columns >= MIDDLE else row.status, STYLES.get(row.status, ""))
        grid.add_row(_job_name(row, columns), state, Text(tables.age(row.ended_at, time.time()) or "", "dim"))
    return grid


# One job


def one_job(job_id: str, *, live: bool) -> View:
    """The view of a single job.

    Args:
        live: whether it goes on; otherwise it is what is left behind.
    """

    def view(picture: Picture, columns: int, lines: int) -> RenderableType:
        row = picture.job(job_id)
        parts: list[RenderableType] = [_line(Text(job_id, "bold"), Text(time.strftime("%H:%M:%S"), "dim"))]
        if picture.lost is not None:
            parts.append(
                _cut(Text(tables.plain(f"connection lost: {picture.lost}; trying again"), "bold red"))
            )
        if row is not None:
            parts += _job_lines(row, columns)
        if live and (row is None or not row.finished):
            parts += [Text(), _faint("Ctrl-C leaves; the job goes on")]
        return Group(*parts)

    return view


def _job_lines(row: JobRow, columns: int) -> Iterator[RenderableType]:
    if row.name is not None:
        yield _cut(_text(row.name))
    if row.command is not None:
        yield _cut(Text(tables.plain(row.command), "dim"))
    where = "" if row.worker_id is None else f" on {tables.plain(row.worker_id)}"
    attempt = f", attempt {row.attempt}" if row.attempt > 1 else ""
    yield _cut(_state(row.status) + Text(f"{where}{attempt}"))
    if row.reason is not None:
        yield _cut(Text(tables.plain(row.reason), "yellow"))
    progress = row.progress
    if row.status == "pending":
        yield Text(f"waiting for {tables.age(row.created_at, time.time())}")
    elif progress is not None:
        share = "" if progress.fraction is None else f"{progress.fraction:.1%}"
        grid = _grid()
        grid.add_column(ratio=1)
        grid.add_column(no_wrap=True)
        grid.add_row(_bar(row), Text(share))
        yield grid
        yield Text("  ".join(part for part in known(progress) if part))


# Parts


def _urgency(row: JobRow) -> tuple[bool, str]:
    return row.status == "pending", row.created_at or ""


def _fitting(rows: Sequence[object], lines: int, size: int) -> tuple[list, int]:  # type: ignore[type-arg]
    """As many as fit into so many lines, and how many are left."""
    number = max(1, lines // size)
    return list(rows[:number]), max(0, len(rows) - number)


def _bar(row: JobRow) -> RenderableType:
    if row.status == "pending":
        return _state(row.status)
    fraction = None if row.progress is None else row.progress.fraction
    return _state(row.status) if fraction is None else ProgressBar(total=1.0, completed=fraction)


def _job_name(row: JobRow, columns: int) -> Text:
    name = _text(row.title[:200])
    return Text(f"{row.job_id}  ", "dim") + name if columns >= NAMED else name


def _state(status: str) -> Text:
    return Text(status, STYLES.get(status, "yellow"))


def _text(value: str) -> Text:
    return Text(tables.plain(value))


def _title(name: str, rest: int) -> Text:
    return Text(name, "bold") + Text(f"  and {rest} more" if rest else "", "dim")


def _faint(text: str) -> Text:
    return _cut(Text(text, "dim"))


def _lost(reason: str) -> Text:
    return _cut(Text(tables.plain(f"connection lost: {reason}; trying again"), "bold red"))


def _cut(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _line(left: Text, right: Text) -> Table:
    grid = _grid()
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(no_wrap=True)
    grid.add_row(left, right)
    return grid


def _grid() -> Table:
    return Table.grid(padding=(0, 2, 0, 0), pad_edge=False, expand=True)
