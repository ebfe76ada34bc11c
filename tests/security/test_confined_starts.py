"""A program that the sandbox keeps from starting is found at the worker's start, and the remedy is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dffmpeg.actors.worker.processes import landlock, seccomp
from dffmpeg.configuration.sandbox import Sandbox
from dffmpeg.wire import signature
from dffmpeg.wire.workers import RegisterRequest
from tests.actors.worker.conftest import StartWorker, coordinator, start_worker
from tests.actors.worker.coordinator import FakeCoordinator
from tests.actors.worker.fake_ffmpeg import fake_ffmpeg

__all__ = ["coordinator", "start_worker"]

pytestmark = pytest.mark.skipif(
    landlock.version() < 1 or not seccomp.available(), reason="this kernel cannot see to all of it"
)


def script(folder: Path) -> tuple[Path, Path]:
    """An ffmpeg that is a script, and the interpreter that it takes, in a folder of its own."""
    shell = shutil.which("sh")
    assert shell is not None
    interpreter = folder / "deps" / "sh"
    interpreter.parent.mkdir()
    shutil.copy(os.path.realpath(shell), interpreter)
    program = fake_ffmpeg(folder / "ffmpeg")
    program.write_text(program.read_text().replace("#!/bin/sh", f"#!{interpreter}", 1))
    return program, interpreter


def machine_code(folder: Path) -> tuple[Path, Path]:
    """A program that says it is FFmpeg, and the library that it takes, in a folder of its own."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no compiler here")
    library = folder / "deps" / "libwords.so"
    library.parent.mkdir()
    words, main = folder / "words.c", folder / "main.c"
    words.write_text('const char *words(void) { return "a program of its own"; }\n')
    main.write_text(
        "#include <stdio.h>\nconst char *words(void);\nint main(void) { puts(words()); return 0; }\n"
    )
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, words], check=True, timeout=60)
    linked = [f"-L{library.parent}", "-lwords", f"-Wl,-rpath,{library.parent}"]
    program = folder / "ffmpeg"
    subprocess.run([compiler, "-o", program, main, *linked], check=True, timeout=60)
    return program, library


def offers(request: RegisterRequest) -> bool:
    return "ffmpeg" in request.binaries


@pytest.mark.parametrize("views", ["auto", "never"])
@pytest.mark.parametrize("make", [script, machine_code])
async def test_a_program_that_lacks_what_the_sandbox_hides(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[Path], tuple[Path, Path]],
    views: str,
) -> None:
    """Also where an earlier start has kept what the program can do."""
    program, missed = make(tmp_path)
    common = {
        "binaries": {"ffmpeg": str(program), "sh": "sh"},
        "cache": str(tmp_path / "cache"),
        "benchmark": False,
        "views": views,
    }
    async with start_worker(**common, sandbox="off"):
        await coordinator.until(lambda: any(offers(one) for one in coordinator.registrations))
        if make is script:
            await coordinator.until(lambda: list((tmp_path / "cache").glob("*.json")))
    coordinator.registrations.clear()
    async with start_worker(**common, sandbox=Sandbox(mode="required")):
        await coordinator.until(lambda: "is not offered" in caplog.text)
        await coordinator.until(
            lambda: coordinator.registrations and "sh" in coordinator.registrations[-1].binaries
        )
        assert not any(offers(one) for one in coordinator.registrations)
    (line,) = [one.getMessage() for one in caplog.records if "is not offered" in one.getMessage()]
    assert line == (
        f"ffmpeg is not offered: {program} does not start in the sandbox: it may not read {missed}; "
        f"add to sandbox.read in worker.toml: {missed.parent}"
    )
    coordinator.registrations.clear()
    async with start_worker(**common, sandbox=Sandbox(mode="required", read=[str(missed.parent)])):
        await coordinator.until(lambda: any(offers(one) for one in coordinator.registrations))
        job = coordinator.add("J1", "ffmpeg", "-i", "a")
        assert (await coordinator.finished(job)).status == "completed"


@pytest.mark.parametrize(
    "command",
    [
        ["dffmpeg.worker", "--config", "{file}", "sandbox-check"],
        ["dffmpeg.admin", "config", "check", "worker", "{file}"],
    ],
)
def test_it_is_told_beforehand(tmp_path: Path, command: list[str]) -> None:
    program, missed = script(tmp_path)
    file = tmp_path / "worker.toml"

    def ask(more: str = "") -> subprocess.CompletedProcess[str]:
        key = signature.encode_key(bytes(32))
        file.write_text(
            f'coordinator_url = "http://127.0.0.1:1"\nclient_id = "w1"\nhmac_key = "{key}"\n'
            f'[binaries]\nffmpeg = "{program}"\n[sandbox]\n{more}'
        )
        file.chmod(0o600)
        words = [sys.executable, "-m", *(word.format(file=file) for word in command)]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    why = f"{program} does not start in the sandbox: it may not read {missed}; "
    told = ask()
    assert why + f"add to sandbox.read in worker.toml: {missed.parent}" in told.stdout, told
    assert told.returncode == (1 if "sandbox-check" in command else 0)
    mended = ask(f'read = ["{missed.parent}"]\n')
    assert (mended.returncode, mended.stderr) == (0, "")
    assert "does not start" not in mended.stdout
