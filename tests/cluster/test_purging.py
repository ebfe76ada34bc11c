"""Reading what a real coordinator does not keep any more."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.cluster.kit import GUARD, Cluster, program

pytestmark = pytest.mark.cluster

SIZE = 64 << 20
"""More than what is under way to somebody who does not read."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    fake = program(folder / "fake", f"exec head -c {SIZE} /dev/zero")
    with Cluster(folder, "--binary", f"ffmpeg={fake}") as running:
        yield running


def client(cluster: Cluster, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "dffmpeg.client", "--config", str(cluster.data / "client.toml"), *arguments]


def admin(cluster: Cluster) -> list[str]:
    return [sys.executable, "-m", "dffmpeg.admin", "--client-config", str(cluster.data / "admin.toml")]


def attach(cluster: Cluster, job_id: str) -> subprocess.Popen[bytes]:
    command = client(cluster, "job", "attach", job_id)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)


def test_a_job_that_is_purged_under_a_reader(cluster: Cluster) -> None:
    submitted = subprocess.run(
        client(cluster, "submit", "--detach", "-b", "ffmpeg", "--", "x"),
        cwd=cluster.folder,
        capture_output=True,
        check=True,
        timeout=GUARD,
    )
    job_id = submitted.stdout.decode().strip()
    with attach(cluster, job_id) as whole:
        out, err = whole.communicate(timeout=GUARD)
        assert (whole.returncode, len(out), err) == (0, SIZE, b"")
    with attach(cluster, job_id) as reader:
        assert reader.stdout is not None
        begun = len(os.read(reader.stdout.fileno(), 4096))
        purged = subprocess.run(
            [*admin(cluster), "job", "purge", "--yes", job_id],
            capture_output=True,
            check=False,
            timeout=GUARD,
        )
        assert purged.returncode == 0, purged.stderr
        rest, err = reader.communicate(timeout=GUARD)
        assert begun + len(rest) < SIZE
        assert (reader.returncode, err.count(b"\n")) == (122, 1)
        assert err.startswith(b"dffmpeg: ")
        assert b"there is no job" in err
    again = subprocess.run(
        client(cluster, "job", "attach", job_id), capture_output=True, check=False, timeout=GUARD
    )
    assert again.returncode == 122
