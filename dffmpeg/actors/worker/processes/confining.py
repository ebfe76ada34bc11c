"""A program is confined by the thread that it is born on, which gives up what the program shall not have.

Landlock's rules, a seccomp filter and the renunciation of privileges belong to a thread, and what it starts
inherits them. So no further program stands in front of the confined one, and nothing of ours runs in the
child. What a thread gave up it never gets back, which is why each start has one of its own; and it lives as
long as the program, because the program's death signal is bound to it.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import threading
from collections.abc import Callable

import outcome

from dffmpeg.actors.worker.processes import landlock, seccomp
from dffmpeg.actors.worker.processes.launches import CannotStart, Command

_TRUNCATE_VERSION = 3
"""From which on Landlock sees to cutting files short."""


def apply(command: Command, rules: int | None, *, enters: bool) -> None:
    """Confine the calling thread, as far as the kernel can, and have it give way to others.

    Args:
        rules: from `landlock.make_rules`; None where there is no Landlock.
        enters: whether the program's tools have to enter a view.

    Raises:
        CannotStart: the kernel does not do what it said that it can.
    """
    confinement, limits = command.confinement, command.limits
    try:
        # To Linux both are a thread's own.
        thread = threading.get_native_id()
        # Of a worker that gives way more already, nobody but root could make a program give way less.
        if limits.nice > os.getpriority(os.PRIO_PROCESS, thread):
            os.setpriority(os.PRIO_PROCESS, thread, limits.nice)
        if limits.idle:
            _use_idle_disks()
        if confinement is None:
            return
        seccomp.forbid_new_privileges()
        if rules is not None:
            landlock.restrict(rules)
        if seccomp.available():
            seccomp.install(_filter(confinement.network, confinement.forks, enters))
    except OSError as error:
        raise CannotStart(f"cannot confine the program: {error.strerror}") from error


_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_IOPRIO_WHO_PROCESS, _IOPRIO_IDLE = 1, 3 << 13


def _use_idle_disks() -> None:
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        # The kernel has no such classes where it schedules no disks, and that harms nobody.
        ctypes.CDLL(None).syscall(ctypes.c_long(number), _IOPRIO_WHO_PROCESS, 0, _IOPRIO_IDLE)


@functools.cache
def _filter(network: bool, forks: bool, enters: bool) -> list[seccomp.Step]:
    truncates = landlock.version() >= _TRUNCATE_VERSION
    return seccomp.program(
        platform.machine(), network=network, forks=forks, enters=enters, truncates=truncates
    )


def on_thread_of_its_own(
    confine: Callable[[], None], start: Callable[[], int]
) -> tuple[int, Callable[[], None]]:
    """Start a process on a new thread, once that is confined; returns when it was started.

    Returns:
        The process's number, and what ends the thread: to be called when the process has ended.

    Raises:
        CannotStart: what either function raises.
    """
    started, ended = threading.Event(), threading.Event()
    results: list[outcome.Outcome[int]] = []

    def begin() -> int:
        confine()
        return start()

    def live() -> None:
        results.append(outcome.capture(begin))
        started.set()
        ended.wait()

    threading.Thread(target=live, name="dffmpeg-confined", daemon=True).start()
    started.wait()
    try:
        return results[0].unwrap(), ended.set
    except BaseException:
        # The thread would wait for ever. What went wrong in it goes on.
        ended.set()
        raise
