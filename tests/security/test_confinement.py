"""A job's ffmpeg gets at nothing but the directories that its job names: one attack a test, real worker."""

from __future__ import annotations

import os
from typing import Literal

import pytest
import trio

from dffmpeg.configuration.sandbox import Sandbox
from dffmpeg.wire.jobs import Launch
from tests.actors.worker.conftest import coordinator, start_worker
from tests.security.ground import CONFINED, SECRET, SOURCE, Ground, ground

__all__ = ["coordinator", "ground", "start_worker"]

pytestmark = CONFINED


async def test_what_a_job_names_it_may_read_and_write(ground: Ground) -> None:
    async with ground.worker():
        report, job = await ground.run(*SOURCE, "-vf", "drawtext=text=x", "-c:v", "mpeg4", "$Media/out.mkv")
        assert report.status == "completed", bytes(job.stderr.data)
        assert (ground.media / "out.mkv").stat().st_size > 1000


@pytest.mark.parametrize(
    "target",
    [
        *("/etc/passwd", "{outside}/secret.srt", "{others}/secret.srt"),
        *("../outside/secret.srt", "/proc/self/root{outside}/secret.srt"),
        *("/proc/self/cwd/../outside/secret.srt", "/dev/fd/../../../..{outside}/secret.srt"),
    ],
)
async def test_files_of_others_through_the_command_line(ground: Ground, target: str) -> None:
    async with ground.worker():
        file = target.format(outside=ground.outside, others=ground.others)
        await ground.refused("-v", "error", "-f", "data", "-i", file, "-map", "0", "-f", "data", "-")


async def test_a_path_that_climbs_out_of_its_directory_is_not_run(ground: Ground) -> None:
    async with ground.worker():
        job = ground.coordinator.add(
            "J1", "ffmpeg", "-i", "$Media/../outside/secret.srt", "-f", "srt", "-", paths=["Media"]
        )
        await ground.coordinator.until(lambda: job.reason)
        assert not job.stdout.data


async def test_files_of_others_through_a_concat_list(ground: Ground) -> None:
    async with ground.worker():
        (ground.media / "list").write_text(f"ffconcat version 1.0\nfile '{ground.outside}/secret.srt'\n")
        await ground.refused(
            "-v", "error", "-safe", "0", "-f", "concat", "-i", "$Media/list", "-f", "srt", "-"
        )


@pytest.mark.parametrize("mode", ["off", "required"])
async def test_files_of_others_through_a_playlist(ground: Ground, mode: Literal["off", "required"]) -> None:
    """Which is an attack indeed: without a sandbox it succeeds."""
    film = ground.outside / "film.ts"
    await trio.run_process(["ffmpeg", *SOURCE, "-c:v", "mpeg2video", str(film)])
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:1,", f"file:{film}", "#EXT-X-ENDLIST", ""]
    (ground.media / "list.m3u8").write_text("\n".join(lines))
    async with ground.worker(sandbox=Sandbox(mode=mode)):
        report, job = await ground.run("-v", "error", "-i", "$Media/list.m3u8", "-f", "framecrc", "-")
    assert report.status == ("completed" if mode == "off" else "failed"), bytes(job.stderr.data)
    assert bool(job.stdout.data) == (mode == "off")


async def test_files_of_others_through_the_subtitles_filter(ground: Ground) -> None:
    async with ground.worker():
        graph = f"subtitles={ground.outside}/secret.srt"
        said = await ground.refused(*SOURCE, "-vf", graph, "-f", "null", "-")
        assert b"secret.srt" in said


async def test_files_of_others_through_the_movie_filter(ground: Ground) -> None:
    async with ground.worker():
        graph = "movie=/etc/passwd:f=rawvideo"
        await ground.refused("-v", "error", "-f", "lavfi", "-i", graph, "-f", "null", "-")


async def test_files_of_others_through_a_symbolic_link(ground: Ground) -> None:
    async with ground.worker():
        report, _ = await ground.run(
            "-c",
            f"ln -s {ground.outside}/secret.srt link || exit 3; cat link",
            program="sh",
        )
        assert report.status == "failed"
        # Made by somebody else between the worker's check and the program's use, it leads nowhere either.
        swap = ground.media / "later"
        swap.write_text("nothing")
        job = ground.coordinator.add(
            "J2",
            "sh",
            "-c",
            "echo ready; while [ ! -h later ]; do :; done; cat later; cat /proc/self/root$PWD/later",
            paths=["Media"],
            working_directory="$Media",
            client_paths={"Media": ground.shown("Media")},
        )
        await ground.coordinator.until(lambda: b"ready" in job.stdout.data)
        os.symlink(ground.outside / "secret.srt", ground.media / "new")
        os.replace(ground.media / "new", swap)
        report = await ground.coordinator.finished(job)
        assert report.status == "failed"
        assert SECRET.encode() not in bytes(job.stdout.data) + bytes(job.stderr.data)


