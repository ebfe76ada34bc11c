"""Where processes are born: one long-lived thread, and the guardian that outlives the worker.

Two nets hold the promise that nothing outlives the worker. The kernel's parent
death signal (PR_SET_PDEATHSIG, prctl(2)) kills the program itself; it is bound
to the thread that spawned it, which is why there is one dedicated thread that
lives as long as the worker does, and not one of trio's, which retire. The
guardian process kills the rest of its group.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import outcome
import trio

import dffmpeg
from dffmpeg.errors import DffmpegError

logger = logging.getLogger("dffmpeg.worker.processes")

T = TypeVar("T")

PIPE_BYTES = 1 << 20
_GUARDIAN = Path(dffmpeg.__file__).with_name("worker") / "guardian.py"


class CannotStart(DffmpegError):
    """The program could not be started; the text says why, for the user."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run.

    Attributes:
        program: absolute path of the executable.
        arguments: what follows it.
        directory: where it runs; None for an empty temporary one of its own.
        stdin: a file descriptor to read from, which stays the caller's; None for /dev/null.
    """

    program: bytes
    arguments: tuple[bytes, ...]
    directory: bytes | None = None
    stdin: int | None = None


@dataclass(slots=True)
class Born:
    """A process that was just started. The receiver owns the descriptors and the temporary directory."""

    popen: subprocess.Popen[bytes]
    pidfd: int
    stdout: int
    stderr: int
    scratch: str | None


class SpawnThread:
    """The thread; what is called on it runs one after the other.

    `close()` ends it, which is the death of every process whose death signal is bound to it.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="dffmpeg-spawn", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    async def call(self, function: Callable[[], T]) -> T:
        """Run `function` on the thread and wait for it, also when cancelled: what it makes wants an owner."""
        done = trio.Event()
        token = trio.lowlevel.current_trio_token()
        results: list[outcome.Outcome[T]] = []

        def work() -> None:
            results.append(outcome.capture(function))
            token.run_sync_soon(done.set)

        self._calls.put(work)
        with trio.CancelScope(shield=True):
            await done.wait()
        return results[0].unwrap()

    def close(self) -> None:
        """End the thread once what was called has run."""
        self._calls.put(None)
        self._thread.join()


class Guardian:
    """The guardian process as its worker sees it. All methods run on the spawn thread."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._folders: set[str] = set()
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

    def make_folder(self) -> str:
        """Make a temporary folder, which goes at the worker's end at the latest.

        Raises:
            OSError: it cannot be made.
        """
        folder = tempfile.mkdtemp(prefix="dffmpeg-")
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


def death_signal() -> tuple[bytes, ...]:
    """The words in front of a command that bind its life to the calling thread; empty where there are none.

    setpriv (util-linux) sets the parent death signal and becomes the program by exec.
    """
    program = shutil.which("setpriv")
    if program is None:
        return ()
    words = [program, "--pdeathsig", "KILL", "--"]
    try:
        trial = subprocess.run([*words, program, "--version"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(os.fsencode(word) for word in words) if trial.returncode == 0 else ()


def spawn(command: Command, prefix: tuple[bytes, ...], guardian: Guardian) -> Born:
    """Start a program in a process group of its own. Runs on the spawn thread.

    Args:
        prefix: from `death_signal`.

    Raises:
        CannotStart: it is missing, may not be executed, the command line is too long, …
    """
    _check_program(command.program)
    try:
        scratch = guardian.make_folder() if command.directory is None else None
    except OSError as error:
        raise CannotStart(f"cannot make a temporary directory: {error.strerror}") from error
    with contextlib.ExitStack() as undo:
        if scratch is not None:
            undo.callback(guardian.forget_folder, scratch)
            undo.callback(shutil.rmtree, scratch, ignore_errors=True)
        stdout, child_stdout = _pipe(undo)
        stderr, child_stderr = _pipe(undo)
        try:
            popen = subprocess.Popen(
                [*prefix, command.program, *command.arguments],
                stdin=subprocess.DEVNULL if command.stdin is None else command.stdin,
                stdout=child_stdout,
                stderr=child_stderr,
                cwd=scratch if command.directory is None else command.directory,
                env=_environment(),
                process_group=0,
            )
        except OSError as error:
            raise CannotStart(_explain(error, command)) from error
        finally:
            os.close(child_stdout)
            os.close(child_stderr)
        guardian.watch(popen.pid)
        try:
            pidfd = os.pidfd_open(popen.pid)
        except OSError as error:
            kill_group(popen.pid)
            popen.wait()
            guardian.forget(popen.pid)
            raise CannotStart(f"cannot watch over the process: {error.strerror}") from error
        undo.pop_all()
    return Born(popen, pidfd, stdout, stderr, scratch)


def _pipe(undo: contextlib.ExitStack) -> tuple[int, int]:
    try:
        ours, theirs = os.pipe()
    except OSError as error:
        raise CannotStart(f"cannot make a pipe: {error.strerror}") from error
    undo.callback(os.close, ours)
    # An unprivileged user may only have so much pipe memory (pipe(7)); a small pipe is slower, not wrong.
    with contextlib.suppress(OSError):
        fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return ours, theirs


def _environment() -> dict[bytes, bytes]:
    """The worker's own, without what is meant for the worker: it may hold its key."""
    return {name: value for name, value in os.environb.items() if not name.startswith(b"DFFMPEG_")}


def _check_program(program: bytes) -> None:
    # Asked beforehand because with a prefix in front the failing exec is not ours to see.
    shown = os.fsdecode(program)
    if not os.path.isfile(program):
        raise CannotStart(f"{shown} does not exist on this worker")
    if not os.access(program, os.X_OK):
        raise CannotStart(f"{shown} is not executable on this worker")


def _explain(error: OSError, command: Command) -> str:
    if command.directory is not None and not os.path.isdir(command.directory):
        return f"the working directory {os.fsdecode(command.directory)} does not exist on this worker"
    return f"cannot start {os.fsdecode(command.program)}: {error.strerror}"


def kill_group(group: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process group; one without members is none the worse."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
