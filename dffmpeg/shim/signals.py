"""The caller's signals, as bytes in a pipe. `signal` itself is not imported: its enumerations take longer
than all the rest of the shim."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

HUP, INT, KILL, USR1, PIPE, ALRM, TERM, CONT, STOP, TSTP, WINCH = 1, 2, 9, 10, 13, 14, 15, 18, 19, 20, 28
XFSZ = 25
FORWARDED = (HUP, INT, 3, 6, USR1, 12, ALRM, TERM, 16, CONT, TSTP, 24, 26, 27, 29, 30, *range(34, 65))
"""Every one that a program may be sent and that says nothing about our own process."""
_PYTHONS = (PIPE, XFSZ)
"""Those that the interpreter ignores by itself."""


def ignored() -> list[int]:
    """The signals that whoever called us ignores, as nohup(1) does."""
    numbers = [number for number in range(1, 65) if number not in (KILL, STOP, 32, 33)]
    return [number for number in numbers if number not in _PYTHONS and is_ignored(number)]


def is_ignored(number: int) -> bool:
    return bool(_signal.getsignal(number) == _signal.SIG_IGN)


class Signals:
    """Signals that are not ignored, caught from `open` to `close`.

    Attributes:
        readable: a descriptor that can be polled.
    """

    def __init__(self) -> None:
        self.readable, self._written = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._caught: list[int] = []

    def open(self) -> None:
        """Catch them from now on."""
        _signal.set_wakeup_fd(self._written, warn_on_full_buffer=False)
        for number in (*FORWARDED, WINCH):
            if not is_ignored(number):
                _signal.signal(number, _noted)
                self._caught.append(number)

    def take(self) -> bytes:
        """The numbers of those that came."""
        try:
            return os.read(self.readable, 512)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """From now on each does again what it does to any program."""
        for number in self._caught:
            _signal.signal(number, _signal.SIG_DFL)
        self._caught = []
        _signal.set_wakeup_fd(-1)

    def stop_ourselves(self, number: int) -> None:
        """Stop, as a program that does not catch this signal; returns when we were continued."""
        _signal.signal(number, _signal.SIG_DFL)
        os.kill(os.getpid(), number)
        _signal.signal(number, _noted)


def block() -> set[int]:
    """Hold every signal back; returns those that were held back before."""
    return {int(number) for number in _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())}


def unblock(mask: set[int]) -> None:
    """Hold only these back from now on."""
    _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)


def default_interrupt() -> None:
    """Let SIGINT end us as any program, without a traceback, until it is caught."""
    if _signal.getsignal(INT) is _signal.default_int_handler:
        _signal.signal(INT, _signal.SIG_DFL)


def as_before_python() -> None:
    """Give those signals back that the interpreter took for itself: another program comes in our place."""
    for number in _PYTHONS:
        _signal.signal(number, _signal.SIG_DFL)


def die_of(number: int) -> None:
    """Die of a signal, without a core file; returns where that does not work."""
    import resource

    # The signal is an answer here; a core file of this process would tell nothing about the job.
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    try:
        if number not in (KILL, STOP):
            _signal.signal(number, _signal.SIG_DFL)
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    except (ValueError, OSError):
        # A number that this system does not know: the exit code has to say it.
        return


def _noted(number: int, frame: object) -> None:
    """The interpreter has written the number into the pipe already."""
