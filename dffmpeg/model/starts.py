"""Why a program starts by itself and not in the sandbox, told from what it says. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from dffmpeg.model.confinement import Access, Confinement
from dffmpeg.model.paths import inside

_NOT_STARTED = (126, 127)
"""With what tools, shells and the loader of libraries end in place of the program, env(1), ld.so(8)."""

_PATH = re.compile(rb"/[^\s:'\"<>|]*[^\s:'\"<>|,.;()]")
_MOST_FILES, _MOST_FOLDERS = 3, 8
_MOST_SAID = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """How a program that was asked something ended.

    Attributes:
        text: what it wrote to its standard output.
        said: what it wrote besides.
        code: its exit code; None for a signal's end.
        reached: whether the program itself was executed, as far as the worker can see that.
    """

    text: str
    said: bytes = b""
    code: int | None = 0
    reached: bool = True

    @property
    def started(self) -> bool:
        """Whether it came so far as to answer."""
        return self.reached and self.code not in _NOT_STARTED


def suspicious(confined: Answer) -> bool:
    """Whether what a program did in the sandbox is worth a look at what it does without."""
    return not confined.started or confined.code != 0


def kept_from_starting(confined: Answer, free: Answer) -> bool:
    """Whether it is the sandbox that a program does not start in."""
    if not confined.started:
        return free.started
    return confined.code != 0 and free.code == 0


def paths_in(text: bytes) -> tuple[bytes, ...]:
    """The absolute paths that a message, or the loader's list of libraries, names; each once."""
    return tuple(dict.fromkeys(_PATH.findall(text)))


def interpreters(head: bytes) -> tuple[bytes, ...]:
    """The programs that the first line of a script names, execve(2); of machine code there are none."""
    return paths_in(head.partition(b"\n")[0]) if head.startswith(b"#!") else ()


def readable_places(confinement: Confinement) -> tuple[bytes, ...]:
    """What a program may read, as its rules name it."""
    reading = Access.READ | Access.OPEN
    return tuple(rule.path for rule in confinement.rules if rule.access & reading)


def unreadable(files: Iterable[bytes], places: Collection[bytes]) -> tuple[bytes, ...]:
    """Those of the files that lie in none of the places; all without links."""
    return tuple(sorted({file for file in files if not inside(file, places)}))


def explanation(program: bytes, files: Collection[bytes], said: bytes) -> str:
    """What to tell of a program that the sandbox keeps from starting, and what to do about it.

    Args:
        files: what it may not read, as far as that is known.
        said: what it said itself.
    """
    begin = f"{_shown(program)} does not start in the sandbox"
    if not files:
        lines = [line.strip() for line in said.split(b"\n") if line.strip()]
        last = _shown(lines[-1][:_MOST_SAID]) if lines else "it does not say why"
        return f"{begin}: {last}; name the folder of what it misses in sandbox.read of worker.toml"
    folders = sorted({file.rpartition(b"/")[0] or b"/" for file in files})
    return (
        f"{begin}: it may not read {_listed(files, _MOST_FILES)}; "
        f"add to sandbox.read in worker.toml: {_listed(folders, _MOST_FOLDERS)}"
    )


def _listed(paths: Collection[bytes], most: int) -> str:
    named = ", ".join(_shown(path) for path in list(paths)[:most])
    return f"{named} and {len(paths) - most} more" if len(paths) > most else named


def _shown(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")
