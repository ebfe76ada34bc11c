"""Hardware that is listed and does not work, in a whole cluster with the machine's own ffmpeg."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.kit import GUARD, Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.ffmpeg]

SOURCE = ["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=0.2"]
BROKEN = """#!/bin/sh
for word; do [ "$word" = h264_nvenc ] && echo "no such device" >&2 && exit 1; done
exec "{ffmpeg}" "$@"
"""
WORKS = """#!/bin/bash
exec "{ffmpeg}" "${{@/#h264_nvenc/mpeg4}}"
"""


def wrapper(path: Path, text: str) -> Path:
    """A program that is the machine's ffmpeg but for one encoder, which is listed there."""
    real = shutil.which("ffmpeg")
    assert real is not None
    listed = subprocess.run(
        [real, "-hide_banner", "-encoders"], capture_output=True, check=True, timeout=GUARD
    )
    if b" h264_nvenc " not in listed.stdout:
        pytest.skip("this ffmpeg was built without nvenc")
    path.write_text(text.format(ffmpeg=real))
    path.chmod(0o755)
    return path


def command(cluster: Cluster, *arguments: str, name: str = "client") -> subprocess.CompletedProcess[bytes]:
    line = [
        sys.executable,
        "-m",
        "dffmpeg.client",
        *arguments,
        "--config",
        str(cluster.data / f"{name}.toml"),
    ]
    if "--" in arguments:
        place = arguments.index("--")
        config = ["--config", str(cluster.data / f"{name}.toml")]
        line = [sys.executable, "-m", "dffmpeg.client", *arguments[:place], *config, *arguments[place:]]
    return subprocess.run(line, cwd=cluster.folder, capture_output=True, check=False, timeout=GUARD)


def record(cluster: Cluster, kind: str, identifier: str) -> dict[str, Any]:
    done = command(cluster, kind, "show", identifier, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def until(
    cluster: Cluster, kind: str, identifier: str, fits: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Ask for a record until it is so."""
    give_up = time.monotonic() + GUARD
    while True:
        found = record(cluster, kind, identifier)
        if fits(found):
            return found
        assert time.monotonic() < give_up, found


def probed(worker: dict[str, Any]) -> bool:
    abilities = worker["abilities"].get("ffmpeg")
    return abilities is not None and abilities.get("complete", True)


@contextmanager
def second_worker(cluster: Cluster, program: Path) -> Iterator[str]:
    """Another worker of the cluster, with this ffmpeg, until the block is left."""
    file = cluster.data / "second.toml"
    admin = [sys.executable, "-m", "dffmpeg.admin", "--config", str(cluster.data / "coordinator.toml")]
    added = [*admin, "user", "add", "second", "--role", "worker", "--write-config", str(file)]
    added += ["--coordinator-url", cluster.url, "--path", f"Media={cluster.folder}"]
    subprocess.run(added, capture_output=True, check=True, timeout=GUARD)
    text = file.read_text()
    file.write_text(text.replace("[paths]", f'[binaries]\nffmpeg = "{program}"\n\n[paths]', 1))
    with open(cluster.data / "second.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dffmpeg.worker", "--config", str(file)],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=os.environ,
        )
    try:
        yield "second"
    finally:
        process.kill()
        process.wait(GUARD)


def test_a_worker_whose_encoder_does_not_work_never_gets_such_a_job(tmp_path: Path) -> None:
    broken = wrapper(tmp_path / "broken-ffmpeg", BROKEN)
    works = wrapper(tmp_path / "works-ffmpeg", WORKS)
    job = [*SOURCE, "-c:v", "h264_nvenc", "-f", "matroska"]
    with Cluster(tmp_path, "--workers", "1", "--binary", f"ffmpeg={broken}") as cluster:
        worker = until(cluster, "worker", "worker1", probed)
        assert "h264_nvenc" in worker["abilities"]["ffmpeg"]["broken"]
        assert "mpeg4" in worker["abilities"]["ffmpeg"]["encoders"]

        done = command(cluster, "submit", "--detach", "-b", "ffmpeg", "--", *job, str(tmp_path / "a.mkv"))
        assert done.returncode == 0, done.stderr
        why = b"no worker can run this: the encoder h264_nvenc is listed there and does not work"
        assert done.stderr.startswith(b"dffmpeg: " + why)
        assert done.stderr.endswith(b"it waits\n")
        waiting = done.stdout.decode().strip()
        found = record(cluster, "job", waiting)
        assert found["status"] == "pending"
        assert found["needs"]["encoders"] == ["h264_nvenc"]
        assert why.decode().endswith(found["hindrance"].partition(" (")[0])

        # What it can run it runs, meanwhile.
        other = cluster.run(*SOURCE, "-c:v", "mpeg4", str(tmp_path / "b.mkv"))
        assert other.returncode == 0, other.stderr

        reading = ["-v", "info", "-i", str(tmp_path / "b.mkv"), "-f", "null", "-"]
        read = command(cluster, "submit", "--detach", "-b", "ffmpeg", "--", *reading).stdout.decode().strip()
        measured = until(cluster, "job", read, lambda one: one["status"] == "completed")
        assert measured["size"] == pytest.approx(64 * 36 * 25 * 0.2)

        with second_worker(cluster, works) as second:
            ended = until(cluster, "job", waiting, lambda one: one["status"] in ("completed", "failed"))
            assert (ended["status"], ended["worker_id"], ended["attempt"]) == ("completed", second, 1)
            assert ended["hindrance"] is None
            for number in range(3):
                done_here = cluster.run(*job, str(tmp_path / f"{number}.mkv"))
                assert (done_here.returncode, done_here.stderr) == (0, b"")
            listed = json.loads(command(cluster, "job", "list", "--json").stdout)
            takers = {one["worker_id"] for one in listed if "h264_nvenc" in one["needs"].get("encoders", [])}
            assert takers == {second}

        shown = command(cluster, "worker", "show", "worker1")
        assert b"h264_nvenc" in shown.stdout
        assert b"ENCODERS" in shown.stdout
        names = command(cluster, "worker", "show", "worker1", "--abilities")
        assert b"ffmpeg encoders" in names.stdout


def test_requirements_and_impossible_jobs(tmp_path: Path) -> None:
    with Cluster(tmp_path, "--workers", "1") as cluster:
        until(cluster, "worker", "worker1", probed)
        line = ["submit", "--detach", "-b", "ffmpeg", "--require", "label=gpu", "--json", "--", "-version"]
        found = json.loads(command(cluster, *line).stdout)
        assert found["hindrance"] == "it lacks the label gpu (the only worker)"
        wrong = command(cluster, "submit", "-b", "ffmpeg", "--require", "gpu", "--", "-version")
        assert wrong.returncode != 0
        assert wrong.stderr.count(b"\n") == 1
        assert b"require: 'gpu': expected KIND=NAME" in wrong.stderr
        failing = [
            "submit",
            "-b",
            "ffmpeg",
            "--require",
            "encoder=none",
            "--fail-if-impossible",
            "--",
            "-version",
        ]
        failed = command(cluster, *failing)
        assert failed.returncode != 0
        assert b"no worker can run this: it lacks the encoder none" in failed.stderr
