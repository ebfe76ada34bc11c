"""Two coordinators on a real server: whichever is killed or frozen, each job runs to its end, once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import trio

from dffmpeg.client.api import Client
from dffmpeg.model.identities import Role
from dffmpeg.standalone.programs import find_programs
from dffmpeg.wire import codec
from dffmpeg.wire.jobs import SubmitRequest
from tests.cluster.kit import GUARD, program
from tests.cluster.several import Several, open_several, until_members
from tests.cluster.test_chaos import all_finished, behind, executions, finished, refusal, running

pytestmark = [pytest.mark.cluster, pytest.mark.servers("haproxy")]

ENGINES = ("postgresql", "mysql")
WORKERS = {"w1": Role.WORKER, "w2": Role.WORKER}


def real(folder: Path) -> Path:
    """The real ffmpeg, with each of its executions noted by the name of its output."""
    ffmpeg = find_programs()["ffmpeg"]
    return program(
        folder / "counted", f'for last; do :; done; basename "$last" >> {folder}/ledger\nexec {ffmpeg} "$@"'
    )


def encoding(folder: Path, name: str, seconds: int) -> list[str]:
    """A command that takes as long as its output plays."""
    source = f"testsrc2=size=160x120:rate=10:duration={seconds}"
    return ["-v", "error", "-re", "-f", "lavfi", "-i", source, "-y", str(folder / f"{name}.mkv")]


async def encoded(client: Client, folder: Path, names: list[str], seconds: int) -> list[str]:
    jobs = [await client.submit("ffmpeg", encoding(folder, name, seconds)) for name in names]
    return [job.job_id for job in jobs]


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_next_one_leads_and_drives_the_jobs_of_one_that_was_killed(
    tmp_path: Path, engine: str
) -> None:
    names = [f"film{number}" for number in range(4)]
    async with open_several(tmp_path, engine, "a", "b", identities=WORKERS) as several:
        for name in WORKERS:
            await several.worker(name, real(tmp_path), at=None, slots=2).start()
        async with several.client() as client:
            jobs = await encoded(client, tmp_path, names, 8)
            await running(client, jobs, count=4)
        before = await until_members(several, "b", 2)
        assert [one.leads for one in before] == [True, False]
        await several.processes["a"].kill()
        async with several.client() as client:
            records = await all_finished(client, jobs)
        [left] = await until_members(several, "b", 1)
        assert (left.coordinator_id, left.leads) == (before[1].coordinator_id, True)
    assert [(one.status, one.attempt, one.exit_code) for one in records] == [("completed", 1, 0)] * 4
    assert executions(tmp_path / "ledger") == Counter(f"{name}.mkv" for name in names)
    assert all((tmp_path / f"{name}.mkv").stat().st_size for name in names)


@pytest.mark.parametrize("engine", ENGINES)
async def test_one_that_was_frozen_for_too_long_begins_anew(tmp_path: Path, engine: str) -> None:
    gate = tmp_path / "gate"
    ffmpeg = program(tmp_path / "counting", f'echo "$1" >> {tmp_path}/ledger\n{behind(gate)}')
    async with open_several(tmp_path, engine, "a", "b", identities=WORKERS) as several:
        await several.worker("w1", ffmpeg, at=None, slots=6).start()
        async with several.client() as client:
            jobs = [(await client.submit("ffmpeg", [str(number)])).job_id for number in range(4)]
            await running(client, jobs, count=4)
        old = {one.coordinator_id for one in await until_members(several, "b", 2)}
        several.processes["a"].freeze()
        await until_members(several, "b", 1)
        async with several.client("b") as client:
            # Somebody leads, and the worker is there, while the other one is not.
            jobs.append((await client.submit("ffmpeg", ["4"])).job_id)
            await running(client, jobs, count=5)
        several.processes["a"].thaw()
        now = await until_members(several, "b", 2)
        assert len(old & {one.coordinator_id for one in now}) == 1
        assert [one.leads for one in now] == [True, False]
        async with several.client("a") as client:
            jobs.append((await client.submit("ffmpeg", ["5"])).job_id)
        async with several.client("b") as client:
            await running(client, jobs, count=6)
            gate.touch()
            records = await all_finished(client, jobs)
        assert "the others go on without it" in several.log("a")
    assert [(one.status, one.attempt) for one in records] == [("completed", 1)] * 6
    assert executions(tmp_path / "ledger") == Counter(map(str, range(6)))


@pytest.mark.parametrize("engine", ENGINES)
async def test_what_is_said_at_one_counts_at_the_other(tmp_path: Path, engine: str) -> None:
    ffmpeg = program(tmp_path / "counting", f'echo "$1" >> {tmp_path}/ledger')
    limit = {"scheduling": {"queued": 3}}
    async with open_several(tmp_path, engine, "a", "b", identities=WORKERS, **limit) as several:
        await several.worker("w1", ffmpeg, at="b", slots=1).start()
        await several.worker("w2", ffmpeg, at="a", slots=1).start()
        # At the one that leads, so that it counts at once.
        async with several.admin("a") as admin:
            await admin.pause_queue(None)
        jobs: list[str] = []
        async with several.client("a") as first, several.client("b") as second:
            for client in (first, second, first):
                jobs.append((await client.submit("ffmpeg", [str(len(jobs))])).job_id)
                await known(several, jobs[-1])
            for client in (first, second):
                # Asked once; `submit` would wait until there is room.
                request = SubmitRequest(binary_name="ffmpeg", arguments=["too many"])
                assert await refusal(client, "POST", "/jobs/submit", codec.to_builtins(request)) == 429
            async with several.admin("b") as admin:
                await admin.resume_queue()
            for job_id in jobs:
                assert (await finished(second, job_id)).status == "completed"
    assert executions(tmp_path / "ledger") == Counter("012")


async def known(several: Several, job_id: str) -> None:
    """Wait until both coordinators have a job in their queues, and know that these are paused."""
    for name in ("a", "b"):
        async with several.admin(name) as admin:
            with trio.fail_after(GUARD):
                while "the queue is paused" not in (await admin.why(job_id)).waits_for:
                    await trio.lowlevel.checkpoint()
