"""The guardian process as its worker sees it: it kills what is left of the groups when the worker is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import dffmpeg

_GUARDIAN = Path(dffmpeg.__file__).with_name("worker") / "guardian.py"


class Guardian:
    """The process, and what is named to it. All methods run on the spawn thread."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._folders: set[str] = set()
        self._parent: str | None = None
        self._pipe: int | None = None
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> int:
        """Start it, or another one after the last died, and name all groups to it.

        Returns:
            A pidfd, which becomes readable when it dies; the caller's to close.

        Raises:
            OSError: no more processes or descriptors.
        """
        self.stop()
        receiver, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        try:
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", os.fspath(_GUARDIAN)],
                stdin=receiver,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(receiver)
        for group in self._groups:
            self._write(f"+{group}\n")
        for folder in self._folders:
            self._write(f">{_hexadecimal(folder)}\n")
        return os.pidfd_open(self._popen.pid)

    def stop(self) -> None:
        """Close its pipe, at which it kills what is still named, and wait for its end."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        if self._popen is not None:
            try:
                self._popen.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
            self._popen = None

    def watch(self, group: int) -> None:
        self._groups.add(group)
        self._write(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._groups.discard(group)
        self._write(f"-{group}\n")

    @property
    def parent(self) -> str:
        """Where temporary folders are made; everybody may go through it, and nobody else see what is there.

        Raises:
            OSError: it cannot be made.
        """
        if self._parent is None or not os.path.isdir(self._parent):
            parent = self._make(None)
            os.chmod(parent, 0o711)  # noqa: S103  # nosec B103 - programs of other users have their folders in it
            self._parent = parent
        return self._parent

    def make_folder(self) -> str:
        """Make a temporary folder, which goes at the worker's end at the latest.

        Raises:
            OSError: it cannot be made.
        """
        return self._make(self.parent)

    def _make(self, parent: str | None) -> str:
        folder = tempfile.mkdtemp(prefix="dffmpeg-", dir=parent)
        self._folders.add(folder)
        self._write(f">{_hexadecimal(folder)}\n")
        return folder

    def forget_folder(self, folder: str) -> None:
        """It was removed."""
        self._folders.discard(folder)
        self._write(f"<{_hexadecimal(folder)}\n")

    def _write(self, line: str) -> None:
        if self._pipe is None:
            return
        try:
            os.write(self._pipe, line.encode("ascii"))
        except BrokenPipeError:
            # It died; whoever waits for its pidfd starts another, which is told every group.
            return
        except BlockingIOError:
            # It stopped reading, so it is of no use: its death has it replaced.
            assert self._popen is not None
            self._popen.kill()


def _hexadecimal(folder: str) -> str:
    return os.fsencode(folder).hex()


def kill_group(group: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process group; one without members is none the worse."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
