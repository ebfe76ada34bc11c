"""A downlink that does not work is not used: by the coordinator's word, or by the worker's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.configuration.coordinator import CoordinatorConfig, Transports
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.supervisors import open_tree
from dffmpeg.supervisors.worker import worker_tree
from dffmpeg.transports import client
from dffmpeg.wire import signature
from tests.actors.coordinator.tree import FakeWorker, open_coordinator
from tests.conformance.downlinks.site import KEY, KINDS, PATIENCE, Site, open_site

NOBODY = {"host": "127.0.0.1", "port": 1}
BROKERS = ("mqtt", "rabbitmq")


@pytest.mark.parametrize("name", BROKERS)
async def test_the_coordinator_starts_without_its_broker(name: str, tmp_path: Path) -> None:
    transports = Transports(
        enabled_transports=[name, "websocket"], transport_settings={name: NOBODY}, grace=0.1
    )
    async with open_coordinator(tmp_path, CoordinatorConfig(transports=transports)) as coordinator:
        health = await coordinator.operations.health(deep=True)
        assert health["transports"] == {name: "unhealthy", "websocket": "online"}
        worker = FakeWorker(coordinator, "w1")
        async with worker.online(supported_transports=[name, "websocket"]):
            job_id = await coordinator.submit()
            await worker.finish(await worker.take())
            await coordinator.until(job_id, "completed")
        assert _fallbacks(coordinator.services, name) == 1


@pytest.mark.parametrize("name", BROKERS)
async def test_a_worker_that_does_not_reach_the_broker_asks_for_another(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kind = replace(KINDS[name], beneath="http_polling")
    async with open_site(kind, tmp_path) as site:
        await _comes_online(site, {name: NOBODY}, "http_polling")
    # However often it was tried.
    said = [record for record in caplog.records if "no downlink over" in record.getMessage()]
    assert [
        (record.levelname, f"no downlink over {name}, trying again: 127.0.0.1:1: " in record.getMessage())
        for record in said
    ] == [("WARNING", True)]
    assert "the downlink ended: 127.0.0.1:1" not in caplog.text


async def test_so_does_one_whom_nothing_reaches(tmp_path: Path) -> None:
    kind = replace(KINDS["mqtt"], beneath="http_polling")
    async with (
        open_site(kind, tmp_path) as site,
        open_site(KINDS["mqtt"], tmp_path / "other", own=True) as other,
    ):
        # Another broker than the coordinator's.
        elsewhere = {"host": "127.0.0.1", "port": other.proxy.port}
        await _comes_online(site, {"mqtt": elsewhere}, "http_polling")


async def _comes_online(site: Site, settings: dict[str, dict[str, Any]], transport: str) -> None:
    names = [site.kind.name, "http_polling"]
    given = WorkerConfig(
        coordinator_url=site.url,
        client_id=site.name("worker1"),
        hmac_key=signature.encode_key(KEY),
        binaries={"python": "python3"},
        transports=names,
        registration_interval=0.3,
        downlink_grace=1.0,
        views="never",
        benchmark=False,
    )
    operations = Operations(site.services)
    identity = await site.services.store.identities.get(site.name("worker1"))
    assert identity is not None
    tree = worker_tree(given, client.load(names, settings))
    async with open_tree(tree.root, name="worker"):
        with trio.fail_after(PATIENCE):
            while True:
                found = await site.services.store.workers.get(site.name("worker1"))
                if found is not None and (found.state.value, found.transport) == ("online", transport):
                    break
                await trio.sleep(0.05)
        record = await operations.worker(identity, site.name("worker1"))
        assert record.status == "online"
        assert _fallbacks(site.services, site.kind.name) == 1


def _fallbacks(services: Services, preferred: str) -> float | None:
    """How often workers are counted as having fallen back from that downlink."""
    labels = {"downlink": preferred}
    return services.measurements.registry.get_sample_value("dffmpeg_downlink_fallbacks_total", labels)
