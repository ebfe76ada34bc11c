"""The words in front of a program: small tools, each of which becomes the next by exec(3).

None of them forks, so the process that was started is the program in the end: its
number, its signals, its exit status and its parent death signal are its own.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from dataclasses import dataclass, replace

from dffmpeg.actors.worker.processes.launches import CannotStart, Command, Limits

_TRIAL_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Tools:
    """Absolute paths of what was found on this machine.

    Attributes:
        setpriv: util-linux; sets the parent death signal and the credentials.
        death_signal: whether it can do the former here.
        nsenter: util-linux; enters a view.
        bwrap: bubblewrap; makes one.
        prlimit: util-linux; sets limits.
        env: coreutils; changes the directory inside a view, and ignores signals.
    """

    setpriv: bytes | None = None
    death_signal: bool = False
    nsenter: bytes | None = None
    bwrap: bytes | None = None
    env: bytes | None = None
    sh: bytes | None = None
    prlimit: bytes | None = None

    @property
    def folders(self) -> frozenset[bytes]:
        """Where they are, by name and in truth."""
        found = (self.setpriv, self.nsenter, self.env, self.sh, self.prlimit)
        return frozenset(
            os.path.dirname(path) for tool in found if tool for path in (tool, os.path.realpath(tool))
        )


def find_tools() -> Tools:
    """Look for the tools on the PATH; one is tried: setpriv, which the kernel may refuse."""

    def find(name: str) -> bytes | None:
        found = shutil.which(name)
        return None if found is None else os.fsencode(os.path.abspath(found))

    setpriv = find("setpriv")
    return Tools(
        setpriv=setpriv,
        death_signal=setpriv is not None and _works(setpriv),
        nsenter=find("nsenter"),
        bwrap=find("bwrap"),
        env=find("env"),
        sh=find("sh"),
        prlimit=find("prlimit"),
    )


def _works(setpriv: bytes) -> bool:
    words = [setpriv, b"--pdeathsig", b"KILL", b"--", setpriv, b"--version"]
    try:
        return subprocess.run(words, capture_output=True, timeout=_TRIAL_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@dataclass(frozen=True, slots=True)
class Entry:
    """How a view is entered: where its namespaces can be opened, as paths.

    Attributes:
        descriptors: the same as the worker has them open, mount first.
        surplus: numbers under which the child has them too, and the program shall not.
        temporary: descriptor of the view's own /tmp, if it has one.
    """

    mount: bytes
    user: bytes | None = None
    descriptors: tuple[int, ...] = ()
    surplus: tuple[int, ...] = ()
    temporary: int | None = None


def entered_by(entry: Entry, numbers: tuple[int, ...]) -> Entry:
    """The entry by descriptors of the child's own: one that is confined cannot look at the worker's."""
    first, *rest = (b"/proc/self/fd/%d" % number for number in numbers)
    # Of more digits no shell closes them; they are of the namespaces in which the program is anyway.
    surplus = tuple(number for number in numbers if number < 10)
    return replace(entry, mount=first, user=rest[0] if rest else None, surplus=surplus)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program begins.

    Attributes:
        directory: its working directory.
        arrived: the child begins in it, with the right umask, because its parent could arrange for that.
        entry: the view.
        hidden: the directory is not to be seen in the view; the child begins in it, and takes it along.
        may_hang: the child goes there by itself, and its parent never.
    """

    directory: bytes
    arrived: bool
    entry: Entry | None = None
    hidden: bool = False
    may_hang: bool = False


def chain(command: Command, place: Place, tools: Tools) -> list[bytes]:
    """The words to be executed: tools, program, arguments.

    Raises:
        CannotStart: it takes a tool that is not here.
    """
    inside = place.entry is not None and not place.hidden
    words: list[bytes] = []
    if (place.may_hang or not place.arrived) and not inside:
        words += [_need(tools.env, "env"), b"-C", place.directory]
    if place.entry is not None:
        words += _entering(place.entry, tools)
        words += [b"--wd=.", b"--"] if place.hidden else [b"--"]
    options = [b"-C", place.directory] if inside else []
    options += [b"--ignore-signal=%d" % number for number in command.ignored_signals]
    if options:
        words += [_need(tools.env, "env"), *options]
    script = b""
    if command.umask is not None and not place.arrived:
        script += b"umask %04o && " % command.umask
    if place.entry is not None and place.entry.surplus:
        script += b"exec %s && " % b" ".join(b"%d<&-" % number for number in place.entry.surplus)
    if script:
        words += [_need(tools.sh, "sh"), b"-c", script + b'exec "$@"', b"sh"]
    words += _limiting(command.limits, tools)
    # The last of the tools: entering a namespace and changing the user take the death signal away.
    words += _binding(command, tools)
    return [*words, command.program, *command.arguments]


def _entering(entry: Entry, tools: Tools) -> list[bytes]:
    words = [_need(tools.nsenter, "nsenter"), b"--mount=" + entry.mount]
    if entry.user is not None:
        words += [b"--user=" + entry.user, b"--preserve-credentials"]
    return words


CPU_GRACE = 5
"""Seconds of processor time from SIGXCPU, on which ffmpeg finishes its file, to SIGKILL."""


def _limiting(limits: Limits, tools: Tools) -> list[bytes]:
    options = []
    if limits.cpu_time is not None:
        seconds = math.ceil(limits.cpu_time)
        options.append(b"--cpu=%d:%d" % (seconds, seconds + CPU_GRACE))
    if limits.memory is not None:
        options.append(b"--data=%d" % limits.memory)
    if limits.file_size is not None:
        options.append(b"--fsize=%d" % limits.file_size)
    if limits.processes is not None:
        options.append(b"--nproc=%d" % limits.processes)
    return [_need(tools.prlimit, "prlimit"), *options, b"--"] if options else []


_KEPT_CAPABILITIES = b"+chown,+dac_override,+fowner,+fsetid,+setuid,+setgid"
"""What root still needs, capabilities(7): whose files it may use, and becoming somebody else."""


def _binding(command: Command, tools: Tools) -> list[bytes]:
    options = [b"--pdeathsig", b"KILL"] if tools.death_signal else []
    credentials = command.credentials
    if command.confinement is not None and os.geteuid() == 0 and tools.setpriv is not None:
        options += [b"--bounding-set", b"-all," + _KEPT_CAPABILITIES, b"--inh-caps", b"-all"]
    if credentials is not None:
        options += [b"--reuid=%d" % credentials.uid, b"--regid=%d" % credentials.gid]
        groups = b",".join(b"%d" % group for group in credentials.groups)
        options += [b"--groups=" + groups] if groups else [b"--clear-groups"]
    return [_need(tools.setpriv, "setpriv"), *options, b"--"] if options else []


def _need(tool: bytes | None, name: str) -> bytes:
    if tool is None:
        raise CannotStart(f"there is no {name}(1) on this worker, which starting this program takes")
    return tool
