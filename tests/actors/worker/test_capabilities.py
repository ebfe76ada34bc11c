"""What a worker finds out about its programs: what is listed is tried, kept, and told when it has changed."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

import pytest
import trio

from dffmpeg.actors.worker import capabilities, probing
from dffmpeg.configuration.worker import Substitution
from dffmpeg.model.abilities import Abilities
from dffmpeg.wire.workers import RegisterRequest
from tests.actors.worker.conftest import StartWorker
from tests.actors.worker.coordinator import FakeCoordinator
from tests.actors.worker.fake_ffmpeg import calls, fake_ffmpeg

HARDWARE = ("libx264", "h264_nvenc", "hevc_nvenc")


def abilities(coordinator: FakeCoordinator) -> Abilities | None:
    """Of the program, as the worker told it last."""
    told = [one.abilities["ffmpeg"] for one in coordinator.registrations if "ffmpeg" in one.abilities]
    return told[-1] if told else None


async def complete(coordinator: FakeCoordinator) -> Abilities:
    def done() -> bool:
        found = abilities(coordinator)
        return found is not None and found.complete

    await coordinator.until(done)
    found = abilities(coordinator)
    assert found is not None
    return found


def offers(request: RegisterRequest) -> bool:
    return "ffmpeg" in request.binaries


async def test_what_is_listed_and_does_not_work_is_never_offered(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path
) -> None:
    program = fake_ffmpeg(
        tmp_path / "ffmpeg", encoders=HARDWARE, broken=["h264_nvenc", "vaapi"], hwaccels=["cuda", "vaapi"]
    )
    async with start_worker(binaries={"ffmpeg": str(program)}, cache=str(tmp_path / "cache")):
        found = await complete(coordinator)
    assert found.encoders == ("hevc_nvenc", "libx264")
    assert found.broken == ("h264_nvenc", "vaapi")
    assert found.hwaccels == ("cuda",)
    assert found.encodes("h264")
    for request in coordinator.registrations:
        told = request.abilities.get("ffmpeg")
        # Before it was tried it was not there either, and no program is offered of which nothing is known.
        assert told is None or "h264_nvenc" not in told.encoders
        if offers(request) and told is not None:
            assert "libx264" in told.encoders
    tries = [line for line in calls(program) if "-c:v h264_nvenc" in line]
    assert len(tries) == 1
    assert "-f null -" in tries[0]


async def test_what_is_known_is_offered_at_once_and_not_tried_again(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path
) -> None:
    program = fake_ffmpeg(tmp_path / "ffmpeg", encoders=HARDWARE, broken=["h264_nvenc"])
    changes = {"binaries": {"ffmpeg": str(program)}, "cache": str(tmp_path / "cache")}
    async with start_worker(**changes):
        found = await complete(coordinator)
        await coordinator.until(lambda: list((tmp_path / "cache").glob("*.json")))
    coordinator.registrations.clear()
    coordinator.abilities_digest = None
    asked = len(calls(program))
    async with start_worker(**changes):
        await coordinator.until(lambda: coordinator.registrations)
    first = coordinator.registrations[0]
    assert offers(first)
    assert first.abilities == {"ffmpeg": found}
    assert len(calls(program)) == asked


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'{"format": 1}', b'{"format": "x"'])
async def test_a_broken_cache_file_is_passed_over_with_a_warning(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    content: bytes,
) -> None:
    program = fake_ffmpeg(tmp_path / "ffmpeg")
    changes = {"binaries": {"ffmpeg": str(program)}, "cache": str(tmp_path / "cache")}
    async with start_worker(**changes):
        await complete(coordinator)
        await coordinator.until(lambda: list((tmp_path / "cache").glob("*.json")))
    (file,) = (tmp_path / "cache").glob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(content)
    coordinator.registrations.clear()
    coordinator.abilities_digest = None
    async with start_worker(**changes):
        assert (await complete(coordinator)).encoders == ("libx264",)
        await coordinator.until(lambda: file.read_bytes() != content)
    assert [r for r in caplog.records if r.levelno == logging.WARNING and "is passed over" in r.getMessage()]


async def test_a_program_that_changes_is_probed_again(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capabilities, "LOOK_SECONDS", 0.05)
    program = fake_ffmpeg(tmp_path / "ffmpeg", encoders=HARDWARE)
    async with start_worker(binaries={"ffmpeg": str(program)}, cache=str(tmp_path / "cache")):
        assert (await complete(coordinator)).encoders == ("h264_nvenc", "hevc_nvenc", "libx264")
        fake_ffmpeg(program, encoders=("libx264", "h264_nvenc"), broken=["h264_nvenc"], version="8.0")
        await coordinator.until(lambda: (abilities(coordinator) or Abilities()).broken == ("h264_nvenc",))
        found = abilities(coordinator)
        assert found is not None
        assert found.version == "ffmpeg version 8.0 of a test"
        program.unlink()
        await coordinator.until(lambda: not offers(coordinator.registrations[-1]))
        fake_ffmpeg(program, version="9.0")
        await coordinator.until(lambda: offers(coordinator.registrations[-1]))


async def test_abilities_are_sent_until_the_coordinator_has_them(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path
) -> None:
    program = fake_ffmpeg(tmp_path / "ffmpeg")
    async with start_worker(binaries={"ffmpeg": str(program)}, cache=str(tmp_path / "cache")):
        await complete(coordinator)
        count = len(coordinator.registrations)
        await coordinator.until(lambda: len(coordinator.registrations) >= count + 2)
        last = coordinator.registrations[-1]
        assert last.abilities == {}
        assert last.abilities_digest == coordinator.abilities_digest
        # The coordinator is another one now, which knows nothing.
        coordinator.abilities_digest = None
        await coordinator.until(lambda: coordinator.abilities_digest is not None)
    assert coordinator.abilities_digest == last.abilities_digest


async def test_it_probes_and_measures_on_request(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path
) -> None:
    program = fake_ffmpeg(tmp_path / "ffmpeg", encoders=HARDWARE, broken=["h264_nvenc"])
    changes = {"binaries": {"ffmpeg": str(program)}, "cache": str(tmp_path / "cache"), "benchmark": False}
    async with start_worker(**changes):
        await complete(coordinator)
        await coordinator.until(lambda: coordinator.online)
        assert not [line for line in calls(program) if "testsrc2" in line]
        # What decides whether it works is no part of the file: a driver, for example.
        Path(f"{program}.mended").touch()
        coordinator.send("probe", {"benchmark": True})
        await coordinator.until(lambda: "h264_nvenc" in (abilities(coordinator) or Abilities()).encoders)
        await coordinator.until(lambda: coordinator.registrations[-1].benchmark is not None)
        # Nothing was withdrawn meanwhile.
        assert all(offers(one) for one in coordinator.registrations if one.abilities_digest)
    figure = coordinator.registrations[-1].benchmark
    assert figure is not None
    assert figure > 0
    coordinator.registrations.clear()
    async with start_worker(**changes):
        await coordinator.until(lambda: coordinator.registrations)
        await coordinator.until(lambda: coordinator.registrations[-1].benchmark == figure)


async def test_no_benchmark_runs_beside_a_job(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capabilities, "_IDLE_SECONDS", 0.0)
    # A benchmark that goes on until it is ended.
    program = fake_ffmpeg(
        tmp_path / "ffmpeg", body='case "$*" in *testsrc2*) exec sleep 600 ;; esac\nread line\nexit 0'
    )
    async with start_worker(binaries={"ffmpeg": str(program)}, cache=str(tmp_path / "cache")) as worker:
        del worker

        def benchmarks() -> int:
            return sum("testsrc2" in line for line in calls(program))

        await coordinator.until(lambda: coordinator.online and benchmarks() == 1)
        job = coordinator.add("J1", "ffmpeg", "-i", "a", "b")
        assert (await coordinator.finished(job)).status == "completed"
        # The first was ended for the job; the next begins when it is over.
        await coordinator.until(lambda: benchmarks() >= 2)


async def test_a_program_that_does_not_answer_is_not_offered(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(probing, "VERSION_SECONDS", 0.2)
    monkeypatch.setattr(capabilities, "LOOK_SECONDS", 0.05)
    hanging = tmp_path / "ffmpeg"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    changes = {"binaries": {"ffmpeg": str(hanging), "sh": "sh"}, "cache": str(tmp_path / "cache")}
    async with start_worker(**changes):
        await coordinator.until(lambda: coordinator.online and "sh" in coordinator.registrations[-1].binaries)
        await coordinator.until(lambda: "does not answer -version" in caplog.text)
        assert not any(offers(one) for one in coordinator.registrations)
        monkeypatch.setattr(probing, "VERSION_SECONDS", 30.0)
        fake_ffmpeg(hanging)
        await coordinator.until(lambda: offers(coordinator.registrations[-1]))
    # Each look finds it again, and says it once.
    assert caplog.text.count("does not answer -version") == 1


async def test_a_job_that_comes_early_waits_for_its_program(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capabilities, "_START_SECONDS", 0.01)
    program, gate = tmp_path / "ffmpeg", tmp_path / "gate"
    os.mkfifo(gate)
    program.write_text(f'#!/bin/sh\n[ "$1" = -version ] && exec cat "{gate}"\necho run\n')
    program.chmod(0o755)
    async with start_worker(binaries={"ffmpeg": str(program)}):
        job = coordinator.add("J1", "ffmpeg", "-i", "a")
        await coordinator.until(lambda: coordinator.online)
        assert not offers(coordinator.registrations[-1])
        assert job.status == "assigned"
        async with await trio.open_file(gate, "w") as opened:
            await opened.write("a program of another kind\n")
        assert (await coordinator.finished(job)).status == "completed"
        await coordinator.until(lambda: offers(coordinator.registrations[-1]))


async def test_other_programs_are_offered_as_they_are(
    coordinator: FakeCoordinator, start_worker: StartWorker
) -> None:
    async with start_worker(binaries={"sh": "sh", "none": "no-such-program-here"}):
        await coordinator.until(lambda: coordinator.online)
        assert coordinator.registrations[-1].binaries == ["sh"]
        assert coordinator.registrations[-1].abilities == {}
        assert coordinator.registrations[-1].abilities_digest is None


async def test_a_substitution_is_run_and_reported(
    coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path
) -> None:
    program = fake_ffmpeg(tmp_path / "ffmpeg", encoders=("h264_qsv", "h264_nvenc"), broken=["h264_qsv"])
    rule = Substitution(use="h264_nvenc", options={"global_quality": "cq"})
    async with start_worker(
        binaries={"ffmpeg": str(program)},
        cache=str(tmp_path / "cache"),
        substitutions={"h264_qsv": rule},
    ):
        await complete(coordinator)
        await coordinator.until(lambda: coordinator.online)
        assert coordinator.registrations[-1].substitutions == {"h264_qsv": "h264_nvenc"}
        job = coordinator.add("J1", "ffmpeg", "-i", "a", "-c:v", "h264_qsv", "-global_quality", "20", "b")
        assert (await coordinator.finished(job)).status == "completed"
        plain = coordinator.add("J2", "ffmpeg", "-i", "a", "-c:v", "h264_nvenc", "b")
        assert (await coordinator.finished(plain)).status == "completed"
    assert job.substitutions == {"h264_qsv": "h264_nvenc"}
    assert plain.substitutions == {}
    assert "-i a -c:v h264_nvenc -cq 20 b" in calls(program)


@pytest.mark.ffmpeg
async def test_the_real_ones(coordinator: FakeCoordinator, start_worker: StartWorker, tmp_path: Path) -> None:
    changes = {"binaries": {"ffmpeg": "ffmpeg", "ffprobe": "ffprobe"}, "cache": str(tmp_path / "cache")}
    async with start_worker(**changes):
        found = await complete(coordinator)
    assert "mpeg4" in found.encoders
    assert "scale" in found.filters
    # What was found to work works, and what was not does not.
    for encoder in ("h264_nvenc", "h264_qsv", "h264_v4l2m2m"):
        line = ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "color=s=320x240,format=yuv420p"]
        line += ["-frames:v", "3", "-c:v", encoder, "-f", "null", "-"]
        works = subprocess.run(line, capture_output=True, check=False, timeout=60).returncode == 0
        assert (encoder in found.encoders) == works
