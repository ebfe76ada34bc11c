"""The client's programs as real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import trio

from dffmpeg.wire.signature import encode_key
from tests.client.coordinator import KEY

ROOT = Path(__file__).parents[2]
GUARD = 60.0
"""Seconds; only a hang takes so long."""


class Programs:
    """The stand-in under its names, and a configuration for it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.config = folder / "client.toml"
        script = folder / "dffmpeg_proxy"
        script.write_text(f"#!{sys.executable}\nfrom dffmpeg.shim.main import main\nmain()\n")
        script.chmod(0o755)
        command = folder / "dffmpeg-client"
        command.write_text(f"#!{sys.executable}\nfrom dffmpeg.client.main import main\nmain()\n")
        command.chmod(0o755)
        (folder / "ffmpeg").symlink_to(script)
        (folder / "ffprobe").symlink_to(script)
        self.configure(url)

    def configure(self, url: str, key: bytes = KEY, more: str = "", unmapped: str = "ignore") -> None:
        self.config.touch(0o600)
        self.config.write_text(
            f'coordinator_url = "{url}"\nclient_id = "laptop"\nhmac_key = "{encode_key(key)}"\n'
            f'unmapped_paths = "{unmapped}"\n{more}\n'
        )

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DFFMPEG_CLIENT_CONFIG": str(self.config),
            "PYTHONWARNINGS": "",
            "DFFMPEG_NO_AGENT": "1",
        }

    async def start(
        self,
        *argv: bytes | str,
        stdout: int | IO[bytes] = subprocess.PIPE,
        env: Mapping[str, str] | None = None,
    ) -> trio.Process:
        command = [str(self.folder / os.fsdecode(argv[0])), *argv[1:]]
        return await trio.lowlevel.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={**self.env, **(env or {})},
        )

    async def shell(self, command: str) -> trio.Process:
        """Through sh, which can do what the interface above cannot."""
        return await trio.lowlevel.open_process(
            ["sh", "-c", command], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    async def run(
        self,
        *argv: bytes | str,
        stdout: int | IO[bytes] = subprocess.PIPE,
        env: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes, bytes]:
        return await ended(await self.start(*argv, stdout=stdout, env=env))


async def ended(process: trio.Process) -> tuple[int, bytes, bytes]:
    """A process's return code, stdout and stderr."""
    found = {"out": b"", "err": b""}

    async def read(name: str, stream: trio.abc.ReceiveStream | None) -> None:
        if stream is not None:
            async with stream:
                async for data in stream:
                    found[name] += data

    with trio.fail_after(GUARD):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, "out", process.stdout)
            nursery.start_soon(read, "err", process.stderr)
            code = await process.wait()
    return code, found["out"], found["err"]


def assert_one_line(err: bytes, text: str) -> None:
    assert err.startswith(b"dffmpeg: ")
    assert err.endswith(b"\n")
    assert err.count(b"\n") == 1
    assert text in err.decode()
