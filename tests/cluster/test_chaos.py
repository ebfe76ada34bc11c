"""What must survive: kill -9 of each process, late workers, crashing actors, many callers at once."""

from __future__ import annotations

import os
import select
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from dffmpeg.client.api import Client
from dffmpeg.errors import Refused, Unreachable
from dffmpeg.wire import codec
from dffmpeg.wire.jobs import AttemptReport, FinishReport, JobRecord
from dffmpeg.wire.workers import RegisterRequest
from tests.cluster.kit import GUARD, Cluster, open_pidfd, program

pytestmark = pytest.mark.cluster


async def finished(client: Client, job_id: str) -> JobRecord:
    """Wait for a job's end, as `job attach` does."""
    with trio.fail_after(GUARD):
        async with client.follow(job_id) as events:
            async for _event in events:
                pass
        return await client.status(job_id)


async def all_finished(client: Client, jobs: list[str]) -> list[JobRecord]:
    records: list[JobRecord] = []

    async def wait(job_id: str) -> None:
        records.append(await finished(client, job_id))

    async with trio.open_nursery() as nursery:
        for job_id in jobs:
            nursery.start_soon(wait, job_id)
    return records


async def running(client: Client, jobs: list[str], *, count: int) -> list[JobRecord]:
    """Wait until so many of them run."""
    with trio.fail_after(GUARD):
        while True:
            now = [await client.status(job_id) for job_id in jobs]
            up = [record for record in now if record.status == "running"]
            if len(up) >= count:
                return up
            await trio.lowlevel.checkpoint()


def executions(ledger: Path) -> Counter[str]:
    return Counter(ledger.read_text().split())


def counting(folder: Path, *, then: str = "") -> Path:
    """A program that notes each of its executions, by its first argument."""
    return program(folder / "counting", f'echo "$1" >> {folder}/ledger\n{then}')


def behind(gate: Path) -> str:
    """The part of a script that waits until a file is there."""
    return f"while [ ! -e {gate} ]; do sleep 0.05; done"


async def test_a_coordinator_that_is_killed_loses_no_job(tmp_path: Path) -> None:
    # Each job ends when the gate opens, so all of them live through the outage.
    gate = tmp_path / "gate"
    ffmpeg = counting(tmp_path, then=f"{behind(gate)}; echo done; echo err >&2")
    with Cluster(tmp_path, "--workers", "2", "--slots", "10", "--binary", f"ffmpeg={ffmpeg}") as cluster:
        async with cluster.client() as client:
            jobs = [(await client.submit("ffmpeg", [str(number)])).job_id for number in range(20)]
            await running(client, jobs, count=20)
        cluster.kill("coordinator")
        # The jobs end while nobody is there to be told.
        gate.touch()
        cluster.start("coordinator")
        async with cluster.client() as client:
            records = await all_finished(client, jobs)
            logs = [line.content for job_id in jobs for line in await client.logs(job_id)]
    assert [(record.status, record.attempt, record.exit_code) for record in records] == [
        ("completed", 1, 0)
    ] * 20
    assert executions(tmp_path / "ledger") == Counter(map(str, range(20)))
    assert logs.count("err") == 20


