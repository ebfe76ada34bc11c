"""The agent and its shims as real processes, against a small coordinator."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio

from dffmpeg.shim import rendezvous, wire
from dffmpeg.wire import control
from tests.client.coordinator import Coordinator
from tests.client.jobs import Job
from tests.client.programs import GUARD, ended
from tests.shim.agents import Agents

WITHOUT = {"DFFMPEG_NO_AGENT": "1"}
ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "dffmpeg.client", "agent", "--config", sys.argv[2]])
"""


def only_job(coordinator: Coordinator) -> Job:
    (job,) = coordinator.jobs.values()
    return job


async def quick(job: Job) -> None:
    job.start()
    job.write(b"hello\n")
    job.finish(exit_code=3)


async def test_calls_share_the_agents_connections(coordinator: Coordinator, agents: Agents) -> None:
    coordinator.behave = quick
    await agents.agent()
    for _ in range(10):
        assert await agents.run_stand_in("ffmpeg", "-version") == (3, b"hello\n", b"")
    assert len(coordinator.submitted) == 10
    assert set(coordinator.requests) == {"WS /jobs/run"}
    assert len(coordinator.requests) <= 4


async def test_sixteen_at_once(coordinator: Coordinator, agents: Agents) -> None:
    coordinator.behave = quick
    await agents.agent()
    results = []

    async def one() -> None:
        results.append(await agents.run_stand_in("ffprobe", "x"))

    async with trio.open_nursery() as nursery:
        for _ in range(16):
            nursery.start_soon(one)
    assert results == [(3, b"hello\n", b"")] * 16


async def test_many_in_a_row_leave_nothing_in_the_agent(coordinator: Coordinator, agents: Agents) -> None:
    coordinator.behave = quick
    agent = await agents.agent()
    for _ in range(20):
        await agents.run_stand_in("ffmpeg")
    before = len(os.listdir(f"/proc/{agent.pid}/fd"))
    for _ in range(40):
        assert (await agents.run_stand_in("ffmpeg"))[0] == 3
    assert len(os.listdir(f"/proc/{agent.pid}/fd")) <= before + 2


def engine_of(shim: int) -> int:
    """The process beside a stand-in that found no agent."""
    (pid,) = Path(f"/proc/{shim}/task/{shim}/children").read_text().split()
    assert Path(f"/proc/{pid}/comm").read_text().strip() == "dffmpeg-engine"
    return int(pid)


@pytest.mark.parametrize("with_agent", [True, False])
async def test_a_shim_carries_on_when_its_engine_is_killed(
    coordinator: Coordinator, agents: Agents, with_agent: bool
) -> None:
    data, typed = os.urandom(3_000_000), os.urandom(2_000_000)
    half = trio.Event()

    async def behave(job: Job) -> None:
        job.start()
        job.write(data[:2_000_000])
        await job.until(lambda: len(job.inputs.get(0, b"")) >= 1_000_000)
        await half.wait()
        job.write(data[2_000_000:])
        await job.until(lambda: 0 in job.input_ends)
        job.finish(exit_code=7)

    coordinator.behave = behave
    engine = (await agents.agent()).pid if with_agent else None
    process = await agents.call("ffmpeg", stdin=subprocess.PIPE, env={} if with_agent else WITHOUT)
    assert process.stdin is not None
    written = trio.Event()

    async def write() -> None:
        assert process.stdin is not None
        await process.stdin.send_all(typed[:1_500_000])
        written.set()
        await half.wait()
        await process.stdin.send_all(typed[1_500_000:])
        await process.stdin.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        with trio.fail_after(GUARD):
            await written.wait()
            await only_job(coordinator).until(
                lambda: len(only_job(coordinator).inputs.get(0, b"")) >= 1_000_000
            )
        os.kill(engine or engine_of(process.pid), signal.SIGKILL)
        half.set()
        assert await ended(process) == (7, data, b"")
    assert bytes(only_job(coordinator).inputs[0]) == typed
    assert len(coordinator.submitted) == 1


async def test_without_an_agent_the_first_call_starts_one(coordinator: Coordinator, agents: Agents) -> None:
    coordinator.behave = quick
    agents.configure(coordinator.url, more="agent_idle = 0.5")
    assert (await agents.run_stand_in("ffmpeg"))[0] == 3
    await agents.until(agents.socket.exists)
    # And it goes by itself.
    await agents.until(lambda: not agents.socket.exists())
    assert not list(agents.sockets.glob("*.status"))


async def test_one_agent_is_enough(agents: Agents) -> None:
    await agents.agent()
    second = await trio.run_process(
        [sys.executable, "-m", "dffmpeg.client", "agent", "--config", str(agents.config)],
        env=agents.env,
        capture_stderr=True,
        check=False,
    )
    assert second.returncode == 124
    assert b"is running" in second.stderr


async def test_another_configuration_is_another_agents_business(
    coordinator: Coordinator, agents: Agents
) -> None:
    coordinator.behave = quick
    await agents.agent()
    before = agents.socket
    agents.configure(coordinator.url, more="agent = false")
    assert agents.socket != before
    assert (await agents.run_stand_in("ffmpeg"))[0] == 3
    assert coordinator.requests.count("WS /jobs/run") >= 2


