"""The cookie of a session: how it is set, what has to come with it, and when it is not taken."""

from __future__ import annotations

from http.cookies import SimpleCookie

import httpx
import pytest

from tests.web.conftest import Site, serving
from tests.web.signing_in import CSRF, PATH, PROXY, browser, sign_in, with_key


def cookie_of(answer: httpx.Response) -> tuple[str, dict[str, str]]:
    jar = SimpleCookie(answer.headers["set-cookie"])
    (morsel,) = jar.values()
    attributes = {key: str(value) for key, value in morsel.items() if value}
    return morsel.key, attributes


@pytest.mark.parametrize(
    ("headers", "name", "path", "secure"),
    [
        ({}, "dffmpeg_session", "/", False),
        ({"x-forwarded-proto": "https"}, "__Host-dffmpeg_session", "/", True),
        ({"x-forwarded-prefix": "/media/ffmpeg/"}, "dffmpeg_session", "/media/ffmpeg", False),
        (
            {"x-forwarded-proto": "https", "x-forwarded-prefix": "/media"},
            "dffmpeg_session",
            "/media",
            True,
        ),
        ({"x-forwarded-prefix": "/a;Domain=example.org"}, "dffmpeg_session", "/", False),
    ],
)
async def test_cookies_behind_a_trusted_proxy(
    headers: dict[str, str], name: str, path: str, secure: bool
) -> None:
    async with serving(PROXY) as site, browser(site, **{"x-forwarded-for": "10.1.1.1", **headers}) as client:
        answer = await client.post(PATH, json=with_key("admin"))
        found, attributes = cookie_of(answer)
        assert found == name
        expected = {"path": path, "max-age": "43200", "httponly": "True", "samesite": "Strict"}
        assert attributes == ({**expected, "secure": "True"} if secure else expected)
        assert answer.headers["cache-control"] == "no-store"
        cookie = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
        assert (await client.get(PATH, headers=cookie)).json()["signed_in"]
        gone = await client.delete(PATH, headers={**cookie, CSRF: answer.json()["csrf"]})
        assert cookie_of(gone) == (name, {**attributes, "max-age": "0"})


async def test_what_a_proxy_says_is_believed_of_trusted_ones_only(site: Site) -> None:
    async with browser(site, **{"x-forwarded-proto": "https", "x-forwarded-prefix": "/x"}) as client:
        answer = await client.post(PATH, json=with_key("admin"))
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
        assert "trusted_proxies" in answer.json()["detail"]


async def test_a_cookie_by_tls_is_not_taken_under_another_name() -> None:
    """Over plain HTTP, or from another host of the domain, anybody could have set it."""
    async with serving(PROXY) as site:
        near = {"x-forwarded-for": "10.1.1.1"}
        async with browser(site, **near, **{"x-forwarded-proto": "https"}) as client:
            answer = await client.post(PATH, json=with_key("admin"))
            value = answer.headers["set-cookie"].partition(";")[0].partition("=")[2]
            client.cookies.clear()
            renamed = await client.get(PATH, headers={"cookie": f"dffmpeg_session={value}"})
            assert not renamed.json()["signed_in"]


async def test_a_cookie_twice_is_none(site: Site) -> None:
    async with browser(site) as client:
        await sign_in(client)
        value = client.cookies["dffmpeg_session"]
        twice = {"cookie": f"dffmpeg_session={value}; dffmpeg_session={value}"}
        assert not (await client.get(PATH, headers=twice)).json()["signed_in"]


# What has to come with a cookie


async def test_whatever_changes_something_needs_the_sessions_own_word(site: Site) -> None:
    job = await site.submit()
    cancel = f"/jobs/{job.job_id}/cancel"
    async with browser(site) as client, browser(site) as other:
        theirs = (await sign_in(other))["csrf"]
        await sign_in(client)
        word = client.headers.pop(CSRF)
        for wrong in ({}, {CSRF: ""}, {CSRF: theirs}, {CSRF: word[:-1]}, {CSRF: "\xe9" * 64}):
            answer = await client.post(cancel, headers=httpx.Headers(wrong, encoding="latin-1"))
            assert answer.status_code == 403, wrong
            assert "csrf" in answer.json()["detail"].lower()
        assert (await client.delete(PATH, headers={CSRF: theirs})).status_code == 403
        assert site.operations.all[job.job_id].record.status == "pending"
        assert (await client.post(cancel, headers={CSRF: word})).status_code == 200


@pytest.mark.parametrize("where", ["cross-site", "same-site"])
async def test_other_sites_pages_change_nothing(site: Site, where: str) -> None:
    job = await site.submit()
    async with browser(site) as client:
        await sign_in(client)
        for extra in ({"sec-fetch-site": where}, {"origin": "https://evil.example"}, {"origin": "null"}):
            answer = await client.post(f"/jobs/{job.job_id}/cancel", headers=extra)
            assert answer.status_code == 403
            assert (await client.post(PATH, json=with_key("client"), headers=extra)).status_code == 403
        ours = {"sec-fetch-site": "same-origin", "origin": site.url}
        assert (await client.post(f"/jobs/{job.job_id}/cancel", headers=ours)).status_code == 200
