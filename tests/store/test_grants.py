"""What the shipped files grant is enough, and no more than one database."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from dffmpeg.store import StoreError, open_store
from tests import databases
from tests.conformance.rows import job

SHIPPED = Path(__file__).parents[2] / "config" / "databases"
FILES = {"postgresql": "postgresql.sql", "mysql": "mariadb.sql"}
UNDO = {
    "postgresql": ("DROP DATABASE {name} WITH (FORCE)", "DROP ROLE {name}"),
    "mysql": ("DROP DATABASE {name}", "DROP USER '{name}'@'%%'"),
}


def statements(engine: str, name: str, password: str) -> list[str]:
    text = re.sub(r"^\s*--.*$", "", (SHIPPED / FILES[engine]).read_text(), flags=re.MULTILINE)
    text = text.replace("dffmpeg", name).replace("change-me", password).replace("10.0.0.%", "%%")
    return [statement.strip() for statement in text.split(";") if statement.strip()]


@pytest.fixture(params=FILES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def granted(engine: str) -> Iterator[databases.Options]:
    server = databases.server(engine)
    name, password = f"dffmpeg_test_{secrets.token_hex(4)}", secrets.token_hex(12)
    with databases.connected(engine, server) as connection:
        try:
            for statement in statements(engine, name, password):
                connection.exec_driver_sql(statement)
            yield {**server, "database": name, "user": name, "password": password}
        finally:
            for statement in UNDO[engine]:
                connection.exec_driver_sql(statement.format(name=name))


async def test_the_shipped_grants(engine: str, granted: databases.Options) -> None:
    async with open_store(databases.settings(engine, granted)) as store:
        await store.jobs.add(job("J"))
        upkeep = databases.SERVERS[engine].upkeep(granted)
        assert upkeep.in_use()
        upkeep.repositories |= {"jobs", "streams"}
        assert upkeep.check() == []
    assert not upkeep.in_use()
    with databases.connected(engine, granted) as connection, pytest.raises(sa.exc.DBAPIError):
        connection.exec_driver_sql("CREATE DATABASE dffmpeg_test_not_mine")


# PostgreSQL's server for tests asks nobody for one.
@pytest.mark.parametrize("engine", ["mysql"], indirect=True)
async def test_a_wrong_password(engine: str, granted: databases.Options) -> None:
    wrong = databases.settings(engine, {**granted, "password": "wrong-one"})
    with pytest.raises(StoreError, match="Access denied") as caught:
        async with open_store(wrong):
            raise AssertionError("it must not open")
    assert "wrong-one" not in str(caught.value)
