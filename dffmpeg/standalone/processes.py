"""What runs in a standalone cluster, for everybody to read: `cluster.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import trio

from dffmpeg.configuration.writing import write_file


@dataclass(frozen=True, slots=True)
class Program:
    """A process to run: its name in the cluster, its whole command line, its configuration, its log."""

    name: str
    argv: tuple[str, ...]
    config: Path
    log: Path


class Processes:
    """Each process's state; every change is written to the file at once, whole or not at all.

    Args:
        file: the path of `cluster.json`.
        url: the coordinator's base URL.
    """

    def __init__(self, file: Path, url: str) -> None:
        self._file = file
        self._url = url
        self._pids: dict[str, int | None] = {}
        self._programs: dict[str, Program] = {}
        self.first_end = trio.Event()
        """Set when a process has ended that nobody stopped."""
        self.ended: str | None = None
        """How that was, as one line."""

    def started(self, program: Program, pid: int) -> None:
        """Note a process that runs."""
        self._programs[program.name] = program
        self._pids[program.name] = pid
        self._write()

    def stopped(self, name: str, unexpected: str | None) -> None:
        """Note a process's end; `unexpected` says how, where nobody asked for it."""
        self._pids[name] = None
        if unexpected is not None and not self.first_end.is_set():
            self.ended = unexpected
            self.first_end.set()
        self._write()

    def remove(self) -> None:
        """Take the file away: nothing runs any more."""
        self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        processes = {
            name: {"pid": self._pids[name], "argv": list(program.argv), "config": str(program.config)}
            for name, program in self._programs.items()
        }
        cluster = {"url": self._url, "dashboard": f"{self._url}/status", "processes": processes}
        write_file(self._file, json.dumps(cluster, indent=2) + "\n", overwrite=True)
