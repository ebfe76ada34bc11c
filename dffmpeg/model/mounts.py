"""A worker's mounts: what each depends on, which states it has, and what is to be done in each.

Decided here, done by `dffmpeg.actors.worker.mounts.actor`. Times are seconds on a clock that never goes back.
"""

from __future__ import annotations

import errno
import graphlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

FIRST_RETRY_SECONDS = 5.0
MOST_RETRY_SECONDS = 600.0
"""Between two tries to mount it again: it doubles from the first to the second."""

_DEAD = frozenset(
    {
        errno.ESTALE,
        errno.ENOTCONN,
        errno.ECONNABORTED,
        errno.ECONNRESET,
        errno.ECONNREFUSED,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ETIMEDOUT,
        errno.ENODEV,
        errno.ENXIO,
        errno.EIO,
    }
)
"""What a mount says of itself when what it stood for is not there any more."""

_REFUSALS = (
    "access denied",
    "authentication required",
    "permission denied",
    "operation not permitted",
    "failed to connect to",
    "not been booted with systemd",
)
_NOT_PRIVILEGED = 4
_NOT_LOADED = 5
"""Exit codes of systemctl, as of init scripts."""


class MountError(ValueError):
    """The mounts do not fit together; `mount` names the one to look at."""

    def __init__(self, mount: str, text: str) -> None:
        super().__init__(text)
        self.mount = mount


class Condition(StrEnum):
    UNKNOWN = "unknown"
    """Not looked at yet."""
    HEALTHY = "healthy"
    FAILING = "failing"
    """It is there, and a test of it fails."""
    GONE = "gone"
    """Nothing is mounted, or what is mounted has lost its other end."""
    HUNG = "hung"
    """It does not answer."""
    RECOVERING = "recovering"
    """It is being mounted again."""
    BLOCKED = "blocked"
    """Another mount that it needs is not healthy, so it is left alone."""


