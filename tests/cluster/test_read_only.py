"""A directory that one worker maps for reading only, in a whole cluster with the machine's own ffmpeg."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.kit import GUARD, Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

CLIP = ["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=0.2", "-c:v", "mpeg4"]


def asked(cluster: Cluster, *arguments: str) -> str:
    """What `dffmpeg-client` prints."""
    before, after = list(arguments), []
    if "--" in arguments:
        before, after = before[: before.index("--")], before[before.index("--") :]
    config = ["--config", str(cluster.data / "client.toml")]
    done = subprocess.run(
        [sys.executable, "-m", "dffmpeg.client", *before, *config, *after],
        cwd=cluster.folder,
        capture_output=True,
        check=True,
        timeout=GUARD,
        text=True,
    )
    return done.stdout.strip()


def record(cluster: Cluster, kind: str, identifier: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asked(cluster, kind, "show", identifier, "--json"))
    return found


def map_again(cluster: Cluster, name: str, mode: str) -> None:
    """Have a worker map the directory in another mode; returns once it offers that."""
    file = cluster.data / f"{name}.toml"
    cluster.kill(name)
    plain, other = f'"{cluster.folder}"', f'{{ path = "{cluster.folder}", mode = "ro" }}'
    text = file.read_text().replace(other, plain)
    file.write_text(text.replace(f"Media = {plain}", f"Media = {other}") if mode == "ro" else text)
    cluster.start(name)
    give_up = time.monotonic() + GUARD
    while True:
        worker = record(cluster, "worker", name)
        offers = worker["status"] == "online" and worker["abilities"].get("ffmpeg", {}).get("complete", True)
        if offers and worker["read_only"] == (["Media"] if mode == "ro" else []):
            return
        assert time.monotonic() < give_up, worker


def submit(cluster: Cluster, file: Path) -> str:
    return asked(cluster, "submit", "--detach", "-b", "ffmpeg", "--", *CLIP, str(file))


def ended(cluster: Cluster, job_id: str) -> dict[str, Any]:
    give_up = time.monotonic() + GUARD
    while True:
        found = record(cluster, "job", job_id)
        if found["status"] in ("completed", "failed"):
            return found
        assert time.monotonic() < give_up, found


def test_a_job_that_writes_goes_where_it_may(tmp_path: Path) -> None:
    with Cluster(tmp_path, "--workers", "2") as cluster:
        map_again(cluster, "worker1", "ro")
        for number in range(3):
            file = tmp_path / f"{number}.mkv"
            job = ended(cluster, submit(cluster, file))
            assert (job["status"], job["worker_id"], job["attempt"]) == ("completed", "worker2", 1)
            assert file.stat().st_size > 1000

        map_again(cluster, "worker2", "ro")
        waiting = submit(cluster, tmp_path / "late.mkv")
        admin = [sys.executable, "-m", "dffmpeg.admin", "--client-config", str(cluster.data / "admin.toml")]
        why = subprocess.run(
            [*admin, "job", "why", waiting], capture_output=True, check=True, timeout=GUARD, text=True
        ).stdout
        for expected in ("worker1", "worker2", "$Media is read-only there"):
            assert expected in why
        assert record(cluster, "job", waiting)["status"] == "pending"
        assert not (tmp_path / "late.mkv").exists()

        map_again(cluster, "worker2", "rw")
        job = ended(cluster, waiting)
        assert (job["status"], job["worker_id"], job["attempt"]) == ("completed", "worker2", 1)
