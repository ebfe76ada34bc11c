"""A crash and its healing, as somebody sees them who looks at the supervision tree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trio_websocket

from dffmpeg.transports.signed_http import SignedHttp
from tests.actors.coordinator.tree import PATIENCE
from tests.web.conftest import KEYS, sign
from tests.web.live import live

EVENTS = "/api/v1/events"


@pytest.mark.parametrize("path", ["coordinator/scheduler", "coordinator/members"])
async def test_a_killed_actor_is_seen_to_crash_and_heal(tmp_path: Path, path: str) -> None:
    async with live(tmp_path) as running, trio.open_nursery() as nursery:
        target = f"{EVENTS}?kind=tree&interval=0"
        url = f"ws://127.0.0.1:{running.server.port}{target}"
        headers = [(key.encode(), value.encode()) for key, value in sign("admin", "GET", target).items()]
        with trio.fail_after(PATIENCE):
            end = await trio_websocket.connect_websocket_url(nursery, url, extra_headers=headers)

            async def told() -> dict[str, Any]:
                while (message := json.loads(await end.get_message())).get("event") != "tree":
                    pass
                data: dict[str, Any] = message["data"]
                return data

            first = await told()
            assert first["whole"]
            assert first["nodes"][0]["path"] == "coordinator"
            running.coordinator.handle.crash_child(path)
            seen: list[dict[str, Any]] = []
            while not (seen and seen[-1]["state"] == "running"):
                seen += [node for node in (await told())["nodes"] if node["path"] == path]
            assert {node["last_crash"] for node in seen} == {f"InjectedCrash: injected into {path}"}
            assert seen[-1]["restarts"] == 1
            await end.aclose()
        async with SignedHttp(running.url, "admin", KEYS["admin"][1]) as http:
            tree = msgspec.json.decode(await http.request("GET", "/api/v1/tree"))
        assert tree["coordinator_id"] == running.coordinator.services.membership.me
        (healed,) = [one for one in tree["children"] if f"coordinator/{one['id']}" == path]
        assert (healed["restarts"], healed["state"]) == (1, "running")
