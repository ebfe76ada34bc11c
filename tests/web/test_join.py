"""POST /api/v1/join: a token makes one identity, for whoever knows it, and for nobody else."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from dffmpeg.model.audit import AuditRequest, Outcome
from dffmpeg.model.identities import Role
from dffmpeg.model.sessions import JOIN, LOGIN, Token, digest_of
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.web.authentication.joining import BY_ADDRESS
from dffmpeg.web.join import MAX_BODY
from dffmpeg.wire import joining
from dffmpeg.wire.joining import PATH
from tests.web.conftest import Site, raw
from tests.web.live import Live, live
from tests.web.test_authentication import status_of


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as found:
        yield found


async def new_token(running: Live, **changes: Any) -> str:
    secret, now = joining.new_token(), time.time()
    token = Token(
        digest=digest_of(secret),
        purpose=JOIN,
        role=Role.WORKER,
        created_at=now,
        expires_at=now + 600,
        verifier=joining.verifier_of(secret),
    )
    await running.coordinator.services.store.tokens.add(replace(token, **changes))
    return secret


def asked(secret: str, name: str = "w2", **changes: str) -> dict[str, str]:
    proof = joining.request_proof(joining.verifier_of(secret), name)
    return {"token": digest_of(secret), "client_id": name, "proof": proof, **changes}


async def join(running: Live | Site, body: dict[str, str]) -> httpx.Response:
    async with httpx.AsyncClient(base_url=running.url, trust_env=False) as client:
        return await client.post(PATH, json=body)


async def test_who_joins_is_let_in_by_the_key_that_both_sides_know(running: Live) -> None:
    secret = await new_token(running, allowed_networks=("127.0.0.0/8",))
    verifier = joining.verifier_of(secret)
    answer = await join(running, asked(secret))
    assert answer.status_code == 200, answer.text
    proof = joining.reply_proof(verifier, "w2", "worker")
    assert answer.json() == {"client_id": "w2", "role": "worker", "proof": proof}
    key = joining.key_of(verifier, "w2")
    async with SignedHttp(running.url, "w2", key) as http:
        assert b'"role":"worker"' in await http.request("GET", "/api/v1/session")
    found = await running.coordinator.services.store.identities.get("w2")
    assert found is not None
    assert found.allowed_networks == ("127.0.0.0/8",)
    # Nothing of what has travelled is the token, or the key.
    travelled = str(asked(secret)) + answer.text
    assert not any(text in travelled for text in (secret, key.hex(), verifier.hex()))


async def test_who_joined_is_in_the_audit_trail(running: Live) -> None:
    secret = await new_token(running)
    assert (await join(running, asked(secret, "w4", proof="0" * 64))).status_code == 401
    await join(running, asked(secret, "w4"))
    (entry,) = await running.coordinator.services.store.audit.page(AuditRequest())
    assert (entry.actor, entry.action, entry.address) == ("w4", "user.join", "127.0.0.1")
    assert (entry.outcome, entry.details) == (Outcome.DONE, {})


async def test_the_same_again_is_answered_the_same_and_nothing_else_is(running: Live) -> None:
    identities = running.coordinator.services.store.identities
    secret = await new_token(running)
    first = await join(running, asked(secret))
    again = await join(running, asked(secret))
    assert (again.status_code, again.json()) == (200, first.json())
    other = await join(running, asked(secret, "w3"))
    assert other.status_code == 401
    assert await identities.get("w3") is None
    # Who has another key by now did not join a moment ago.
    await identities.set_key("w2", b"k" * 32)
    assert (await join(running, asked(secret))).status_code == 401
    found = await identities.get("w2")
    assert found is not None
    assert found.key == b"k" * 32
    await identities.delete("w2")
    assert (await join(running, asked(secret))).status_code == 401
    assert await identities.get("w2") is None


async def test_whatever_is_wrong_with_a_token_is_answered_the_same(running: Live) -> None:
    good = await new_token(running)
    wrong = [
        asked(joining.new_token()),
        asked(await new_token(running, expires_at=time.time())),
        asked(await new_token(running, purpose=LOGIN)),
        asked(good, proof="0" * 64),
        asked(good, client_id="w3"),
        asked(await new_token(running, verifier=None)),
    ]
    answers = [await join(running, body) for body in wrong]
    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {
        (401, answers[0].json()["detail"])
    }
    assert "dffmpeg-admin token create" in answers[0].json()["detail"]
    assert (await join(running, asked(good))).status_code == 200


async def test_a_name_that_is_taken_costs_no_token(running: Live) -> None:
    secret = await new_token(running)
    taken = await join(running, asked(secret, "client"))
    assert (taken.status_code, "there is a user client already" in taken.text) == (409, True)
    assert (await join(running, asked(secret))).status_code == 200


async def test_a_token_may_be_for_one_name_and_one_place(running: Live) -> None:
    named = await new_token(running, client_id="w2")
    assert (await join(running, asked(named, "w3"))).status_code == 409
    away = await new_token(running, allowed_networks=("10.0.0.0/8",))
    assert (await join(running, asked(away))).status_code == 403
    assert (await join(running, asked(named))).status_code == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"client_id": "a b"}, 422),
        ({"client_id": ""}, 422),
        ({"token": "x"}, 422),
        ({"proof": "\N{SNOWMAN}" * 64}, 422),
        ({"proof": "z" * MAX_BODY}, 413),
    ],
)
async def test_what_does_not_fit_is_said(running: Live, change: dict[str, str], status: int) -> None:
    answer = await join(running, asked(joining.new_token(), **change))
    assert answer.status_code == status
    assert "\n" not in answer.json()["detail"]


async def test_guesses_are_limited(site: Site) -> None:
    most = BY_ADDRESS[0]
    answers = [await join(site, asked(joining.new_token())) for _ in range(most + 1)]
    assert [answer.status_code for answer in answers] == [401] * most + [429]
    assert int(answers[-1].headers["retry-after"]) <= BY_ADDRESS[1]
    text = (await site.exchange(raw("GET", "/metrics", {}))).decode()
    assert f'dffmpeg_refused_requests_total{{reason="token"}} {float(most)}' in text


async def test_there_is_no_other_method(site: Site) -> None:
    assert status_of(await site.exchange(raw("GET", PATH, {}))) == 405
