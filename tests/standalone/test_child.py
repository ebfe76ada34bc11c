"""A process of the cluster: started, noted, stopped, and never left behind."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from dffmpeg.standalone import bound
from dffmpeg.standalone.child import ChildProcess, describe_end
from dffmpeg.standalone.processes import Processes, Program
from dffmpeg.supervisors import Backoff, ChildSpec, Restart, Supervisor, SupervisorFailure, open_tree

# Each says that it is up with a byte in a pipe, which a test can wait for.
UP = "import os, signal\nos.write(os.open('up', os.O_WRONLY), b'u')\n"
PATIENT = f"print('told', flush=True)\n{UP}signal.pause()\n"
# Waits for its signals: a handler could come between a look at the count and the pause behind it.
STUBBORN = (
    "import signal\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
    f"{UP}"
    "for count in range(1, LIMIT + 1):\n"
    "    signal.sigwait([signal.SIGTERM])\n"
    "    print('term', count, flush=True)\n"
)


class Case:
    """One child below a supervisor, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes = Processes(folder / "cluster.json", "http://127.0.0.1:1")
        self.said: list[str] = []
        self.spoke = trio.Event()
        os.mkfifo(folder / "up")
        self.pipe = os.open(folder / "up", os.O_RDWR | os.O_NONBLOCK)

    def spec(
        self,
        code: str,
        *,
        restart: Restart = Restart.TEMPORARY,
        serves: Callable[[], Awaitable[None]] | None = None,
    ) -> ChildSpec:
        argv = (sys.executable, "-IS", "-c", code)
        program = Program("it", argv, self.folder / "it.toml", self.folder / "it.log")
        return ChildSpec(
            "it",
            lambda: ChildProcess(program, self.processes, serves or self.is_up, self.say),
            restart=restart,
            shutdown=60.0,
            backoff=Backoff(minimum=0.0, maximum=0.0) if restart is Restart.PERMANENT else None,
        )

    def say(self, line: str) -> None:
        self.said.append(line)
        self.spoke.set()

    @property
    def log(self) -> str:
        return (self.folder / "it.log").read_text()

    @property
    def pid(self) -> int | None:
        found: int | None = json.loads((self.folder / "cluster.json").read_text())["processes"]["it"]["pid"]
        return found

    async def is_up(self) -> None:
        with trio.fail_after(60):
            await trio.lowlevel.wait_readable(self.pipe)
        assert os.read(self.pipe, 1) == b"u"


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    made = Case(tmp_path)
    yield made
    os.close(made.pipe)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_a_child_is_noted_with_all_that_starts_it_again(case: Case) -> None:
    async with open_tree(Supervisor([case.spec(PATIENT)]), name="t"):
        cluster = json.loads((case.folder / "cluster.json").read_text())
        assert (cluster["url"], cluster["dashboard"]) == ("http://127.0.0.1:1", "http://127.0.0.1:1/status")
        noted = cluster["processes"]["it"]
        assert noted["argv"] == [sys.executable, "-IS", "-c", PATIENT]
        assert noted["config"] == str(case.folder / "it.toml")
        running = Path(f"/proc/{noted['pid']}/cmdline").read_bytes()
        assert running.split(b"\0")[:-1] == [part.encode() for part in noted["argv"]]
        assert os.getsid(noted["pid"]) == noted["pid"]
    assert is_gone(noted["pid"])
    assert case.pid is None
    assert case.said == []


async def test_a_stubborn_child_is_told_twice(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dffmpeg.standalone.child.PATIENCE", (0.05, 30.0))
    async with open_tree(Supervisor([case.spec(STUBBORN.replace("LIMIT", "2"))]), name="t"):
        pass
    assert case.log == "term 1\nterm 2\n"


async def test_a_child_that_does_not_listen_is_killed(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dffmpeg.standalone.child.PATIENCE", (0.05, 0.05))
    async with open_tree(Supervisor([case.spec(STUBBORN.replace("LIMIT", "99"))]), name="t"):
        pid = case.pid
    assert pid is not None
    assert is_gone(pid)


async def test_a_cancelled_child_does_not_stay_behind(case: Case) -> None:
    with trio.CancelScope() as scope:
        async with open_tree(Supervisor([case.spec(STUBBORN.replace("LIMIT", "99"))]), name="t"):
            pid = case.pid
            scope.cancel()
    assert pid is not None
    assert is_gone(pid)


async def test_a_child_that_was_killed_is_told_in_one_line_and_not_started_again(case: Case) -> None:
    async with open_tree(Supervisor([case.spec(PATIENT)]), name="t") as tree:
        assert case.pid is not None
        os.kill(case.pid, signal.SIGKILL)
        await case.processes.first_end.wait()
        await case.spoke.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert tree.tree().children == ()
    assert case.said == [f'it was killed by SIGKILL ("told"); see {case.folder}/it.log']
    assert case.pid is None


async def test_a_child_that_was_killed_is_started_again_if_asked_for(case: Case) -> None:
    restarted = trio.Event()
    lives = 0

    async def serves() -> None:
        nonlocal lives
        await case.is_up()
        lives += 1
        if lives == 2:
            restarted.set()

    spec = case.spec(PATIENT, restart=Restart.PERMANENT, serves=serves)
    async with open_tree(Supervisor([spec]), name="t"):
        first = case.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await restarted.wait()
        second = case.pid
        assert second != first
    assert second is not None
    assert is_gone(second)


async def test_a_child_that_ends_before_it_serves_fails_the_start(case: Case) -> None:
    code = "import sys; print('cannot: reasons', file=sys.stderr); sys.exit(3)"
    with pytest.raises(SupervisorFailure) as caught:
        async with open_tree(Supervisor([case.spec(code, serves=trio.sleep_forever)]), name="t"):
            raise AssertionError("it does not come up")
    assert caught.group_contains(
        Exception, match=r'^it ended with status 3 \("cannot: reasons"\); see .*/it\.log$'
    )


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "ended with status 0"), (-15, "was killed by SIGTERM"), (-99, "was killed by signal 99")],
)
def test_an_end_in_words(status: int, words: str) -> None:
    assert describe_end(status) == words


def test_a_bound_program_dies_with_its_parent() -> None:
    """A parent that is killed with SIGKILL cannot tell anybody; the kernel does."""
    child = "import os, signal; signal.signal(15, 1); print(os.getpid(), flush=True); signal.pause()"
    parent = (
        "import os, subprocess, sys, signal\n"
        f"subprocess.Popen([sys.executable, '-IS', {bound.__file__!r}, str(os.getpid()), "
        f"sys.executable, '-IS', '-c', {child!r}])\n"
        "signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        descriptor = os.pidfd_open(pid)
        process.kill()
        readable, _, _ = select.select([descriptor], [], [], 60)
        os.close(descriptor)
    assert readable


def test_a_bound_program_does_not_start_for_a_parent_that_is_gone() -> None:
    command = [sys.executable, "-IS", bound.__file__, "1", sys.executable, "-c", "print('started')"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, b"")
