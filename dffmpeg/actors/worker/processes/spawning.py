"""Where processes are born: one long-lived thread.

Two nets hold the promise that nothing outlives the worker. The kernel's parent
death signal (PR_SET_PDEATHSIG, prctl(2)) kills the program itself; it is bound
to the thread that spawned it, which is why there is one dedicated thread that
lives as long as the worker does, and not one of trio's, which retire. The
guardian process kills the rest of its group.

Programs are started with posix_spawn(3): it places descriptors exactly and runs no
code of ours in the child. What it cannot do, the working directory and the umask, the
thread has for itself apart from the rest of the worker, and the child gets a copy.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import outcome
import trio

from dffmpeg.actors.worker.processes import landlock
from dffmpeg.actors.worker.processes.confining import apply, on_thread_of_its_own
from dffmpeg.actors.worker.processes.descriptors import RULES, Ends, lent, make_ends
from dffmpeg.actors.worker.processes.exec_chain import Entry, Place, Tools, chain, entered_by
from dffmpeg.actors.worker.processes.guardians import Guardian, kill_group
from dffmpeg.actors.worker.processes.launches import CannotStart, Command
from dffmpeg.model import environment
from dffmpeg.model.confinement import Access

T = TypeVar("T")

_CLONE_FS = 0x200


@dataclass(slots=True)
class Born:
    """A process that was just started. The receiver owns the descriptors and the temporary directory.

    Attributes:
        tools: names of the programs that the process bears before it is the program.
        let_go: ends the thread that it was born on, where that is one of its own.
    """

    pid: int
    pidfd: int
    ends: Ends
    scratch: str | None
    tools: frozenset[str]
    let_go: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Parent:
    """What a child gets from where it is started.

    Attributes:
        apart: the thread's working directory and umask are its own.
    """

    guardian: Guardian
    tools: Tools
    apart: bool


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


def set_apart() -> bool:
    """Give the calling thread a working directory and a umask of its own, unshare(2).

    Returns:
        Whether it has them; some containers forbid it.
    """
    with contextlib.suppress(AttributeError, OSError):
        if ctypes.CDLL(None).unshare(_CLONE_FS) == 0:
            os.chdir("/")
            return True
    return False


def spawn(command: Command, parent: Parent, files: Mapping[int, int], entry: Entry | None) -> Born:
    """Start a program in a process group of its own, or a session if it has a terminal: on the spawn thread.

    Args:
        files: from `open_files`; they stay the caller's.
        entry: how the command's view is entered, if it has one.

    Raises:
        CannotStart: it is missing, may not be executed, the command line is too long, …
    """
    _check_program(command.program)
    with contextlib.ExitStack() as undo, contextlib.ExitStack() as theirs:
        scratch = None
        if command.directory is None:
            scratch = _make_scratch(command, parent.guardian, undo)
        who = command.credentials
        owner = None if who is None else (who.uid, who.gid)
        size = command.terminal_size
        ends = make_ends(command.descriptors, size, files, undo, theirs, owner=owner)
        if entry is not None and command.confinement is not None:
            actions, numbers = lent(command.descriptors, entry.descriptors, theirs)
            ends.actions += actions
            entry = entered_by(entry, numbers)
        place = _place(command, scratch, parent, entry)
        words = chain(command, place, parent.tools)
        start = partial(_start, words, command, place, ends)
        let_go: Callable[[], None] = _nothing
        if command.confinement is None and not (command.limits.nice or command.limits.idle):
            pid = start()
        else:
            rules = files.get(RULES)
            if rules is not None:
                _allow_own(rules, scratch, ends)
                if entry is not None and entry.temporary is not None:
                    landlock.add(rules, entry.temporary, Access.READ | Access.WRITE)
            confine = partial(apply, command, rules, enters=entry is not None)
            pid, let_go = on_thread_of_its_own(confine, start)
            undo.callback(let_go)
        parent.guardian.watch(pid)
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            kill_group(pid)
            os.waitpid(pid, 0)
            parent.guardian.forget(pid)
            raise CannotStart(f"cannot watch over the process: {error.strerror}") from error
        undo.pop_all()
    return Born(pid, pidfd, ends, scratch, _names(words, command), let_go)


def _nothing() -> None:
    pass


def _allow_own(rules: int, scratch: str | None, ends: Ends) -> None:
    """What was made for this start alone."""
    own = [] if scratch is None else [(os.fsencode(scratch), Access.READ | Access.WRITE)]
    own += [(os.fsencode(path), Access.READ | Access.WRITE | Access.DEVICE) for path in ends.opened]
    for path, access in own:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            landlock.add(rules, opened, access)
        finally:
            os.close(opened)


def _make_scratch(command: Command, guardian: Guardian, undo: contextlib.ExitStack) -> str:
    try:
        scratch = guardian.make_folder()
        undo.callback(guardian.forget_folder, scratch)
        undo.callback(shutil.rmtree, scratch, ignore_errors=True)
        if command.credentials is not None:
            os.chown(scratch, command.credentials.uid, command.credentials.gid)
    except OSError as error:
        raise CannotStart(f"cannot make a temporary directory: {error.strerror}") from error
    return scratch


def _place(command: Command, scratch: str | None, parent: Parent, entry: Entry | None) -> Place:
    if scratch is None:
        assert command.directory is not None
        may_hang = command.may_hang and parent.tools.env is not None
        return Place(command.directory, parent.apart, entry, may_hang=may_hang)
    directory = os.fsencode(scratch)
    hidden = command.view is not None and command.view.hides(directory)
    return Place(directory, parent.apart, entry, hidden)


def _start(words: list[bytes], command: Command, place: Place, ends: Ends) -> int:
    inherited = environment.own(os.environb) if command.environment is None else command.environment
    # Inside a view the directory has another name, under which only the program itself can go there.
    shown = place.entry is None or place.hidden
    directory = place.directory if shown and not place.may_hang else b"/"
    try:
        with _standing(directory, command.umask) if place.arrived else contextlib.nullcontext():
            return os.posix_spawn(
                words[0],
                words,
                inherited,
                file_actions=ends.actions,
                setsigmask=(),
                setsigdef=_DEFAULTED,
                **({"setsid": True} if ends.session else {"setpgroup": 0}),
            )
    except OSError as error:
        raise CannotStart(_explain(error, command)) from error


_DEFAULTED = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
"""What the worker ignores, or was told to ignore, says nothing about the program."""


@contextlib.contextmanager
def _standing(directory: bytes, umask: int | None) -> Iterator[None]:
    """The thread in another directory, with another umask; afterwards it holds no file system in use."""
    os.chdir(directory)
    before = None if umask is None else os.umask(umask)
    try:
        yield
    finally:
        if before is not None:
            os.umask(before)
        os.chdir("/")


def _names(words: list[bytes], command: Command) -> frozenset[str]:
    """Names that the process may bear before it is the program, proc(5) `comm`."""
    tools = (b"setpriv", b"nsenter", b"env", b"sh", b"prlimit")
    before = {os.path.basename(word) for word in words[: len(words) - len(command.arguments) - 1]}
    own = os.path.basename(command.program)
    return frozenset(os.fsdecode(name) for name in before.intersection(tools) if name != own)


def _check_program(program: bytes) -> None:
    # Asked beforehand because with a tool in front the failing exec is not ours to see.
    shown = os.fsdecode(program)
    if not os.path.isfile(program):
        raise CannotStart(f"{shown} does not exist on this worker")
    if not os.access(program, os.X_OK):
        raise CannotStart(f"{shown} is not executable on this worker")


def _explain(error: OSError, command: Command) -> str:
    if command.view is None and not command.may_hang:
        directory = command.directory
        if directory is not None and not os.path.isdir(directory):
            return f"the working directory {os.fsdecode(directory)} does not exist on this worker"
    return f"cannot start {os.fsdecode(command.program)}: {error.strerror}"


__all__ = ["Born", "CannotStart", "Command", "Parent", "SpawnThread", "set_apart", "spawn"]
