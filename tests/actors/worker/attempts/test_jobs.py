"""A worker runs real programs for a coordinator and reports what they did."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import trio

from dffmpeg.configuration.worker import Cancel
from dffmpeg.wire import codec
from dffmpeg.wire.workers import AttemptRef
from tests.actors.worker.conftest import StartWorker
from tests.actors.worker.coordinator import FakeCoordinator


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_runs_a_program_and_reports_its_bytes_and_exit_code(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", r"printf 'out\000\377\r'; printf err >&2; exit 7")
        report = await coordinator.finished(job)
    assert (report.status, report.exit_code, report.signal, report.attempt) == ("failed", 7, None, 1)
    assert bytes(job.stdout.data) == b"out\x00\xff\r"
    assert bytes(job.stderr.data) == b"err"
    assert (report.stdout, report.stderr) == (6, 3)
    assert coordinator.deregistered


async def test_works_over_polling_and_finds_what_the_hint_did_not_tell(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    coordinator.transport = "http_polling"
    silent = coordinator.add("J0", "sh", "-c", "exit 0", hint=False)
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", "exit 0")
        assert (await coordinator.finished(job)).status == "completed"
        assert (await coordinator.finished(silent)).status == "completed"
    assert coordinator.online


async def test_death_by_a_signal_is_told_apart(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    async with start_worker():
        report = await coordinator.finished(coordinator.add("J1", "sh", "-c", "kill -SEGV $$"))
    assert (report.status, report.exit_code, report.signal) == ("failed", None, signal.SIGSEGV)


async def test_nothing_is_started_before_the_acceptance_is_confirmed(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path
) -> None:
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", f"touch {tmp_path}/started", hint=False)
        job.status = "lost"
        coordinator.send("job_request", codec.to_builtins(job.request), "J1")
        await coordinator.until(lambda: "/jobs/J1/accept" in coordinator.requests)
        done = coordinator.add("J2", "sh", "-c", "true")
        await coordinator.finished(done)
    assert not (tmp_path / "started").exists()
    assert "/jobs/J1/status" not in coordinator.requests


async def test_runs_in_the_mapped_directory_or_in_an_empty_one_of_its_own(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_text("content")
    async with start_worker(paths={"Movies": str(tmp_path)}):
        job = coordinator.add(
            "J1",
            "sh",
            "-c",
            "pwd; cat $1",
            "x",
            "$Movies/sub/a",
            paths=["Movies"],
            working_directory="$Movies/sub",
        )
        own = coordinator.add("J2", "sh", "-c", "pwd; ls -A; umask > made")
        await coordinator.finished(job)
        await coordinator.finished(own)
    assert bytes(job.stdout.data) == f"{tmp_path}/sub\ncontent".encode()
    scratch = bytes(own.stdout.data).decode().removesuffix("\n")
    assert os.path.basename(scratch).startswith("dffmpeg-")
    assert not os.path.exists(scratch)


@pytest.mark.parametrize(
    ("binary", "more", "reason"),
    [
        ("nano", {}, "there is no nano"),
        ("sh", {"paths": ["Music"]}, "$Music is not mapped"),
        ("sh", {"paths": ["Gone"]}, "$Gone is not mapped or not there"),
        ("sh", {"paths": ["Movies"], "arguments": ["$Movies/../etc/passwd"]}, "leaves its directory"),
        ("sh", {"paths": ["Movies"], "arguments": ["$Movies/link/passwd"]}, "leaves the mapped directories"),
    ],
)
async def test_what_cannot_run_here_is_rejected_with_a_reason(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    tmp_path: Path,
    binary: str,
    more: dict[str, Any],
    reason: str,
) -> None:
    (tmp_path / "link").symlink_to("/etc")
    async with start_worker(paths={"Movies": str(tmp_path), "Gone": str(tmp_path / "gone")}):
        job = coordinator.add("J1", binary, **more)
        await coordinator.until(lambda: job.reason is not None)
    assert reason in (job.reason or "")
    assert coordinator.registrations[0].paths == ["Movies"]


async def test_full_slots_reject(coordinator: FakeCoordinator, start_worker: StartWorker) -> None:
    async with start_worker(slots=1):
        first = coordinator.add("J1", "sh", "-c", "exec sleep 1000")
        await coordinator.until(lambda: first.status == "running")
        second = coordinator.add("J2", "sh", "-c", "true")
        await coordinator.until(lambda: second.reason is not None)
    assert second.reason == "all slots of the worker are in use"


async def test_a_program_that_cannot_be_started_is_given_back_with_our_reason(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"#!/nonexistent/interpreter\n")
    vanishing = tmp_path / "vanishing"
    vanishing.write_bytes(b"#!/bin/sh\n")
    for program in (broken, vanishing):
        program.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    binaries = {"sh": "sh", "broken": str(broken), "vanishing": str(vanishing)}
    async with start_worker(binaries=binaries, paths={"Work": str(tmp_path)}):
        await coordinator.until(lambda: coordinator.online)
        vanishing.unlink()
        work.rmdir()
        jobs = {
            "gone": coordinator.add("J1", "vanishing"),
            "interpreter": coordinator.add("J2", "broken"),
            "long": coordinator.add("J3", "sh", "x" * 200_000),
            "cwd": coordinator.add("J4", "sh", "-c", ":", paths=["Work"], working_directory="$Work/work"),
        }
        await coordinator.until(lambda: all(job.reason is not None for job in jobs.values()))
        after = coordinator.add("J5", "sh", "-c", "exit 0")
        assert (await coordinator.finished(after)).status == "completed"
    # Another worker may be able to; they were accepted, so each is a loss.
    assert all(job.accepted and job.report is None for job in jobs.values())
    assert "does not exist" in (jobs["gone"].reason or "")
    assert "cannot be executed" in (jobs["interpreter"].reason or "")
    assert "Argument list too long" in (jobs["long"].reason or "")
    assert "working directory" in (jobs["cwd"].reason or "")


TRAP = "trap 'echo int; exit 3' INT; trap 'echo term; exit 4' TERM; echo ready; while :; do sleep 0.05; done"


async def test_cancel_interrupts_and_confirms(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", TRAP)
        await coordinator.until(lambda: b"ready" in job.stdout.data)
        coordinator.send("job_status", {"status": "canceling", "attempt": 1}, "J1")
        report = await coordinator.finished(job)
    assert (report.status, report.exit_code) == ("canceled", 3)
    assert bytes(job.stdout.data) == b"ready\nint\n"


async def test_cancel_grows_harder(coordinator: FakeCoordinator, start_worker: StartWorker) -> None:
    stubborn = "trap '' INT TERM; echo ready; while :; do sleep 0.05; done"
    async with start_worker(cancel=Cancel(interrupt=0.05, terminate=0.05)):
        job = coordinator.add("J1", "sh", "-c", stubborn)
        await coordinator.until(lambda: b"ready" in job.stdout.data)
        coordinator.cancel = [AttemptRef(job_id="J1", attempt=1)]
        report = await coordinator.finished(job)
    assert (report.status, report.signal) == ("canceled", signal.SIGKILL)


async def test_cancel_of_what_is_not_held_is_confirmed(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    async with start_worker():
        job = coordinator.add("J1", "sh", hint=False)
        job.status = "canceling"
        coordinator.send("job_status", {"status": "canceling", "attempt": 1}, "J1")
        assert (await coordinator.finished(job)).status == "canceled"


@pytest.mark.parametrize("by", ["message", "registration", "heartbeat", "output"])
async def test_a_stale_attempt_is_killed_without_a_report(
    coordinator: FakeCoordinator, start_worker: StartWorker, by: str
) -> None:
    async with start_worker():
        job = coordinator.add(
            "J1",
            "sh",
            "-c",
            "echo $$; read x < /dev/null; trap '' INT TERM; while :; do sleep 0.05; echo .; done",
            heartbeat_interval=0.1 if by == "heartbeat" else 60.0,
        )
        await coordinator.until(lambda: b"\n" in job.stdout.data)
        pid = int(job.stdout.data.split(b"\n")[0])
        assert alive(pid)
        if by == "message":
            coordinator.send("job_status", {"status": "canceled"}, "J1")
        elif by == "registration":
            coordinator.stop = [AttemptRef(job_id="J1", attempt=1)]
        else:
            job.status = "lost"
        held = len(coordinator.registrations)
        await coordinator.until(
            lambda: len(coordinator.registrations) > held and not coordinator.registrations[-1].running
        )
        assert not alive(pid)
    assert "/jobs/J1/status" not in coordinator.requests


async def test_a_short_lease_is_renewed_in_time(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    coordinator.lease = 2.0
    async with start_worker(registration_interval=1000.0):
        await coordinator.until(lambda: len(coordinator.registrations) >= 3)


async def test_the_worker_fences_itself_when_its_lease_runs_out(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    coordinator.lease = 2.0
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", "echo $$; exec sleep 1000")
        await coordinator.until(lambda: b"\n" in job.stdout.data)
        pid = int(job.stdout.data)
        coordinator.outage = (503, "away")
        await coordinator.until(lambda: not alive(pid))
        coordinator.outage = None
        held = len(coordinator.registrations)
        await coordinator.until(lambda: len(coordinator.registrations) > held)
        assert coordinator.registrations[-1].running == []
    assert "/jobs/J1/status" not in coordinator.requests


async def test_what_has_ended_is_reported_even_after_the_lease(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    coordinator.lease = 2.0
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", f"echo $$; read go < {gate}; echo all of it")
        await coordinator.until(lambda: b"\n" in job.stdout.data)
        pid, said = int(job.stdout.data), bytes(job.stdout.data)
        coordinator.outage = (503, "away")
        await trio.to_thread.run_sync(gate.write_text, "go\n")
        await coordinator.until(lambda: not alive(pid))
        await coordinator.until(lambda: "the lease ran out" in caplog.text)
        coordinator.outage = None
        report = await coordinator.finished(job)
    assert (report.status, report.exit_code) == ("completed", 0)
    assert job.stdout.data == said + b"all of it\n"


@pytest.mark.parametrize("child", ["process", "streams", "lease"])
async def test_a_crash_in_a_jobs_tree_kills_the_process_and_gives_the_job_back(
    coordinator: FakeCoordinator, start_worker: StartWorker, child: str
) -> None:
    async with start_worker() as worker:
        job = coordinator.add("J1", "sh", "-c", "echo $$; exec sleep 1000")
        other = coordinator.add("J2", "sh", "-c", "echo there; exec sleep 1000")
        await coordinator.until(lambda: b"\n" in job.stdout.data and b"\n" in other.stdout.data)
        worker.handle.crash_child(f"worker/jobs/J1.1/{child}")
        await coordinator.until(lambda: job.reason is not None)
        assert not alive(int(job.stdout.data))
        assert other.status == "running"
    assert "lost" in (job.reason or "")
    assert job.report is None


async def test_a_crash_of_the_downlink_heals(coordinator: FakeCoordinator, start_worker: StartWorker) -> None:
    async with start_worker() as worker:
        job = coordinator.add("J1", "sh", "-c", "echo $$; exec sleep 1000")
        await coordinator.until(lambda: b"\n" in job.stdout.data)
        seen = coordinator.connections
        worker.handle.crash_child("worker/downlink")
        await coordinator.until(
            lambda: coordinator.connections > seen and not coordinator.registrations[-1].running
        )
        assert not alive(int(job.stdout.data))
        after = coordinator.add("J2", "sh", "-c", "true")
        assert (await coordinator.finished(after)).status == "completed"


async def test_a_stray_that_holds_the_pipes_does_not_hold_the_job(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    code = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid(); time.sleep(120)\n"
        "print('done', flush=True)\n"
    )
    async with start_worker():
        job = coordinator.add("J1", "python", "-c", code)
        report = await coordinator.finished(job)
    assert report.status == "completed"
    assert bytes(job.stdout.data) == b"done\n"


async def test_a_program_may_close_its_streams_before_it_ends(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path
) -> None:
    os.mkfifo(gate := tmp_path / "gate")
    async with start_worker():
        job = coordinator.add(
            "J1", "sh", "-c", "echo closing; exec > /dev/null 2>&1; read x < $0; exit 5", str(gate)
        )
        await coordinator.until(lambda: bool(job.stdout.data))
        await trio.to_thread.run_sync(gate.write_text, "\n")
        assert (await coordinator.finished(job)).exit_code == 5


async def test_hundreds_of_jobs_leave_nothing_open(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    async with start_worker(slots=8):
        first = coordinator.add("first", "sh", "-c", "true")
        await coordinator.finished(first)
        descriptors, threads = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
        for batch in range(25):
            jobs = [coordinator.add(f"J{batch}-{n}", "sh", "-c", "echo $0; exit 3", str(n)) for n in range(8)]
            for number, job in enumerate(jobs):
                # Each slot is used again as soon as the coordinator has the report.
                report = await coordinator.finished(job)
                assert (report.exit_code, bytes(job.stdout.data)) == (3, b"%d\n" % number)
                assert job.reason is None
        assert len(os.listdir("/proc/self/fd")) < descriptors + 60
        assert len(os.listdir("/proc/self/task")) < threads + 40


async def test_leftovers_of_the_group_are_killed(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", "sleep 1000 & echo $!")
        assert (await coordinator.finished(job)).status == "completed"
        assert not alive(int(job.stdout.data))


async def test_stopping_the_worker_kills_what_runs(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", "trap '' TERM; sleep 1000 & echo $$ $!; wait")
        await coordinator.until(lambda: b"\n" in job.stdout.data)
    assert [alive(int(pid)) for pid in job.stdout.data.split()] == [False, False]
    assert job.report is None
    assert coordinator.deregistered
