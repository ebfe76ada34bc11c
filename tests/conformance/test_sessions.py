"""What every engine keeps of who is signed in, and of what may be redeemed once."""

from dataclasses import replace

import pytest
import trio

from dffmpeg.model.identities import Role
from dffmpeg.model.sessions import JOIN, LOGIN, Session, Token, digest_of
from dffmpeg.store import Duplicate, Store, StoreSettings, open_store
from tests.conformance.rows import identity


def session(number: int, client_id: str = "alice", *, expires_at: float = 9e9) -> Session:
    return Session(
        digest=digest_of(f"session {number}"),
        client_id=client_id,
        stamp="5" * 64,
        created_at=1e9 + number,
        expires_at=expires_at,
    )


def token(number: int, purpose: str = LOGIN, *, expires_at: float = 2e9) -> Token:
    return Token(
        digest=digest_of(f"token {number}"),
        purpose=purpose,
        client_id="alice",
        role=Role.VIEWER,
        allowed_networks=("10.0.0.0/8", "::1/128"),
        created_at=1e9 + number / 8,
        expires_at=expires_at,
    )


async def test_sessions(store: Store) -> None:
    one, two = session(1), session(2, "bob")
    await store.sessions.add(one, 9)
    await store.sessions.add(two, 9)
    with pytest.raises(Duplicate):
        await store.sessions.add(one, 9)
    assert await store.sessions.get(one.digest) == one
    assert await store.sessions.there({one.digest, two.digest, "0" * 64}) == {one.digest, two.digest}
    assert await store.sessions.delete(one.digest)
    assert not await store.sessions.delete(one.digest)
    assert await store.sessions.get(one.digest) is None
    assert await store.sessions.there({one.digest}) == set()
    assert await store.sessions.get(two.digest) == two


async def test_one_session_more_than_there_may_be_ends_the_oldest(store: Store) -> None:
    theirs = session(0, "bob")
    await store.sessions.add(theirs, 3)
    mine = [session(number) for number in range(1, 6)]
    for one in mine:
        await store.sessions.add(one, 3)
    asked = {theirs.digest, *(one.digest for one in mine)}
    assert await store.sessions.there(asked) == {theirs.digest, *(one.digest for one in mine[2:])}


async def test_many_sessions_are_asked_for_at_once(store: Store) -> None:
    one = session(1)
    await store.sessions.add(one, 9)
    asked = {digest_of(str(number)) for number in range(1200)} | {one.digest}
    assert await store.sessions.there(asked) == {one.digest}


async def test_who_is_signed_in(store: Store) -> None:
    for number in range(3):
        await store.sessions.add(session(number), 9)
    await store.sessions.add(session(9, "bob"), 9)
    assert await store.sessions.signed_in(["alice", "nobody"]) == {"alice": 1e9 + 2}
    assert await store.sessions.signed_in([]) == {}


async def test_expired_sessions_are_forgotten_batch_by_batch(store: Store) -> None:
    for number in range(5):
        await store.sessions.add(session(number, expires_at=100.0 + number), 9)
    assert await store.sessions.forget(104.0, 3) == 3
    assert await store.sessions.forget(104.0, 3) == 1
    assert await store.sessions.forget(104.0, 3) == 0
    assert await store.sessions.there({session(4).digest}) == {session(4).digest}


async def test_a_token_is_redeemed_once(store: Store) -> None:
    await store.tokens.add(token(1))
    await store.tokens.add(token(2))
    assert await store.tokens.redeem(token(1).digest, "another", 1e9) is None
    assert await store.tokens.redeem(token(1).digest, LOGIN, 2e9) is None
    assert await store.tokens.redeem(token(1).digest, LOGIN, 1e9) == token(1)
    assert await store.tokens.redeem(token(1).digest, LOGIN, 1e9) is None
    assert await store.tokens.redeem(token(2).digest, LOGIN, 1e9) == token(2)
    bare = Token(digest="0" * 64, purpose="join", created_at=1e9, expires_at=2e9)
    await store.tokens.add(bare)
    assert await store.tokens.redeem(bare.digest, "join", 1.5e9) == bare


async def test_of_many_at_once_one_redeems(store_settings: StoreSettings, engine: str) -> None:
    """Two coordinators, where an engine has several; and two requests at each."""
    async with open_store(store_settings) as one:
        if engine == "sqlite":
            await _race(one, one)
            return
        async with open_store(store_settings) as two:
            await _race(one, two)


