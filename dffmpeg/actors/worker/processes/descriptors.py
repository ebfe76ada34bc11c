"""A program's descriptors: made on the spawn thread, placed in the child by posix_spawn(3).

Every descriptor of ours that the child duplicates has a number above all that the
program wants, so that placing one never overwrites another that is still to come.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import termios
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dffmpeg.actors.worker.processes import landlock
from dffmpeg.actors.worker.processes.launches import CannotStart, Descriptor
from dffmpeg.model.confinement import Access, Confinement

Action = tuple[int, int] | tuple[int, int, int] | tuple[int, int, str, int, int]


@dataclass(slots=True)
class Ends:
    """Both ends of what was made.

    Attributes:
        outputs: what the program writes: number to our end. A terminal stands under its lowest
            number that is not 0, if it has one.
        inputs: what it reads.
        terminal: the number under which `outputs` has the terminal's master, if there is one.
        typed: the terminal is what the program reads under 0.
        actions: what the child does to have its ends in their places.
        session: it must lead a session of its own, for the terminal to be its controlling one.
        opened: what it opens itself, by name, besides /dev/null.
    """

    outputs: dict[int, int] = field(default_factory=dict)
    inputs: dict[int, int] = field(default_factory=dict)
    terminal: int | None = None
    typed: bool = False
    actions: list[Action] = field(default_factory=list)
    session: bool = False
    opened: list[str] = field(default_factory=list)


class _Maker:
    """Makes one program's descriptors.

    Args:
        ours: closes our ends if starting fails.
        theirs: closes the child's ends, and the files.
        files: of the descriptors that are files: number to what was opened.
        owner: user and group who may open the program's descriptors once more, by way of /dev/stdin.
    """

    def __init__(
        self,
        ours: contextlib.ExitStack,
        theirs: contextlib.ExitStack,
        files: Mapping[int, int],
        top: int,
        owner: tuple[int, int] | None,
    ) -> None:
        self.ends = Ends()
        self._owner = owner
        self._ours = ours
        self._theirs = theirs
        self._files = files
        self._top = top

    def make(self, descriptors: Sequence[Descriptor], size: tuple[int, int] | None) -> None:
        terminals = [one.number for one in descriptors if one.kind == "terminal"]
        if terminals:
            self._make_terminal(terminals, size)
        for one in descriptors:
            match one.kind:
                case "null":
                    self.ends.actions.append((os.POSIX_SPAWN_OPEN, one.number, os.devnull, os.O_RDWR, 0))
                case "pipe":
                    self._make_pipe(one)
                case "file":
                    self._place(self._files[one.number], one.number)
                case "same":
                    self.ends.actions.append((os.POSIX_SPAWN_DUP2, one.of, one.number))
                case "terminal" | "closed":
                    pass

    def _make_pipe(self, one: Descriptor) -> None:
        reader, writer = os.pipe()
        ours, theirs = (writer, reader) if one.direction == "in" else (reader, writer)
        self._ours.callback(os.close, ours)
        self._theirs.callback(os.close, theirs)
        self._give_away(theirs)
        self._place(theirs, one.number)
        if one.direction == "in":
            self.ends.inputs[one.number] = ours
            return
        self.ends.outputs[one.number] = ours

    def _make_terminal(self, numbers: list[int], size: tuple[int, int] | None) -> None:
        master, slave = os.openpty()
        self._ours.callback(os.close, master)
        self._theirs.callback(os.close, slave)
        self._give_away(slave)
        # Two streams share this open file, and closing the first must not make it block for the second.
        os.set_blocking(master, False)
        attributes = termios.tcgetattr(slave)
        # What comes out is shown on the caller's terminal, which ends lines in its own way.
        attributes[1] &= ~(termios.OPOST | termios.ONLCR)
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        if size is not None:
            termios.tcsetwinsize(slave, size)
        first, *others = numbers
        # Opened by the child, as the leader of a session: so it becomes its controlling terminal.
        self.ends.actions.append((os.POSIX_SPAWN_OPEN, first, os.ttyname(slave), os.O_RDWR, 0))
        self.ends.opened.append(os.ttyname(slave))
        self.ends.actions += [(os.POSIX_SPAWN_DUP2, first, other) for other in others]
        self.ends.session = True
        self.ends.terminal = min((number for number in numbers if number), default=0)
        self.ends.outputs[self.ends.terminal] = master
        if 0 in numbers:
            self.ends.typed = True
            self.ends.inputs[0] = os.dup(master)
            self._ours.callback(os.close, self.ends.inputs[0])

    def _give_away(self, theirs: int) -> None:
        if self._owner is not None:
            os.fchown(theirs, *self._owner)

    def _place(self, source: int, number: int) -> None:
        if source < self._top:
            source = fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, self._top)
            self._theirs.callback(os.close, source)
        self.ends.actions.append((os.POSIX_SPAWN_DUP2, source, number))


def make_ends(
    descriptors: Sequence[Descriptor],
    size: tuple[int, int] | None,
    files: Mapping[int, int],
    ours: contextlib.ExitStack,
    theirs: contextlib.ExitStack,
    *,
    owner: tuple[int, int] | None = None,
) -> Ends:
    """Make everything that a program's descriptors need.

    Args:
        descriptors: see `Command.descriptors`.
        size: of the terminal.
        files: number to open file, from `open_files`; they stay the caller's.
        ours: takes over our ends, for the case that starting fails.
        theirs: takes over the child's ends, which are closed once it was started.
        owner: user and group, if they are not the worker's.

    Raises:
        CannotStart: no more descriptors, or no terminal to be had.
    """
    numbers = {one.number for one in descriptors if one.kind != "closed"}
    maker = _Maker(ours, theirs, files, _top(descriptors), owner)
    try:
        maker.make(descriptors, size)
    except OSError as error:
        raise CannotStart(f"cannot make the program's descriptors: {error.strerror}") from error
    maker.ends.actions += [(os.POSIX_SPAWN_CLOSE, number) for number in _inheritable() - numbers]
    return maker.ends


def lent(
    descriptors: Sequence[Descriptor], given: Sequence[int], theirs: contextlib.ExitStack
) -> tuple[list[Action], tuple[int, ...]]:
    """Further descriptors for the tools in front of a program, which has no use for them.

    Args:
        descriptors: the program's.
        given: ours, which stay ours.

    Returns:
        What the child does to have them, and their numbers there: of one digit where there are some left,
        because a shell can close those.
    """
    taken = {one.number for one in descriptors if one.kind != "closed"}
    free = [number for number in range(3, 10) if number not in taken]
    numbers = tuple(free[: len(given)]) if len(free) >= len(given) else ()
    numbers = numbers or tuple(range(_top(descriptors), _top(descriptors) + len(given)))
    actions: list[Action] = []
    for ours, number in zip(given, numbers, strict=True):
        # Out of the way of every number that is placed.
        source = fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, max(10, _top(descriptors) + len(given)))
        theirs.callback(os.close, source)
        actions.append((os.POSIX_SPAWN_DUP2, source, number))
    return actions, numbers


def _top(descriptors: Sequence[Descriptor]) -> int:
    """A number above all that the program wants."""
    return max((one.number for one in descriptors if one.kind != "closed"), default=2) + 1


def _inheritable() -> set[int]:
    """What a child would get of the worker's descriptors: what the worker got itself, 0 to 2 at least."""
    found = {0, 1, 2}
    for name in os.listdir("/proc/self/fd"):
        # What listed them is among them, and closed by now; others may close theirs meanwhile.
        with contextlib.suppress(OSError):
            if os.get_inheritable(int(name)):
                found.add(int(name))
    return found


