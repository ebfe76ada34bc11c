"""The cluster that command lines run through: its workers see the shared folder where we do, or elsewhere."""

from __future__ import annotations

import os
import pwd
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.fidelity import nobody

GUARD = 120.0
"""Seconds after which something that does not happen is given up."""


_AGENT = "agent_idle = 20.0\n"
"""So that the agents that stand-ins start are gone soon after us."""


class Failed(Exception):
    """The cluster did not come up; the text says why."""


@contextmanager
def open_cluster(
    data: Path, shared: Path, other: Path, prefix: Sequence[str], worker: str = ""
) -> Iterator[Path]:
    """Run a cluster around a block.

    Args:
        data: its folder, made here.
        shared: the shared folder as clients see it.
        other: as workers see it.
        prefix: in front of the whole cluster's command.
        worker: more lines of the worker's configuration.

    Yields:
        The folder of the stand-ins.

    Raises:
        Failed: it did not come up.
    """
    data.mkdir(mode=0o700)
    (data / "worker1.toml").write_text(worker)
    (data / "client.toml").write_text(_AGENT)
    command = [*prefix, sys.executable, "-m", "dffmpeg", "standalone", "--data", str(data), "--slots", "64"]
    command += ["--path", f"Shared={shared}:{other}"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", env=_environment()
    )
    assert process.stdout is not None
    try:
        ready = select.select([process.stdout], [], [], GUARD)[0]
        line = process.stdout.readline() if ready else b"it says nothing"
        if not line.startswith(b"dffmpeg is ready"):
            process.kill()
            raise Failed((line + process.stdout.read()).decode(errors="replace").strip())
        yield data / "bin"
    finally:
        _end(process, data / "lock")


def _environment() -> dict[str, str]:
    # The cluster is started somewhere else than where the package may be.
    return {**os.environ, "PYTHONPATH": str(nobody.PACKAGE_PARENT)}


def _end(process: subprocess.Popen[bytes], lock: Path) -> None:
    if process.poll() is None:
        # The command that makes the namespace may be a process of its own, which passes no signal on.
        os.kill(int(lock.read_text()), signal.SIGTERM)
    try:
        process.communicate(timeout=GUARD)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


def for_everybody(folder: Path, data: Path, shared: Path, program: list[str]) -> Path:
    """Stand-ins that the user nobody can run too, as a client of its own.

    Returns:
        The folder that they are in.
    """
    account = pwd.getpwnam("nobody")
    config = folder / "nobody.toml"
    url = next(line for line in (data / "client.toml").read_text().splitlines() if "coordinator_url" in line)
    add = ["user", "add", "nobody", "--config", str(data / "coordinator.toml"), "--write-config", str(config)]
    add += ["--coordinator-url", url.partition("=")[2].strip().strip('"'), "--path", f"Shared={shared}"]
    admin = [sys.executable, "-m", "dffmpeg.admin", *add]
    subprocess.run(admin, check=True, env=_environment(), stdout=subprocess.DEVNULL, timeout=GUARD)
    config.write_text(_AGENT + config.read_text())
    os.chown(config, account.pw_uid, account.pw_gid)
    programs = folder / "bin"
    programs.mkdir()
    for name in ("ffmpeg", "ffprobe"):
        nobody.write_stand_in(programs / name, data / "bin" / name, config, program)
    return programs
