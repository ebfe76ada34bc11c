"""Reading what a real coordinator does not keep any more."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kit import GUARD, Cluster, program

pytestmark = pytest.mark.cluster

SIZE = 64 << 20
"""More than what is under way to somebody who does not read."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    fake = program(folder / "fake", f"echo begun >&2; exec head -c {SIZE} /dev/zero")
    with Cluster(folder, "--binary", f"ffmpeg={fake}") as running:
        yield running


def client(cluster: Cluster, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "dffmpeg.client", "--config", str(cluster.data / "client.toml"), *arguments]


def admin(cluster: Cluster) -> list[str]:
    return [sys.executable, "-m", "dffmpeg.admin", "--client-config", str(cluster.data / "admin.toml")]


def attach(cluster: Cluster, job_id: str) -> subprocess.Popen[bytes]:
    command = client(cluster, "job", "attach", job_id)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)


def submit(cluster: Cluster) -> str:
    command = client(cluster, "submit", "--detach", "-b", "ffmpeg", "--", "x")
    done = subprocess.run(command, cwd=cluster.folder, capture_output=True, check=True, timeout=GUARD)
    return done.stdout.decode().strip()


def test_output_that_has_expired(tmp_path: Path) -> None:
    fake = program(tmp_path / "fake", "echo said >&2; exec echo result")
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "coordinator.toml").write_text("[retention]\noutput = 0.001\n")
    with Cluster(tmp_path, "--binary", f"ffmpeg={fake}") as cluster:
        job_id = submit(cluster)
        # The janitor may be there before us; whatever it left, nothing is missing unsaid.
        attach(cluster, job_id).communicate(timeout=GUARD)
        swept = [*admin(cluster), "janitor", "retention"]
        subprocess.run(swept, capture_output=True, check=True, timeout=GUARD)
        with attach(cluster, job_id) as late:
            out, err = late.communicate(timeout=GUARD)
        assert (late.returncode, out) == (124, b"")
        assert err.decode().splitlines() == [
            "dffmpeg: 5 bytes of stderr were not kept",
            f"dffmpeg: 7 bytes of the stdout of job {job_id} are not kept: it is not whole here",
        ]
        logs = subprocess.run(
            client(cluster, "job", "logs", job_id), capture_output=True, check=True, timeout=GUARD
        )
        assert logs.stdout == b"dffmpeg: 5 bytes of stderr are not kept\n"


def test_a_job_that_is_purged_under_a_reader(cluster: Cluster) -> None:
    job_id = submit(cluster)
    with attach(cluster, job_id) as whole:
        out, err = whole.communicate(timeout=GUARD)
        assert (whole.returncode, len(out), err) == (0, SIZE, b"begun\n")
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
        assert reader.returncode == 122
        line = err.removeprefix(b"begun\n")
        assert line.count(b"\n") == 1
        assert line.startswith(b"dffmpeg: ")
        assert b"there is no job" in err
    again = subprocess.run(
        client(cluster, "job", "attach", job_id), capture_output=True, check=False, timeout=GUARD
    )
    assert again.returncode == 122
