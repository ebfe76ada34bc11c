"""What a live view knows, and how it is drawn."""

from __future__ import annotations

import re
import subprocess
import sys

import msgspec
import pytest
from rich.cells import cell_len

from dffmpeg.client.live import drawing
from dffmpeg.client.live.picture import ENDED, JobRow, Notice, Picture, Update
from dffmpeg.model.progress import Progress
from dffmpeg.wire.events import JobEvent, WorkerEvent
from dffmpeg.wire.scheduling import QueueState
from tests.client.coordinator import worker
from tests.client.records import JOB, TIME, record

HALF = Progress(time=5.0, fps=24.9, speed=2.5, size=5 << 20, duration=10.0, fraction=0.5, remaining=2.0)
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def event(status: str, **changes: object) -> JobEvent:
    told = JobEvent(job_id=JOB, status=status, attempt=1, worker_id="w1", binary_name="ffmpeg")
    return msgspec.structs.replace(told, **changes)


def news(picture: Picture) -> list[object]:
    found, picture.news = picture.news, []
    return list(found)


def drawn(picture: Picture, columns: int, lines: int = 24, encoding: str = "utf-8") -> list[str]:
    return drawing.draw(drawing.cluster, picture, columns, lines, encoding)


def shown(picture: Picture, columns: int, lines: int = 24) -> str:
    return "\n".join(CONTROL.sub("", line).rstrip() for line in drawn(picture, columns, lines))


def test_each_turn_of_a_job_is_news_once() -> None:
    picture = Picture("http://c")
    picture.take_jobs([record("pending", 0)], unfinished=True)
    picture.take_job(event("assigned"))
    picture.take_job(event("running"))
    picture.take_job(event("running"))
    picture.take_jobs([record("running", 1)], unfinished=True)
    told = news(picture)
    assert [row.status for row in told if isinstance(row, JobRow)] == ["pending", "assigned", "running"]
    assert len(told) == 3
    # An event has no command line; what was read of it before stays.
    assert picture.jobs[JOB].command == "ffmpeg -version"


def test_what_was_read_before_the_end_does_not_undo_it() -> None:
    picture = Picture("http://c")
    picture.take_job(event("failed", exit_code=3, ended_at=TIME))
    picture.take_jobs([record("running", 1)], unfinished=True)
    assert not picture.jobs
    assert picture.ended[JOB].state == "failed (exit code 3)"


def test_progress_is_that_of_the_attempt_that_runs() -> None:
    picture = Picture("http://c")
    picture.take_job(event("running"))
    picture.take_progress(JOB, 1, HALF)
    picture.take_progress(JOB, 1, HALF)
    assert [item for item in news(picture) if isinstance(item, Update)] == [Update(job_id=JOB, progress=HALF)]
    picture.take_job(event("running", attempt=2, worker_id="w2"))
    assert picture.jobs[JOB].progress is None
    picture.take_progress(JOB, 1, HALF)
    picture.take_progress("01UNKNOWN", 1, HALF)
    assert picture.jobs[JOB].progress is None


def test_what_is_gone_is_not_shown_any_more() -> None:
    picture = Picture("http://c")
    picture.take_job(event("running"))
    picture.take_job(event("removed"))
    picture.take_workers([worker()])
    picture.take_worker(WorkerEvent(worker_id="w1", status="removed"))
    assert (picture.jobs, picture.ended, picture.workers) == ({}, {}, {})
    picture.take_job(event("running"))
    picture.take_jobs([], unfinished=True)
    assert not picture.jobs


def test_a_workers_event_keeps_what_only_its_record_tells() -> None:
    picture = Picture("http://c")
    picture.take_workers([worker(used_slots=3)])
    news(picture)
    picture.take_worker(WorkerEvent(worker_id="w1", status="draining", slots=4, hold_reason="new disk"))
    assert (picture.workers["w1"].used_slots, picture.workers["w1"].status) == (3, "draining")
    assert len(news(picture)) == 1


def test_ended_jobs_are_bounded() -> None:
    picture = Picture("http://c")
    for number in range(ENDED + 10):
        picture.take_job(event("completed", job_id=f"01J{number:05}"))
    assert list(picture.ended) == [f"01J{number:05}" for number in range(10, ENDED + 10)]