async def test_descriptors_and_environments_of_the_worker(ground: Ground) -> None:
    async with ground.worker():
        pid = os.getpid()
        with open(ground.outside / "secret.srt", "rb") as held:
            for name in (f"fd/{held.fileno()}", "environ", "maps", f"root{ground.outside}/secret.srt", "mem"):
                report, job = await ground.run("-c", f"cat /proc/{pid}/{name}", program="sh")
                assert report.exit_code == 1, name
                assert not job.stdout.data, name


async def test_the_program_has_no_descriptor_that_it_was_not_given(ground: Ground) -> None:
    async with ground.worker():
        code = "n=3; while [ $n -lt 64 ]; do [ -e /proc/self/fd/$n ] && echo $n; n=$((n+1)); done; exit 0"
        _, job = await ground.run("-c", code, program="sh", launch=Launch())
        assert bytes(job.stdout.data) == b""


async def test_writing_into_a_read_only_mapping(ground: Ground) -> None:
    async with ground.worker():
        said = await ground.refused(
            *SOURCE, "-c:v", "mpeg4", "$Originals/out.mkv", paths=("Media", "Originals")
        )
        assert ground.shown("Originals").encode() in said
        assert [file.name for file in ground.originals.iterdir()] == ["secret.srt"]
        report, _ = await ground.run(
            "-v", "error", "-i", "$Originals/secret.srt", "-f", "srt", "-", paths=("Media", "Originals")
        )
        assert report.status == "completed"


async def test_writing_outside(ground: Ground) -> None:
    async with ground.worker():
        await ground.refused(*SOURCE, "-c:v", "mpeg4", f"{ground.outside}/out.mkv")
        assert [file.name for file in ground.outside.iterdir()] == ["secret.srt"]


async def test_options_that_the_administrator_refuses(ground: Ground) -> None:
    async with ground.worker(sandbox=Sandbox(refuse_options=["dump_attachment"])):
        job = ground.coordinator.add("J1", "ffmpeg", "-dump_attachment:t", "", "-i", "x")
        await ground.coordinator.until(lambda: job.reason)
        assert job.reason == "the option -dump_attachment is refused on this worker (sandbox.refuse_options)"


async def test_programs_may_be_started_below_what_may_be_read_and_not_what_may_be_written(
    ground: Ground,
) -> None:
    """Nor in a mapped directory."""
    for folder in (ground.outside, ground.others, ground.media):
        (folder / "program").write_text("#!/bin/sh\necho started\n")
        (folder / "program").chmod(0o755)
    sandbox = Sandbox(mode="required", read=[str(ground.outside)], write=[str(ground.others)])
    async with ground.worker(sandbox=sandbox):
        for place, works in ((ground.outside, True), (ground.others, False), (ground.shown("Media"), False)):
            _, job = await ground.run("-c", f"exec {place}/program", program="sh")
            assert (bytes(job.stdout.data) == b"started\n") == works, bytes(job.stderr.data)


async def test_signals_to_the_worker(ground: Ground) -> None:
    async with ground.worker():
        report, job = await ground.run("-c", f"kill -0 {os.getpid()}", program="sh")
        assert report.status == "failed"
        assert b"not permitted" in job.stderr.data


async def test_new_namespaces_mounts_and_privileges(ground: Ground) -> None:
    async with ground.worker():
        for code in ("unshare -U true", "unshare -m true", "mount -t tmpfs none /tmp", "chroot / true"):
            report, job = await ground.run("-c", code, program="sh")
            assert report.status == "failed", code
            assert b"not permitted" in job.stderr.data or b"permission denied" in job.stderr.data, code
        _, job = await ground.run("-c", "cat /proc/self/status", program="sh")
        assert b"NoNewPrivs:\t1" in job.stdout.data
        assert b"Seccomp:\t2" in job.stdout.data
