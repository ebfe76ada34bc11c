"""Passing requests on to the coordinator that looks after what they are about.

A request is checked here first, body and all, so that only what somebody is let in with is ever passed on;
the other coordinator checks it again, by the same signature, the same session, or the same address. It is
passed on once: one that has been is never passed on again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Iterable

import trio
from quart import Response
from werkzeug.datastructures import Headers

from dffmpeg import logs
from dffmpeg.errors import Unreachable
from dffmpeg.model.identities import Identity
from dffmpeg.model.membership import Member
from dffmpeg.transports.peers import PeerAnswer, PeerRequest, Peers, PeerTunnel
from dffmpeg.web import homes
from dffmpeg.web.closing import Closing
from dffmpeg.web.connections import Misdirected, Scope, Socket
from dffmpeg.web.cookies import CSRF_HEADER, PLAIN, cookie, name_at
from dffmpeg.web.errors import HomeAway
from dffmpeg.web.homes import Neighbours
from dffmpeg.web.observation import REQUEST_ID
from dffmpeg.web.origins import origin, target
from dffmpeg.web.tunnels import carry
from dffmpeg.wire import forwarding, signature, trace
from dffmpeg.wire.forwarding import Passage

logger = logging.getLogger("dffmpeg.web.forwarding")

TRIES = 4
"""How often it is looked for the one that answers, while homes are moving."""

PAUSE = 0.1
"""Seconds between two tries; each is twice the one before."""

FRESH = 5.0
"""Seconds for which a request that was held here may still be passed on: later its signature could be too
old there."""

WHOLE = 1 << 20
"""Bytes of an answer that is read before it is passed on, so that one which breaks off can be put off."""

MAX_REFUSAL = 64 * 1024
"""Bytes of an answer that refuses a WebSocket."""

MISDIRECTED = 421
"""RFC 9110, section 15.5.20: not this one's to answer. Said among coordinators only."""

_PASSED = frozenset(
    {
        b"accept",
        b"content-type",
        b"user-agent",
        trace.HEADER.encode(),
        CSRF_HEADER,
        *(name.encode() for name in signature.HEADERS),
    }
)
_HANDSHAKE = _PASSED | {
    b"sec-websocket-key",
    b"sec-websocket-version",
    b"sec-websocket-protocol",
    b"sec-websocket-extensions",
}
_RETURNED = frozenset(
    {b"content-type", b"cache-control", b"retry-after", b"www-authenticate", b"allow", b"x-accel-buffering"}
)


