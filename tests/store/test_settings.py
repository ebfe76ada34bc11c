"""From settings to open repositories."""

import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from dffmpeg.errors import ConfigurationError
from dffmpeg.store import REPOSITORIES, StoreSettings, StoreUnavailable, open_store
from dffmpeg.store.crypto import GROUP

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


async def test_an_engine_that_is_not_installed_is_named(tmp_path: Path) -> None:
    settings = StoreSettings(
        engine_defaults={"sqlite": {"path": str(tmp_path / "x.db")}}, engines={"jobs": "nosuch"}
    )
    with pytest.raises(ConfigurationError, match=r"repositories\.jobs\.engine: there is no engine 'nosuch'"):
        async with open_store(settings):
            raise AssertionError("it must not open")


@pytest.mark.parametrize("path", [None, "", 7])
async def test_a_path_is_needed(path: object) -> None:
    with pytest.raises(ConfigurationError, match=r"engine_defaults\.sqlite\.path"):
        async with open_store(StoreSettings(engine_defaults={"sqlite": {"path": path}})):
            raise AssertionError("it must not open")


async def test_one_file_by_two_names_is_one_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dffmpeg.store.sqlite import SqliteDatabase

    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    names = ["folder/x.db", "link/x.db", "folder/../folder/x.db", str(tmp_path / "folder" / "x.db")]
    assert len({SqliteDatabase.identity({"path": name}) for name in names}) == 1


@pytest.mark.parametrize("name", [":memory:", "file:x.db?mode=memory"])
async def test_every_name_is_a_file_s(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = StoreSettings(engine_defaults={"sqlite": {"path": name}})
    async with open_store(settings) as store:
        await store.messages.prune(0.0, 1)
    assert (tmp_path / name).stat().st_size > 0


async def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    from dffmpeg.store import StoreUnavailable

    file = tmp_path / "x.db"
    file.write_bytes(b"holiday pictures " * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        async with open_store(StoreSettings(engine_defaults={"sqlite": {"path": str(file)}})):
            raise AssertionError("it must not open")
    assert file.read_bytes() == b"holiday pictures " * 1000


def _groups() -> dict[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["entry-points"]
    return groups


@pytest.mark.parametrize("group", [*(f"dffmpeg.db.{name}" for name in REPOSITORIES), GROUP])
def test_what_the_package_says_it_has_is_there(group: str) -> None:
    entries = _groups()[group]
    for target in entries.values():
        module, _, name = target.partition(":")
        assert callable(getattr(import_module(module), name))
    assert set(entries) >= ({"fernet", "plain"} if group == GROUP else {"sqlite"})


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no database")
    with pytest.raises(StoreUnavailable, match=rf"^{file}: "):
        async with open_store(StoreSettings(engine_defaults={"sqlite": {"path": str(file)}})):
            pass