@asynccontextmanager
async def activated(agents: Agents) -> AsyncIterator[None]:
    """An agent behind the socket that does not say whose it is, as an init system starts it."""
    agents.sockets.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(agents.sockets / rendezvous.ACTIVATED))
        listener.listen()
        agent = await trio.lowlevel.open_process(
            [sys.executable, "-c", ACTIVATE, str(listener.fileno()), str(agents.config)],
            env=agents.env,
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            agent.kill()
            await agent.wait()


async def test_an_init_system_may_listen_for_it(coordinator: Coordinator, agents: Agents) -> None:
    coordinator.behave = quick
    async with activated(agents):
        assert await agents.run_stand_in("ffmpeg") == (3, b"hello\n", b"")
        assert not agents.socket.exists()


async def test_an_agent_of_another_version_is_done_without(coordinator: Coordinator, agents: Agents) -> None:
    coordinator.behave = quick
    async with activated(agents):
        assert await agents.run_stand_in("ffmpeg") == (3, b"hello\n", b"")
        # Version, place and configuration are one name, which is not the agent's any more.
        agents.configure(coordinator.url, more="agent_idle = 500.0")
        call = [(b"v", wire.PROTOCOL), (b"k", rendezvous.identity(str(agents.config)).encode())]
        async with await trio.open_unix_socket(str(agents.sockets / rendezvous.ACTIVATED)) as shim:
            await shim.send_all(wire.frame(wire.CALL, wire.pack_fields(call)))
            with trio.fail_after(GUARD):
                assert (await shim.receive_some())[0] == wire.REFUSED
        assert await agents.run_stand_in("ffmpeg") == (3, b"hello\n", b"")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else")
async def test_a_shim_of_another_user_is_refused(coordinator: Coordinator, agents: Agents) -> None:
    coordinator.behave = quick
    await agents.agent()
    # Nobody else comes as far as this, because the folders are of mode 700.
    for folder in (agents.runtime, agents.sockets):
        folder.chmod(0o711)
    path = agents.socket
    path.chmod(0o777)
    with socket.socket(socket.AF_UNIX) as connection:
        os.seteuid(65534)
        try:
            connection.connect(str(path))
        finally:
            os.seteuid(0)
        stranger = trio.SocketStream(trio.socket.from_stdlib_socket(connection.dup()))
        agents.sockets.chmod(0o700)
        async with stranger:
            heard = b""
            with trio.fail_after(GUARD), suppress(trio.BrokenResourceError):
                heard = bytes(await stranger.receive_some())
            assert heard == b""
    assert await agents.run_stand_in("ffmpeg") == (3, b"hello\n", b"")


@pytest.mark.parametrize("with_agent", [True, False])
async def test_a_stopped_and_a_killed_shim_take_their_program_along(
    coordinator: Coordinator, agents: Agents, with_agent: bool
) -> None:
    seen: list[list[control.Record]] = []

    async def behave(job: Job) -> None:
        job.start()
        job.write(b"x")
        for count in (1, 2, 3):
            await job.until(lambda count=count: len(job.records()) == count)  # type: ignore[misc]
            seen.append(job.records())
            job.write(b"x")
        job.finish("failed", signal=9)

    coordinator.behave = behave
    if with_agent:
        await agents.agent()
    process = await agents.call("ffmpeg", env={} if with_agent else WITHOUT)
    assert process.stdout is not None
    with trio.fail_after(GUARD):
        assert await process.stdout.receive_some(1) == b"x"
        process.send_signal(signal.SIGSTOP)
        await only_job(coordinator).until(lambda: len(seen) == 1)
        process.send_signal(signal.SIGCONT)
        await only_job(coordinator).until(lambda: len(seen) == 2)
        process.kill()
        await process.wait()
        await only_job(coordinator).until(lambda: only_job(coordinator).record.finished)
    await process.stdout.aclose()
    numbers = [record.number for record in seen[-1] if isinstance(record, control.Signal)]
    assert numbers == [signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL]


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert rendezvous.directory() == str(tmp_path / "dffmpeg")
    (tmp_path / "dffmpeg").chmod(0o770)
    with pytest.raises(rendezvous.Unsafe, match="mode 700"):
        rendezvous.directory()
    (tmp_path / "dffmpeg").rmdir()
    (tmp_path / "dffmpeg").symlink_to(tmp_path)
    with pytest.raises(rendezvous.Unsafe):
        rendezvous.directory()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else")
def test_an_agent_of_another_user_is_not_spoken_to(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        # The credentials of a listening socket are those of whoever called listen(2).
        os.seteuid(65534)
        try:
            listener.listen()
        finally:
            os.seteuid(0)
        assert rendezvous.connect(str(path)) is None
        listener.listen()


def test_the_shim_imports_next_to_nothing() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import dffmpeg.shim.main; "
        "print(*sorted(name for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-IS", "-c", code, rendezvous.PACKAGE_PARENT], capture_output=True, check=True
    )
    loaded = set(done.stdout.decode().split())
    assert not loaded & {"enum", "re", "json", "typing", "dataclasses", "collections", "contextlib", "socket"}
    ours = {name for name in loaded if name.startswith("dffmpeg.") and not name.startswith("dffmpeg.shim")}
    assert not ours
