"""The engines that the suite runs on. One joins by one more name in `tests.databases.ENGINES`."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dffmpeg.store import Store, StoreSettings, open_store
from tests import databases


class Created:
    """A database of each server, made when it is first asked for, and dropped at the end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._made: dict[str, databases.Options] = {}

    def empty(self, engine: str) -> databases.Options:
        """The server's, without what the test before has left in it."""
        if engine not in self._made:
            self._made[engine] = self._stack.enter_context(databases.created(engine))
        else:
            databases.emptied(engine, self._made[engine])
        return self._made[engine]


@pytest.fixture(scope="session")
def created() -> Iterator[Created]:
    with ExitStack() as stack:
        yield Created(stack)


@pytest.fixture(params=databases.ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def store_settings(engine: str, tmp_path: Path, created: Created) -> StoreSettings:
    """An empty database of one engine for everything."""
    options = databases.sqlite(tmp_path / "store.db") if engine == "sqlite" else created.empty(engine)
    return databases.settings(engine, options)


@pytest.fixture
async def store(store_settings: StoreSettings) -> AsyncIterator[Store]:
    async with open_store(store_settings) as opened:
        yield opened
