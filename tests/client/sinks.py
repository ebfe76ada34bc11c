"""Where the tests have output go."""

from __future__ import annotations


class Sinks:
    """Gathers a job's output."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()

    async def stdout(self, data: bytes) -> None:
        self.out += data

    async def stderr(self, data: bytes) -> None:
        self.err += data
