"""Whole clusters of real processes, as a person starts them, and hands to break them with."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec

from dffmpeg.client.api import Client
from dffmpeg.configuration import load
from dffmpeg.configuration.client import ClientConfig

GUARD = 120.0
"""Seconds after which a test gives up on something that does not happen."""


class Cluster:
    """`dffmpeg standalone` on a folder, from entering to leaving; nothing of it is left behind.

    Attributes:
        folder: mapped as `Media`, the same for client and worker.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._command = [sys.executable, "-m", "dffmpeg", "standalone", "--data", str(self.data)]
        self._command += ["--path", f"Media={folder}", *arguments]
        if any(one.startswith("--binary") for one in arguments):
            self._leave_unconfined(arguments)
        # A socket's path is short, and a test's folder is not.
        self._runtime = tempfile.TemporaryDirectory(prefix="dffmpeg-")
        self._stack = ExitStack()
        self._own: dict[str, subprocess.Popen[bytes]] = {}

    def _leave_unconfined(self, arguments: Sequence[str]) -> None:
        """Programs of tests are scripts that leave traces where no job's program gets."""
        count = int(arguments[arguments.index("--workers") + 1]) if "--workers" in arguments else 1
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(1, count + 1):
            file = self.data / f"worker{number}.toml"
            if not file.exists():
                file.touch(mode=0o600)
                file.write_text('sandbox = "off"\n')

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._stack.callback(self._runtime.cleanup)
        self._stack.callback(self._end)
        line = read_line(self.process.stdout)
        if not line.startswith("dffmpeg is ready"):
            self.process.kill()
            raise AssertionError(f"it did not come up: {line}{self.process.communicate()[0]}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _end(self) -> None:
        for process in self._own.values():
            process.kill()
            process.wait(GUARD)
        self.process.terminate()
        try:
            self.process.communicate(timeout=GUARD)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.data / "cluster.json").read_text())
        return state

    @property
    def url(self) -> str:
        return str(self.state["url"])

    def pid(self, name: str) -> int:
        return self._own[name].pid if name in self._own else int(self.state["processes"][name]["pid"])

    def kill(self, name: str) -> None:
        """kill -9, and wait until it is gone."""
        pid = self.pid(name)
        with open_pidfd(pid) as ended:
            os.kill(pid, signal.SIGKILL)
            assert select.select([ended], [], [], GUARD)[0]
        if name in self._own:
            self._own.pop(name).wait(GUARD)

    def start(self, name: str) -> None:
        """Start a process that was killed again, as its init system would."""
        with open(self.data / "logs" / f"{name}.again.log", "ab") as log:
            self._own[name] = subprocess.Popen(
                self.state["processes"][name]["argv"], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    @property
    def environment(self) -> dict[str, str]:
        """For stand-ins that find this cluster's agent: without one they would start one of their own."""
        assert "agent" in self._own
        inherited = {name: value for name, value in os.environ.items() if name != "DFFMPEG_NO_AGENT"}
        return {**inherited, "XDG_RUNTIME_DIR": self._runtime.name}

    def start_agent(self) -> None:
        """Have an agent, which is killed at the end like everything else; returns when it answers."""
        command = [
            sys.executable,
            "-m",
            "dffmpeg.client",
            "agent",
            "--config",
            str(self.data / "client.toml"),
        ]
        environment = {**os.environ, "XDG_RUNTIME_DIR": self._runtime.name}
        self._own["agent"] = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
        socket = Path(self._runtime.name, "dffmpeg")
        give_up = time.monotonic() + GUARD
        while not any(socket.glob("*.sock")):
            assert time.monotonic() < give_up
            time.sleep(0.02)

    def client(self, name: str = "client") -> Client:
        """`client`, or `admin`."""
        config = load(ClientConfig, "client", self.data / f"{name}.toml")
        # What tests call from wherever they run has words for arguments, not paths.
        return Client(msgspec.structs.replace(config, unmapped_paths="ignore"))

    def run(self, *arguments: str | bytes, program: str = "ffmpeg") -> subprocess.CompletedProcess[bytes]:
        """Call the stand-in."""
        return subprocess.run(
            [self.data / "bin" / program, *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=GUARD,
            # An agent would outlive the cluster.
            env={**os.environ, "DFFMPEG_NO_AGENT": "1"},
        )


class open_pidfd:  # noqa: N801 - used as the function of that name
    """A process's pidfd around a block."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def __enter__(self) -> int:
        self._descriptor = os.pidfd_open(self._pid)
        return self._descriptor

    def __exit__(self, *exc: object) -> None:
        os.close(self._descriptor)


def read_line(stream: IO[str] | None) -> str:
    """The next line, if there is one in time; at the end of the stream what is left.

    From the descriptor itself, so that nothing waits in a buffer where nobody sees it.
    """
    assert stream is not None
    line = b""
    while not line.endswith(b"\n"):
        assert select.select([stream.fileno()], [], [], GUARD)[0], f"it says nothing more: {line!r}"
        byte = os.read(stream.fileno(), 1)
        if not byte:
            break
        line += byte
    return line.decode()


def program(path: Path, text: str) -> Path:
    """A script that stands where a worker has its ffmpeg; it lets workers ask for its version."""
    path.write_text(f'#!/bin/sh\n[ "$1" = -version ] && exit\n{text}\n')
    path.chmod(0o755)
    return path
