"""A real worker on a real coordinator, over the WebSocket between them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from dffmpeg.actors.coordinator.job.messages import Lost
from dffmpeg.actors.coordinator.operations import Ear, Operations
from dffmpeg.configuration.coordinator import CoordinatorConfig, Leases
from dffmpeg.configuration.worker import Output, WorkerConfig
from dffmpeg.model.identities import Identity, Role
from dffmpeg.store import StoreSettings
from dffmpeg.supervisors import open_tree
from dffmpeg.supervisors.coordinator import coordinator_services, coordinator_tree
from dffmpeg.supervisors.worker import worker_tree
from dffmpeg.transports.plugins import server_downlinks
from dffmpeg.transports.websocket_server import WebSocketDownlink
from dffmpeg.web import WebServer, create_app
from dffmpeg.web.connections import number
from dffmpeg.web.following import Progress
from dffmpeg.wire import codec, control, frames, signature
from dffmpeg.wire.frames import CONTROL, Frame, Kind
from dffmpeg.wire.jobs import Descriptor, JobRecord, Launch
from dffmpeg.wire.jobs import Position as Cursor
from tests.actors.coordinator.tree import ALICE, PATIENCE, Coordinator
from tests.actors.worker.conftest import TRANSPORTS
from tests.actors.worker.coordinator import KEY, WORKER

PIPES = [
    Descriptor(number=0, kind="pipe", direction="in"),
    Descriptor(number=1, kind="pipe", direction="out"),
    Descriptor(number=2, kind="pipe", direction="out"),
]


class Site(Coordinator):
    """Both trees, and an owner who speaks to the coordinator's operations."""

    @property
    def downlink(self) -> WebSocketDownlink:
        found = self.services.downlinks["websocket"]
        assert isinstance(found, WebSocketDownlink)
        return found

    async def start(self, code: str, *more: Descriptor, **fields: Any) -> Owner:
        job_id = await self.submit(
            binary_name="python",
            arguments=["-c", code],
            monitor=True,
            launch=Launch(descriptors=[*PIPES, *more]),
            **fields,
        )
        return Owner(self, job_id)


