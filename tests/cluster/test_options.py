"""Job options on a whole cluster of real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from dffmpeg.client.api import Client
from dffmpeg.client.options import JobOptions
from dffmpeg.configuration import load
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.wire.jobs import JobRecord
from tests.cluster.kit import GUARD, Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

CLIP = ["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=1"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), "--slots", "4") as running:
        yield running


def client(cluster: Cluster, *arguments: str) -> str:
    """What `dffmpeg-client` prints."""
    command = [sys.executable, "-m", "dffmpeg.client", "--config", str(cluster.data / "client.toml")]
    done = subprocess.run(
        [*command, *arguments], cwd=cluster.folder, capture_output=True, check=False, timeout=GUARD, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def submit(cluster: Cluster, flags: list[str], *arguments: str) -> str:
    return client(cluster, "submit", "--detach", *flags, "-b", "ffmpeg", "--", *arguments)


async def end_of(client: Client, job_id: str) -> JobRecord:
    with trio.fail_after(GUARD):
        await client.deliver(job_id, stdout=_nowhere, stderr=_nowhere)
    return await client.status(job_id)


async def _nowhere(data: bytes) -> None:
    del data


async def test_a_chain_of_encodes(cluster: Cluster) -> None:
    names = [str(cluster.folder / f"{number}.mkv") for number in range(4)]
    jobs = [submit(cluster, ["--name", "first", "--label", "chain"], *CLIP, names[0])]
    for source, target in pairwise(names):
        # Each reads what the one before has written; begun too early it would fail.
        flags = ["--after", jobs[-1], "--label", "chain"]
        jobs.append(submit(cluster, flags, "-v", "error", "-i", source, "-c", "copy", target))
    async with cluster.client() as api:
        last = await end_of(api, jobs[-1])
        assert (last.status, last.reason) == ("completed", None)
    assert Path(names[-1]).stat().st_size > 1000
    listed: list[dict[str, Any]] = json.loads(client(cluster, "job", "list", "--label", "chain", "--json"))
    assert {record["job_id"] for record in listed} == set(jobs)
    assert client(cluster, "job", "list", "--name", "fir*", "--state", "completed").count("\n") == 1


async def test_a_thousand_submissions_with_one_key(cluster: Cluster) -> None:
    ids: set[str] = set()
    arguments = [*CLIP, "-f", "null", "-"]

    # However long a slow machine takes to get through all of them.
    config = load(ClientConfig, "client", cluster.data / "client.toml")
    async with Client(msgspec.structs.replace(config, connect_timeout=600.0)) as api:

        async def one() -> None:
            options = JobOptions(idempotency_key="the night of the 7th", labels=("key",))
            ids.add((await api.submit("ffmpeg", arguments, job=options)).job_id)

        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(one)
        assert len(ids) == 1
        assert (await end_of(api, next(iter(ids)))).attempt == 1
        assert len(await api.jobs(labels=["key"])) == 1


async def test_a_chain_survives_the_coordinator_s_death(tmp_path: Path) -> None:
    with Cluster(tmp_path, "--slots", "2") as cluster:
        good = submit(cluster, [], *CLIP, "-y", str(tmp_path / "a.mkv"))
        after_good = submit(cluster, ["--after", good], *CLIP, "-f", "null", "-")
        bad = submit(
            cluster, [], "-v", "quiet", "-f", "lavfi", "-i", "testsrc2=s=nonsense", "-f", "null", "-"
        )
        after_bad = submit(cluster, ["--after", bad], *CLIP, "-f", "null", "-")
        last = submit(cluster, ["--after", f"{after_good},{after_bad}"], *CLIP, "-f", "null", "-")
        cluster.kill("coordinator")
        cluster.start("coordinator")
        async with cluster.client() as api:
            record = await end_of(api, last)
            assert record.status == "failed"
            assert record.reason == f"job {after_bad} failed, and this one was to come after it"
            record = await end_of(api, after_bad)
            assert record.reason == f"job {bad} failed, and this one was to come after it"
            assert (await end_of(api, after_good)).status == "completed"
