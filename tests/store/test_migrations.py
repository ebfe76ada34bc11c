from pathlib import Path

import pytest
import sqlalchemy as sa

from dffmpeg.store import SchemaMismatch, StoreSettings, open_store, schema
from dffmpeg.store.migrations import STEPS, migrate, version
from dffmpeg.store.sqlite import SqliteDatabase


def shape(connection: sa.Connection) -> dict[str, object]:
    """Columns, keys and indexes of every table, as the database tells them."""
    inspector = sa.inspect(connection)
    return {
        table: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)],
            inspector.get_pk_constraint(table)["constrained_columns"],
            sorted((i["name"] or "", i["column_names"], i["unique"]) for i in inspector.get_indexes(table)),
        )
        for table in inspector.get_table_names()
    }


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}", poolclass=sa.NullPool)


def test_the_steps_lead_to_the_schema(engine: sa.Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        assert version(connection) == 0
        assert migrate(connection) == len(STEPS)
        migrated = shape(connection)
    other = sa.create_engine(f"sqlite:///{tmp_path / 'y.db'}", poolclass=sa.NullPool)
    with other.begin() as connection:
        schema.metadata.create_all(connection)
        assert shape(connection) == migrated


def test_a_second_time_nothing_happens(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        migrate(connection)
    with engine.begin() as connection:
        assert migrate(connection) == 0
        assert version(connection) == len(STEPS)


async def test_a_newer_database_is_left_alone(engine: sa.Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        migrate(connection)
        connection.execute(sa.insert(schema.schema_version).values(version=999, applied_at=0.0))
    with pytest.raises(SchemaMismatch, match="has schema version 999, this program knows"):
        async with open_store(StoreSettings(engine_defaults={"sqlite": {"path": str(tmp_path / "x.db")}})):
            raise AssertionError("it must not open")


async def test_the_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    database = SqliteDatabase(folder / "x.db")
    async with database.opened():
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {"x.db": 0o600, "x.db-wal": 0o600, "x.db-shm": 0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
