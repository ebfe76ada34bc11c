"""What was found out about programs, kept on this machine's disk.

A file for each program, so that several workers of one user disturb each other in nothing. Every
function here blocks.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import socket
from pathlib import Path

import msgspec

from dffmpeg.configuration.writing import write_file
from dffmpeg.errors import ConfigurationError
from dffmpeg.model.abilities import Abilities, ordered
from dffmpeg.model.trials import Devices

logger = logging.getLogger("dffmpeg.worker.capabilities")

_FORMAT = 1
_MAX_FILES = 64
_MAX_BYTES = 1 << 20
_ENDING = ".json"
_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "LIBVA_DRIVER_NAME",
    "VK_ICD_FILENAMES",
    "DISPLAY",
)
"""Variables of the worker that decide which hardware a program finds."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which program, on which hardware: what was found out holds for as long as this is the same.

    Attributes:
        path: absolute, as it is started; the other fields are of what it leads to.
        mtime: nanoseconds.
        machine: a digest of the devices, drivers and the boot.
    """

    path: str
    device: int
    inode: int
    size: int
    mtime: int
    machine: str

    def same_program(self, other: Identity) -> bool:
        """Whether only the hardware around it may differ."""
        return msgspec.structs.replace(self, machine="") == msgspec.structs.replace(other, machine="")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A file's content.

    Attributes:
        benchmark: pixels a second; belongs to the program, and outlives changes of the hardware around it.
    """

    identity: Identity
    abilities: Abilities
    benchmark: float | None = None
    format: int = _FORMAT


# Made once, when this is imported: msgspec prepares a type when it is first decoded to, and two threads
# that do so at once for one dataclass crash the interpreter.
_ENTRY = msgspec.json.Decoder(Entry)


def resolve(program: str) -> bytes | None:
    """The absolute path of a program, looked up on the PATH unless it holds a slash; or None."""
    found = shutil.which(program)
    return None if found is None else os.fsencode(Path(found).absolute())


def identify(program: str) -> Identity | None:
    """What a configured program is now; None where there is none."""
    path = resolve(program)
    if path is None:
        return None
    try:
        status = os.stat(path)
    except OSError:
        return None
    return Identity(
        path=os.fsdecode(path),
        device=status.st_dev,
        inode=status.st_ino,
        size=status.st_size,
        mtime=status.st_mtime_ns,
        machine=_machine(),
    )


def devices() -> Devices:
    """The device nodes of this machine."""
    return Devices(
        render=tuple(str(path) for path in sorted(Path("/dev/dri").glob("renderD*"))),
        cards=tuple(str(path) for path in sorted(Path("/dev/dri").glob("card*"))),
    )


def _machine() -> str:
    nodes = [path for pattern in ("dri/*", "nvidia*", "video*") for path in Path("/dev").glob(pattern)]
    parts = [str(path) for path in sorted(nodes)]
    parts += [f"{name}={os.environ.get(name)}" for name in _VARIABLES]
    for file in ("/proc/sys/kernel/random/boot_id", "/proc/driver/nvidia/version"):
        try:
            parts.append(Path(file).read_text("utf-8", "replace"))
        except OSError:
            parts.append("")
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def default_folder() -> Path | None:
    """Where the files are: systemd's folder for it, or the user's after the XDG base directory specification;
    None where there is neither."""
    given = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    if os.path.isabs(given):
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The specification: a relative value must be ignored.
    if not os.path.isabs(cache):
        home = os.path.expanduser("~")
        if not os.path.isabs(home):
            return None
        cache = os.path.join(home, ".cache")
    return Path(cache, "dffmpeg")


class AbilityCache:
    """The files in one folder.

    Args:
        folder: made when something is kept; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def load(self, identity: Identity) -> Entry | None:
        """What is known of the program, though perhaps with other hardware around it. A file that cannot be
        read is nothing, and a warning."""
        file = self._file(identity)
        if file is None:
            return None
        try:
            with open(file, "rb") as opened:
                entry = _ENTRY.decode(opened.read(_MAX_BYTES))
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            logger.warning("%s is passed over: %s", file, error)
            return None
        if entry.format != _FORMAT or not entry.identity.same_program(identity):
            return None
        return msgspec.structs.replace(entry, abilities=ordered(entry.abilities))

    def store(self, entry: Entry) -> None:
        """Keep it in place of what was known of that program. Where that fails it is only a warning."""
        file = self._file(entry.identity)
        if file is None:
            return
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(file, msgspec.json.encode(entry).decode("utf-8"), overwrite=True)
            self._drop_old(file.parent)
        except (OSError, ConfigurationError) as error:
            logger.warning("what was found out about %s is not kept: %s", entry.identity.path, error)

    def _file(self, identity: Identity) -> Path | None:
        if self._folder is None:
            return None
        # The folder may be on a storage that several machines share.
        text = f"{socket.gethostname()}\0{identity.path}".encode("utf-8", "surrogateescape")
        return self._folder / f"program-{hashlib.sha256(text).hexdigest()[:32]}{_ENDING}"

    def _drop_old(self, folder: Path) -> None:
        files = sorted(folder.glob(f"program-*{_ENDING}"), key=lambda file: file.stat().st_mtime)
        for file in files[:-_MAX_FILES]:
            file.unlink(missing_ok=True)
