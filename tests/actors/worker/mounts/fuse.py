"""A file system that stops answering when it is told to, as a network mount does whose server is gone.

A program of its own, `python -m tests.actors.worker.mounts.fuse DIRECTORY`: it speaks the kernel's FUSE
protocol itself and has one file, `marker`. On `stall` at its standard input it takes requests and answers
none, which holds whoever asked against SIGKILL too; on `answer` it answers, those that wait first.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import stat
import struct
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

MARKER = b"marker"
CONTENT = b"here\n"

_FORGET, _INTERRUPT, _BATCH_FORGET = 2, 36, 42
_ROOT, _FILE = 1, 2
_ENOENT, _ENOSYS = 2, 38
_MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str, options: str = "", flags: int = 0) -> None:
    """mount(2)."""
    words = (source.encode(), os.fsencode(target), kind.encode(), flags, options.encode())
    if _libc.mount(*words) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def unmount(target: str) -> None:
    """umount2(2), also of what does not answer; nothing mounted is fine."""
    _libc.umount2(os.fsencode(target), _MNT_DETACH)


def why_not() -> str | None:
    """Why no such file system can be had here; None if it can."""
    if os.geteuid() != 0:
        return "only root may mount a file system"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse: {error.strerror}"
    return None


class Stalling:
    """Such a file system on a directory, from entering to leaving."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.actors.worker.mounts.fuse", self.directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        try:
            self._expect(b"ready")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Its death ends every request, and releases whoever waits.
        self._process.kill()
        self._process.communicate()
        unmount(str(self.directory))

    def stall(self) -> None:
        """From now on nothing is answered."""
        self._say(b"stall")

    def answer(self) -> None:
        """Everything is answered again."""
        self._say(b"answer")

    def die(self) -> None:
        """Its server is gone for good: asking it is an error from now on."""
        self._process.kill()
        self._process.wait()

    def _say(self, word: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word + b"\n")
        self._expect(word)

    def _expect(self, word: bytes) -> None:
        assert self._process.stdout is not None
        assert select.select([self._process.stdout], [], [], 60)[0], "it does not answer"
        said = self._process.stdout.readline().strip()
        assert said == word, said


class _Server:
    """The other end of /dev/fuse."""

    def __init__(self, device: int) -> None:
        self._device = device
        self._stalled: list[bytes] | None = None

    def stall(self) -> None:
        self._stalled = self._stalled or []

    def answer(self) -> None:
        stalled, self._stalled = self._stalled or [], None
        for request in stalled:
            self._serve(request)

    def step(self) -> None:
        """Take one request."""
        request = os.read(self._device, 1 << 18)
        if self._stalled is None:
            self._serve(request)
        else:
            self._stalled.append(request)

    def _serve(self, request: bytes) -> None:
        _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
        if opcode in (_FORGET, _BATCH_FORGET, _INTERRUPT):
            return
        error, body = self._reply(opcode, node, request[40:])
        # Who asked may have been killed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            os.write(self._device, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)

    def _reply(self, opcode: int, node: int, body: bytes) -> tuple[int, bytes]:
        match opcode:
            case 26:  # INIT
                reply = struct.pack("<IIIIHHIIHHI28x", 7, 31, 65536, 0, 12, 9, 65536, 1, 0, 0, 0)
            case 1 if body.rstrip(b"\0") == MARKER:
                reply = struct.pack("<QQQQII", _FILE, 0, 0, 0, 0, 0) + _attributes(_FILE)
            case 1:  # LOOKUP
                return _ENOENT, b""
            case 3:  # GETATTR
                reply = struct.pack("<QII", 0, 0, 0) + _attributes(node)
            case 14 | 27:  # OPEN, OPENDIR
                reply = struct.pack("<QII", 0, 0, 0)
            case 15:  # READ
                offset, size = struct.unpack_from("<QI", body, 8)
                reply = CONTENT[offset : offset + size]
            case 28:  # READDIR
                offset = struct.unpack_from("<Q", body, 8)[0]
                name = MARKER.ljust(8, b"\0")
                reply = b"" if offset else struct.pack("<QQII", _FILE, 1, len(MARKER), 8) + name
            case 17:  # STATFS
                reply = struct.pack("<QQQQQIIII24x", 1000, 500, 500, 10, 5, 4096, 255, 4096, 0)
            case 18 | 25 | 29 | 34:  # RELEASE, FLUSH, RELEASEDIR, ACCESS
                reply = b""
            case _:
                return _ENOSYS, b""
        return 0, reply


def _attributes(node: int) -> bytes:
    directory = node == _ROOT
    mode = stat.S_IFDIR | 0o755 if directory else stat.S_IFREG | 0o644
    size = 0 if directory else len(CONTENT)
    return struct.pack("<6Q10I", node, size, 1, 0, 0, 0, 0, 0, 0, mode, 1 + directory, 0, 0, 0, 4096, 0)


def _main(directory: str) -> None:
    device = os.open("/dev/fuse", os.O_RDWR)
    mount("stalling", directory, "fuse", f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other")
    server = _Server(device)
    os.write(1, b"ready\n")
    while True:
        ready = select.select([0, device], [], [])[0]
        if device in ready:
            server.step()
        if 0 in ready:
            word = os.read(0, 100).strip()
            if word == b"stall":
                server.stall()
            elif word == b"answer":
                server.answer()
            else:
                return
            os.write(1, word + b"\n")


if __name__ == "__main__":
    _main(sys.argv[1])
