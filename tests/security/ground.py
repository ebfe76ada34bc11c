"""Where attacks on a sandbox take place: a real worker, and directories that no job may touch."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dffmpeg.actors.worker.processes import landlock, seccomp
from dffmpeg.configuration.sandbox import MappedPath, Sandbox
from dffmpeg.wire.jobs import FinishReport
from tests.actors.worker.conftest import StartWorker, Worker
from tests.actors.worker.coordinator import FakeCoordinator, Job

CONFINED = [
    pytest.mark.ffmpeg,
    pytest.mark.skipif(
        landlock.version() < 6 or not seccomp.available(), reason="this kernel cannot see to all of it"
    ),
]

SECRET = "the secret that no job may see"
SOURCE = ["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=1"]
REFUSALS = (b"Permission denied", b"No such file or directory", b"Read-only file system")


@dataclass
class Ground:
    """Where an attack takes place.

    Attributes:
        media: mapped as `Media`, which jobs name.
        others: mapped as `Others`, which they do not.
        originals: mapped as `Originals`, read-only.
        outside: mapped by nobody.
        arguments: of the worker that is to be attacked.
    """

    folder: Path
    coordinator: FakeCoordinator
    start: StartWorker
    views: str

    def __post_init__(self) -> None:
        for name in ("media", "others", "originals", "outside"):
            folder = self.folder / name
            folder.mkdir()
            (folder / "secret.srt").write_text(f"1\n00:00:00,000 --> 00:00:01,000\n{SECRET}\n")
        self.media, self.outside = self.folder / "media", self.folder / "outside"
        self.others, self.originals = self.folder / "others", self.folder / "originals"
        self.client = self.folder / "client" if self.views == "auto" else None

    def worker(self, **changes: Any) -> AbstractAsyncContextManager[Worker]:
        values: dict[str, Any] = {
            "binaries": {"ffmpeg": "ffmpeg", "sh": "sh", "python": os.path.realpath(sys.executable)},
            "paths": {
                "Media": str(self.media),
                "Others": str(self.others),
                "Originals": MappedPath(path=str(self.originals), mode="ro"),
            },
            "sandbox": Sandbox(mode="required"),
            "views": self.views,
            "benchmark": False,
        }
        return self.start(**(values | changes))

    def shown(self, name: str) -> str:
        """The directory of a variable as the job's client has it."""
        return str(self.folder / name.lower() if self.client is None else self.client / name.lower())

    async def run(
        self, *arguments: str, program: str = "ffmpeg", paths: tuple[str, ...] = ("Media",), **more: Any
    ) -> tuple[FinishReport, Job]:
        names = ("Media", "Others", "Originals")
        clients = {name: self.shown(name) for name in names}
        given = {"client_paths": clients, "working_directory": "$Media"} | more
        job = self.coordinator.add(
            f"J{len(self.coordinator.jobs) + 1}", program, *arguments, paths=list(paths), **given
        )
        return await self.coordinator.finished(job), job

    async def refused(self, *arguments: str, **more: Any) -> bytes:
        """Run what must fail for want of permission, and give nothing away; returns what it said."""
        report, job = await self.run(*arguments, **more)
        said = bytes(job.stderr.data)
        assert report.status == "failed", said
        assert any(refusal in said for refusal in REFUSALS), said
        assert SECRET.encode() not in said + bytes(job.stdout.data)
        for file in self.media.iterdir():
            theirs = file.is_symlink() or not file.is_file() or file.name == "secret.srt"
            assert theirs or SECRET.encode() not in file.read_bytes()
        return said


@pytest.fixture(params=["auto", "never"])
def ground(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
) -> Ground:
    return Ground(tmp_path, coordinator, start_worker, request.param)
