"""Something that signs in as a browser does, and keeps its cookies."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from dffmpeg.model import sessions
from dffmpeg.model.identities import Role
from dffmpeg.model.sessions import LOGIN, Token
from dffmpeg.wire.signature import encode_key
from tests.web.conftest import KEYS, Site
from tests.web.live import Live

PATH = "/api/v1/session"
CSRF = "x-dffmpeg-csrf"
PROXY = {"allowed_dashboard_ips": ["10.0.0.0/8"], "security": {"trusted_proxies": ["127.0.0.1"]}}


@asynccontextmanager
async def browser(site: Site | Live, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """Something that keeps cookies."""
    async with httpx.AsyncClient(base_url=site.url, headers=headers, trust_env=False) as client:
        yield client


def with_key(name: str) -> dict[str, str]:
    return {"client_id": name, "key": encode_key(KEYS[name][1])}


async def sign_in(client: httpx.AsyncClient, name: str = "admin") -> dict[str, Any]:
    answer = await client.post(PATH, json=with_key(name))
    assert answer.status_code == 200, answer.text
    # From here on the page says so with all that it sends.
    state: dict[str, Any] = answer.json()
    client.headers[CSRF] = state["csrf"]
    return state


async def login_link(site: Site, client_id: str = "admin", *, lifetime: float = 600.0, **fields: Any) -> str:
    secret, now = sessions.new_secret(), time.time()
    token = Token(
        digest=sessions.digest_of(secret),
        purpose=LOGIN,
        client_id=client_id,
        role=KEYS[client_id][0] if client_id in KEYS else Role.ADMIN,
        created_at=now,
        expires_at=now + lifetime,
    )
    await site.people.tokens.add(replace(token, **fields))
    return secret
