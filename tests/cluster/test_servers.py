"""Whole clusters on a database server, also while it closes every connection in the middle of a job."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
import tomli_w
import trio

from tests import databases
from tests.cluster.kit import Cluster
from tests.cluster.test_piped import COMMAND, FRAME, FRAMES, Transcode, source
from tests.servers.mariadb import MariaDB, open_mariadb
from tests.servers.postgresql import PostgreSQL, open_postgresql

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

KILL = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mysql": "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
}


@pytest.fixture(params=databases.SERVERS)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def options(engine: str) -> Iterator[databases.Options]:
    with databases.created(engine) as made:
        yield made


@contextmanager
def cluster_on(folder: Path, engine: str, options: databases.Options) -> Iterator[Cluster]:
    """One whose coordinator has everything on a server."""
    (folder / "data").mkdir(mode=0o700)
    config = folder / "data" / "coordinator.toml"
    config.write_text(tomli_w.dumps({"database": {"engine": engine, "engine_defaults": {engine: options}}}))
    config.chmod(0o600)
    with Cluster(folder) as running:
        yield running


@pytest.fixture
def cluster(tmp_path: Path, engine: str, options: databases.Options) -> Iterator[Cluster]:
    with cluster_on(tmp_path, engine, options) as running:
        yield running


def kill_connections(engine: str, options: databases.Options) -> int:
    """Have the server close each connection to the database but ours; returns how many."""
    with databases.connected(engine, options) as connection:
        found = connection.execute(sa.text(KILL[engine])).scalars().all()
        if engine == "mysql":
            for number in found:
                connection.exec_driver_sql(f"KILL CONNECTION {number}")
        return len(found)


def test_a_job_from_end_to_end(cluster: Cluster, engine: str, options: databases.Options) -> None:
    picture = ["-f", "lavfi", "-i", "testsrc=d=1:s=64x48:r=5"]
    done = cluster.run("-v", "error", *picture, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout) == FRAME * 5
    assert not list(cluster.data.glob("*.db"))
    with databases.connected(engine, options) as connection:
        rows = connection.execute(sa.text("SELECT state, exit_code FROM jobs")).all()
    assert rows == [("completed", 0)]


def test_a_piped_transcode_survives_the_loss_of_every_connection(
    cluster: Cluster, engine: str, options: databases.Options
) -> None:
    data = source()[: FRAME * FRAMES]
    local = subprocess.run(["ffmpeg", *COMMAND], input=data, capture_output=True, check=True)
    coordinator = cluster.pid("coordinator")
    cluster.start_agent()
    transcode = Transcode(cluster, data)
    transcode.some_output()
    assert kill_connections(engine, options) > 0
    status, output, errors = transcode.rest()
    assert (status, errors) == (0, b"")
    assert output == local.stdout
    assert cluster.pid("coordinator") == coordinator


SERVERS: Mapping[str, Callable[[], AbstractAsyncContextManager[PostgreSQL | MariaDB]]] = {
    "postgresql": open_postgresql,
    "mysql": open_mariadb,
}


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param("postgresql", marks=pytest.mark.servers("postgresql")),
        pytest.param("mysql", marks=pytest.mark.servers("mariadb")),
    ],
)
async def test_a_piped_transcode_survives_a_server_that_is_killed_and_started_again(
    tmp_path: Path, engine: str
) -> None:
    data = source()[: FRAME * FRAMES]
    local = await trio.run_process(["ffmpeg", *COMMAND], stdin=data, capture_stdout=True)
    async with SERVERS[engine]() as server:
        options: databases.Options = {"host": server.host, "port": server.port, "database": server.database}
        options |= {"user": server.user, "password": server.password}
        with cluster_on(tmp_path, engine, options) as cluster:
            coordinator = cluster.pid("coordinator")
            await trio.to_thread.run_sync(cluster.start_agent)
            transcode = Transcode(cluster, data)
            await trio.to_thread.run_sync(transcode.some_output)
            await server.process.kill()
            await server.process.start()
            status, output, errors = await trio.to_thread.run_sync(transcode.rest)
            assert cluster.pid("coordinator") == coordinator
    assert (status, errors) == (0, b"")
    assert output == local.stdout
