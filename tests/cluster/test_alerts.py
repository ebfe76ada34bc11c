"""What is told while something is really broken, and no more once it is mended."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

from dffmpeg.client.options import JobOptions
from dffmpeg.model.identities import Role
from tests import databases
from tests.actors.worker.mounts.fuse import mount, unmount, why_not
from tests.cluster.alarm import listening
from tests.cluster.kit import Cluster, program
from tests.cluster.several import open_several, until_members
from tests.cluster.test_brokers import cluster_on, open_broker
from tests.cluster.test_chaos import running
from tests.cluster.test_scheduling import configured
from tests.servers.postgresql import open_postgresql
from tests.servers.requirements import Missing
from tests.services import require

pytestmark = pytest.mark.cluster


async def test_a_worker_is_killed_and_nobody_is_left(tmp_path: Path) -> None:
    configured(tmp_path, "[scheduling.quarantine]\nstrikes = 1\nminimum = 600.0\n")
    endless = program(tmp_path / "endless", "exec sleep 600")
    with Cluster(tmp_path, "--workers", "1", "--slots", "3", f"--binary=endless={endless}") as cluster:
        async with cluster.client("admin") as admin, cluster.client() as client, listening(admin) as alarm:
            once = JobOptions(max_attempts=1)
            jobs = [(await client.submit("endless", [], job=once)).job_id for _ in range(2)]
            await running(client, jobs, count=2)
            assert alarm.alerts == {}
            cluster.kill("worker1")
            lost = await alarm.until("worker_lost")
            assert (lost.subject, lost.severity) == ("worker1", "warning")
            assert lost.text.startswith("Worker worker1 went without a word while it had 2 jobs")
            quarantined = await alarm.until("quarantined")
            assert quarantined.subject == "worker1"
            waiting = [(await client.submit("endless", [])).job_id for _ in range(3)]
            stranded = await alarm.until("no_worker", lambda one: one.text.startswith("3 endless jobs wait"))
            assert "worker1 is offline" in stranded.text
            cluster.start("worker1")
            await alarm.until_over(lost)
            # It is there again, but gets nothing before somebody has seen to it.
            assert (await alarm.until("no_worker")).since == stranded.since
            await admin._http.request("POST", "/workers/worker1/resume")
            await running(client, waiting, count=3)
            await alarm.until_over(quarantined)
            await alarm.until_over(stranded)


@pytest.mark.ffmpeg
@pytest.mark.parametrize("name", ["mqtt", "rabbitmq"])
async def test_a_broker_is_down(tmp_path: Path, name: str) -> None:
    async with open_broker(name) as broker:
        with cluster_on(broker, tmp_path) as cluster:
            async with cluster.client("admin") as admin, listening(admin) as alarm:
                await broker.process.kill()
                down = await alarm.until("downlink_down")
                assert (down.subject, down.severity) == (name, "error")
                await broker.process.start()
                await alarm.until_over(down)
                assert alarm.alerts == {}


@pytest.mark.servers("haproxy")
async def test_a_coordinator_is_killed_and_comes_back(tmp_path: Path) -> None:
    async with open_several(tmp_path, "postgresql", "a", "b", identities={}) as several:
        dead, _ = await until_members(several, "b", 2)
        async with several.client("b", name="admin") as admin, listening(admin) as alarm:
            await several.processes["a"].kill()
            silent = await alarm.until("coordinator_silent")
            assert silent.subject == dead.coordinator_id
            await several.processes["a"].start()
            await alarm.until_over(silent)


@pytest.mark.servers("haproxy")
async def test_the_database_is_down(tmp_path: Path) -> None:
    try:
        async with open_postgresql() as server:
            options: databases.Options = {
                "host": server.host,
                "port": server.port,
                "database": server.database,
                "user": server.user,
                "password": server.password,
                "patience": 1.0,
            }
            known = {"w1": Role.WORKER}
            async with (
                open_several(tmp_path, "postgresql", "a", identities=known, database=options) as one,
                one.client("a", name="admin") as admin,
                listening(admin) as alarm,
            ):
                await server.process.kill()
                down = await alarm.until("database")
                assert down.text.startswith("The database does not answer")
                await server.process.start()
                await alarm.until_over(down)
    except Missing as missing:
        require("postgresql", str(missing))


@pytest.mark.skipif(why_not() is not None, reason=f"no file system of one's own: {why_not()}")
async def test_the_disk_is_nearly_full(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    with ExitStack() as stack:
        mount("tmpfs", str(data), "tmpfs", "size=64m,mode=0700")
        stack.callback(unmount, str(data))
        with Cluster(tmp_path, "--workers", "1") as cluster:
            async with cluster.client("admin") as admin, listening(admin) as alarm:
                ballast = data / "ballast"
                await trio.Path(ballast).write_bytes(bytes(61 << 20))
                full = await alarm.until("disk_full")
                assert full.severity == "error"
                assert full.text.startswith("The disk with the database has")
                ballast.unlink()
                await alarm.until_over(full)
