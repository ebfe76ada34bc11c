"""Confined programs of users other than root: a worker runs them as its callers, or is no root itself."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from dffmpeg.actors.worker.attempts.commands import Machine, prepare
from dffmpeg.actors.worker.processes import landlock, seccomp
from dffmpeg.actors.worker.processes.actor import Processes
from dffmpeg.configuration.sandbox import ProgramLimits, Sandbox
from dffmpeg.model.confinement import Policy
from dffmpeg.wire import jobs
from dffmpeg.wire.jobs import FinishReport, Launch
from dffmpeg.wire.workers import JobRequest
from tests.actors.worker.conftest import coordinator, start_worker
from tests.actors.worker.coordinator import Job
from tests.cluster.kit import program
from tests.fidelity import nobody
from tests.security.ground import SECRET, SOURCE, Ground, ground

__all__ = ["coordinator", "ground", "start_worker"]

pytestmark = [
    pytest.mark.ffmpeg,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may run programs as others"),
    pytest.mark.skipif(
        landlock.version() < 6 or not seccomp.available(), reason="this kernel cannot see to all of it"
    ),
]

USER, GROUP, OTHERS = 12345, 23456, 34567
CALLER = Launch(
    credentials=jobs.Credentials(uid=USER, gid=GROUP, groups=[OTHERS]),
    environment={"PATH": os.environ["PATH"]},
)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """One that others may search, as pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="dffmpeg-users-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def as_caller(ground: Ground, *arguments: str, **more: Any) -> tuple[FinishReport, Job]:
    return await ground.run(*arguments, launch=CALLER, **more)


async def test_a_callers_program_writes_its_own_files(ground: Ground) -> None:
    os.chown(ground.media, USER, GROUP)
    async with ground.worker(run_as="caller", sandbox=Sandbox(mode="required")):
        report, job = await as_caller(
            ground, *SOURCE, "-vf", "drawtext=text=x", "-c:v", "mpeg4", "$Media/o.mkv"
        )
        assert report.status == "completed", bytes(job.stderr.data)
        status = (ground.media / "o.mkv").stat()
        assert (status.st_uid, status.st_gid) == (USER, GROUP)
        report, job = await as_caller(ground, "-c", "id -u; id -G; grep Cap /proc/self/status", program="sh")
        assert report.status == "completed", bytes(job.stderr.data)
        uid, groups, *capabilities = bytes(job.stdout.data).decode().splitlines()
        assert (uid, groups) == (str(USER), f"{GROUP} {OTHERS}")
        # The bounding set is what nothing of it can have any more.
        assert {line.split()[1] for line in capabilities if not line.startswith("CapBnd")} == {"0" * 16}


async def test_a_caller_gets_at_nothing_but_its_own_and_what_it_named(ground: Ground) -> None:
    (ground.media / "roots").write_text(SECRET)
    (ground.media / "roots").chmod(0o600)
    (ground.media / "groups").write_text("of its group")
    os.chown(ground.media / "groups", 0, OTHERS)
    (ground.media / "groups").chmod(0o640)
    async with ground.worker(run_as="caller"):
        for name in (f"{ground.shown('Media')}/roots", f"{ground.outside}/secret.srt", "/etc/passwd"):
            report, job = await as_caller(ground, "-c", f"cat {name}", program="sh")
            assert report.status == "failed", name
            assert not job.stdout.data
        report, job = await as_caller(ground, "-c", f"cat {ground.shown('Media')}/groups", program="sh")
        assert bytes(job.stdout.data) == b"of its group"