RULES = -1
"""Stands among the files of a program for the rules about what it may open."""


def open_files(descriptors: Sequence[Descriptor], confinement: Confinement | None = None) -> dict[int, int]:
    """Open the files among a program's descriptors; may hang where the file system does.

    Returns:
        Number to open file, and `RULES` where it is confined; the caller's to close.

    Raises:
        CannotStart: one cannot be opened, or is not where it was.
    """
    opened: dict[int, int] = {}
    with contextlib.ExitStack() as undo:
        for one in descriptors:
            if one.kind == "file":
                # Out of the way here, for closing the first may hang too.
                first = _open(one)
                try:
                    opened[one.number] = fcntl.fcntl(first, fcntl.F_DUPFD_CLOEXEC, _top(descriptors))
                finally:
                    os.close(first)
                undo.callback(os.close, opened[one.number])
        if confinement is not None and landlock.version() > 0:
            opened[RULES] = _make_rules(confinement, opened)
        undo.pop_all()
    return opened


def _make_rules(confinement: Confinement, opened: Mapping[int, int]) -> int:
    try:
        made = landlock.make_rules(confinement.rules, network=confinement.network)
        for number in opened.values():
            # It has what it was given, also under the name /dev/stdin.
            writes = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
            landlock.add(made, number, Access.WRITE if writes else Access.READ)
    except OSError as error:
        where = "" if error.filename is None else f" {os.fsdecode(error.filename)}:"
        raise CannotStart(f"cannot confine the program:{where} {error.strerror}") from error
    return made


def close_files(opened: Mapping[int, int]) -> None:
    """Close what `open_files` returned; may hang as opening may."""
    for number in opened.values():
        os.close(number)


class Opening:
    """Opens files on a thread that nobody may be waiting for any more when it is done.

    Args:
        descriptors, confinement: as for `open_files`.
    """

    def __init__(self, descriptors: Sequence[Descriptor], confinement: Confinement | None = None) -> None:
        self._descriptors = descriptors
        self._confinement = confinement
        self._lock = threading.Lock()
        self._opened: dict[int, int] = {}
        self._abandoned = False

    def run(self) -> dict[int, int]:
        """See `open_files`; what is opened is closed again if the opening was abandoned."""
        opened = open_files(self._descriptors, self._confinement)
        with self._lock:
            if not self._abandoned:
                self._opened = opened
                return opened
        close_files(opened)
        return {}

    def abandon(self) -> Mapping[int, int]:
        """Nobody takes what is opened from now on.

        Returns:
            What was opened before, for the caller to close.
        """
        with self._lock:
            self._abandoned = True
            return self._opened


def _open(one: Descriptor) -> int:
    flags = os.O_RDONLY if one.direction == "in" else os.O_WRONLY
    if one.append:
        flags |= os.O_APPEND
    shown = os.fsdecode(one.path)
    with contextlib.ExitStack() as undo:
        try:
            # First what is there, without opening it: a link may have changed since the path was checked,
            # and opening alone does something to some devices.
            place = os.open(one.path, os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            raise CannotStart(f"descriptor {one.number}: cannot open {shown}: {error.strerror}") from error
        try:
            name = b"/proc/self/fd/%d" % place
            path = os.readlink(name)
            if not any(path.startswith(directory + b"/") for directory in one.below):
                raise CannotStart(f"descriptor {one.number}: {shown} is not in the mapped directories")
            # Non-blocking only for the opening: of a FIFO, which would wait for its other end.
            number = os.open(name, flags | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
            undo.callback(os.close, number)
            os.set_blocking(number, True)
            os.lseek(number, one.offset, os.SEEK_SET)
        except OSError as error:
            raise CannotStart(f"descriptor {one.number}: cannot open {shown}: {error.strerror}") from error
        finally:
            os.close(place)
        undo.pop_all()
    return number
