"""The worker as a real process: its exit codes, its draining, and that nothing outlives it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import trio

import dffmpeg
from dffmpeg.actors.worker.processes.actor import Processes
from dffmpeg.wire import codec
from dffmpeg.wire.jobs import Credentials, Descriptor, Launch
from tests.actors.worker.conftest import config_for
from tests.actors.worker.coordinator import FakeCoordinator, Job
from tests.actors.worker.mounts.fuse import Stalling, why_not

ROOT = Path(dffmpeg.__file__).parent.parent
MAIN = [sys.executable, "-c", "import sys; from dffmpeg.worker.main import main; sys.exit(main())"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which the project's entry points are known, whatever was installed before."""
    info = tmp_path / "site" / "dffmpeg_under_test-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dffmpeg-under-test\nVersion: 0\n")
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in groups.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return os.environ | {"PYTHONPATH": f"{ROOT}:{info.parent}"}


@pytest.fixture
def write_config(coordinator: FakeCoordinator, tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: object) -> Path:
        path = tmp_path / "worker.toml"
        sh = "/bin/sh"
        values = codec.to_builtins(config_for(coordinator, **({"binaries": {"sh": sh}} | changes)))
        path.write_text(tomli_w.dumps(values))
        path.chmod(0o600)
        return path

    return write


@asynccontextmanager
async def worker_process(config: Path, environment: dict[str, str]) -> AsyncIterator[trio.Process]:
    with config.with_name("log").open("wb") as log:
        async with trio.open_nursery() as nursery:
            command = [*MAIN, "--config", str(config)]
            run = partial(trio.run_process, command, env=environment, check=False, stderr=log)
            process: trio.Process = await nursery.start(run)
            try:
                yield process
            finally:
                if process.returncode is None:
                    process.kill()


