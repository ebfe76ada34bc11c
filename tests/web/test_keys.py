"""Identities with two keys, or with an end: whom they let in, and until when."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest
from trio_websocket import ConnectionRejected

from dffmpeg.model.identities import PreviousKey
from dffmpeg.wire import signature
from dffmpeg.wire.signature import encode_key
from tests.web.conftest import KEYS, Site, raw, serving, sign
from tests.web.signing_in import PATH, browser, login_link, sign_in
from tests.web.test_authentication import status_of

NEW, OLD, OLDER = b"n" * 32, b"p" * 32, b"q" * 32
LEGACY = {"security": {"allow_legacy_signatures": True}}
HOUR = 3600.0

Sign = Callable[[bytes], dict[str, str]]


def version_1(key: bytes) -> dict[str, str]:
    return signature.sign_legacy("client", key, "GET", "/jobs", b"", now=time.time())


def version_2(key: bytes) -> dict[str, str]:
    return signature.sign("client", key, "GET", "/jobs", b"", now=time.time())


@pytest.fixture(params=[version_1, version_2])
def by(request: pytest.FixtureRequest) -> Sign:
    found: Sign = request.param
    return found


def change(site: Site, *, until: float | None = None, expires: float | None = None) -> None:
    """Give the client a key after its old one; times are seconds from now."""
    now = time.time()
    site.identities.known["client"] = replace(
        site.identities.known["client"],
        key=NEW,
        previous=None if until is None else PreviousKey(OLD, now + until),
        expires_at=None if expires is None else now + expires,
    )


async def status(site: Site, headers: dict[str, str]) -> int:
    return status_of(await site.exchange(raw("GET", "/jobs", headers)))


async def counted(site: Site) -> dict[str, float]:
    text = (await site.exchange(raw("GET", "/metrics", {}))).decode()
    found = re.findall(r'dffmpeg_refused_requests_total\{reason="(\w+)"\} ([0-9.]+)', text)
    return {reason: float(number) for reason, number in found if float(number)}


async def test_both_keys_are_good_during_the_overlap_and_the_new_one_after_it(by: Sign) -> None:
    async with serving(LEGACY) as site:
        change(site, until=HOUR)
        assert [await status(site, by(key)) for key in (NEW, OLD, OLDER)] == [200, 200, 401]
        assert await counted(site) == {"signature": 1.0}
        change(site, until=-1.0)
        assert [await status(site, by(key)) for key in (NEW, OLD)] == [200, 401]
        assert await counted(site) == {"signature": 1.0, "expired": 1.0}


async def test_who_has_expired_is_refused_as_a_wrong_signature_is(by: Sign) -> None:
    async with serving(LEGACY) as site:
        change(site, until=HOUR, expires=HOUR)
        assert [await status(site, by(key)) for key in (NEW, OLD)] == [200, 200]
        looks: list[str] = []
        look_up = site.identities.look_up

        async def noted(client_id: str) -> object:
            looks.append(client_id)
            return await look_up(client_id)

        site.identities.look_up = noted  # type: ignore[method-assign,assignment]
        change(site, until=HOUR, expires=-1.0)
        answers = set()
        for key in (NEW, OLD, OLDER):
            answer = await site.exchange(raw("GET", "/jobs", by(key)))
            answers.add(re.sub(rb"(?i)(date|x-request-id): [^\r]*", b"", answer))
            assert status_of(answer) == 401
        assert len(answers) == 1
        assert looks == ["client"] * 3
        assert await counted(site) == {"signature": 1.0, "expired": 2.0}


async def test_as_many_keys_are_tried_whoever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of nobody as many as of somebody with two, and whichever is right."""
    tried: list[bytes] = []
    verify = signature.verify

    def noted(claim: signature.Claim, key: bytes, method: str, target: str) -> None:
        tried.append(key)
        verify(claim, key, method, target)

    async with serving() as site:
        monkeypatch.setattr(signature, "verify", noted)
        for until in (None, HOUR, -1.0):
            change(site, until=until)
            for key, times in ((NEW, 1), (OLD, 1 if until == HOUR else 2), (OLDER, 2)):
                await status(site, version_2(key))
                assert len(tried) == 2 * times
                tried.clear()
        nobody = signature.sign("nobody", NEW, "GET", "/jobs", b"", now=time.time())
        assert await status(site, nobody) == 401
        assert len(tried) == 4


async def test_websockets_are_no_other_door(site: Site) -> None:
    path = "/api/v1/events?interval=0"
    for key, until, expires in ((OLD, -1.0, None), (NEW, None, -1.0), (OLD, HOUR, -1.0)):
        change(site, until=until, expires=expires)
        headers = signature.sign("client", key, "GET", path, b"", now=time.time())
        with pytest.raises(ConnectionRejected) as rejection:
            async with site.websocket(path, headers=headers):
                pass
        assert rejection.value.status_code == 401


# Sessions


async def signed_in(client: httpx.AsyncClient) -> bool:
    """Whether it is more than what its address lets it be."""
    answer = await client.get(PATH)
    assert answer.status_code == 200
    return bool(answer.json()["signed_in"])


async def test_a_session_lasts_as_long_as_the_key_by_which_it_was_opened(site: Site) -> None:
    async with browser(site) as old, browser(site) as new:
        await sign_in(old, "client")
        known = site.identities.known["client"]
        change(site)
        rotated = replace(
            site.identities.known["client"], previous=PreviousKey(known.key, time.time() + HOUR)
        )
        site.identities.known["client"] = rotated
        assert await signed_in(old)
        credentials = {"client_id": "client", "key": encode_key(NEW)}
        assert (await new.post(PATH, json=credentials)).status_code == 200
        site.identities.known["client"] = replace(rotated, previous=PreviousKey(known.key, time.time()))
        assert not await signed_in(old)
        assert await signed_in(new)
        site.identities.known["client"] = replace(rotated, expires_at=time.time())
        assert not await signed_in(new)


async def test_the_old_key_signs_in_during_the_overlap(site: Site) -> None:
    credentials = {"client_id": "client", "key": encode_key(OLD)}
    async with browser(site) as client:
        change(site, until=-1.0)
        assert (await client.post(PATH, json=credentials)).status_code == 401
        change(site, until=HOUR)
        assert (await client.post(PATH, json=credentials)).status_code == 200
        assert await signed_in(client)
        change(site, until=-1.0)
        assert not await signed_in(client)


async def test_nobody_signs_in_as_one_who_has_expired(site: Site) -> None:
    admin = site.identities.known["admin"]
    site.identities.known["admin"] = replace(admin, expires_at=time.time())
    async with browser(site) as client:
        right = await client.post(PATH, json={"client_id": "admin", "key": encode_key(KEYS["admin"][1])})
        wrong = await client.post(PATH, json={"client_id": "admin", "key": encode_key(OLDER)})
        assert (right.status_code, right.json()) == (wrong.status_code, wrong.json())
        assert right.status_code == 401
        by_link = await client.post(PATH, json={"link": await login_link(site)})
        assert by_link.status_code == 401
        site.identities.known["admin"] = admin
        assert (await client.get(PATH, headers=sign("admin", "GET", PATH))).status_code == 200