class Forwarding:
    """The way to the other coordinators.

    Args:
        key: what passages are sealed with; None where there are no others.
    """

    def __init__(self, neighbours: Neighbours, peers: Peers, key: bytes | None) -> None:
        self._neighbours = neighbours
        self._peers = peers
        self._key = key
        self._away: set[str] = set()

    async def home(
        self, route: str, who: Identity | None, values: dict[str, object] | None, scope: Scope
    ) -> Member | None:
        """Who else has to answer a request; None where this coordinator does.

        Raises:
            Misdirected: another coordinator took us for the one.
        """
        passage = origin(scope).passage
        if passage is not None and passage.to != self._neighbours.me:
            raise Misdirected
        member = await homes.home(self._neighbours, route, who, values or {})
        if member is not None and passage is not None:
            raise Misdirected
        return member

    async def request(self, member: Member, scope: Scope, body: bytes) -> Response | None:
        """Have another coordinator answer a request.

        Returns:
            None where it could not be reached, or says that it is not the one.
        """
        try:
            answer = await self._peers.send(_address(member), self._passed(member, scope, _PASSED, body))
            self._reached(member)
            if answer.status == MISDIRECTED:
                await answer.aclose()
                return None
            return await _response(answer, empty=scope["method"] == "HEAD")
        except Unreachable as error:
            self._failed(member, scope, error)
            return None

    async def websocket(self, member: Member, scope: Scope, end: Socket, closing: Closing) -> Response | bool:
        """Have another coordinator speak on a WebSocket, to its end.

        Returns:
            Whether that was so; it was not where it could not be reached, or says that it is not the one. Its
            own answer where it refused the handshake.
        """
        extra = ((b"connection", b"Upgrade"), (b"upgrade", b"websocket"))
        try:
            answer = await self._peers.upgrade(
                _address(member), self._passed(member, scope, _HANDSHAKE, extra=extra)
            )
            self._reached(member)
            if isinstance(answer, PeerAnswer):
                return await self._refused(answer)
        except Unreachable as error:
            self._failed(member, scope, error)
            return False
        await _carry(answer, end, closing)
        return True

    def _reached(self, member: Member) -> None:
        if member.coordinator_id in self._away:
            self._away.discard(member.coordinator_id)
            logger.info("coordinator %s is reached again", member.coordinator_id)

    def _failed(self, member: Member, scope: Scope, error: Unreachable) -> None:
        """Say of a coordinator once that it cannot be reached: there may be many requests a second for it."""
        name = member.coordinator_id
        logger.debug("%s was not passed on to %s: %s", scope["path"], name, error)
        if name not in self._away:
            # Those that are gone for good are never reached again.
            self._away = {name, *(self._away & self._neighbours.members().keys())}
            logger.info("coordinator %s cannot be reached, what is for it is put off: %s", name, error)

    async def _refused(self, answer: PeerAnswer) -> Response | bool:
        if answer.status == MISDIRECTED:
            await answer.aclose()
            return False
        try:
            content = await _read(answer, MAX_REFUSAL)
        finally:
            await answer.aclose()
        return Response(content, answer.status, headers=_returned(answer))

    def _passed(
        self,
        member: Member,
        scope: Scope,
        names: frozenset[bytes],
        body: bytes = b"",
        extra: Iterable[tuple[bytes, bytes]] = (),
    ) -> PeerRequest:
        if self._key is None:
            raise Unreachable("[cluster] secret is not set, so nothing is passed on")
        headers = [(name, value) for name, value in scope["headers"] if name in names]
        key, me = self._key, self._neighbours.me
        request_id = logs.subject().get("request")
        if request_id is not None:
            # Ours, where the caller gave none: its lines in both coordinators' logs belong together.
            headers.append((REQUEST_ID.lower().encode(), str(request_id).encode("ascii")))
        signed = dict(headers).get(signature.SIGNATURE_HEADER.encode())
        said = "" if signed is None else signed.decode("latin-1")
        found = origin(scope)
        session = cookie(scope, name_at(found.front)) if signed is None else None
        if session is not None:
            # It alone: what else this host's cookies are is nobody's business there.
            said = session
            headers.append((b"cookie", f"{PLAIN}={session}".encode("ascii")))
        address = None if found.address is None else str(found.address)
        method, path = scope.get("method", "GET"), target(scope)

        def seal() -> tuple[bytes, bytes]:
            passage = Passage(me, member.coordinator_id, address, time.time())
            return forwarding.HEADER.encode(), forwarding.seal(key, passage, method, path, said).encode()

        return PeerRequest(method, path, [*headers, *extra], body, seal)

    async def aclose(self) -> None:
        """Close the connections to the others."""
        await self._peers.aclose()


async def pause(tries: int) -> None:
    """Wait a moment before the next try.

    Raises:
        HomeAway: there were enough of them.
    """
    if tries >= TRIES:
        raise HomeAway("the coordinator that looks after it cannot be reached just now; try again")
    await trio.sleep(PAUSE * 2 ** (tries - 1))


def _address(member: Member) -> str:
    if member.address is None:
        # Of an earlier process in our own place `Membership` hides it.
        raise Unreachable("it has no [cluster] advertise, or it was this one before its restart")
    return member.address


def _returned(answer: PeerAnswer) -> Headers:
    return Headers(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in answer.headers
        if name in _RETURNED
    )


async def _response(answer: PeerAnswer, *, empty: bool) -> Response:
    """The answer to pass on.

    Args:
        empty: it has no body, whatever its headers say of one.
    """
    headers = _returned(answer)
    size = dict(answer.headers).get(b"content-length")
    if empty or (size is not None and int(size) <= WHOLE):
        try:
            return Response(await _read(answer, WHOLE), answer.status, headers=headers)
        finally:
            await answer.aclose()
    reply = Response(_Body(answer), answer.status, headers=headers)
    if size is not None:
        reply.headers["Content-Length"] = size.decode("ascii")
    # It may wait between two pieces for as long as it likes.
    reply.timeout = None
    return reply


async def _read(answer: PeerAnswer, limit: int) -> bytes:
    pieces: list[bytes] = []
    left = limit
    while piece := await answer.receive_some():
        left -= len(piece)
        if left < 0:
            raise Unreachable("the answer is too long")
        pieces.append(piece)
    return b"".join(pieces)


class _Body:
    """An answer's body, passed on as it comes."""

    def __init__(self, answer: PeerAnswer) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        try:
            while piece := await self._answer.receive_some():
                yield piece
        finally:
            with trio.CancelScope(shield=True):
                await self._answer.aclose()


async def _carry(tunnel: PeerTunnel, end: Socket, closing: Closing) -> None:
    try:
        await carry(tunnel, end, closing)
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(tunnel.stream)
