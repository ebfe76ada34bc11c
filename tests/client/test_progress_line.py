"""The line that tells how far a job is."""

from __future__ import annotations

import msgspec
import pytest

from dffmpeg.client.progress_line import ProgressLine, text
from dffmpeg.model.progress import Progress
from dffmpeg.progress_figures import clock, figures
from tests.client.records import record as make_record

FULL = Progress(
    time=83.4, frame=2000, fps=24.9, speed=2.5, size=5 << 20, duration=200.0, fraction=0.417, remaining=46.6
)
RUNNING = make_record(status="running", worker_id="w1", progress=FULL)


def test_all_of_it() -> None:
    line = " 41.7% [##########--------------]  0:47 left  time 1:23  2.5x  24.9 fps  5.0 MiB"
    assert text(RUNNING, 200) == line


@pytest.mark.parametrize("width", range(80))
def test_it_never_gets_wider_than_the_terminal(width: int) -> None:
    assert len(text(RUNNING, width)) <= width


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (make_record(status="pending", worker_id=None), "pending"),
        (make_record(status="assigned", worker_id="w1"), "assigned on w1"),
        (make_record(status="running", worker_id="w1"), "running on w1"),
        (make_record(status="running", progress=Progress(time=3.0)), "time 0:03"),
        (make_record(status="completed", worker_id="w1", progress=FULL), "completed on w1"),
    ],
)
def test_what_is_not_known_is_left_out(record: object, line: str) -> None:
    assert text(record, 80) == line  # type: ignore[arg-type]


@pytest.mark.parametrize(("seconds", "shown"), [(0.2, "0:00"), (59.6, "1:00"), (3661.0, "1:01:01")])
def test_times(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_figures_for_a_table() -> None:
    assert figures(FULL) == "41.7%, frame 2000, 0:47 left, time 1:23, 2.5x, 24.9 fps, 5.0 MiB"


async def test_it_is_drawn_over_itself_and_left_at_the_end() -> None:
    written = bytearray()

    async def write(data: bytes) -> None:
        written.extend(data)

    line = ProgressLine(write, columns=40)
    await line.end()
    assert not written
    await line.show(make_record(status="assigned", worker_id="w1"))
    await line.show(make_record(status="pending", worker_id=None))
    await line.end()
    assert bytes(written) == b"\rassigned on w1\rpending       \n"


@pytest.mark.parametrize("columns", [10, 20])
async def test_nothing_is_drawn_where_nothing_fits_or_nobody_looks(columns: int) -> None:
    async def write(data: bytes) -> None:
        raise AssertionError(data)

    for line in (ProgressLine(write, columns), ProgressLine(None)):
        await line.show(msgspec.structs.replace(RUNNING, status="running"))
        await line.end()
