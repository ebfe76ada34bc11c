"""Sessions and visitors without one, at a coordinator that passes on what they ask for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import httpx
import pytest
import trio_websocket

from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.web.connections import Scope
from dffmpeg.web.origins import Origins
from dffmpeg.wire import codec, forwarding
from dffmpeg.wire.forwarding import Passage
from dffmpeg.wire.jobs import Position
from dffmpeg.wire.signature import SignatureError
from tests.web.conftest import Site
from tests.web.pairs import SECRET, Pair, pair
from tests.web.signing_in import CSRF, browser, sign_in
from tests.web.test_revocation import ended

KEY = forwarding.key_of(SECRET)


@pytest.fixture
async def both() -> AsyncIterator[Pair]:
    async with pair() as made:
        # One database behind both.
        made.home.people.sessions.known = made.edge.people.sessions.known
        yield made


async def test_a_session_operates_at_the_home(both: Pair) -> None:
    job_id = await both.job()
    cancel = f"/jobs/{job_id}/cancel"
    async with browser(both.edge, cookie="theme=dark; other=secret") as client:
        await sign_in(client, "client")
        client.headers["cookie"] = f"theme=dark; dffmpeg_session={client.cookies['dffmpeg_session']}"
        word = client.headers.pop(CSRF)
        assert (await client.post(cancel)).status_code == 403
        assert both.home.operations.all[job_id].record.status == "pending"
        assert (await client.post(cancel, headers={CSRF: word})).status_code == 200
    assert both.home.operations.all[job_id].record.status == "canceled"


async def test_a_session_follows_at_the_home(both: Pair) -> None:
    job_id = await both.job()
    async with browser(both.edge) as client:
        await sign_in(client, "client")
        value = client.cookies["dffmpeg_session"]
        session = {"cookie": f"dffmpeg_session={value}", "origin": "http://127.0.0.1"}
        async with both.edge.websocket(f"/jobs/{job_id}/follow", headers=session) as connection:
            await connection.send_message(codec.encode(Position()).decode())
            await connection.send_message("what is this")
            # So says the one that has the job.
            assert await ended(connection) == 1008
        with pytest.raises(trio_websocket.ConnectionRejected) as rejected:
            async with both.edge.websocket(
                f"/jobs/{job_id}/follow", headers={**session, "origin": "https://evil.example"}
            ):
                pass
        assert rejected.value.status_code == 403


# What a passage lets in with


def scope(passage: Passage, credential: str, **headers: str) -> Scope:
    sealed = forwarding.seal(KEY, passage, "GET", b"/api/v1/jobs", credential)
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {
        "type": "http",
        "method": "GET",
        "raw_path": b"/api/v1/jobs",
        "query_string": b"",
        "client": ("10.0.0.1", 5000),
        "headers": [(forwarding.HEADER.encode(), sealed.encode()), *pairs],
    }


NOW = 1_900_000_000


def origins() -> Origins:
    return Origins(CoordinatorConfig(), KEY, clock=lambda: float(NOW))


def timed(at: int = NOW) -> Passage:
    return Passage("01EDGE", "02HOME", "127.0.0.1", at, "nonce-of-this-one")


def test_a_timed_passage_survives_the_journey() -> None:
    sealed = forwarding.seal(KEY, timed(), "GET", b"/x", "")
    assert sealed.startswith("v2 01EDGE 02HOME 127.0.0.1 1900000000.000 nonce-of-this-one ")
    assert forwarding.opened(KEY, sealed, "GET", b"/x", "") == timed()


@pytest.mark.parametrize("at", [NOW - 31, NOW + 31])
@pytest.mark.parametrize("headers", [{}, {"cookie": "dffmpeg_session=s"}])
def test_what_has_no_signature_is_passed_on_now_or_not(at: int, headers: dict[str, str]) -> None:
    said = "s" if headers else ""
    assert origins().of(scope(timed(), said, **headers)).passage == timed()
    with pytest.raises(SignatureError, match="passed on more than 30 s ago"):
        origins().of(scope(timed(at), said, **headers))


def test_a_seal_is_for_one_session() -> None:
    for made_for, sent in (("s", "other"), ("", "s"), ("s", None)):
        headers = {} if sent is None else {"cookie": f"dffmpeg_session={sent}"}
        with pytest.raises(SignatureError, match="not of this cluster"):
            origins().of(scope(timed(), made_for, **headers))


def test_a_seal_lets_look_once() -> None:
    """Else it would again, to whoever has seen it on its way."""
    found = origins()
    assert found.of(scope(timed(), "")).passage == timed()
    with pytest.raises(SignatureError, match="passed on before"):
        found.of(scope(timed(), ""))


async def test_a_passage_of_somebody_elses_is_none(both: Pair) -> None:
    async with httpx.AsyncClient(base_url=both.home.url, trust_env=False) as client:
        passage = Passage("01EDGE", "02HOME", "127.0.0.1", int(time.time()))
        good = forwarding.seal(KEY, passage, "GET", b"/api/v1/jobs", "")
        assert (await client.get("/api/v1/jobs", headers={forwarding.HEADER: good})).status_code == 200
        other = forwarding.seal(forwarding.key_of("x" * 40), passage, "GET", b"/api/v1/jobs", "")
        for value in (other, good.replace("127.0.0.1", "127.0.0.2")):
            refused = await client.get("/api/v1/jobs", headers={forwarding.HEADER: value})
            assert refused.status_code == 401


async def test_where_it_came_from_is_judged_at_the_home_too(both: Pair) -> None:
    site: Site = both.home
    passage = Passage("01EDGE", "02HOME", "192.0.2.1", int(time.time()))
    value = forwarding.seal(KEY, passage, "GET", b"/api/v1/jobs", "")
    async with httpx.AsyncClient(base_url=site.url, trust_env=False) as client:
        assert (await client.get("/api/v1/jobs", headers={forwarding.HEADER: value})).status_code == 401
