"""`dffmpeg-admin status`, of the coordinators that share a database."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from dffmpeg.model.membership import Member, MemberState
from dffmpeg.model.workers import WorkerState
from dffmpeg.store import open_store
from dffmpeg.store.sqlite import SqliteDatabase
from tests import databases
from tests.admin.conftest import Admin
from tests.conformance.rows import worker


async def fill(file: Path) -> None:
    async with open_store(databases.settings("sqlite", databases.sqlite(file))) as store:
        await store.workers.register(worker("w1", WorkerState.ONLINE, home="01B"))
        # The last one that joins is whom this process writes as.
        for name, state in (("01A", MemberState.DRAINING), ("01B", MemberState.ACTIVE)):
            address = f"http://{name.lower()}:8000"
            await store.members.join(Member(name, address, state, version="1.2", started_at=1.0))


def test_who_they_are_and_which_of_them_leads(
    admin: Admin, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqliteDatabase, "shared", True)
    trio.run(fill, folder / "dffmpeg.db")
    shown = [line.split() for line in admin("status", "--offline").splitlines()]
    place = shown.index(["COORDINATOR", "STATUS", "ADDRESS", "WORKERS", "UP", "VERSION"])
    first, second = (" ".join(line) for line in shown[place + 1 : place + 3])
    assert first.startswith("01A draining http://01a:8000 0 ")
    assert second.startswith("01B active, leads http://01b:8000 1 ")
    records = admin.json("status", "--offline")["coordinators"]
    assert [(one["coordinator_id"], one["leads"]) for one in records] == [("01A", False), ("01B", True)]


def test_one_that_the_others_cannot_reach(
    admin: Admin, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def join() -> None:
        async with open_store(databases.settings("sqlite", databases.sqlite(folder / "dffmpeg.db"))) as store:
            await store.members.join(Member("01A", None, MemberState.ACTIVE, version="1.2", started_at=1.0))

    monkeypatch.setattr(SqliteDatabase, "shared", True)
    trio.run(join)
    assert "none: set [cluster] advertise" in admin("status", "--offline")


def test_one_that_is_alone_is_not_shown(admin: Admin, folder: Path) -> None:
    trio.run(fill, folder / "dffmpeg.db")
    assert "COORDINATOR" not in admin("status", "--offline")
