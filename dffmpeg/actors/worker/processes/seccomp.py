"""A seccomp filter, seccomp(2): system calls that no encoder makes, and those that would get around the rest.

Landlock knows files and TCP. What it does not know is here: every other kind of socket, processes of others,
mounts, namespaces, and the parts of the kernel that are the usual way to break out of it.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import struct

_CALLS = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "truncate": (76, 45),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
    "clone": (56, 220),
    "clone3": (435, 435),
    "socket": (41, 198),
}
"""Their numbers on x86_64 and on aarch64."""

_MACHINES = {
    "x86_64": (0xC000003E, {name: numbers[0] for name, numbers in _CALLS.items()}),
    "aarch64": (0xC00000B7, {name: numbers[1] for name, numbers in _CALLS.items()}),
}
"""The number by which the kernel knows the architecture, and those of the calls there."""

_FORK_X86_64, _X32 = 57, 0x40000000

_SEEN_TO = frozenset(("clone", "clone3", "socket", "setns", "truncate"))
"""Not refused as they are."""

_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_SET, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24
"""Where in what the filter looks at: the call, the architecture, the lower halves of two arguments."""

_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_CLONE_THREAD, _CLONE_VFORK, _CLONE_NAMESPACES = 0x00010000, 0x00004000, 0x7E020000
_UNIX, _INTERNET, _INTERNET_6, _NETLINK = 1, 2, 10, 16
_SOCKET_TYPE, _SEQPACKET = 0xF, 5

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_GET_SECCOMP, _FILTER = 38, 22, 21, 2


@functools.cache
def available() -> bool:
    """Whether the kernel filters calls, and we know how this machine numbers them."""
    library = ctypes.CDLL(None, use_errno=True)
    return platform.machine() in _MACHINES and library.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0


def forbid_new_privileges() -> None:
    """See to it that no program of the calling thread's gains any by being executed.

    Raises:
        OSError: the kernel does not know that.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


Step = tuple[int, int, int, int]


def program(machine: str, *, network: bool, forks: bool, enters: bool, truncates: bool) -> list[Step]:
    """The filter's instructions: code, steps to skip if true, if false, operand.

    Args:
        machine: `x86_64` or `aarch64`.
        network: whether sockets of the Internet may be made.
        forks: whether processes may be made, besides threads and by vfork(2), which is how programs start.
        enters: whether a namespace may be entered, which a start in a view takes.
        truncates: whether files may be cut short by name; no where Landlock does not see to that.
    """
    architecture, numbers = _MACHINES[machine]
    refuse: Step = (_RETURN, 0, 0, _ERROR | errno.EPERM)
    steps: list[Step] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        steps += [(_JUMP_ABOVE, 0, 1, _X32), refuse]
    refused = {number for name, number in numbers.items() if name not in _SEEN_TO}
    if not enters:
        refused.add(numbers["setns"])
    if not truncates:
        refused.add(numbers["truncate"])
    if not forks and machine == "x86_64":
        refused.add(_FORK_X86_64)
    for number in sorted(refused):
        steps += [(_JUMP_EQUAL, 0, 1, number), refuse]
    # Its arguments are in memory, where no filter looks; without it the C library takes the older call.
    steps += [(_JUMP_EQUAL, 0, 1, numbers["clone3"]), (_RETURN, 0, 0, _ERROR | errno.ENOSYS)]
    steps += _when(numbers["clone"], _cloning(forks, refuse))
    steps += _when(numbers["socket"], _sockets(network))
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _when(number: int, then: list[Step]) -> list[Step]:
    """`then`, which ends with a return, for one call; others go on behind it."""
    return [(_JUMP_EQUAL, 0, len(then), number), *then]


def _cloning(forks: bool, refuse: Step) -> list[Step]:
    steps: list[Step] = [(_LOAD, 0, 0, _FIRST), (_JUMP_SET, 0, 1, _CLONE_NAMESPACES), refuse]
    if not forks:
        steps += [(_JUMP_SET, 1, 0, _CLONE_THREAD | _CLONE_VFORK), refuse]
    return [*steps, (_RETURN, 0, 0, _ALLOW)]


def _sockets(network: bool) -> list[Step]:
    allow: Step = (_RETURN, 0, 0, _ALLOW)
    steps: list[Step] = [(_LOAD, 0, 0, _FIRST)]
    for family in (_INTERNET, _INTERNET_6, _NETLINK) if network else ():
        steps += [(_JUMP_EQUAL, 0, 1, family), allow]
    # A stream to a socket in the file system would be a way to every service here, of which Landlock knows
    # nothing; of this type there are hardly any, and drivers of graphics cards make one.
    steps += [
        (_JUMP_EQUAL, 0, 4, _UNIX),
        (_LOAD, 0, 0, _SECOND),
        (_AND, 0, 0, _SOCKET_TYPE),
        (_JUMP_EQUAL, 0, 1, _SEQPACKET),
        allow,
    ]
    return [*steps, (_RETURN, 0, 0, _ERROR | errno.EACCES)]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def install(steps: list[Step]) -> None:
    """Filter the calls of the calling thread, and of every process that it starts; nothing takes that back.

    Raises:
        OSError: the kernel refuses, as it does to threads that may still gain privileges.
    """
    text = b"".join(struct.pack("HBBI", *step) for step in steps)
    memory = ctypes.create_string_buffer(text, len(text))
    given = _Program(len(steps), ctypes.cast(memory, ctypes.c_void_p))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(given), 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
