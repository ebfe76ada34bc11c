"""What a coordinator counts of jobs in its real tree, and that dashboards ask for nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from dffmpeg.actors.coordinator.operations import Conflict, Forbidden
from dffmpeg.errors import BadInput
from dffmpeg.supervisors import TreeHandle
from dffmpeg.wire.frames import Frame, Kind
from tests.actors.coordinator.tree import ALICE, PATIENCE, Coordinator, FakeWorker, open_coordinator

MONITORING = Path(__file__).parents[3] / "config" / "monitoring"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(coordinator: Coordinator) -> Samples:
    handle: TreeHandle = coordinator.handle
    content, kind = await coordinator.operations.exposition("", handle.tree)
    assert kind.startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def test_life_of_a_job_is_counted(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        waiting = await coordinator.submit(priority="high")
        before = await scrape(coordinator)
        assert value(before, "dffmpeg_jobs", state="pending", **{"class": "high"}) == 1
        assert value(before, "dffmpeg_jobs_submitted_total", **{"class": "high"}) == 1
        assert value(before, "dffmpeg_workers", state="online") == 0
        async with worker.online(slots=3):
            request = await worker.take()
            assert request.job_id == waiting
            frame = Frame(Kind.STDERR, request.attempt, 0, b"12345")
            await coordinator.operations.output(worker.who, waiting, [frame])
            during = await scrape(coordinator)
            assert value(during, "dffmpeg_jobs", state="running", **{"class": "high"}) == 1
            assert value(during, "dffmpeg_worker_slots", worker="w1") == 3
            assert value(during, "dffmpeg_worker_slots_used", worker="w1") == 1
            assert value(during, "dffmpeg_workers", state="online") == 1
            assert value(during, "dffmpeg_job_wait_seconds_count", **{"class": "high"}) == 1
            assert value(during, "dffmpeg_dispatch_seconds_count") == 1
            assert value(during, "dffmpeg_stream_bytes_total", stream="stderr") == 5
            assert value(during, "dffmpeg_actor_children", actor="coordinator/jobs") == 1
            await worker.finish(request, stderr=5)
        after = await scrape(coordinator)
        assert value(after, "dffmpeg_jobs_ended_total", state="completed") == 1
        assert value(after, "dffmpeg_attempts_total", outcome="completed") == 1
        assert value(after, "dffmpeg_attempts_total", outcome="lost") == 0
        assert value(after, "dffmpeg_job_run_seconds_count", outcome="completed") == 1
        name = "auth,jobs,workers,messages,streams"
        assert value(after, "dffmpeg_database_commit_seconds_count", of=name) > 0
        assert value(after, "dffmpeg_database_group_operations_count", of=name) == value(
            after, "dffmpeg_database_commit_seconds_count", of=name
        )
        assert value(after, "dffmpeg_database_up") == 1


async def test_local_fallbacks_are_counted_with_the_job_that_tells_them(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        assert value(await scrape(coordinator), "dffmpeg_local_fallbacks_total") == 0
        await coordinator.submit()
        one: dict[str, Any] = {"job_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "monitor": True, "local_fallbacks": 3}
        first = await coordinator.submit(**one)
        # The answer was lost, and it is submitted once more.
        assert await coordinator.submit(**one) == first
        keyed = await coordinator.submit(idempotency_key="k", local_fallbacks=4)
        # It says something else of them, and is the same work.
        assert await coordinator.submit(idempotency_key="k", local_fallbacks=5) == keyed
        with pytest.raises(Conflict):
            await coordinator.submit(idempotency_key="k", arguments=["other"], local_fallbacks=6)
        with pytest.raises(BadInput):
            await coordinator.submit(binary_name="sh", local_fallbacks=7)
        assert value(await scrape(coordinator), "dffmpeg_local_fallbacks_total") == 7


async def test_a_worker_that_falls_back_to_another_downlink_is_counted_once(tmp_path: Path) -> None:
    wanted, other = ["websocket", "http_polling"], ["http_polling", "websocket"]

    async def counted() -> list[float]:
        samples = await scrape(coordinator)
        return [value(samples, "dffmpeg_downlink_fallbacks_total", downlink=name) for name in wanted]

    async with open_coordinator(tmp_path) as coordinator:
        worker, content = FakeWorker(coordinator, "w1"), FakeWorker(coordinator, "w2")
        await content.register(supported_transports=other)
        await content.register(supported_transports=["pigeon", "http_polling"])
        assert (await worker.register(supported_transports=wanted)).transport == "websocket"
        assert await counted() == [0, 0]
        for _ in range(2):
            reply = await worker.register(supported_transports=other, preferred_transports=wanted)
            assert reply.transport == "http_polling"
        assert await counted() == [1, 0]
        # Back, and once more.
        await worker.register(supported_transports=wanted)
        await worker.register(supported_transports=other, preferred_transports=wanted)
        assert await counted() == [2, 0]


async def test_crash_is_counted_and_what_is_known_without_the_database_is_said(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        coordinator.handle.crash_child("coordinator/hooks")
        restarts = 0.0
        with trio.fail_after(PATIENCE):
            while not restarts:
                samples = await scrape(coordinator)
                restarts = value(samples, "dffmpeg_actor_restarts_total", actor="coordinator/hooks")
        assert restarts == 1
        coordinator.services.opened.set(None)
        samples = await scrape(coordinator)
        assert value(samples, "dffmpeg_database_up") == 0
        assert ("dffmpeg_queue_paused", frozenset()) not in samples


async def test_ready_and_stats(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        operations, tree = coordinator.operations, coordinator.handle.tree
        assert await operations.waits_for(tree) == []
        worker = FakeWorker(coordinator, "w1")
        await coordinator.submit(start_at=1e10)
        async with worker.online(slots=3):
            await coordinator.submit()
            await worker.take()
            stats = await operations.stats(ALICE)
            assert (stats.jobs["pending"], stats.jobs["running"], stats.jobs["failed"]) == (1, 1, 0)
            assert (stats.slots.used, stats.slots.total, stats.workers["online"]) == (1, 3, 1)
            with pytest.raises(Forbidden):
                await operations.stats(worker.who)
        coordinator.services.opened.set(None)
        assert await operations.waits_for(tree) == ["the database does not answer"]


async def test_ready_says_at_once_what_health_says(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        operations, tree = coordinator.operations, coordinator.handle.tree
        coordinator.services.leaving.set()
        assert (await operations.health(deep=False))["status"] == "shutdown"
        assert await operations.waits_for(tree) == ["it is stopping"]


NAME = re.compile(r"\bdffmpeg_\w+")


def asked_for(file: Path) -> set[str]:
    if file.suffix == ".json":
        content = json.loads(file.read_text())
        texts = [target["expr"] for panel in content["panels"] for target in panel["targets"]]
        texts += [one["query"]["query"] for one in content["templating"]["list"] if one["type"] == "query"]
    else:
        texts = re.findall(r"(?m)^ +expr: (.+)$", file.read_text())
    assert texts
    return {name for text in texts for name in NAME.findall(text)}


@pytest.mark.parametrize("file", sorted(MONITORING.iterdir()), ids=lambda file: file.name)
async def test_every_metric_that_is_asked_for_exists(file: Path, tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        coordinator.services.measurements.request("GET", "/health", 200, 0.1)
        content, _ = await coordinator.operations.exposition("", coordinator.handle.tree)
    known: set[str] = set()
    for family in text_string_to_metric_families(content.decode()):
        suffixes = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",)}.get(
            family.type, ("",)
        )
        known |= {family.name + suffix for suffix in suffixes}
    assert asked_for(file) <= known
