"""What a program of this machine may touch and see, as its file system answers. These functions block."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from dffmpeg.actors.worker.processes.namespaces import FileTree
from dffmpeg.model.confinement import Confinement, Policy, confinement, fixtures
from dffmpeg.model.views import Bind, ViewPlan, enclosed

_ELF = b"\x7fELF"


def confined(
    program: bytes, used: Mapping[str, bytes], policy: Policy, *, network: bool = False
) -> Confinement:
    """What a program may touch.

    Args:
        program: as it is executed.
        used: the path variables that its job names, with this machine's directories.
        network: whether the job needs it.
    """
    real = os.path.realpath(program)
    return confinement(real, used, policy, network=network, forks=not _is_binary(real))


def enclosed_view(
    program: bytes,
    binds: Iterable[Bind],
    policy: Policy,
    *,
    tools: Collection[bytes],
    scratch_folder: bytes,
    network: bool = False,
) -> ViewPlan:
    """What a confined program sees.

    Args:
        program: as it is executed.
        binds: the directories that its job names.
        tools: folders of what is executed before it.
        scratch_folder: where programs' temporary directories are made.
        network: whether the job needs it.

    Raises:
        ViewError: one of the directories cannot be shown.
    """
    real = os.path.realpath(program)
    shown = fixtures(real, policy, tools=tools, network=network, identity=_identity)
    shown = replace(shown, read=(*shown.read, program), scratch=scratch_folder)
    return enclosed(binds, shown, kept_folders(program, tools), FileTree())


def kept_folders(program: bytes, tools: Collection[bytes]) -> list[bytes]:
    """The folders that no view may cover: the program's, by name and in truth, and those of its tools."""
    return sorted({*tools, os.path.dirname(program), os.path.dirname(os.path.realpath(program))})


def _is_binary(program: bytes) -> bool:
    """Whether it is machine code, and no script that starts others."""
    try:
        with open(program, "rb") as file:
            return file.read(len(_ELF)) == _ELF
    except OSError:
        return False


def _identity(path: bytes) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