async def gone(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with trio.fail_after(30):
            await trio.lowlevel.wait_readable(pidfd)
    finally:
        os.close(pidfd)


def guardians(worker: int, program: bytes = b"guardian.py") -> list[int]:
    """Children of a worker that run this program of ours."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == worker and program in command:
            found.append(int(entry.name))
    return found


FAMILY = "trap '' INT TERM HUP; sleep 1000 & (sleep 1000 & echo $!; wait) & echo $! $$; wait"


def family(coordinator: FakeCoordinator, **more: Any) -> Job:
    """A job that prints the numbers of three or more processes, none of which ends by itself."""
    return coordinator.add("J1", "sh", "-c", FAMILY, **more)


class Way:
    """A way to start a program: what the job says, and what the worker's configuration does."""

    def __init__(self, folder: Path) -> None:
        self.view: dict[str, Any] = {
            "paths": ["Folder"],
            "client_paths": {"Folder": str(folder / "of" / "the" / "client")},
            "working_directory": "$Folder",
        }
        terminal = [Descriptor(number=0, kind="terminal"), Descriptor(number=1, kind="terminal")]
        self.terminal: dict[str, Any] = {"launch": Launch(descriptors=terminal)}
        # Number 65534 owns nothing here, and exists on every machine.
        self.caller: dict[str, Any] = {"launch": Launch(credentials=Credentials(uid=65534, gid=65534))}
        self.changes: dict[str, Any] = {"paths": {"Folder": str(folder)}}

    def job(self, name: str) -> dict[str, Any]:
        match name:
            case "view":
                return self.view
            case "terminal":
                return self.terminal
            case "caller":
                return self.caller
            case "view and caller":
                return self.view | self.caller
            case _:
                return {}


@pytest.fixture
async def views() -> bool:
    processes = Processes(views=True)
    async with processes.open():
        return processes.namespaces.available


WAYS = ["plain", "view", "terminal", "caller", "view and caller"]


async def pids_of(coordinator: FakeCoordinator, job: Job) -> list[int]:
    await coordinator.until(lambda: len(job.stdout.data.split()) == 3 and job.stdout.data.endswith(b"\n"))
    return [int(pid) for pid in job.stdout.data.split()]


@pytest.mark.parametrize("nets", ["both", "guardian", "guardian-replaced"])
async def test_nothing_outlives_a_killed_worker(
    coordinator: FakeCoordinator,
    write_config: Callable[..., Path],
    environment: dict[str, str],
    tmp_path: Path,
    nets: str,
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment["TMPDIR"] = str(temporary)
    if nets == "guardian":
        # Without setpriv on the PATH there is no parent death signal.
        environment["PATH"] = str(tmp_path)
        (tmp_path / "sleep").symlink_to(shutil.which("sleep") or "/bin/sleep")
    async with worker_process(write_config(), environment) as worker:
        pids = await pids_of(coordinator, family(coordinator))
        if nets == "guardian-replaced":
            (first,) = guardians(worker.pid)
            os.kill(first, signal.SIGKILL)
            await coordinator.until(lambda: guardians(worker.pid) not in ([], [first]))
        assert len(os.listdir(temporary)) == 1
        (guardian,) = guardians(worker.pid)
        worker.kill()
        for pid in [*pids, guardian]:
            await gone(pid)
    assert os.listdir(temporary) == []


async def test_a_program_that_hangs_when_asked_for_its_version_is_gone_too(
    coordinator: FakeCoordinator,
    write_config: Callable[..., Path],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    os.mkfifo(ready := tmp_path / "ready")
    hanging = tmp_path / "hanging"
    hanging.write_text(f"#!/bin/sh\nsleep 1000 & echo $$ $! > {ready}; wait\n")
    hanging.chmod(0o755)
    async with worker_process(write_config(binaries={"ffmpeg": str(hanging)}), environment) as worker:
        pids = [int(pid) for pid in (await trio.Path(ready).read_text()).split()]
        await coordinator.until(lambda: coordinator.online)
        worker.kill()
        for pid in pids:
            await gone(pid)


def namespace(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/mnt")


@pytest.mark.parametrize("name", WAYS)
async def test_the_death_signal_alone_kills_the_program(
    coordinator: FakeCoordinator,
    write_config: Callable[..., Path],
    environment: dict[str, str],
    tmp_path: Path,
    views: bool,
    name: str,
) -> None:
    if "view" in name and not views:
        pytest.skip("this machine cannot make path views")
    if "caller" in name and os.geteuid() != 0:
        pytest.skip("only root may run programs as others")
    way = Way(tmp_path)
    config = write_config(run_as="caller" if "caller" in name else "worker", **way.changes)
    async with worker_process(config, environment) as worker:
        pids = await pids_of(coordinator, family(coordinator, **way.job(name)))
        (program,) = [pid for pid in pids if os.getpgid(pid) == pid]
        assert ("view" in name) is (namespace(program) != namespace(worker.pid))
        assert ("caller" in name) is (os.stat(f"/proc/{program}").st_uid == 65534)
        (guardian,) = guardians(worker.pid)
        os.kill(guardian, signal.SIGSTOP)
        try:
            worker.kill()
            await gone(program)
        finally:
            os.kill(guardian, signal.SIGCONT)
        for pid in pids:
            await gone(pid)


async def test_the_first_signal_drains(
    coordinator: FakeCoordinator,
    write_config: Callable[..., Path],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    os.mkfifo(gate := tmp_path / "gate")
    async with worker_process(write_config(), environment) as worker:
        job = coordinator.add("J1", "sh", "-c", "echo up; read x < $0", str(gate))
        await coordinator.until(lambda: job.stdout.data)
        worker.send_signal(signal.SIGTERM)
        await coordinator.until(lambda: coordinator.draining)
        refused = coordinator.add("J2", "sh", "-c", "true")
        await coordinator.until(lambda: refused.reason)
        assert worker.returncode is None
        await trio.to_thread.run_sync(gate.write_text, "\n")
        with trio.fail_after(30):
            assert await worker.wait() == 0
    assert (job.status, refused.reason) == ("completed", "the worker is draining")
    assert coordinator.deregistered


async def test_the_second_signal_stops_at_once(
    coordinator: FakeCoordinator, write_config: Callable[..., Path], environment: dict[str, str]
) -> None:
    async with worker_process(write_config(), environment) as worker:
        pids = await pids_of(coordinator, family(coordinator))
        worker.send_signal(signal.SIGINT)
        await coordinator.until(lambda: coordinator.draining)
        worker.send_signal(signal.SIGINT)
        with trio.fail_after(30):
            assert await worker.wait() == 0
        for pid in pids:
            await gone(pid)
    assert coordinator.deregistered


async def test_the_drain_timeout_ends_what_still_runs(
    coordinator: FakeCoordinator, write_config: Callable[..., Path], environment: dict[str, str]
) -> None:
    async with worker_process(write_config(drain_timeout=0.2), environment) as worker:
        pids = await pids_of(coordinator, family(coordinator))
        worker.send_signal(signal.SIGTERM)
        with trio.fail_after(30):
            assert await worker.wait() == 0
        for pid in pids:
            await gone(pid)


async def test_the_looker_ends_with_its_worker(
    coordinator: FakeCoordinator,
    write_config: Callable[..., Path],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    async with worker_process(write_config(paths={"Here": str(tmp_path)}), environment) as worker:
        await coordinator.until(
            lambda: coordinator.online and coordinator.registrations[-1].paths == ["Here"]
        )
        (looker,) = guardians(worker.pid, b"looker.py")
        worker.kill()
        await worker.wait()
        await gone(looker)


@pytest.mark.skipif(why_not() is not None, reason=f"no file system that hangs: {why_not()}")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_mount_that_hangs_does_not_keep_a_worker_from_ending(
    coordinator: FakeCoordinator,
    write_config: Callable[..., Path],
    environment: dict[str, str],
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    nas = tmp_path / "nas"
    nas.mkdir()
    mounts = {"NAS": {"path": str(nas), "interval": 0.1, "timeout": 2.0, "patience": 1.0}}
    config = write_config(paths={"Nas": str(nas)}, mounts=mounts)
    with Stalling(nas) as server:
        async with worker_process(config, environment) as worker:
            await coordinator.until(
                lambda: coordinator.online and coordinator.registrations[-1].paths == ["Nas"]
            )
            # It is the program itself that the kernel then holds.
            script = "exec python3 -uc 'import sys\nprint(1)\nwhile open(sys.argv[1]).read(): pass' $1"
            job = coordinator.add("J1", "sh", "-c", script, "sh", "$Nas/marker", paths=["Nas"])
            await coordinator.until(lambda: job.stdout.data)
            server.stall()
            await coordinator.until(lambda: job.reason is not None)
            worker.send_signal(number)
            with trio.fail_after(60):
                await worker.wait()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"transports": ["carrier_pigeon"]}, "carrier_pigeon"),
        ({"hmac_key": "short"}, "hmac_key"),
        ({"paths": {"Movies": "relative"}}, "Movies"),
    ],
)
async def test_a_bad_configuration_is_one_line_and_exit_code_2(
    write_config: Callable[..., Path], environment: dict[str, str], changes: dict[str, object], expected: str
) -> None:
    path = write_config(**changes)
    result = await trio.run_process(
        [*MAIN, "--config", str(path)],
        env=environment,
        check=False,
        capture_stderr=True,
        stdout=subprocess.DEVNULL,
    )
    assert result.returncode == 2
    (line,) = result.stderr.decode().splitlines()
    assert line.startswith("dffmpeg-worker: ")
    assert expected in line
