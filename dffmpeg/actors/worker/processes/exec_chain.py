"""The words in front of a program: small tools, each of which becomes the next by exec(3).

None of them forks, so the process that was started is the program in the end: its
number, its signals, its exit status and its parent death signal are its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

from dffmpeg.actors.worker.processes.launches import CannotStart, Command, Credentials

_TRIAL_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Tools:
    """Absolute paths of what was found on this machine.

    Attributes:
        setpriv: util-linux; sets the parent death signal and the credentials.
        death_signal: whether it can do the former here.
        nsenter: util-linux; enters a view.
        bwrap: bubblewrap; makes one.
        env: coreutils; changes the directory inside a view, and ignores signals.
    """

    setpriv: bytes | None = None
    death_signal: bool = False
    nsenter: bytes | None = None
    bwrap: bytes | None = None
    env: bytes | None = None
    sh: bytes | None = None

    @property
    def folders(self) -> frozenset[bytes]:
        """Where they are, by name and in truth."""
        found = (self.setpriv, self.nsenter, self.env, self.sh)
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
    )


def _works(setpriv: bytes) -> bool:
    words = [setpriv, b"--pdeathsig", b"KILL", b"--", setpriv, b"--version"]
    try:
        return subprocess.run(words, capture_output=True, timeout=_TRIAL_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@dataclass(frozen=True, slots=True)
class Entry:
    """How a view is entered: where its namespaces can be opened, as paths."""

    mount: bytes
    user: bytes | None = None


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
    if command.umask is not None and not place.arrived:
        words += [_need(tools.sh, "sh"), b"-c", b'umask %04o && exec "$@"' % command.umask, b"sh"]
    # The last of the tools: entering a namespace and changing the user take the death signal away.
    words += _binding(command.credentials, tools)
    return [*words, command.program, *command.arguments]


def _entering(entry: Entry, tools: Tools) -> list[bytes]:
    words = [_need(tools.nsenter, "nsenter"), b"--mount=" + entry.mount]
    if entry.user is not None:
        words += [b"--user=" + entry.user, b"--preserve-credentials"]
    return words


def _binding(credentials: Credentials | None, tools: Tools) -> list[bytes]:
    options = [b"--pdeathsig", b"KILL"] if tools.death_signal else []
    if credentials is not None:
        options += [b"--reuid=%d" % credentials.uid, b"--regid=%d" % credentials.gid]
        groups = b",".join(b"%d" % group for group in credentials.groups)
        options += [b"--groups=" + groups] if groups else [b"--clear-groups"]
    return [_need(tools.setpriv, "setpriv"), *options, b"--"] if options else []


def _need(tool: bytes | None, name: str) -> bytes:
    if tool is None:
        raise CannotStart(f"there is no {name}(1) on this worker, which starting this program takes")
    return tool
