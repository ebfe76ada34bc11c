"""The API's description: complete, valid, its examples fit, and its pages load nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema_rs import meta, validator_for

from dffmpeg.web import openapi
from dffmpeg.web.access import ACCESS
from dffmpeg.web.documents import ASSETS
from dffmpeg.web.openapi.table import PAGES, ROUTES
from tests.web.conftest import Site, serving

METHODS = {"get", "post", "put", "delete", "patch"}


async def get(site: Site, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(site.url + path, headers=headers)


@pytest.fixture
async def document() -> dict[str, Any]:
    async with serving({"debug": {"routes": True}}) as site:
        return dict((await get(site, "/openapi.json")).json())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS or method == "x-websocket":
                yield method, path, operation


def test_table_is_about_every_route_and_no_other() -> None:
    assert ROUTES.keys() | PAGES == ACCESS.keys()


async def test_route_of_which_nothing_is_said_is_found(site: Site) -> None:
    async def new() -> str:
        return ""

    site.app.add_url_rule("/new", view_func=new)
    with pytest.raises(RuntimeError, match="GET /new"):
        openapi.check_complete(site.app.url_map)


async def test_every_route_is_there(document: dict[str, Any]) -> None:
    ids = [operation.get("operationId") for method, _, operation in operations(document) if method in METHODS]
    assert len(ids) == len(set(ids)) == sum("WEBSOCKET" not in route for route in ROUTES)
    channels = [path for method, path, _ in operations(document) if method == "x-websocket"]
    assert len(channels) == sum("WEBSOCKET" in route for route in ROUTES)
    for _, path, operation in operations(document):
        assert operation["summary"]
        assert operation["tags"]
        assert operation["security"] == [] or operation["x-roles"]
        # What a path needs is described.
        named = {one["name"] for one in document["paths"][path].get("parameters", [])}
        assert named == set(re.findall(r"{(\w+)}", path))


async def test_every_schema_is_one_and_every_example_fits(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        meta.validate({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})

    def check(one: dict[str, Any], where: str) -> None:
        schema = {**one["schema"], "components": document["components"]}
        wrong = [str(error) for error in validator_for(schema).iter_errors(one["example"])]
        assert not wrong, where

    checked = 0
    for method, path, operation in operations(document):
        contents = [*operation.get("requestBody", {}).get("content", {}).items()]
        for answer in operation.get("responses", {}).values():
            contents += answer.get("content", {}).items()
        named = [*operation.get("parameters", []), *document["paths"][path].get("parameters", [])]
        messages = [*operation.get("receives", []), *operation.get("sends", [])]
        for media, content in contents:
            if "json" in media and "ndjson" not in media and "example" in content:
                check(content, f"{method} {path}")
                checked += 1
        for one in (*named, *messages):
            if "example" in one:
                check(one, f"{method} {path}")
                checked += 1
    assert checked > 200


async def test_every_body_and_every_answer_has_an_example(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        responses = operation.get("responses", {}).items()
        answers = [answer for status, answer in responses if status not in ("304", "431")]
        for body in (*bodies, *answers):
            # Frames are no JSON; one that can be either has it with the other.
            for media, content in body["content"].items():
                if "json" in media and media != "application/x-ndjson":
                    assert "schema" in content, (method, path, media)
            assert "application/octet-stream" in body["content"] or any(
                "example" in content for content in body["content"].values()
            ), (method, path)


async def test_description_is_not_sent_again(site: Site) -> None:
    first = await get(site, "/openapi.json")
    again = await get(site, "/openapi.json", {"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_pages_load_nothing_from_elsewhere(site: Site, page: str) -> None:
    shown = await get(site, page)
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    policy = shown.headers.get_list("content-security-policy")
    assert len(policy) == 1
    assert "script-src 'self';" in policy[0]
    assert "http" not in policy[0]
    assert "<script>" not in shown.text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', shown.text)
    assert loaded
    for link in loaded:
        assert not link.startswith(("/", "http"))
        if not link.startswith("data:"):
            assert (await get(site, f"/{link}")).status_code == 200


@pytest.mark.parametrize("name", ASSETS)
async def test_assets(site: Site, name: str) -> None:
    asset = await get(site, f"/docs/{name}")
    assert asset.headers["content-type"] == ASSETS[name][1]
    assert len(asset.content) > 10
    assert (await get(site, f"/docs/{name}", {"if-none-match": asset.headers["etag"]})).status_code == 304
    # A picture on another host, which only the policy would keep from being fetched.
    assert b"https://cdn." not in asset.content


async def test_no_other_file_is_served(site: Site) -> None:
    assert (await get(site, "/docs/README.md")).status_code == 404


async def test_pages_are_no_looser_than_they_say(site: Site) -> None:
    assert "unsafe" not in (await get(site, "/openapi.json")).headers["content-security-policy"]