def test_a_lost_connection_is_said_once() -> None:
    picture = Picture("http://c")
    picture.lose("broken")
    picture.lose("cannot connect")
    picture.regain()
    picture.regain()
    assert news(picture) == [
        Notice(text="connection lost: broken; trying again"),
        Notice(text="connected again"),
    ]


def full_picture() -> Picture:
    picture = Picture("http://coordinator.example:8000/a/long/prefix")
    picture.take_workers([worker(f"w{number}", slots=30 if number == 3 else 4) for number in range(6)])
    rows = [
        record("running", job_id=f"01R{number:023}", name=f"日本語の映画 {number}", progress=HALF)
        for number in range(8)
    ]
    rows += [
        record("pending", 0, job_id=f"01P{number:023}", arguments=["\x1b[2J\n\u202e"])
        for number in range(300)
    ]
    picture.take_jobs(rows, unfinished=True)
    ended = [record("failed", job_id=f"01E{number:023}", exit_code=9, ended_at=TIME) for number in range(9)]
    picture.take_jobs(ended, unfinished=False)
    picture.take_queue(
        QueueState(paused=True, reason="\x1b[31m", changed_by="x"), {"pending": 300, "running": 8}
    )
    picture.lose("the line \x1b[2J is cut")
    return picture


@pytest.mark.parametrize("columns", [1, 10, 20, 39, 40, 63, 64, 80, 99, 100, 129, 130, 200, 400])
@pytest.mark.parametrize("lines", [1, 5, 24, 60])
def test_it_never_gets_larger_than_the_terminal(columns: int, lines: int) -> None:
    picture = full_picture()
    found = drawn(picture, columns, lines)
    assert len(found) <= lines
    for line in found:
        plain = CONTROL.sub("", line)
        assert cell_len(plain) <= columns, repr(plain)
        assert plain.isprintable()


def test_what_is_seen_in_a_wide_and_in_a_narrow_terminal() -> None:
    picture = full_picture()
    wide = shown(picture, 140, 60)
    for text in (
        "connection lost: the line \\x1b[2J is cut; trying again",
        "6 of 6 workers here, 6 of 50 slots used, 300 pending, 8 running",
        "queue paused by x",
        "01R00000000000000000000000  日本語の映画 0",
        "50.0%  0:02 left  2.5x  24.9 fps  w1",
        "#--- 1/4",
        " 1/30",
        "failed (exit code 9)",
    ):
        assert text in wide
    narrow = shown(picture, 40, 60)
    assert "日本語の映画 0\n" in narrow
    assert "50.0%  0:02 left  2.5x" in narrow
    assert "and " in narrow.split("JOBS")[1].splitlines()[0]


def test_colors_are_left_out_if_somebody_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    picture = full_picture()
    colors = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-7]|9[0-7]|38;5;[0-9]+)m")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert any(colors.search(line) for line in drawn(picture, 100))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not any(colors.search(line) for line in drawn(picture, 100))


def test_a_terminal_that_knows_ascii_only_gets_a_bar_of_it() -> None:
    picture = Picture("http://c")
    picture.take_jobs([record("running", progress=HALF)], unfinished=True)
    assert "".join(drawn(picture, 100, encoding="ascii")).isascii()


def test_one_job() -> None:
    picture = Picture("http://c")
    picture.take_record(record("running", 2, name="film", progress=HALF, reason="w0 was lost"))
    live, left = (
        "\n".join(
            CONTROL.sub("", line).rstrip()
            for line in drawing.draw(drawing.one_job(JOB, live=live), picture, 60, 24, "utf-8")
        )
        for live in (True, False)
    )
    for text in (
        JOB,
        "film",
        "ffmpeg -version",
        "running on w1, attempt 2",
        "w0 was lost",
        " 50.0%",
        "24.9 fps",
    ):
        assert text in live
        assert text in left
    assert "Ctrl-C" in live
    assert "Ctrl-C" not in left


def test_what_draws_is_loaded_by_live_views_only() -> None:
    code = "import sys, dffmpeg.client.parser; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