async def test_a_worker_that_is_killed_loses_its_ffmpeg_and_its_job_moves(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    # The first execution never ends by itself, and has a child; the second one succeeds.
    ffmpeg = program(
        tmp_path / "first_hangs",
        f"echo run >> {tmp_path}/ledger\n"
        f"if [ $(wc -l < {tmp_path}/ledger) = 1 ]; then sleep 100000 & echo $$ $! > {ready}; wait; fi",
    )
    with Cluster(tmp_path, "--workers", "2", "--slots", "1", "--binary", f"ffmpeg={ffmpeg}") as cluster:
        async with cluster.client() as client:
            job_id = (await client.submit("ffmpeg", [])).job_id
            pids = [int(pid) for pid in (await trio.Path(ready).read_text()).split()]
            first = (await running(client, [job_id], count=1))[0]
            assert first.worker_id is not None
            with open_pidfd(pids[0]) as parent, open_pidfd(pids[1]) as child:
                cluster.kill(first.worker_id)
                for descriptor in (parent, child):
                    assert select.select([descriptor], [], [], 30)[0], "it outlives its worker"
            record = await finished(client, job_id)
    assert (record.status, record.attempt) == ("completed", 2)
    assert record.worker_id != first.worker_id
    assert executions(tmp_path / "ledger") == Counter({"run": 2})


async def test_a_job_waits_for_a_worker_to_come(tmp_path: Path) -> None:
    with Cluster(tmp_path, "--binary", "ffmpeg=/bin/true") as cluster:
        cluster.kill("worker1")
        async with cluster.client() as client:
            job_id = (await client.submit("ffmpeg", [])).job_id
            assert (await client.status(job_id)).status in ("pending", "assigned")
            cluster.start("worker1")
            assert (await finished(client, job_id)).status == "completed"


async def test_five_hundred_jobs_from_sixteen_callers(tmp_path: Path) -> None:
    ffmpeg = counting(tmp_path)
    with Cluster(tmp_path, "--workers", "2", "--slots", "8", "--binary", f"ffmpeg={ffmpeg}") as cluster:
        records: list[JobRecord] = []

        async def caller(numbers: range) -> None:
            async with cluster.client() as client:
                for number in numbers:
                    job_id = (await client.submit("ffmpeg", [str(number)])).job_id
                    records.append(await finished(client, job_id))

        async with trio.open_nursery() as nursery:
            for lane in range(16):
                nursery.start_soon(caller, range(lane, 500, 16))
    assert Counter((record.status, record.attempt) for record in records) == {("completed", 1): 500}
    assert executions(tmp_path / "ledger") == Counter(map(str, range(500)))


async def test_roles_and_finished_jobs_over_http(tmp_path: Path) -> None:
    with Cluster(tmp_path, "--binary", "ffmpeg=/bin/true") as cluster:
        async with cluster.client() as client:
            done = await finished(client, (await client.submit("ffmpeg", [])).job_id)
            path = f"/jobs/{done.job_id}"
            attempt = AttemptReport(attempt=1)
            worker_routes: list[tuple[str, object]] = [
                (f"{path}/accept", attempt),
                (f"{path}/reject", attempt),
                (f"{path}/worker_heartbeat", attempt),
                (f"{path}/status", FinishReport(status="failed", attempt=1)),
                ("/worker/register", RegisterRequest(worker_id="worker1")),
                ("/worker/worker1/verify", {"registration_token": "x"}),
                ("/worker/deregister", {"worker_id": "worker1"}),
            ]
            for route, body in worker_routes:
                assert await refusal(client, "POST", route, body) == 403, route
            assert await refusal(client, "GET", "/poll/worker", None) == 403
        async with as_worker(cluster) as worker:
            for route, body in worker_routes[:4]:
                assert await refusal(worker, "POST", route, body) == 409, route
        async with cluster.client() as client:
            assert await client.status(done.job_id) == done


def as_worker(cluster: Cluster) -> Client:
    """A client that speaks with the worker's own key."""
    from dffmpeg.configuration import load
    from dffmpeg.configuration.client import ClientConfig
    from dffmpeg.configuration.worker import WorkerConfig

    config = load(WorkerConfig, "worker", cluster.data / "worker1.toml")
    return Client(
        ClientConfig(
            coordinator_url=config.coordinator_url, client_id=config.client_id, hmac_key=config.hmac_key
        )
    )


async def refusal(client: Client, method: str, path: str, body: object) -> int:
    with pytest.raises(Refused) as refused:
        await client._http.request(method, path, json=body)
    return refused.value.status


async def test_any_actor_crashes_and_the_jobs_finish(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    ffmpeg = counting(tmp_path, then=f"{behind(gate)}; echo out")
    with Cluster(tmp_path, "--workers", "2", "--slots", "1", "--binary", f"ffmpeg={ffmpeg}") as cluster:
        enable_debug_routes(cluster)
        async with cluster.client() as client, cluster.client("admin") as admin:
            jobs = [(await client.submit("ffmpeg", [str(number)])).job_id for number in range(4)]
            await running(client, jobs, count=2)
            for victim in await crashable(admin):
                # The answer may be lost with the web server that it crashed.
                with suppress(Unreachable):
                    await admin._http.request("POST", "/debug/crash", json={"path": victim})
                await healed(admin)
            crashed = every(await tree(admin))
            assert all(crashed[victim]["restarts"] for victim in crashed if victim.count("/") == 1)
            gate.touch()
            records = await all_finished(client, jobs)
    assert [(record.status, record.attempt) for record in records] == [("completed", 1)] * 4
    assert executions(tmp_path / "ledger") == Counter(map(str, range(4)))


def enable_debug_routes(cluster: Cluster) -> None:
    file = cluster.data / "coordinator.toml"
    written = file.read_text()
    assert "#routes = false" in written
    file.write_text(written.replace("#routes = false", "routes = true"))
    cluster.kill("coordinator")
    cluster.start("coordinator")


async def tree(admin: Client) -> dict[str, object]:
    with trio.fail_after(GUARD):
        while True:
            try:
                return codec.decode(await admin._http.request("GET", "/admin/tree"), dict)
            except (Unreachable, Refused):
                # It is being restarted.
                await trio.lowlevel.checkpoint()


def every(node: dict[str, object], prefix: str = "") -> dict[str, dict[str, object]]:
    path = f"{prefix}{node['id']}"
    found = {path: node}
    children = node["children"]
    assert isinstance(children, list)
    for child in children:
        found |= every(child, path + "/")
    return found


async def crashable(admin: Client) -> list[str]:
    return [path for path in every(await tree(admin)) if "/" in path]


async def healed(admin: Client) -> None:
    """Wait until everything runs again."""
    with trio.fail_after(GUARD):
        while any(node["state"] != "running" for node in every(await tree(admin)).values()):
            await trio.lowlevel.checkpoint()
