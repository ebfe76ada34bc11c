"""Nonces on every engine: one of many who want it has it."""

from __future__ import annotations

import trio

from dffmpeg.store import Store


async def test_a_nonce_is_had_once(store: Store) -> None:
    found: list[bool] = []

    async def claim(client_id: str, nonce: str) -> None:
        found.append(await store.nonces.claim(client_id, nonce, 100.0))

    async with trio.open_nursery() as nursery:
        for _ in range(16):
            nursery.start_soon(claim, "alice", "00ff" * 8)
    assert found.count(True) == 1
    assert await store.nonces.claim("bob", "00ff" * 8, 100.0)
    assert await store.nonces.claim("alice", "00fe" * 8, 300.0)


async def test_those_that_expired_are_forgotten(store: Store) -> None:
    for number in range(5):
        assert await store.nonces.claim("alice", f"{number}", float(number))
    assert await store.nonces.prune(3.0, 2) == 2
    assert await store.nonces.prune(3.0, 2) == 1
    assert not await store.nonces.claim("alice", "3", 3.0)
    assert await store.nonces.claim("alice", "0", 9.0)
