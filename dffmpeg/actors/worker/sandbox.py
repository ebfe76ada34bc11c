"""What this machine's kernel can see to, and what the configuration makes of it."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass

from dffmpeg.actors.worker.processes import landlock, seccomp
from dffmpeg.actors.worker.processes.launches import Limits
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.errors import ConfigurationError
from dffmpeg.model.confinement import NETWORK_PROTOCOLS, Policy

logger = logging.getLogger("dffmpeg.worker.sandbox")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a sandbox is to do.

    Attributes:
        what: in a few words.
        works: whether it does that here.
        how: by what, or what is missing.
        needed: `required` does not go without it.
    """

    what: str
    works: bool
    how: str
    needed: bool = False


_RENAMES, _TRUNCATION, _DEVICES, _SIGNALS = 2, 3, 5, 6
"""From which version of Landlock on it does that."""


def look() -> Iterator[Line]:
    """Ask the kernel. Lines stand in the order of their weight."""
    abi = landlock.version()
    filters = seccomp.available()
    by = (
        f"Landlock, version {abi}"
        if abi
        else "no Landlock: Linux 5.13 or later with `landlock` in its lsm= list"
    )
    yield Line("files", abi > 0, by, needed=True)
    yield Line(
        "network",
        filters,
        "a seccomp filter" if filters else f"no seccomp filter for {platform.machine()}",
        needed=True,
    )
    yield Line("system calls", filters, "a seccomp filter" if filters else "no seccomp filter", needed=False)
    yield Line(
        "truncation",
        abi >= _TRUNCATION or (abi > 0 and filters),
        "Landlock" if abi >= _TRUNCATION else "a seccomp filter" if filters else "Linux 6.2 or later",
    )
    yield _since("moving files between directories", abi, _RENAMES, "5.19")
    yield _since("control of devices", abi, _DEVICES, "6.10")
    yield _since("signals to other processes, abstract sockets", abi, _SIGNALS, "6.12")


def _since(what: str, abi: int, needed: int, linux: str) -> Line:
    return Line(what, abi >= needed, "Landlock" if abi >= needed else f"takes Linux {linux} or later")


def policy_of(config: WorkerConfig) -> Policy | None:
    """What the configuration says of all programs; None where they are not to be confined, or cannot be."""
    sandbox = config.confines
    if sandbox.mode == "off" or not (landlock.version() or seccomp.available()):
        return None
    home = os.environb.get(b"HOME", b"")
    return Policy(
        read=tuple(os.fsencode(path) for path in sandbox.read),
        write=tuple(os.fsencode(path) for path in sandbox.write),
        network=sandbox.network == "allow",
        read_only=config.read_only,
        home=home if home.startswith(b"/") and home != b"/" else None,
    )


def withheld_protocols(config: WorkerConfig) -> frozenset[str]:
    """The protocols of which no program here gets anything."""
    policy = policy_of(config)
    return frozenset() if policy is None or policy.network else NETWORK_PROTOCOLS


def limits_of(config: WorkerConfig) -> Limits:
    """What each program may use."""
    given = config.limits
    return Limits(
        cpu_time=given.cpu_time,
        memory=given.memory,
        file_size=given.file_size,
        processes=given.processes,
        nice=given.nice,
        idle=given.io_class == "idle",
    )


def refuse_or_tell(config: WorkerConfig) -> None:
    """Say once in the log what cannot be seen to here.

    Raises:
        ConfigurationError: the configuration requires it.
    """
    mode = config.confines.mode
    gaps = [line for line in look() if not line.works]
    if mode == "off":
        if config.read_only:
            logger.warning("sandbox = off: nothing but path views keeps jobs from changing read-only paths")
        return
    needed = [line for line in gaps if line.needed]
    if mode == "required" and needed:
        raise ConfigurationError(
            f'sandbox = "required", and this machine cannot confine {needed[0].what}: {needed[0].how}; '
            "`dffmpeg-worker sandbox-check` tells more"
        )
    if gaps:
        logger.warning("jobs are not confined in: %s", "; ".join(f"{one.what} ({one.how})" for one in gaps))
