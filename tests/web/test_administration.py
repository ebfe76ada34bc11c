"""Health, metrics, administration, debugging, and the dashboard's routes."""

from __future__ import annotations

import re
import time
from pathlib import PurePath

import httpx
import msgspec
import pytest

from dffmpeg.actors import ActorStopped
from dffmpeg.errors import ConfigurationError, Refused
from dffmpeg.web.metrics import Counted, count
from dffmpeg.web.status import STYLES, TYPES, load_assets
from dffmpeg.wire import times
from dffmpeg.wire.administration import Overview
from dffmpeg.wire.janitor import JanitorRecord
from dffmpeg.wire.jobs import JobRecord, StatusReply
from dffmpeg.wire.scheduling import Explanation, QueueState
from dffmpeg.wire.workers import RegisterRequest, WorkerRecord
from tests.web.conftest import Site, serving, sign


async def get(site: Site, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(site.url + path, headers=headers)


async def test_health(site: Site) -> None:
    answer = await get(site, "/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "online", "version": "1"})
    assert (await get(site, "/health?deep=true")).json()["databases"] == {}
    assert (await get(site, "/health?deep=perhaps")).status_code == 422
    site.operations.health_status = "unhealthy"
    assert (await get(site, "/health")).status_code == 500
    site.operations.failure = ActorStopped("store ended")
    assert (await get(site, "/health")).status_code == 503


async def test_ready(site: Site) -> None:
    assert (await get(site, "/ready")).json() == {"status": "ready", "waits_for": []}
    site.operations.failure = ActorStopped("store ended")
    waiting = await get(site, "/ready")
    assert (waiting.status_code, waiting.json()["waits_for"]) == (503, ["the database does not answer"])


def test_counts() -> None:
    now = time.time()

    def job(status: str, age: float, worker: str | None, binary: str = "ffmpeg") -> Counted:
        return Counted(
            binary_name=binary, worker_id=worker, status=status, last_update=times.to_wire(now - age)
        )

    counts = count(
        [
            job("running", 4000, "w"),
            job("pending", 1, None, "ffprobe"),
            job("completed", 30, "w"),
            job("failed", 90, "v"),
            job("canceled", 400, "v"),
        ],
        now,
    )
    assert counts == {
        "total": {"current": 2, "last_1m": 3, "last_5m": 4},
        "per_binary": {
            "ffmpeg": {"current": 1, "last_1m": 2, "last_5m": 3},
            "ffprobe": {"current": 1, "last_1m": 1, "last_5m": 1},
        },
        "per_worker": {
            "w": {"current": 1, "last_1m": 2, "last_5m": 2},
            "v": {"current": 0, "last_1m": 0, "last_5m": 1},
        },
    }


async def test_metrics(site: Site) -> None:
    await site.submit()
    async with site.http() as client:
        metrics = msgspec.json.decode(await client.request("GET", "/metrics"))
    assert metrics["total"] == {"current": 1, "last_1m": 1, "last_5m": 1}
    assert metrics["per_worker"] == {}


async def test_metrics_are_text_unless_an_older_client_asks(site: Site) -> None:
    text = await get(site, "/metrics")
    assert text.headers["content-type"].startswith("text/plain")
    assert 'dffmpeg_actor_up{actor="coordinator/web"} 1.0' in text.text
    scraper = {
        "accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    }
    assert (
        (await get(site, "/metrics", scraper)).headers["content-type"].startswith("application/openmetrics")
    )
    assert (await get(site, "/metrics", {"accept": "application/json"})).json()["total"]["current"] == 0
    assert (await get(site, "/metrics.json", {"x-dffmpeg-client-id": "admin"})).status_code == 401
    again = await get(site, "/metrics")
    assert (
        'dffmpeg_http_request_seconds_count{method="GET",route="/metrics.json",status="401"} 1.0'
        in again.text
    )
    for role in ("client", "worker", "admin"):
        signed = sign(role, "GET", "/metrics")
        assert "total" in (await get(site, "/metrics", signed)).json()
        signed = sign(role, "GET", "/metrics")
        named = await get(site, "/metrics", {**signed, "accept": "text/plain"})
        assert named.headers["content-type"].startswith("text/plain")
    wrong = {**sign("client", "GET", "/metrics"), "x-dffmpeg-client-id": "other"}
    assert (await get(site, "/metrics", wrong)).status_code == 401


async def test_metrics_without_a_signature_are_for_the_configured_networks() -> None:
    async with serving({"allowed_metrics_ips": ["10.0.0.0/8"]}) as site:
        refused = await get(site, "/metrics")
        assert refused.status_code == 403
        assert "allowed_metrics_ips" in refused.json()["detail"]
    async with serving() as site:
        assert (await get(site, "/metrics", {"x-forwarded-for": "10.1.1.1"})).status_code == 403


COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)


async def test_tree_and_janitor(site: Site) -> None:
    async with site.http("admin") as admin:
        tree = msgspec.json.decode(await admin.request("GET", "/admin/tree"))
        assert tree["id"] == "coordinator"
        assert [(child["id"], child["state"]) for child in tree["children"]] == [("web", "running")]
        shown = msgspec.json.decode(await admin.request("GET", "/api/v1/tree"))
        assert (shown["id"], shown["coordinator_id"], shown["hidden"]) == ("coordinator", "me", 0)
        assert [child["id"] for child in shown["children"]] == ["web"]
        await admin.request("POST", "/admin/janitor", json={"action": "clean_jobs"})
        with pytest.raises(Refused) as refusal:
            await admin.request("POST", "/admin/janitor", json={"action": "format"})
        assert refusal.value.status == 422
    assert site.operations.swept == ["clean_jobs"]


async def test_crash_of_what_is_not_there() -> None:
    async with serving({"debug": {"routes": True}}) as site, site.http("admin") as admin:
        with pytest.raises(Refused) as refusal:
            await admin.request("POST", "/debug/crash", json={"path": "coordinator/nobody"})
        assert refusal.value.status == 404
        assert site.crashed == []


async def test_dashboard_routes(site: Site) -> None:
    redirection = await get(site, "/")
    assert (redirection.status_code, redirection.headers["location"]) == (302, "status")
    page = await get(site, "/status")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for name, kind in (
        ("base.css", "text/css"),
        ("main.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ):
        assert f'"status/{name}"' in page.text
        asset = await get(site, f"/status/{name}")
        assert asset.headers["content-type"].startswith(kind)
        assert asset.text
        assert asset.headers["cache-control"] == "no-cache"
        again = await get(site, f"/status/{name}", {"if-none-match": asset.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    slash = await get(site, "/status/")
    assert (slash.status_code, slash.headers["location"]) == (302, "../status")
    assert (await get(site, "/status/dashboard.html")).status_code == 404
    assert (await get(site, "/status/..%2fapp.py")).status_code == 404


async def test_page_needs_nothing_from_elsewhere(site: Site) -> None:
    page = (await get(site, "/status")).text
    named = set(re.findall(r'(?:href|src)="status/([^"]+)"', page))
    named.remove("data")
    assert named == load_assets().keys()
    texts = [page] + [(await get(site, f"/status/{name}")).text for name in sorted(named)]
    for text in texts:
        assert "//" not in COMMENT.sub("", text).replace("http://www.w3.org/2000/svg", "")
        # Inline code and styles would need a weaker policy, absolute paths would miss a proxy's prefix.
        assert " style=" not in text
        assert ' src="/' not in text
        assert ' href="/' not in text


async def test_modules_import_what_there_is() -> None:
    assets = load_assets()
    assert {PurePath(name).suffix for name in assets} == TYPES.keys()
    assert {name for name in assets if name.endswith(".css")} == set(STYLES)
    imported = {
        name
        for content in assets.values()
        for name in re.findall(
            r'^(?:import|export) .*?from "([^"]+)";$', content.decode(), re.MULTILINE | re.DOTALL
        )
    }
    assert imported
    assert {name.removeprefix("./") for name in imported} <= assets.keys()


async def test_dashboard_data(site: Site) -> None:
    await site.submit(arguments=["<script>alert(1)</script>"])
    data = await get(site, "/status/data?window=60")
    assert data.headers["content-type"] == "application/json"
    assert data.headers["x-content-type-options"] == "nosniff"
    assert [job["binary_name"] for job in data.json()["jobs"]] == ["ffmpeg"]
    assert (await get(site, "/status/data?window=nan")).status_code == 422


async def test_dashboard_is_for_some_addresses() -> None:
    for allowed, trusted, forwarded, status in (
        ([], [], None, 403),
        (["10.0.0.0/8"], [], "10.0.0.1", 403),
        (["10.0.0.0/8"], ["127.0.0.1"], "10.0.0.1", 200),
        (["127.0.0.0/8"], ["127.0.0.1"], "8.8.8.8", 403),
        (["127.0.0.0/8"], ["127.0.0.1"], "127.0.0.1", 200),
        (["127.0.0.0/8"], ["127.0.0.1"], "127.0.0.1, 127.0.0.1", 200),
        (["127.0.0.0/8"], ["127.0.0.1"], "127.0.0.1, 8.8.8.8", 403),
        (["127.0.0.0/8"], [], "127.0.0.1", 403),
        (["127.0.0.0/8"], [], "8.8.8.8", 403),
        (["127.0.0.0/8"], [], None, 200),
    ):
        config = {"allowed_dashboard_ips": allowed, "security": {"trusted_proxies": trusted}}
        async with serving(config) as site:
            headers = {"x-forwarded-for": forwarded} if forwarded else {}
            for path in ("/status", "/status/base.css"):
                assert (await get(site, path, headers)).status_code == status
            # What they show is read with a signature, or a session, from elsewhere too.
            expected = 401 if status == 403 else status
            assert (await get(site, "/status/data", headers)).status_code == expected


async def test_dashboard_can_be_switched_off() -> None:
    async with serving({"web_dashboard_enabled": False}) as site:
        for path in ("/", "/status", "/status/data"):
            assert (await get(site, path)).status_code == 404


async def test_networks_that_are_none() -> None:
    for config, key in (
        ({"allowed_dashboard_ips": ["everyone"]}, "allowed_dashboard_ips"),
        ({"security": {"trusted_proxies": ["10.0.0.0/99"]}}, "trusted_proxies"),
    ):
        with pytest.raises(ConfigurationError, match=key):
            async with serving(config):
                pass


async def test_what_is_asked_of_workers_and_jobs_arrives(site: Site) -> None:
    job = await site.submit()
    async with site.http("admin") as admin:
        await admin.request("POST", f"/jobs/{job.job_id}/priority", json={"priority": -7})
        assert site.operations.all[job.job_id].record.priority == -7
        retried = await admin.call("POST", f"/jobs/{job.job_id}/retry", JobRecord)
        assert retried.job_id == job.job_id
        explanation = await admin.call("GET", f"/jobs/{job.job_id}/why", Explanation)
        assert explanation.status == "pending"
        await admin.request("DELETE", f"/jobs/{job.job_id}")
        assert site.operations.all == {}

    async with site.http("worker") as worker:
        await worker.request("POST", "/worker/register", json=RegisterRequest(worker_id="worker"))
    async with site.http("admin") as admin:
        for how, hold in (("pause", "paused"), ("drain", "draining"), ("quarantine", "quarantined")):
            body = {"reason": "dust", "seconds": 60}
            record = await admin.call("POST", f"/workers/worker/{how}", WorkerRecord, json=body)
            assert (record.hold, record.hold_reason) == (hold, "dust")
            assert record.hold_until is not None
        assert (await admin.call("POST", "/workers/worker/resume", WorkerRecord)).hold is None
        asked = await admin.call("POST", "/workers/worker/probe", StatusReply, json={"benchmark": True})
        assert asked.detail == "measured too"
        await admin.request("POST", "/workers/worker/probe")
        await admin.request("DELETE", "/workers/worker")
        assert site.operations.known_workers == {}


async def test_the_queue_and_the_overview(site: Site) -> None:
    async with site.http("admin") as admin:
        state = await admin.call("POST", "/queue/pause", QueueState, json={"reason": "tea"})
        assert (state.paused, state.reason) == (True, "tea")
        assert (await admin.call("POST", "/queue/pause", QueueState)).reason is None
        assert (await admin.call("GET", "/queue", QueueState)).paused
        assert (await admin.call("GET", "/admin/overview", Overview)).queue.paused
        assert not (await admin.call("POST", "/queue/resume", QueueState)).paused
        await admin.request("POST", "/admin/janitor", json={"action": "run_all"})
        runs = await admin.call("GET", "/admin/janitor", list[JanitorRecord], query={"limit": "5"})
        assert [run.action for run in runs] == ["run_all"]


async def test_what_does_not_fit_is_named(site: Site) -> None:
    job = await site.submit()
    wrong: list[tuple[str, str, object, int]] = [
        ("POST", f"/jobs/{job.job_id}/priority", {"priority": 101}, 422),
        ("POST", f"/jobs/{job.job_id}/priority", {}, 422),
        ("POST", f"/jobs/{job.job_id}/retry", {"job_id": "mine"}, 422),
        ("POST", "/jobs/NONE/retry", None, 404),
        ("GET", "/jobs/NONE/why", None, 404),
        ("DELETE", "/jobs/NONE", None, 404),
        ("POST", "/workers/NONE/pause", {"reason": "x"}, 404),
        ("POST", "/workers/NONE/pause", {}, 422),
        ("POST", "/workers/NONE/pause", {"reason": ""}, 422),
        ("POST", "/workers/NONE/quarantine", {"reason": "x", "seconds": 0}, 422),
        ("POST", "/workers/NONE/resume", None, 404),
        ("DELETE", "/workers/NONE", None, 404),
        ("POST", "/queue/pause", {"reason": "x" * 201}, 422),
        ("GET", "/admin/janitor?limit=0", None, 422),
        ("GET", "/admin/overview?window=nan", None, 422),
        ("GET", "/jobs?status=asleep", None, 422),
    ]
    for method, path, body, status in wrong:
        path, _, query = path.partition("?")
        async with site.http("admin") as admin:
            name, _, value = query.partition("=")
            with pytest.raises(Refused) as refusal:
                await admin.request(method, path, json=body, query={name: value} if query else None)
        assert refusal.value.status == status, (method, path, refusal.value.detail)