class Owner:
    """Follows a job as its owner does."""

    def __init__(self, site: Site, job_id: str) -> None:
        self.job_id = job_id
        self.outputs: dict[int, bytearray] = {}
        self.record: JobRecord | None = None
        self.floors: dict[int, int] = {}
        self._site = site
        self._connection = number()
        self._progress = Progress(Cursor(owner=True))
        self._changed = trio.Event()

    @property
    def ear(self) -> Ear:
        return Ear(self._connection, self._progress.heard)

    async def step(self, *, read: bool = True) -> None:
        """Take what is new, and acknowledge it if it was read."""
        operations = self._site.operations
        news = await operations.follow(ALICE, self.job_id, self._progress.cursor, self.ear)
        self._progress.sent(news)
        for frame in news:
            self._note(frame)
        if read and not self._progress.complete:
            await self.acknowledge()
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def acknowledge(self) -> None:
        await self._site.operations.acknowledge(ALICE, self.job_id, self._progress.cursor)

    def _note(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.STATUS:
                self.record = codec.decode(frame.payload, JobRecord)
            case Kind.ACK:
                self.floors[frame.descriptor] = frame.floor
            case _:
                data = self.outputs.setdefault(frames.output_number(frame), bytearray())
                assert frame.offset == len(data)
                data += frame.payload

    async def until_output(self, wanted: bytes, number: int = 1) -> None:
        with trio.fail_after(PATIENCE):
            while wanted not in self.outputs.get(number, b""):
                await self.step()

    async def finished(self) -> JobRecord:
        with trio.fail_after(PATIENCE):
            while not self._progress.complete:
                await self.step()
        assert self.record is not None
        return self.record

    async def write(self, data: bytes, number: int = 0, *, eof: bool = True) -> None:
        """Send an input, never more than a window beyond what the program has, as an owner has to."""
        sent, window = 0, 1 << 20
        while sent < len(data) or eof:
            while sent - self.floors.get(number, 0) >= window or self._progress.cursor.attempt == 0:
                await self._changed.wait()
            piece = data[sent : sent + min(100_000, window - (sent - self.floors.get(number, 0)))]
            last = sent + len(piece) == len(data)
            frame = Frame(
                Kind.INPUT, 1, sent, piece, self.floors.get(number, 0), eof and last, descriptor=number
            )
            await self._site.operations.input(ALICE, self.job_id, [frame])
            sent += len(piece)
            if last:
                return


@asynccontextmanager
async def open_site(folder: Path, leases: Leases | None = None) -> AsyncIterator[Site]:
    config = CoordinatorConfig(
        port=0, allowed_binaries=["python"], leases=leases or Leases(), web_dashboard_enabled=False
    )
    settings = StoreSettings(engine_defaults={"sqlite": {"path": str(folder / "coordinator.db")}})
    services = coordinator_services(
        config,
        lambda opened: server_downlinks(config.transports, lambda: opened.current.messages, opened.keys_of),
    )
    servers: list[WebServer] = []
    serves = trio.Event()

    def web() -> WebServer:
        app = create_app(Operations(services), services.opened.current.identities, config)
        servers.append(WebServer(app, config, bound=lambda _: serves.set()))
        return servers[-1]

    async with open_tree(coordinator_tree(services, settings, web), name="coordinator") as handle:
        await serves.wait()
        await services.store.identities.add(Identity(client_id=WORKER, role=Role.WORKER, key=KEY))
        given = WorkerConfig(
            coordinator_url=f"http://127.0.0.1:{servers[-1].port}",
            client_id=WORKER,
            hmac_key=signature.encode_key(KEY),
            binaries={"python": "python3"},
            output=Output(window=1 << 20, chunk=64 << 10),
            # What runs here is an interpreter, wherever it is.
            sandbox="off",
            views="never",
        )
        async with open_tree(worker_tree(given, TRANSPORTS).root, name="worker"):
            yield Site(services, handle)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as running:
        yield running


COPY = (
    "import sys, shutil\n"
    "shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)\n"
    "print('done', file=sys.stderr)\n"
)


async def test_what_is_written_comes_back(site: Site) -> None:
    data = random.Random(1).randbytes(5_000_000)
    owner = await site.start(COPY)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(owner.write, data)
        record = await owner.finished()
    assert (record.status, record.exit_code, record.attempt) == ("completed", 0, 1)
    assert hashlib.sha256(owner.outputs[1]).digest() == hashlib.sha256(data).digest()
    assert bytes(owner.outputs[2]) == b"done\n"


@pytest.mark.parametrize("what", ["the job's actor crashes", "the connection breaks"])
async def test_nothing_is_lost_on_the_way(site: Site, what: str) -> None:
    data = random.Random(2).randbytes(3_000_000)
    owner = await site.start(COPY)
    async with trio.open_nursery() as nursery:

        async def write() -> None:
            # An owner that keeps what is not acknowledged sends it again when it is asked for.
            await send_all(site, owner, data)

        nursery.start_soon(write)
        for share in (1, 2):
            with trio.fail_after(PATIENCE):
                while len(owner.outputs.get(1, b"")) < share * 1_000_000:
                    await owner.step()
            if what == "the connection breaks":
                site.downlink.disconnect()
            else:
                site.handle.crash_child(f"coordinator/jobs/{owner.job_id}")
        record = await owner.finished()
    assert (record.status, record.attempt) == ("completed", 1)
    assert hashlib.sha256(owner.outputs[1]).digest() == hashlib.sha256(data).digest()


async def send_all(site: Site, owner: Owner, data: bytes) -> None:
    """Send an input by its acknowledgements alone, from wherever the coordinator is."""
    offset = 0
    while True:
        acks = await site.operations.input(ALICE, owner.job_id, [])
        known = {frame.descriptor: frame for frame in acks if frame.kind is Kind.ACK}
        if 0 not in known:
            await trio.lowlevel.checkpoint()
            if owner.record is not None and owner.record.finished:
                return
            await owner._changed.wait()
            continue
        ack = known[0]
        if ack.eof:
            return
        offset = ack.offset
        piece = data[offset : min(offset + 65_536, ack.floor + (1 << 20))]
        eof = offset + len(piece) == len(data)
        if piece or eof:
            frame = Frame(Kind.INPUT, 1, offset, piece, ack.floor, eof, descriptor=0)
            await site.operations.input(ALICE, owner.job_id, [frame])
        if eof or not piece:
            await owner._changed.wait()


async def test_further_descriptors_travel(site: Site) -> None:
    code = "import os\nkey = os.read(4, 100)\nos.write(3, b'three ' + key)\nassert os.read(0, 1) == b''\n"
    more = [
        Descriptor(number=3, kind="pipe", direction="out"),
        Descriptor(number=4, kind="pipe", direction="in"),
    ]
    owner = await site.start(code, *more)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(owner.write, b"key", 4)
        nursery.start_soon(owner.write, b"")
        record = await owner.finished()
    assert (record.status, record.exit_code) == ("completed", 0)
    assert bytes(owner.outputs[3]) == b"three key"


async def test_control_reaches_the_program(site: Site) -> None:
    # Waited for, not handled: a handler may come between a look and the pause behind it, or into a print.
    code = (
        "import signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
        "print('ready', flush=True)\n"
        "signal.sigwait([signal.SIGUSR1])\n"
        "print('heard', flush=True)\n"
        "sys.exit(7)\n"
    )
    owner = await site.start(code)
    await owner.until_output(b"ready\n")
    await owner.write(control.encode(control.Signal(10)), CONTROL, eof=False)
    record = await owner.finished()
    assert (record.exit_code, bytes(owner.outputs[1])) == (7, b"ready\nheard\n")


async def test_a_closed_input_is_not_an_error(site: Site) -> None:
    owner = await site.start(
        "import os; os.close(0); print('closed', flush=True); os.read(4, 1)",
        Descriptor(number=4, kind="pipe", direction="in"),
    )
    await owner.until_output(b"closed")
    async with trio.open_nursery() as nursery:
        # More than any pipe or window holds: it goes nowhere, as it would at a pipe nobody reads.
        nursery.start_soon(owner.write, b"x" * 3_000_000)
        with trio.fail_after(PATIENCE):
            while owner.floors.get(0, 0) < 3_000_000:
                await owner.step()
        nursery.start_soon(owner.write, b"", 4)
        assert (await owner.finished()).exit_code == 0


async def test_an_owner_that_does_not_read_makes_the_program_wait(site: Site) -> None:
    code = (
        "import sys\n"
        "for n in range(64):\n"
        "    sys.stdout.buffer.write(bytes([n]) * (1 << 20)); sys.stdout.flush()\n"
        "    print(n, file=sys.stderr, flush=True)\n"
    )
    owner = await site.start(code)
    with trio.fail_after(PATIENCE):
        while not owner.outputs.get(1):
            await owner.step(read=False)
        # It is told what there is, for as long as more comes.
        while True:
            with trio.move_on_after(1.0) as scope:
                await owner.step(read=False)
            if scope.cancelled_caught:
                break
    # At most the windows on the way, and what the pipe holds.
    assert len(owner.outputs[1]) <= 6 << 20
    await owner.acknowledge()
    record = await owner.finished()
    assert record.exit_code == 0
    assert len(owner.outputs[1]) == 64 << 20


async def test_an_attempt_that_was_lost_is_stopped(site: Site) -> None:
    code = "import sys, time\nwhile True: print('x', flush=True); time.sleep(0.01)\n"
    owner = await site.start(code, max_attempts=1)
    await owner.until_output(b"x")
    actor = site.services.jobs.find(owner.job_id)
    assert actor is not None
    await actor.tell(Lost(1, "a test lost it"))
    assert (await owner.finished()).status == "failed"
    # Its slots are free again only once the worker was told so and has killed it.
    others = [await site.start("") for _ in range(2)]
    for other in others:
        assert (await other.finished()).status == "completed"


async def test_a_job_whose_owner_died_is_killed_at_once(tmp_path: Path) -> None:
    code = "import signal\nsignal.signal(2, signal.SIG_IGN)\nprint('x', flush=True)\nsignal.pause()\n"
    async with open_site(tmp_path, Leases(client_disconnect=0.05)) as site:
        owner = await site.start(code)
        await owner.until_output(b"x")
        site.operations.left(owner.job_id, owner.ear, gone=True)
        record = await site.until(owner.job_id, "canceled")
        assert (record.signal, record.reason) == (9, "its client has gone")


async def test_many_small_lines_pass_quickly_and_whole(site: Site) -> None:
    owner = await site.start("import sys\nfor n in range(100_000): sys.stderr.write(f'line {n}\\r')\n")
    record = await owner.finished()
    assert record.status == "completed"
    assert bytes(owner.outputs[2]) == b"".join(b"line %d\r" % n for n in range(100_000))
    # The log is whole as well.
    part = await site.services.store.streams.read(owner.job_id, 1, 2, 0, 1 << 24)
    assert part.data == bytes(owner.outputs[2])
