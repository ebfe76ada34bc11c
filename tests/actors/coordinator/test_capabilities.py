"""Jobs go where they can run, and say at once where that is nowhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import trio

from dffmpeg.actors.coordinator.operations import Conflict, Forbidden, NotFound
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.configuration.scheduling import Scheduling
from dffmpeg.errors import BadInput
from dffmpeg.model.abilities import Abilities, digest
from dffmpeg.wire.jobs import AttemptReport, JobRecord
from dffmpeg.wire.workers import RegisterRequest
from tests.actors.coordinator.tree import ADMIN, ALICE, PATIENCE, Coordinator, FakeWorker, open_coordinator

SOFTWARE = {"ffmpeg": Abilities(encoders=("libx264",), broken=("h264_nvenc",))}
HARDWARE = {"ffmpeg": Abilities(encoders=("h264_nvenc", "libx264"))}
NVENC = ["-i", "a", "-c:v", "h264_nvenc", "b"]


async def hindered(coordinator: Coordinator, job_id: str, fits: Callable[[JobRecord], bool]) -> JobRecord:
    with trio.fail_after(PATIENCE):
        while True:
            record = await coordinator.operations.job(ADMIN, job_id)
            if fits(record):
                return record
            await trio.lowlevel.checkpoint()


def telling(abilities: dict[str, Abilities]) -> dict[str, object]:
    return {"abilities": abilities, "abilities_digest": digest(abilities)}


async def test_a_worker_that_lacks_an_encoder_never_gets_the_job(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        without, having = FakeWorker(coordinator, "w1"), FakeWorker(coordinator, "w2")
        async with without.online(**telling(SOFTWARE)):
            job_id = await coordinator.submit(arguments=NVENC)
            record = await coordinator.operations.job(ALICE, job_id)
            assert record.hindrance == (
                "the encoder h264_nvenc is listed there and does not work (the only worker)"
            )
            assert record.needs.encoders == ("h264_nvenc",)
            other = await coordinator.submit(arguments=["-i", "a", "-c:v", "libx264", "b"])
            assert (await without.take()).job_id == other
            async with having.online(**telling(HARDWARE)):
                assert (await having.take()).job_id == job_id
                record = await coordinator.operations.job(ALICE, job_id)
                assert (record.worker_id, record.attempt, record.hindrance) == ("w2", 1, None)


async def test_what_is_nowhere_is_for_ffmpeg_to_say_where_that_is_wanted(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        job_id = await coordinator.submit(arguments=NVENC, impossible="run")
        async with worker.online(**telling(SOFTWARE)):
            # Submitted before anything was known of workers, and when that was known.
            assert (await worker.take()).job_id == job_id
            other = await coordinator.submit(arguments=["-i", "a", "-vf", "nonsense", "b"], impossible="run")
            assert (await worker.take()).job_id == other
            # What is no matter of ffmpeg's still waits.
            labeled = await coordinator.submit(arguments=NVENC, impossible="run", require=["label=gpu"])
            record = await coordinator.operations.job(ALICE, labeled)
            assert record.hindrance is not None
            assert "it lacks the label gpu" in record.hindrance
            assert record.needs.labels == ("gpu",)


async def test_what_is_possible_again_is_not_hindered(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online(slots=0, **telling(SOFTWARE)):
            job_id = await coordinator.submit(arguments=NVENC)
            assert (await coordinator.operations.job(ALICE, job_id)).hindrance is not None
            await worker.register(slots=0, **telling(HARDWARE))
            await hindered(coordinator, job_id, lambda record: record.hindrance is None)
            await worker.register(slots=0, **telling(SOFTWARE))
            record = await hindered(coordinator, job_id, lambda record: record.hindrance is not None)
            assert record.status == "pending"


@pytest.mark.parametrize("arguments", [NVENC, ["-version"]])
async def test_without_workers_nothing_is_known_to_be_impossible(
    tmp_path: Path, arguments: list[str]
) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        job_id = await coordinator.submit(arguments=arguments, impossible="fail")
        record = await coordinator.operations.job(ALICE, job_id)
        assert (record.status, record.hindrance) == ("pending", None)


async def test_impossible_jobs_fail_where_that_is_wanted(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online(**telling(HARDWARE)):
            failed = await coordinator.operations.job(
                ALICE, await coordinator.submit(require=["label=gpu"], impossible="fail")
            )
            assert failed.status == "failed"
            assert failed.reason == "no worker can run this: it lacks the label gpu (the only worker)"
            # Also where it becomes so only later.
            await worker.register(slots=0, **telling(HARDWARE))
            later = await coordinator.submit(arguments=NVENC, impossible="fail")
            assert (await coordinator.operations.job(ALICE, later)).status == "pending"
            await worker.register(slots=0, **telling(SOFTWARE))
            assert "does not work" in str((await coordinator.until(later, "failed")).reason)


async def test_while_a_worker_still_tries_nothing_is_impossible(tmp_path: Path) -> None:
    trying = {"ffmpeg": Abilities(encoders=("libx264",), complete=False)}
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online(**telling(trying)):
            job_id = await coordinator.submit(arguments=NVENC, impossible="fail")
            record = await coordinator.operations.job(ALICE, job_id)
            assert (record.status, record.hindrance) == ("pending", None)
            await worker.register(**telling(SOFTWARE))
            assert (await coordinator.until(job_id, "failed")).hindrance is not None


async def test_abilities_are_named_by_their_digest(tmp_path: Path) -> None:
    named = digest(SOFTWARE)
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        # Nothing is known of it, which is not the same as a worker that cannot tell.
        reply = await worker.register(abilities_digest=named)
        assert reply.abilities_digest is None
        async with worker.online(**telling(SOFTWARE)):
            reply = await worker.register(abilities_digest=named)
            assert reply.abilities_digest == named
            assert (await coordinator.operations.worker(ADMIN, "w1")).abilities == SOFTWARE
            reply = await worker.register(abilities_digest="another")
            assert reply.abilities_digest is None
            job_id = await coordinator.submit(arguments=["-i", "a", "-c:v", "libx264", "-hwaccel", "x", "b"])
            assert (await coordinator.operations.job(ALICE, job_id)).hindrance is None
        assert (await coordinator.operations.workers(ADMIN, window=60.0))[0].abilities == {}
    # A coordinator that starts again has them.
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        await worker.register(**telling(SOFTWARE))
    async with open_coordinator(tmp_path) as coordinator:
        assert (
            await FakeWorker(coordinator, "w1").register(abilities_digest=named)
        ).abilities_digest == named


async def test_an_older_worker_has_everything(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            job_id = await coordinator.submit(arguments=NVENC)
            assert (await worker.take()).job_id == job_id


async def test_substitutions_are_recorded(tmp_path: Path) -> None:
    others = {"h264_qsv": "h264_nvenc"}
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online(substitutions=others, **telling(HARDWARE)):
            job_id = await coordinator.submit(arguments=["-i", "a", "-c:v", "h264_qsv", "b"])
            with trio.fail_after(PATIENCE):
                request = await worker.requests.receive()
            report = AttemptReport(attempt=request.attempt, substitutions=others)
            await coordinator.operations.accept(worker.who, job_id, report)
            assert (await coordinator.operations.job(ALICE, job_id)).substitutions == others
            (attempt,) = await coordinator.services.store.jobs.attempts(job_id)
            assert attempt.substitutions == others


async def test_needs_take_slots_of_resources(tmp_path: Path) -> None:
    config = CoordinatorConfig(scheduling=Scheduling(resources={"gpu": ["*_nvenc"]}))
    async with open_coordinator(tmp_path, config) as coordinator:
        job_id = await coordinator.submit(arguments=NVENC, require=["resource=gpu:2", "label=big"])
        needs = (await coordinator.operations.job(ALICE, job_id)).needs
        assert (needs.resources, needs.declared, needs.labels) == ({"gpu": 2}, ("gpu",), ("big",))
        plain = await coordinator.submit(arguments=NVENC)
        assert (await coordinator.operations.job(ALICE, plain)).needs.resources == {"gpu": 1}
        with pytest.raises(BadInput, match="require: 'gpu': expected KIND=NAME"):
            await coordinator.submit(require=["gpu"])


async def test_probing_is_asked_for_over_the_downlink(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        with pytest.raises(NotFound):
            await coordinator.operations.probe(ADMIN, "w1")
        async with worker.online():
            async with coordinator.operations.downlink(worker.who, "w1") as messages:
                await coordinator.operations.probe(ADMIN, "w1", benchmark=True)
                with trio.fail_after(PATIENCE):
                    async for message in messages:
                        if message.message_type == "probe":
                            break
                assert message.payload == {"benchmark": True}
            with pytest.raises(Forbidden):
                await coordinator.operations.probe(ALICE, "w1")
            await coordinator.operations.deregister(worker.who, "w1")
            with pytest.raises(Conflict, match="once it is online"):
                await coordinator.operations.probe(ADMIN, "w1")


def test_old_registrations_are_understood() -> None:
    request = msgspec.json.decode(b'{"worker_id": "w"}', type=RegisterRequest)
    assert request.abilities_digest is None
