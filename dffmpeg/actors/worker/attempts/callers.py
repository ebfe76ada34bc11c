"""Whether another user gets to a place in the file system, asked of the kernel itself.

Modes alone do not tell: there are access lists, and servers that know another root. So a thread becomes that
user for the file system, credentials(7), which to Linux is a thread's own, and looks.
"""

from __future__ import annotations

import ctypes
import os
import platform
import threading

from dffmpeg.actors.worker.processes.launches import Credentials

_SETGROUPS = {"x86_64": 116, "aarch64": 159, "riscv64": 159, "ppc64le": 81, "s390x": 206}
"""The call itself: the C library's function of that name changes all threads."""


def reaches(who: Credentials, path: bytes) -> bool:
    """Whether a user may search every directory above `path`.

    For a worker that is root. It may hang where the file system does.
    """
    found: list[bool] = []

    def look() -> None:
        library = ctypes.CDLL(None, use_errno=True)
        number = _SETGROUPS.get(platform.machine())
        if number is not None:
            groups = (ctypes.c_uint32 * len(who.groups))(*who.groups)
            library.syscall(ctypes.c_long(number), ctypes.c_long(len(who.groups)), groups)
        library.setfsgid(ctypes.c_uint32(who.gid))
        # Last, for it takes the rights of root over files along.
        library.setfsuid(ctypes.c_uint32(who.uid))
        try:
            os.stat(path)
        except PermissionError:
            found.append(False)
        except OSError:
            # Gone, or broken: for whoever opens it to say.
            found.append(True)
        else:
            found.append(True)

    thread = threading.Thread(target=look, name="dffmpeg-caller")
    thread.start()
    thread.join()
    return found[0]
