"""A history under kill -9, drawn from a seed, and what must be true of it whatever was killed when.

Each execution leaves a line at its start and one at its end in a ledger. The checker knows only that
ledger, what the callers were told, and what the coordinator says in the end.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from dffmpeg.client.api import Client
from dffmpeg.client.events import STDOUT, Output
from dffmpeg.client.options import JobOptions
from dffmpeg.errors import Unreachable
from dffmpeg.wire.jobs import JobRecord
from tests.cluster.kit import GUARD, Cluster, program

pytestmark = pytest.mark.cluster

CALLERS = 6
JOBS = 8
"""Of each caller."""

KILLS = 8
OUTPUT_BYTES = 300_000
PROCESSES = ("coordinator", "coordinator", "worker1", "worker2", "worker3")


@dataclass
class History:
    """What the callers saw.

    Attributes:
        accepted: by key, which is the program's argument, the job's id.
        received: by key, the bytes of standard output that an attached caller got.
        ends: by key, the final record.
    """

    accepted: dict[str, str] = field(default_factory=dict)
    received: dict[str, bytes] = field(default_factory=dict)
    ends: dict[str, JobRecord] = field(default_factory=dict)


class Ledger:
    """By key, the executions: process ids in the order of their starts, and those that came to their end."""

    def __init__(self, text: str) -> None:
        self.started: dict[str, list[str]] = defaultdict(list)
        self.ended: dict[str, list[str]] = defaultdict(list)
        self.late: list[str] = []
        """Keys of which an execution ended although a newer one had begun."""
        for line in text.splitlines():
            event, key, pid = line.split()
            if event == "start":
                self.started[key].append(pid)
            else:
                self.ended[key].append(pid)
                if self.started[key][-1] != pid:
                    self.late.append(key)


def check(history: History, ledger: Ledger, expected: bytes) -> None:
    """Raises AssertionError where the history is none that a correct cluster has."""
    assert history.accepted.keys() == history.ends.keys()
    for key, record in history.ends.items():
        assert (record.status, record.exit_code) == ("completed", 0), (key, record)
        assert len(ledger.started[key]) <= record.attempt, (key, record.attempt, ledger.started[key])
        # More than once only where a worker was killed between a program's end and its report.
        assert 1 <= len(ledger.ended[key]) <= record.attempt, (key, record.attempt, ledger.ended[key])
    assert ledger.late == []
    for key, received in history.received.items():
        assert received == expected, (key, len(received))
    left = [pid for pids in ledger.started.values() for pid in pids if runs(pid)]
    assert left == []


def runs(pid: str) -> bool:
    """Whether an execution's shell is still there."""
    try:
        return b"ledgering" in Path("/proc", pid, "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


class Drama:
    """Callers that submit and follow, and one who kills as they get on.

    Kills come after so many accepted submissions, not after so many seconds: so they strike
    amid the work, on a fast machine and on a slow one.
    """

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.history = History()
        self._cluster = cluster
        self._random = random.Random(seed)
        self._progress = trio.Event()

    async def play(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._kill)
            for caller in range(CALLERS):
                nursery.start_soon(self._call, caller, random.Random(self._random.random()))

    async def _call(self, caller: int, chance: random.Random) -> None:
        async with self._cluster.client() as client:
            for number in range(JOBS):
                key, job_id, attached = await self._submit(
                    client, f"{caller}.{number}", chance.random() < 0.5
                )
                output = await follow(client, job_id, attached)
                if attached:
                    self.history.received[key] = output
                self.history.ends[key] = await settled(client, job_id)

    async def _submit(self, client: Client, name: str, attached: bool) -> tuple[str, str, bool]:
        attempt = 0
        while True:
            # Whether a submission without an answer became a job is unknown: the next is another one.
            key = f"{name}.{attempt}"
            attempt += 1
            try:
                record = await client.submit(
                    "ffmpeg", [key], monitor=attached, job=JobOptions(max_attempts=100)
                )
            except Unreachable:
                continue
            self.history.accepted[key] = record.job_id
            self._progress.set()
            self._progress = trio.Event()
            return key, record.job_id, attached

    async def _kill(self) -> None:
        for number in range(1, KILLS + 1):
            while len(self.history.accepted) < number * CALLERS * JOBS // (KILLS + 1):
                await self._progress.wait()
            victim = self._random.choice(PROCESSES)
            self._cluster.kill(victim)
            self._cluster.start(victim)


async def follow(client: Client, job_id: str, owner: bool) -> bytes:
    received = bytearray()
    with trio.fail_after(GUARD):
        async with client.follow(job_id, owner=owner) as events:
            async for event in events:
                if isinstance(event, Output) and event.stream == STDOUT:
                    received += event.data
    return bytes(received)


async def settled(client: Client, job_id: str) -> JobRecord:
    """The job's record, from a coordinator that may be starting just now."""
    with trio.fail_after(GUARD):
        while True:
            try:
                return await client.status(job_id)
            except Unreachable:
                await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("seed", [1])
async def test_whatever_is_killed_the_history_is_correct(tmp_path: Path, seed: int) -> None:
    expected = random.Random(seed).randbytes(OUTPUT_BYTES)
    (tmp_path / "output").write_bytes(expected)
    ledger = tmp_path / "ledger"
    ffmpeg = program(
        tmp_path / "ledgering",
        f'echo "start $1 $$" >> {ledger}\ncat {tmp_path}/output\necho err >&2\necho "end $1 $$" >> {ledger}',
    )
    with Cluster(tmp_path, "--workers", "3", "--slots", "2", "--binary", f"ffmpeg={ffmpeg}") as cluster:
        drama = Drama(cluster, seed)
        await drama.play()
    assert len(drama.history.ends) == CALLERS * JOBS
    check(drama.history, Ledger(ledger.read_text()), expected)


@pytest.mark.parametrize(
    ("attempt", "ledger", "right"),
    [
        (1, "start k 1\nend k 1\n", True),
        (2, "start k 1\nstart k 2\nend k 2\n", True),
        (2, "start k 1\nend k 1\nstart k 2\nend k 2\n", True),
        (1, "start k 1\nend k 1\nstart k 2\nend k 2\n", False),
        (2, "start k 1\nstart k 2\nend k 1\nend k 2\n", False),
        (2, "start k 1\nstart k 2\n", False),
    ],
)
def test_the_checker_tells_right_from_wrong(attempt: int, ledger: str, right: bool) -> None:
    record = JobRecord(
        job_id="j",
        requester_id="r",
        binary_name="ffmpeg",
        arguments=["k"],
        paths=[],
        working_directory=None,
        status="completed",
        attempt=attempt,
        max_attempts=100,
        exit_code=0,
        worker_id="w",
        created_at="",
        last_update="",
        worker_last_seen=None,
        client_last_seen=None,
        heartbeat_interval=5.0,
        monitor=False,
        transport=None,
        transport_metadata={},
    )
    history = History({"k": "j"}, {}, {"k": record})
    try:
        check(history, Ledger(ledger), b"")
    except AssertionError:
        assert not right
    else:
        assert right
