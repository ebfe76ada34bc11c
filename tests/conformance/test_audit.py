"""What every engine keeps of who did what."""

from __future__ import annotations

import pytest

from dffmpeg.model.audit import LONGEST, AuditEntry, AuditRequest, Outcome, Via, bounded, shortened
from dffmpeg.model.identities import Role
from dffmpeg.store import Duplicate, Store
from tests.conformance.rows import identity


def entry(number: int, action: str = "worker.drain", actor: str = "root", **fields: object) -> AuditEntry:
    values: dict[str, object] = {
        "entry_id": f"01K9ZQ0F7M4N2X8T6V5B3C1{number:03}",
        "at": 1000.0 + number,
        "actor": actor,
        "via": Via.SESSION,
        "action": action,
        **fields,
    }
    return AuditEntry(**values)  # type: ignore[arg-type]


async def numbers(store: Store, **fields: object) -> list[int]:
    found = await store.audit.page(AuditRequest(**fields))  # type: ignore[arg-type]
    return [int(one.entry_id[-3:]) for one in found]


async def test_an_entry_comes_back_as_it_was(store: Store) -> None:
    full = entry(
        1,
        address="2001:db8::1",
        request_id="r" * 64,
        subject=shortened("w" * 999),
        outcome=Outcome.UNCLEAR,
        details=bounded(
            {"reason": "\N{SNOWMAN}\n'\0" * 99, "seconds": 1.5, "benchmark": False, "left out": None}
        ),
    )
    await store.audit.add(full)
    with pytest.raises(Duplicate):
        await store.audit.add(full)
    bare = entry(2, via=Via.MACHINE)
    await store.audit.add(bare)
    assert await store.audit.page(AuditRequest()) == [bare, full]


async def test_pages_and_filters(store: Store) -> None:
    for number in range(6):
        await store.audit.add(entry(number))
    await store.audit.add(entry(6, "session.sign_in", "alice"))
    await store.audit.add(entry(7, "session.signXin", "Root"))
    await store.audit.add(entry(8, "sessions.other", "alice"))
    assert await numbers(store, limit=3) == [8, 7, 6]
    assert await numbers(store, limit=3, after=entry(6).entry_id) == [5, 4, 3]
    assert await numbers(store, limit=99, after=entry(0).entry_id) == []
    assert await numbers(store, actor="root") == [5, 4, 3, 2, 1, 0]
    assert await numbers(store, action="session.sign_in") == [6]
    assert await numbers(store, action="session") == [7, 6]
    assert await numbers(store, action="sess") == []
    assert await numbers(store, since=1003.0, before=1005.0) == [4, 3]
    assert await numbers(store, actor="alice", action="session", since=1006.0) == [6]
    assert await numbers(store, limit=2, offset=3) == [5, 4]
    assert await numbers(store, limit=2, offset=1, actor="alice") == [6]
    assert await numbers(store, offset=9) == []
    assert await numbers(store, descending=False, limit=3) == [0, 1, 2]
    assert await numbers(store, descending=False, limit=3, after=entry(2).entry_id) == [3, 4, 5]
    assert await numbers(store, descending=False, limit=2, offset=1, actor="alice") == [8]


async def test_old_entries_are_forgotten_batch_by_batch(store: Store) -> None:
    for number in range(5):
        await store.audit.add(entry(number))
    assert await store.audit.forget(1003.0, 2) == 2
    assert await numbers(store) == [4, 3, 2]
    assert await store.audit.forget(1003.0, 2) == 1
    assert await store.audit.forget(1003.0, 2) == 0
    assert await numbers(store) == [4, 3]


def test_details_are_bounded() -> None:
    said = bounded({f"{number:02}" * 500: "x" * 5000 for number in range(100)})
    assert len(said) == 16
    assert all(len(name) <= LONGEST and len(str(value)) <= LONGEST for name, value in said.items())
    assert bounded({"networks": ["10.0.0.0/8", "::1/128"]}) == {"networks": "10.0.0.0/8, ::1/128"}
    assert bounded({"deep": {"a": ["b"]}}) == {"deep": "{'a': ['b']}"}
    assert bounded({"n": 10**5000, "m": float("nan")}) == {"n": "out of bounds", "m": "out of bounds"}


async def test_an_administrator_is_left(store: Store) -> None:
    await store.identities.add(identity("root", role=Role.ADMIN))
    await store.identities.add(identity("alice"))
    assert not await store.identities.delete_but_last("root")
    assert not await store.identities.delete_but_last("nobody")
    await store.identities.add(identity("boss", role=Role.ADMIN))
    assert await store.identities.delete_but_last("root")
    assert await store.identities.get("root") is None
    assert not await store.identities.delete_but_last("boss")
    assert await store.identities.delete_but_last("alice")


async def test_pages_of_users(store: Store) -> None:
    for name in ("b", "d", "a", "c"):
        await store.identities.add(identity(name))

    async def page(after: str | None, limit: int, offset: int = 0, *, descending: bool = False) -> str:
        found = await store.identities.page(after, limit, offset=offset, descending=descending)
        return "".join(one.client_id for one in found)

    assert [await page(None, 3), await page("c", 3), await page("d", 3)] == ["abc", "d", ""]
    assert [await page(None, 2, 1), await page("a", 2, 1), await page(None, 2, 4)] == ["bc", "cd", ""]
    assert await page(None, 3, descending=True) == "dcb"
    assert await page("b", 3, descending=True) == "a"
    assert await page(None, 2, 1, descending=True) == "cb"
