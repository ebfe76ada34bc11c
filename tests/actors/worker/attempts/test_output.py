"""Output between a real process and a coordinator that is fast, slow, forgetful or away."""

from __future__ import annotations

import hashlib
import os
import resource
from pathlib import Path

import trio

from dffmpeg.model.send_window import PIPE_BYTES
from dffmpeg.supervisors import open_tree
from dffmpeg.supervisors.worker import worker_tree
from dffmpeg.wire.frames import Frame
from dffmpeg.wire.jobs import StreamAck
from tests.actors.worker.conftest import TRANSPORTS, StartWorker, config_for
from tests.actors.worker.coordinator import FakeCoordinator, Job, Stream

WINDOW = 1 << 20


async def test_much_output_passes_unchanged_with_flat_memory(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    code = (
        "import sys\n"
        "block = bytes(range(256)) * 4096\n"
        "for n in range(50): sys.stdout.buffer.write(block)\n"
        "for n in range(100000): sys.stderr.write(f'line {n}\\n')\n"
    )
    async with start_worker():
        job = coordinator.add("J1", "python", "-c", code)
        # The receiver keeps no bytes, so that what grows is the worker's.
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        job.stdout = stdout = Hashing()
        report = await coordinator.finished(job)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert report.status == "completed"
    assert job.stdout.received == 50 << 20
    expected = hashlib.sha256(bytes(range(256)) * 4096 * 50)
    assert stdout.digest.hexdigest() == expected.hexdigest()
    assert bytes(job.stderr.data) == b"".join(b"line %d\n" % n for n in range(100_000))
    assert grown < 40 * 1024, f"{grown} KiB"


class Hashing(Stream):
    """A stream of which only the digest is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = hashlib.sha256()

    @property
    def received(self) -> int:
        return self.base

    def take(self, frame: Frame) -> None:
        assert frame.offset == self.base
        self.digest.update(frame.payload)
        self.base = frame.end
        self.eof = frame.eof

    def ack(self) -> StreamAck:
        return StreamAck(received=self.base, acked=self.base)


async def test_a_reader_that_stops_makes_the_program_wait(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    code = (
        "import sys, pathlib\n"
        "for n in range(16):\n"
        "    sys.stdout.buffer.write(bytes([n]) * (1 << 20)); sys.stdout.flush()\n"
        "    print(n, file=sys.stderr, flush=True)\n"
    )
    async with start_worker():
        job = coordinator.add("J1", "python", "-c", code)
        job.stdout.taken = 0
        await coordinator.until(lambda: job.stdout.received == PIPE_BYTES)
        asked = len(coordinator.requests)
        # It asks for room again and again, gets none, and sends nothing more.
        await coordinator.until(lambda: coordinator.requests[asked:].count("/jobs/J1/output") >= 3)
        assert job.stdout.received == PIPE_BYTES
        # What nobody took is a pipe's worth, and the program waits in its first MiB.
        assert not job.stderr.data
        job.stdout.taken = 5 << 20
        await coordinator.until(lambda: job.stdout.received == 6 << 20)
        job.stdout.taken = None
        report = await coordinator.finished(job)
    assert report.status == "completed"
    assert bytes(job.stdout.data) == b"".join(bytes([n]) * (1 << 20) for n in range(16))


async def test_stderr_flows_while_stdout_stands(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path
) -> None:
    code = (
        "import sys, threading\n"
        "def fill(): sys.stdout.buffer.write(bytes(8 << 20)); sys.stdout.flush()\n"
        "writer = threading.Thread(target=fill); writer.start()\n"
        "for line in open(sys.argv[1]): print(line, end='', file=sys.stderr, flush=True)\n"
        "writer.join()\n"
    )
    async with start_worker():
        os.mkfifo(gate := tmp_path / "gate")
        job = coordinator.add("J1", "python", "-c", code, str(gate))
        job.stdout.taken = 0
        await coordinator.until(lambda: job.stdout.received == PIPE_BYTES)
        await trio.to_thread.run_sync(gate.write_text, "progress\n")
        await coordinator.until(lambda: bytes(job.stderr.data) == b"progress\n")
        assert job.stdout.received == PIPE_BYTES
        job.stdout.taken = None
        assert (await coordinator.finished(job)).status == "completed"


def forget(job: Job, *, stdout: int, stderr: int = 0) -> None:
    """The coordinator comes back with less of the streams than it had."""
    for stream, kept in ((job.stdout, stdout), (job.stderr, stderr)):
        del stream.data[max(0, kept - stream.base) :]
        stream.eof = False


async def test_a_coordinator_that_lost_its_memory_gets_what_is_kept(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path
) -> None:
    code = (
        "import sys; sys.stdout.write('a' * 1000); sys.stdout.flush();"
        "open(sys.argv[1]).read(); sys.stdout.write('b' * 1000)"
    )
    async with start_worker():
        os.mkfifo(gate := tmp_path / "gate")
        job = coordinator.add("J1", "python", "-c", code, str(gate))
        job.stdout.taken = 400
        await coordinator.until(lambda: job.stdout.received == 1000)
        job.stdout.data, job.stdout.taken = bytearray(), 0
        await trio.to_thread.run_sync(gate.write_text, "")
        report = await coordinator.finished(job)
    # 400 had been acknowledged, so they are gone for good: the stream goes on at its floor.
    assert job.stdout.base == 400
    assert bytes(job.stdout.data) == b"a" * 600 + b"b" * 1000
    assert report.stdout == 2000


async def test_output_that_the_coordinator_forgot_before_the_end_is_sent_again(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", "printf abcdef; printf xyz >&2")
        job.stdout.taken = job.stderr.taken = 0
        finish = coordinator.finish
        forgetful = iter([True, True])

        def finish_after_loss(job_id: str, body: bytes) -> dict[str, str]:
            if next(forgetful, False):
                forget(job, stdout=2)
            return finish(job_id, body)

        coordinator.finish = finish_after_loss  # type: ignore[method-assign]
        report = await coordinator.finished(job)
    assert report.status == "completed"
    assert (bytes(job.stdout.data), bytes(job.stderr.data)) == (b"abcdef", b"xyz")


async def test_an_outage_delays_and_loses_nothing(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    code = "import sys\nfor n in range(200): sys.stdout.write(f'{n} ' * 5000); sys.stdout.flush()"
    async with start_worker():
        job = coordinator.add("J1", "python", "-c", code)
        await coordinator.until(lambda: job.stdout.received > 0)
        coordinator.outage = (503, "starting")
        asked = len(coordinator.requests)
        await coordinator.until(lambda: coordinator.requests[asked:].count("/jobs/J1/output") >= 2)
        coordinator.outage = None
        report = await coordinator.finished(job)
    assert report.status == "completed"
    assert bytes(job.stdout.data) == b"".join(b"%d " % n * 5000 for n in range(200))


async def test_a_coordinator_that_is_away_and_restarts_is_found_again(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    fake = FakeCoordinator()
    async with fake.serve():
        port = int(fake.url.rpartition(":")[2])
    tree = worker_tree(config_for(fake), TRANSPORTS)
    async with open_tree(tree.root, name="worker"):
        async with fake.serve(port):
            job = fake.add("J1", "sh", "-c", "echo one; read x < $0; echo two", str(gate))
            await fake.until(lambda: bytes(job.stdout.data) == b"one\n")
        await trio.to_thread.run_sync(gate.write_text, "go\n")
        async with fake.serve(port):
            report = await fake.finished(job)
            await fake.finished(fake.add("J2", "sh", "-c", "true"))
    assert report.status == "completed"
    assert bytes(job.stdout.data) == b"one\ntwo\n"


async def test_a_held_answer_only_delays(coordinator: FakeCoordinator, start_worker: StartWorker) -> None:
    released = trio.Event()
    dispatch = coordinator.dispatch

    async def held(path: str, body: bytes) -> object:
        if path.endswith("/output"):
            await released.wait()
        return await dispatch(path, body)

    coordinator.dispatch = held  # type: ignore[method-assign]
    async with start_worker():
        job = coordinator.add("J1", "sh", "-c", "echo a; echo b >&2; echo c")
        await coordinator.until(lambda: job.status == "running" and len(coordinator.registrations) > 3)
        assert job.stdout.received == 0
        released.set()
        assert (await coordinator.finished(job)).status == "completed"
    assert bytes(job.stdout.data) == b"a\nc\n"
