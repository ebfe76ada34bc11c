"""Who is signed in, in memory: what the repositories of sessions and tokens offer, with their rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import trio

from dffmpeg.model.identities import Identity
from dffmpeg.model.sessions import JOIN, Session, Token
from dffmpeg.store import SessionRepository, TokenRepository
from dffmpeg.store.resealing import Resealed
from dffmpeg.web.authentication import People


class MemorySessions(SessionRepository):
    def __init__(self) -> None:
        self.known: dict[str, Session] = {}

    async def add(self, session: Session, most: int) -> None:
        await trio.lowlevel.checkpoint()
        others = [one for one in self.known.values() if one.client_id == session.client_id]
        for surplus in others[: max(0, len(others) - most + 1)]:
            del self.known[surplus.digest]
        self.known[session.digest] = session

    async def get(self, digest: str) -> Session | None:
        await trio.lowlevel.checkpoint()
        return self.known.get(digest)

    async def there(self, digests: Collection[str]) -> set[str]:
        await trio.lowlevel.checkpoint()
        return set(digests) & self.known.keys()

    async def signed_in(self, client_ids: Collection[str]) -> Mapping[str, float]:
        raise NotImplementedError("the coordinator asks for it")

    async def delete(self, digest: str) -> bool:
        await trio.lowlevel.checkpoint()
        return self.known.pop(digest, None) is not None

    async def forget(self, before: float, limit: int) -> int:
        raise NotImplementedError("no route asks for it")


class MemoryTokens(TokenRepository):
    def __init__(self) -> None:
        self.known: dict[str, Token] = {}
        self.joined: list[Identity] = []

    async def get(self, digest: str, purpose: str, now: float) -> Token | None:
        await trio.lowlevel.checkpoint()
        token = self.known.get(digest)
        return token if token is not None and token.purpose == purpose and now < token.expires_at else None

    async def join(self, digest: str, identity: Identity, now: float) -> bool:
        token = await self.get(digest, JOIN, now)
        if token is None or token.used_by is not None:
            return False
        self.known[digest] = replace(token, used_by=identity.client_id)
        self.joined.append(identity)
        return True

    async def list(self, purpose: str, limit: int) -> Sequence[Token]:
        raise NotImplementedError("no route asks for it")

    async def delete(self, digest: str) -> bool:
        raise NotImplementedError("no route asks for it")

    async def reseal(self, after: str, limit: int) -> Resealed:
        raise NotImplementedError("no route asks for it")

    async def add(self, token: Token) -> None:
        await trio.lowlevel.checkpoint()
        self.known[token.digest] = token

    async def redeem(self, digest: str, purpose: str, now: float) -> Token | None:
        await trio.lowlevel.checkpoint()
        token = self.known.get(digest)
        if token is None or token.purpose != purpose or token.expires_at <= now:
            return None
        return self.known.pop(digest)

    async def forget(self, before: float, limit: int) -> int:
        raise NotImplementedError("no route asks for it")


class MemoryPeople(People):
    def __init__(self) -> None:
        self.sessions: MemorySessions
        self.tokens: MemoryTokens
        super().__init__(MemorySessions(), MemoryTokens())
