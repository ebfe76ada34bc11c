"""Landlock, landlock(7): the calling thread gives up everything but what a set of rules names.

Through the system calls, whose numbers are the same on all architectures that we run on. A rule is about a
directory's inode and not its name, so it holds in every mount namespace that shows the same directory.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat
import struct
from collections.abc import Iterable

from dffmpeg.model.confinement import Access, Rule

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE = 1 << 0
_WRITE_FILE = 1 << 1
_READ_FILE = 1 << 2
_READ_DIR = 1 << 3
_REMOVE_DIR = 1 << 4
_REMOVE_FILE = 1 << 5
_MAKE_DIR = 1 << 7
_MAKE_REG = 1 << 8
_REFER = 1 << 13
_TRUNCATE = 1 << 14
_IOCTL_DEV = 1 << 15

_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights about files there are, by version of the interface; later ones have 16."""

_BIND_AND_CONNECT_TCP = 3
_ABSTRACT_SOCKETS_AND_SIGNALS = 3

_MEANING = {
    Access.READ: _READ_FILE | _READ_DIR,
    Access.OPEN: _READ_FILE,
    Access.EXECUTE: _EXECUTE,
    # Without links, sockets and devices, which no program of ours makes.
    Access.WRITE: _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE,
    Access.DEVICE: _IOCTL_DEV,
}
_RULE = struct.Struct("=Qi")
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV


_LIBRARY = ctypes.PyDLL(None, use_errno=True)
"""These calls never wait. There are a hundred at each start, and giving other threads a turn costs more."""


def _call(number: int, *arguments: ctypes.c_char_p | ctypes.c_size_t | ctypes.c_int | None) -> int:
    result: int = _LIBRARY.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


@functools.cache
def version() -> int:
    """The version of the interface that the kernel offers; 0 where it has none, or does not use it."""
    try:
        return _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_int(_VERSION))
    except OSError:
        return 0


def _handled() -> int:
    return int((1 << _RIGHTS.get(version(), 16)) - 1)


def make_rules(rules: Iterable[Rule], *, network: bool) -> int:
    """Make a set of rules. It opens the paths, so it may hang where a file system does.

    Args:
        network: whether TCP stays allowed.

    Returns:
        A descriptor of the set; the caller's to close.

    Raises:
        OSError: the kernel makes none, or a required path is not there.
    """
    abi = version()
    attributes = struct.pack("Q", _handled())
    if abi >= 4:
        attributes += struct.pack("Q", 0 if network else _BIND_AND_CONNECT_TCP)
    if abi >= 6:
        attributes += struct.pack("Q", _ABSTRACT_SOCKETS_AND_SIGNALS)
    made = _call(
        _CREATE_RULESET,
        ctypes.c_char_p(attributes),
        ctypes.c_size_t(len(attributes)),
        ctypes.c_int(0),
    )
    try:
        for rule in rules:
            _add_path(made, rule)
    except OSError:
        os.close(made)
        raise
    return made


def _add_path(made: int, rule: Rule) -> None:
    try:
        opened = os.open(rule.path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        if rule.required:
            raise
        return
    try:
        add(made, opened, rule.access)
    finally:
        os.close(opened)


@functools.cache
def _rights(access: Access) -> int:
    rights = 0
    for one in access:
        rights |= _MEANING[one]
    return rights & _handled()


def add(made: int, opened: int, access: Access) -> None:
    """Allow what is open under a descriptor too.

    Raises:
        OSError: the kernel does not take it.
    """
    rights = _rights(access)
    if not stat.S_ISDIR(os.fstat(opened).st_mode):
        rights &= _ON_FILES
    text = ctypes.c_char_p(_RULE.pack(rights, opened))
    try:
        _call(_ADD_RULE, ctypes.c_int(made), ctypes.c_int(_PATH_BENEATH), text, ctypes.c_int(0))
    except OSError as error:
        # Pipes and the like are not among what rules are about.
        if error.errno != errno.EBADFD:
            raise


def restrict(made: int) -> None:
    """Restrict the calling thread, and every process that it starts; nothing takes that back.

    Raises:
        OSError: the kernel refuses, as it does to threads that may still gain privileges.
    """
    _call(_RESTRICT_SELF, ctypes.c_int(made), ctypes.c_int(0))