async def _race(one: Store, two: Store) -> None:
    for number in range(20):
        await one.tokens.add(token(number))
        winners: list[Token] = []

        async def redeem(store: Store, digest: str, winners: list[Token] = winners) -> None:
            found = await store.tokens.redeem(digest, LOGIN, 1e9)
            if found is not None:
                winners.append(found)

        async with trio.open_nursery() as nursery:
            for store in (one, two, one, two):
                nursery.start_soon(redeem, store, token(number).digest)
        assert winners == [token(number)]


async def test_expired_tokens_are_forgotten(store: Store) -> None:
    for number in range(3):
        await store.tokens.add(replace(token(number), expires_at=100.0 + number))
    assert await store.tokens.forget(102.0, 1) == 1
    assert await store.tokens.forget(102.0, 9) == 1
    assert await store.tokens.redeem(token(2).digest, LOGIN, 50.0) is not None


async def test_identities_as_they_are_now(store: Store) -> None:
    for name in ("alice", "bob"):
        await store.identities.add(identity(name))
    asked = {"alice", "bob", "nobody", *map(str, range(1200))}
    assert await store.identities.current(asked) == {name: identity(name) for name in ("alice", "bob")}
    await store.identities.set_key("alice", b"k" * 32)
    await store.identities.delete("bob")
    assert await store.identities.current(asked) == {"alice": identity("alice", key=b"k" * 32)}


def join_token(number: int, **changes: object) -> Token:
    values: dict[str, object] = {"purpose": JOIN, "client_id": None, "verifier": b"v" * 32}
    return replace(token(number), **{**values, **changes})  # type: ignore[arg-type]


async def test_an_identity_joins_by_a_token_once(store: Store) -> None:
    tokens = store.tokens
    await tokens.add(join_token(1))
    await tokens.add(token(2))
    digest = join_token(1).digest
    assert await tokens.get(digest, JOIN, 1e9) == join_token(1)
    assert await tokens.get(digest, LOGIN, 1e9) is None
    assert await tokens.get(digest, JOIN, 2e9) is None
    new = identity("new", role=Role.WORKER, allowed_networks=("10.0.0.0/8",))
    assert not await tokens.join(digest, new, 2e9)
    assert not await tokens.join(token(2).digest, new, 1e9)
    assert await store.identities.get("new") is None
    # A name that is taken leaves the token as it is.
    await store.identities.add(identity())
    with pytest.raises(Duplicate):
        await tokens.join(digest, identity(), 1e9)
    assert await tokens.get(digest, JOIN, 1e9) == join_token(1)
    assert await tokens.join(digest, new, 1e9)
    assert await store.identities.get("new") == new
    assert not await tokens.join(digest, identity("other"), 1e9)
    assert await store.identities.get("other") is None
    assert await tokens.get(digest, JOIN, 1e9) == join_token(1, used_by="new")
    assert await tokens.list(JOIN, 9) == [join_token(1, used_by="new")]
    assert await tokens.delete(digest)
    assert not await tokens.delete(digest)
    assert await tokens.list(JOIN, 9) == []


async def test_tokens_are_listed_by_age(store: Store) -> None:
    for number in (2, 1, 3):
        await store.tokens.add(join_token(number))
    assert await store.tokens.list(JOIN, 2) == [join_token(3), join_token(2)]


async def test_of_many_at_once_one_joins(store_settings: StoreSettings, engine: str) -> None:
    async with open_store(store_settings) as one:
        if engine == "sqlite":
            await _race_to_join(one, one)
            return
        async with open_store(store_settings) as two:
            await _race_to_join(one, two)


async def _race_to_join(one: Store, two: Store) -> None:
    await one.tokens.add(join_token(1))
    winners: list[str] = []

    async def join(store: Store, name: str) -> None:
        if await store.tokens.join(join_token(1).digest, identity(name), 1e9):
            winners.append(name)

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(join, (one, two)[number % 2], f"n{number}")
    assert len(winners) == 1
    assert [row.client_id for row in await one.identities.list()] == winners
    found = await two.tokens.get(join_token(1).digest, JOIN, 1e9)
    assert found is not None
    assert found.used_by == winners[0]
