"""What an agent tells about itself, in a file beside its socket."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import trio

from dffmpeg.shim import rendezvous


class Status(msgspec.Struct, kw_only=True):
    """An agent as it was when it last wrote its file.

    Attributes:
        served: calls since its start.
        calls: calls at this moment.
    """

    pid: int
    config: str
    identity: str
    served: int
    calls: int


class Figures:
    """Counts calls, and writes the status file. Owned by the agent's tree."""

    def __init__(self, config: Path, identity: str, file: Path | None) -> None:
        self.uid = os.geteuid()
        self.calls = 0
        self.served = 0
        self._config = config
        self._identity = identity
        self._file = file
        self._since = trio.current_time()
        self.changed = trio.Event()

    @property
    def quiet(self) -> float:
        """Seconds since the last call began or ended."""
        return trio.current_time() - self._since

    def begin(self) -> None:
        """A call came."""
        self.calls += 1
        self.served += 1
        self._touch()

    def end(self) -> None:
        """A call has ended."""
        self.calls -= 1
        self._touch()

    def _touch(self) -> None:
        self._since = trio.current_time()
        self.changed.set()

    def write(self) -> None:
        """Say it to whoever asks."""
        self.changed = trio.Event()
        if self._file is None:
            return
        status = Status(
            pid=os.getpid(),
            config=str(self._config),
            identity=self._identity,
            served=self.served,
            calls=self.calls,
        )
        temporary = self._file.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(status))
        temporary.replace(self._file)

    def remove(self) -> None:
        """The agent ends."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)


def all_running() -> list[Status]:
    """The agents of this user that are there.

    Raises:
        Unsafe, OSError: as `rendezvous.directory`.
    """
    found = []
    for file in sorted(Path(rendezvous.directory()).glob("*.status")):
        try:
            status = msgspec.json.decode(file.read_bytes(), type=Status)
            os.kill(status.pid, 0)
        except (OSError, msgspec.MsgspecError):
            # It was killed, and left its file.
            continue
        found.append(status)
    return found
