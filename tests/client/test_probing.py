"""`submit --size probe`: a local ffprobe tells how much work a job is, and nobody waits for it for long."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.client.coordinator import Coordinator
from tests.client.jobs import Job
from tests.client.programs import Programs, assert_one_line

PIXELS = 64 * 36 * 25 * 2.0


async def complete(job: Job) -> None:
    job.start()
    job.finish(exit_code=0)


@pytest.fixture
def media(tmp_path: Path, programs: Programs, coordinator: Coordinator) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    configure(programs, coordinator, folder)
    return folder


def configure(programs: Programs, coordinator: Coordinator, folder: Path, more: str = "") -> None:
    programs.configure(coordinator.url, more=f'[paths]\nMedia = "{folder}"\n{more}')


def film(folder: Path, name: str = "in.mp4") -> Path:
    source = ["-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=2", "-c:v", "mpeg4"]
    subprocess.run(["ffmpeg", "-v", "error", *source, folder / name], check=True, timeout=60)
    return folder / name


def script(folder: Path, text: str) -> str:
    path = folder / "slow-ffprobe"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return f'[fallback.binaries]\nffprobe = "{path}"\n'


@pytest.mark.ffmpeg
@pytest.mark.parametrize("detached", [True, False])
async def test_the_inputs_tell(
    coordinator: Coordinator, programs: Programs, media: Path, detached: bool
) -> None:
    coordinator.behave = complete
    first, second = film(media), film(media, "second.mp4")
    flags = ["--detach"] if detached else []
    command = ["submit", *flags, "--size", "probe", "-b", "ffmpeg", "--", "-i", first, "-i", second, "x.mp4"]
    code, _, err = await programs.run("dffmpeg-client", *map(str, command))
    assert (code, err) == (0, b"")
    assert coordinator.submitted[0].size == pytest.approx(2 * PIXELS)


@pytest.mark.ffmpeg
async def test_the_file_may_ask_for_it_and_stand_ins_never_do(
    coordinator: Coordinator, programs: Programs, media: Path
) -> None:
    coordinator.behave = complete
    arguments = ["-i", str(film(media)), "x.mp4"]
    configure(programs, coordinator, media, "[submit]\nprobe_size = true")
    await programs.run("dffmpeg-client", "submit", "--detach", "-b", "ffmpeg", "--", *arguments)
    await programs.run(
        "dffmpeg-client", "submit", "--detach", "--size", "7", "-b", "ffmpeg", "--", *arguments
    )
    await programs.run("ffmpeg", *arguments)
    assert [sent.size for sent in coordinator.submitted] == [pytest.approx(PIXELS), 7.0, None]


async def test_one_that_does_not_answer_is_not_waited_for(
    coordinator: Coordinator, programs: Programs, media: Path
) -> None:
    (media / "in.mp4").write_bytes(b"x")
    os.mkfifo(media / "fifo")
    more = script(media, f"echo $$ > {media}/pid; exec sleep 600") + "[submit]\nprobe_timeout = 0.5"
    configure(programs, coordinator, media, more)
    base = ["submit", "--detach", "--size", "probe", "-b", "ffmpeg", "--"]
    code, out, err = await programs.run("dffmpeg-client", *base, "-i", str(media / "in.mp4"), "x.mp4")
    assert (code, out.count(b"\n")) == (0, 1)
    assert_one_line(err, "in.mp4: ffprobe did not answer in time; submitted without a size")
    assert coordinator.submitted[0].size is None
    with pytest.raises(ProcessLookupError):
        os.kill(int((media / "pid").read_text()), 0)
    # Nobody reads what is the program's.
    code, _, err = await programs.run("dffmpeg-client", *base, "-i", str(media / "fifo"), "x.mp4")
    assert code == 0
    assert_one_line(err, "fifo: no regular file; submitted without a size")


async def test_there_may_be_nothing_to_ask(coordinator: Coordinator, programs: Programs, media: Path) -> None:
    base = ["submit", "--detach", "--size", "probe", "-b", "ffmpeg", "--"]
    code, _, err = await programs.run("dffmpeg-client", *base, "-f", "lavfi", "-i", "testsrc2", "x.mp4")
    assert code == 0
    assert_one_line(err, "it has no input in a mapped directory; submitted without a size")
    environment = {"PATH": str(programs.folder)}
    (media / "in.mp4").write_bytes(b"x")
    command = [*base, "-i", str(media / "in.mp4"), "x.mp4"]
    code, _, err = await programs.run("dffmpeg-client", *command, env=environment)
    assert code == 0
    # What is there under the name is a stand-in.
    assert_one_line(err, "there is no local ffprobe; submitted without a size")
