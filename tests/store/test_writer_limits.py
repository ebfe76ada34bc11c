"""The writer with too much to do, while it closes, and when the database fails as a whole."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
import trio
import trio.testing

from dffmpeg.store.errors import StoreUnavailable
from dffmpeg.store.writer import Writer


class Transactions:
    """Opens real transactions, and can be told to fail at their begin or at their end."""

    def __init__(self, path: Path) -> None:
        self._engine = sa.create_engine(
            f"sqlite:///{path}", poolclass=sa.StaticPool, connect_args={"check_same_thread": False}
        )
        self.begun = 0
        self.fails: tuple[int, str] | None = None
        """The number of the transaction that fails, and where."""

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        self.begun += 1
        self._reach("begin")
        with self._engine.begin() as connection:
            yield connection
            self._reach("commit")

    def _reach(self, where: str) -> None:
        if self.fails == (self.begun, where):
            raise sa.exc.OperationalError("", None, OSError("disk is full"))

    def close(self) -> None:
        self._engine.dispose()


@pytest.fixture
def transactions(tmp_path: Path) -> Iterator[Transactions]:
    made = Transactions(tmp_path / "x.db")
    yield made
    made.close()


@asynccontextmanager
async def running(writer: Writer) -> AsyncIterator[trio.Nursery]:
    """The writer at work inside the block; what is started in the nursery may outlive it."""
    async with trio.open_nursery() as callers, trio.open_nursery() as owner:
        await owner.start(writer.run)
        yield callers
        owner.cancel_scope.cancel()


async def hold_up(writer: Writer, task_status: trio.TaskStatus[threading.Event]) -> None:
    """Keep the thread inside an operation until the event is set: all who come meanwhile form one group."""
    go_on = threading.Event()
    token = trio.lowlevel.current_trio_token()

    def hold(_: sa.Connection) -> None:
        token.run_sync_soon(task_status.started, go_on)
        assert go_on.wait(30)

    await writer.write(hold)


async def test_callers_that_gave_up_do_not_let_the_queue_grow(transactions: Transactions) -> None:
    writer = Writer(transactions.begin, places=5)
    async with running(writer) as callers:
        go_on = await callers.start(hold_up, writer)
        for _ in range(4):
            async with trio.open_nursery() as impatient:
                for _ in range(5):
                    impatient.start_soon(writer.write, lambda c: None)
                await trio.testing.wait_all_tasks_blocked()
                impatient.cancel_scope.cancel()
        assert writer.statistics().waiting == 5
        go_on.set()
        await writer.write(lambda c: None)
        assert writer.statistics().waiting == 0


async def test_whoever_waits_for_a_place_hears_of_the_closing(transactions: Transactions) -> None:
    writer = Writer(transactions.begin, places=2)
    heard: list[str] = []

    async def write() -> None:
        try:
            await writer.write(lambda c: None)
            heard.append("done")
        except StoreUnavailable:
            heard.append("closed")

    async def release(go_on: threading.Event) -> None:
        # By then the writer waits for its thread: nothing new is taken.
        await trio.testing.wait_all_tasks_blocked()
        go_on.set()

    with trio.fail_after(30):
        async with running(writer) as callers:
            go_on = await callers.start(hold_up, writer)
            for _ in range(5):
                callers.start_soon(write)
            await trio.testing.wait_all_tasks_blocked()
            callers.start_soon(release, go_on)
    # One place was the holder's.
    assert sorted(heard) == ["closed"] * 4 + ["done"]


@pytest.mark.parametrize(("where", "ran"), [("begin", []), ("commit", list(range(10)))])
async def test_when_the_database_fails_as_a_whole_each_hears_it_once(
    transactions: Transactions, where: str, ran: list[int]
) -> None:
    # Ten callers behind a lock that is waited for thirty seconds must not wait for five minutes;
    # and what may have been committed must not be done again.
    writer = Writer(transactions.begin)
    done: list[int] = []
    refused: list[StoreUnavailable] = []

    async def write(number: int) -> None:
        with pytest.raises(StoreUnavailable, match="disk is full") as caught:
            await writer.write(lambda c: done.append(number))
        refused.append(caught.value)

    async with running(writer) as callers:
        async with trio.open_nursery() as nursery:
            go_on = await callers.start(hold_up, writer)
            for number in range(10):
                nursery.start_soon(write, number)
            await trio.testing.wait_all_tasks_blocked()
            number_of_the_group = transactions.begun + 1
            transactions.fails = (number_of_the_group, where)
            go_on.set()
        assert transactions.begun == number_of_the_group
        assert sorted(done) == ran
        assert len({id(error) for error in refused}) == 10
        await writer.write(lambda c: None)


async def test_an_operation_that_wants_to_end_the_program_ends_its_caller_only(
    transactions: Transactions,
) -> None:
    def leave(_: sa.Connection) -> None:
        raise SystemExit(3)

    writer = Writer(transactions.begin)
    async with running(writer):
        with pytest.raises(SystemExit):
            await writer.write(leave)
        assert await writer.write(lambda c: c.scalar(sa.text("SELECT 7"))) == 7