@dataclass(frozen=True, slots=True)
class Mount:
    """What the configuration says of one mount.

    Attributes:
        path: its mount point.
        unit: the systemd unit that mounts it.
        after: mounts that it needs.
        read: a file in it that can be read.
        write: whether a file can be written in it.
        interval: seconds between two looks.
        timeout: seconds that a look may take.
        patience: seconds for which it may be gone or hung before running jobs move, and before one that
            is still mounted is mounted again.
        on_loss: whether jobs move at all.
        recover: whether it is mounted again.
    """

    name: str
    path: bytes
    unit: str = ""
    after: frozenset[str] = frozenset()
    read: bytes | None = None
    write: bool = False
    interval: float = 10.0
    timeout: float = 5.0
    patience: float = 30.0
    on_loss: Literal["move", "wait"] = "move"
    recover: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of one mount.

    Attributes:
        detail: why it is not healthy.
        since: when it stopped being healthy.
        lost_since: since when it is gone, hung or blocked without a break.
        moved: its jobs were sent away since then.
        tries: how often it was mounted again since it was last healthy.
        retry_at: not again before.
        refused: this worker may not do that, or it cannot work; it is not tried any more.
    """

    condition: Condition = Condition.UNKNOWN
    detail: str = ""
    since: float | None = None
    lost_since: float | None = None
    moved: bool = False
    tries: int = 0
    retry_at: float = 0.0
    refused: bool = False

    @property
    def healthy(self) -> bool:
        return self.condition is Condition.HEALTHY

    def __str__(self) -> str:
        """For people: `hung: no answer within 5 s`."""
        return f"{self.condition.value}: {self.detail}" if self.detail else self.condition.value


# What happens to a mount


@dataclass(frozen=True, slots=True)
class Fine:
    """It was looked at, and every test passed."""


@dataclass(frozen=True, slots=True)
class Faulty:
    """It answered, and something is wrong: with it altogether (`gone`), or with a test of it."""

    detail: str
    gone: bool


@dataclass(frozen=True, slots=True)
class Silent:
    """It did not answer within its time."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """A mount that it needs is not healthy."""

    by: str


@dataclass(frozen=True, slots=True)
class Recovering:
    """Mounting it again has begun."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """That has ended; whether it helped is for the next look to say."""

    outcome: Literal["done", "failed", "refused"]
    detail: str = ""


MountEvent = Fine | Faulty | Silent | Blocked | Recovering | Recovered


def after(health: Health, event: MountEvent, mount: Mount, now: float) -> Health:
    """The health that follows."""
    if (health.condition is Condition.RECOVERING) != isinstance(event, Recovered):
        # What was seen meanwhile was seen half-way.
        return health
    match event:
        case Fine():
            return Health(Condition.HEALTHY, refused=health.refused)
        case Faulty(detail, gone):
            return _unhealthy(health, Condition.GONE if gone else Condition.FAILING, detail, now)
        case Silent():
            return _unhealthy(health, Condition.HUNG, f"no answer within {mount.timeout:g} s", now)
        case Blocked(by):
            return _unhealthy(health, Condition.BLOCKED, f"{by} is not healthy", now)
        case Recovering():
            retry_at = now + retry_delay(health.tries)
            begun = replace(health, condition=Condition.RECOVERING, tries=health.tries + 1, retry_at=retry_at)
            return replace(begun, detail=f"restarting {mount.unit}")
        case Recovered(outcome):
            # From its end, because a restart may take longer than the time between two.
            retry_at = now + retry_delay(health.tries - 1)
            ended = replace(health, retry_at=retry_at, refused=health.refused or outcome == "refused")
            return replace(ended, condition=Condition.UNKNOWN, detail="")


def _unhealthy(health: Health, condition: Condition, detail: str, now: float) -> Health:
    since = now if health.since is None else health.since
    changed = replace(health, condition=condition, detail=detail, since=since)
    if condition is Condition.FAILING:
        return replace(changed, lost_since=None, moved=False)
    return replace(changed, lost_since=now if health.lost_since is None else health.lost_since)


def retry_delay(tries: int) -> float:
    """Seconds until the next try to mount it again, after so many."""
    return min(FIRST_RETRY_SECONDS * 2.0 ** min(max(tries, 0), 16), MOST_RETRY_SECONDS)


def move_at(health: Health, mount: Mount) -> float | None:
    """When the jobs that need the mount have to move; None if they need not."""
    if mount.on_loss == "wait" or health.moved or health.lost_since is None:
        return None
    return health.lost_since + mount.patience


def with_jobs_moved(health: Health) -> Health:
    """The same, once they were told to."""
    return replace(health, moved=True)


def recover_at(health: Health, mount: Mount) -> float | None:
    """When it is to be mounted again; None if that is not for the worker to do.

    What is mounted is left alone for `patience`: its jobs may go on where they are once it answers. And where
    they are to wait for it, one that hangs is left to the kernel: mounting it anew would take it from them.
    """
    if not mount.recover or health.refused or health.since is None:
        return None
    match health.condition:
        case Condition.GONE:
            return max(health.since, health.retry_at)
        case Condition.FAILING:
            return max(health.since + mount.patience, health.retry_at)
        case Condition.HUNG if mount.on_loss == "move":
            return max(health.since + mount.patience, health.retry_at)
    return None


def lost_reason(name: str, health: Health) -> str:
    """Why an attempt is given back, for people."""
    match health.condition:
        case Condition.HUNG:
            return f"the mount {name} does not answer"
        case Condition.BLOCKED:
            return f"the mount {name} cannot be used: {health.detail}"
    return f"the mount {name} is gone"


def judged(number: int, step: str) -> Faulty:
    """What an error number of a look says.

    Args:
        step: what failed: `directory`, the test's name, or `fork`, where nothing was looked at.
    """
    text = os.strerror(number)
    if step == "fork":
        return Faulty(f"cannot be looked at: {text}", gone=False)
    if step == "directory":
        return Faulty(text, gone=number in _DEAD or number in (errno.ENOENT, errno.ENOTDIR))
    return Faulty(f"the {step} test: {text}", gone=number in _DEAD)


def recovery_outcome(code: int | None, said: str) -> Recovered:
    """What the end of `systemctl restart` means.

    Args:
        code: its exit code; None if it was ended, because it took too long.
        said: what it wrote.
    """
    text = " ".join(said.split())[:300]
    if code == 0:
        return Recovered("done")
    refused = code in (_NOT_PRIVILEGED, _NOT_LOADED) or any(words in text.lower() for words in _REFUSALS)
    if code is None:
        text = "it took too long"
    return Recovered("refused" if refused else "failed", text or f"exit code {code}")


# What mounts have to do with each other


def related(mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """The mounts with everything in `after` that they need, in an order in which none stands before that.

    One that lies in the directory of another needs that one too.

    Raises:
        MountError: an unknown name, two for one directory, or a circle.
    """
    by_name = {mount.name: mount for mount in mounts}
    paths: dict[bytes, str] = {}
    for mount in by_name.values():
        if mount.path in paths:
            raise MountError(mount.name, f"{paths[mount.path]} has the same path")
        paths[mount.path] = mount.name
        for name in sorted(mount.after):
            if name not in by_name:
                raise MountError(mount.name, f"there is no mount {name} to come after")
    complete = {}
    for name, mount in by_name.items():
        around = mount_of(os.path.dirname(mount.path), by_name.values())
        complete[name] = replace(mount, after=mount.after | ({around.name} if around else set()))
    try:
        order = tuple(
            graphlib.TopologicalSorter({m.name: sorted(m.after) for m in complete.values()}).static_order()
        )
    except graphlib.CycleError as error:
        circle: Sequence[str] = error.args[1]
        text = " needs ".join(reversed(circle))
        raise MountError(circle[0], f"mounts need each other in a circle: {text}") from None
    return tuple(complete[name] for name in order)


def mount_of(path: bytes, mounts: Iterable[Mount]) -> Mount | None:
    """The mount in whose directory a path lies, by its text: the one with the longest path."""
    around = [
        mount for mount in mounts if path == mount.path or path.startswith(mount.path.rstrip(b"/") + b"/")
    ]
    return max(around, key=lambda mount: len(mount.path), default=None)


def blocker(mount: Mount, healths: Mapping[str, Health]) -> str | None:
    """A mount that it needs and that is not healthy."""
    return next((name for name in sorted(mount.after) if not healths[name].healthy), None)


def unit_name(path: bytes) -> str:
    """The unit of a mount point, as systemd names it, systemd.mount(5): `/mnt/nas` is `mnt-nas.mount`."""
    plain = path.strip(b"/")
    if not plain:
        return "-.mount"
    return "".join(_escaped(byte, index) for index, byte in enumerate(plain)) + ".mount"


def _escaped(byte: int, index: int) -> str:
    character = chr(byte)
    if character == "/":
        return "-"
    plain = character.isascii() and (character.isalnum() or character in ":_.")
    if not plain or (character == "." and index == 0):
        return f"\\x{byte:02x}"
    return character
