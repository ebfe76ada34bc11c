"""What the caller's descriptors are, and which of them the program can know of."""

from __future__ import annotations

import os
import stat

STANDARD = (0, 1, 2)
MOST = 64
"""Descriptors that can be described in one call."""

_NULL = (1, 3)
"""Device numbers of /dev/null, null(4)."""
_FULL = (1, 7)
"""Device numbers of /dev/full, full(4)."""


class Descriptor:
    """One descriptor; the fields are those of `dffmpeg.wire.jobs.Descriptor`."""

    __slots__ = ("append", "direction", "kind", "number", "of", "offset", "path")

    def __init__(
        self,
        number: int,
        kind: str,
        direction: str,
        *,
        of: int = -1,
        path: bytes = b"",
        offset: int = 0,
        append: bool = False,
    ) -> None:
        self.number = number
        self.kind = kind
        self.direction = direction
        self.of = of
        self.path = path
        self.offset = offset
        self.append = append

    def packed(self) -> bytes:
        """As one field of a call."""
        numbers = f"{self.number} {self.kind} {self.direction} {self.of} {self.offset} {self.append:d} "
        return numbers.encode() + self.path


def survey(arguments: list[bytes]) -> list[Descriptor]:
    """Every descriptor that the program gets: the standard ones, and those that an argument names."""
    named = _named(arguments)
    as_file = _named_as_file(arguments)
    found: list[Descriptor] = []
    open_files: dict[tuple[int, int, bytes], int] = {}
    for number in [*STANDARD, *sorted(set(named) - set(STANDARD))][:MOST]:
        found.append(_describe(number, named.get(number), number in as_file, open_files))
    return found


def reads_standard_input(program: bytes, arguments: list[bytes]) -> bool:
    """Whether the program may read standard input, so that we have to. Not every ffmpeg does."""
    if has_standard_input(program, arguments):
        return True
    return program != b"ffprobe" and b"-nostdin" not in arguments


def has_standard_input(program: bytes, arguments: list[bytes]) -> bool:
    """Whether standard input is one of the program's inputs, not only where its keys come from."""
    if names_standard_input(arguments):
        return True
    # Whatever is no option is ffprobe's input.
    return program == b"ffprobe" and any(argument in (b"-", b"pipe:", b"fd:") for argument in arguments)


def names_standard_input(arguments: list[bytes]) -> bool:
    """Whether the arguments say that standard input is read, so that it is no keyboard."""
    return 0 in _named(arguments)


def _named(arguments: list[bytes]) -> dict[int, str]:
    """Descriptors that arguments refer to, and in which direction as far as that can be seen."""
    found: dict[int, str] = {}
    before = b""
    for argument in arguments:
        for number in _numbers(argument, before):
            found.setdefault(number, "in" if before == b"-i" else "out")
        before = argument
    return found


def _numbers(argument: bytes, before: bytes) -> list[int]:
    if before == b"-fd" and argument.isdigit():
        return [int(argument)]
    numbers = []
    for prefix in (b"pipe:", b"/dev/fd/", b"/proc/self/fd/"):
        start = argument.find(prefix)
        while start >= 0:
            start += len(prefix)
            end = start
            while argument[end : end + 1].isdigit():
                end += 1
            if start < end <= start + 4 and int(argument[start:end]) < 1024:
                numbers.append(int(argument[start:end]))
            elif prefix == b"pipe:":
                # Which of the two it is depends on the place; both exist anyway.
                numbers.append(0 if before == b"-i" else 1)
            start = argument.find(prefix, start)
    if argument in (b"/dev/stdin", b"fd:") or (argument == b"-" and before == b"-i"):
        numbers.append(0)
    return numbers


def _named_as_file(arguments: list[bytes]) -> set[int]:
    names = {b"/dev/stdin": 0, b"/dev/stdout": 1, b"/dev/stderr": 2}
    found: set[int] = set()
    before = b""
    for argument in arguments:
        path = argument.removeprefix(b"file:")
        if path in names:
            found.add(names[path])
        for prefix in (b"/dev/fd/", b"/proc/self/fd/"):
            number = path.removeprefix(prefix)
            if path.startswith(prefix) and number.isdigit():
                found.add(int(number))
        if argument == b"fd:":
            found |= {0} if before == b"-i" else {1}
        if before == b"-fd" and argument.isdigit():
            found.add(int(argument))
        before = argument
    return found


def _describe(
    number: int, direction: str | None, as_file: bool, open_files: dict[tuple[int, int, bytes], int]
) -> Descriptor:
    default = direction or ("in" if number == 0 else "out")
    try:
        status = os.fstat(number)
        details = _details(number)
    except OSError:
        return Descriptor(number, "closed", default)
    flags = int(details.get(b"flags", b"02"), 8)
    if number > 2 and flags & os.O_ACCMODE != os.O_RDWR:
        default = "in" if flags & os.O_ACCMODE == os.O_RDONLY else "out"
    if stat.S_ISCHR(status.st_mode):
        device = (os.major(status.st_rdev), os.minor(status.st_rdev))
        if device == _NULL:
            return Descriptor(number, "null", default)
        if device == _FULL:
            return Descriptor(number, "file", default, path=b"/dev/full")
        if os.isatty(number):
            return Descriptor(number, "terminal", default)
    offset = int(details.get(b"pos", b"0"))
    append = bool(flags & os.O_APPEND)
    if as_file and stat.S_ISREG(status.st_mode):
        path = os.readlink(f"/proc/self/fd/{number}".encode())
        return Descriptor(number, "file", default, path=path, offset=offset, append=append)
    if default == "out":
        # The same file, at the same place, opened the same way: for pipes and sockets that is all there
        # is to tell, and two numbers of one file that was opened once agree in it too.
        key = (status.st_dev, status.st_ino, details.get(b"flags", b"") + b"@" + details.get(b"pos", b""))
        first = open_files.setdefault(key, number)
        if first != number:
            return Descriptor(number, "same", default, of=first)
    return Descriptor(number, "pipe", default)


def _details(number: int) -> dict[bytes, bytes]:
    """What /proc says of an open file, proc(5): its position and its flags."""
    descriptor = os.open(f"/proc/self/fdinfo/{number}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = os.read(descriptor, 4096)
    finally:
        os.close(descriptor)
    lines = [line.partition(b":") for line in text.splitlines()]
    return {name: value.strip() for name, _, value in lines}