@pytest.mark.parametrize(
    ("mode", "group", "works"), [(0o700, 0, False), (0o750, OTHERS, True), (0o711, 0, True)]
)
async def test_who_cannot_go_to_a_directory_on_the_worker_has_nothing_of_it_in_a_view(
    ground: Ground, mode: int, group: int, works: bool
) -> None:
    private = ground.folder / "private"
    private.mkdir(mode=0o755)
    ground.media.rename(private / "media")
    ground.media = private / "media"
    os.chown(private, 0, group)
    private.chmod(mode)
    arguments = ("-v", "error", "-i", f"{ground.shown('Media')}/secret.srt", "-f", "srt", "-")
    if ground.client is None:
        arguments = ("-v", "error", "-i", f"{private}/media/secret.srt", "-f", "srt", "-")
    paths = {"Media": str(ground.media)}
    async with ground.worker(run_as="caller", paths=paths):
        given: dict[str, Any] = (
            {} if ground.client is not None else {"client_paths": {"Media": str(ground.media)}}
        )
        report, job = await as_caller(ground, *arguments, working_directory=None, **given)
        assert (report.status == "completed") == works, bytes(job.stderr.data)
        assert (SECRET.encode() in job.stdout.data) == works
        report, job = await ground.run(*arguments, working_directory=None, **given)
        assert report.status == "completed", "what was made for one user holds for another"


# A worker that is an ordinary user


def test_a_worker_that_is_no_root_confines_too(tmp_path: Path) -> None:
    interpreter = nobody.interpreter()
    if interpreter is None:
        pytest.skip("there is no interpreter that nobody can run")
    tmp_path.chmod(0o777)
    ended = subprocess.run(
        [*interpreter, "-B", "-W", "ignore", "-m", "tests.security.test_users", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(nobody.module_folders()), "HOME": "/nonexistent"},
        user="nobody",
        group="nogroup",
        extra_groups=[],
        cwd="/",
        capture_output=True,
        check=False,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    assert ended.stdout.decode().splitlines()[-1] == "all as it should be"


async def _as_this_user(folder: Path) -> None:
    """What `test_a_worker_that_is_no_root_confines_too` runs as somebody else."""
    mine = Path(os.path.join(folder, f"of-{os.getuid()}"))
    (mine / "media").mkdir(parents=True)
    (mine / "secret").write_text(SECRET)
    (mine / "media" / "film").write_text("a film")
    for views in (True, False):
        processes = Processes(views=views)
        async with processes.open():
            print("views" if processes.namespaces.available else "no views")
            for name, works in (
                (b"$Media/film", True),
                (bytes(mine / "secret"), False),
                (b"/etc/passwd", False),
            ):
                ended = await _cat(processes, mine / "media", name)
                assert (ended == 0) == works, (views, name, ended)
    print("all as it should be")


async def _cat(processes: Processes, media: Path, name: bytes) -> int | None:
    request = JobRequest(
        job_id="J",
        attempt=1,
        binary_name="sh",
        arguments=["-c", 'cat "$0" && echo new > "${0%/*}/new"', os.fsdecode(name)],
        paths=["Media"],
        working_directory="$Media",
        client_paths={"Media": "/films"},
        heartbeat_interval=60.0,
    )
    machine = Machine(
        {"sh": b"/bin/sh"},
        {"Media": os.fsencode(media)},
        kept=processes.tools.folders if processes.namespaces.available else None,
        policy=Policy(),
        scratch_folder=processes.scratch_folder,
    )
    command = prepare(request, machine)
    async with processes.running(command) as process:
        await process.exited.wait()
        return process.exit.code


if __name__ == "__main__":
    trio.run(_as_this_user, Path(sys.argv[1]))


async def test_a_fork_bomb_that_is_a_script(ground: Ground, tmp_path: Path) -> None:
    """It may fork, up to its user's number."""
    bomb = program(
        tmp_path / "bomb",
        "n=0; while [ $n -lt 64 ]; do sleep 600 > /dev/null 2>&1 & n=$((n+1)); done; echo all of them",
    )
    os.chown(ground.media, USER, GROUP)
    changes = {"binaries": {"bomb": str(bomb)}, "limits": ProgramLimits(processes=16)}
    async with ground.worker(run_as="caller", sandbox=Sandbox(mode="required"), **changes):
        report, job = await as_caller(ground, program="bomb")
        assert report.status == "failed"
        assert not job.stdout.data
        assert b"fork" in job.stderr.data
