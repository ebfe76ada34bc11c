"""What a supervisor decides, as pure functions; `supervisor.py` and `dynamic.py` act on it.

The rules are those of Erlang/OTP's `supervisor` manual page.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Strategy(enum.Enum):
    """Which siblings a restart takes along."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"


class Restart(enum.Enum):
    """After which of its exits a child is started again."""

    PERMANENT = "permanent"
    """After every one."""
    TRANSIENT = "transient"
    """Only after a crash."""
    TEMPORARY = "temporary"
    """Never; its record is removed."""


class AutoShutdown(enum.Enum):
    """Whether the end of significant children ends their supervisor."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class Next(enum.Enum):
    """What becomes of a child that ended by itself."""

    RESTART = "restart"
    KEEP = "keep"
    """It stays down, its record stays."""
    REMOVE = "remove"


def after_exit(restart: Restart, *, crashed: bool) -> Next:
    """What follows when a child that was up ends by itself."""
    if restart is Restart.TEMPORARY:
        return Next.REMOVE
    if restart is Restart.PERMANENT or crashed:
        return Next.RESTART
    return Next.KEEP


def restart_group(strategy: Strategy, ids: Sequence[str], failed: str) -> tuple[str, ...]:
    """The children to stop (right to left) and start again (left to right) with `failed`, itself included.

    `ids` are all children in start order.
    """
    if strategy is Strategy.ONE_FOR_ONE:
        return (failed,)
    if strategy is Strategy.ONE_FOR_ALL:
        return tuple(ids)
    return tuple(ids[ids.index(failed) :])


def shuts_down(auto_shutdown: AutoShutdown, *, significant: bool, others_active: Iterable[bool]) -> bool:
    """Whether the supervisor ends after a child ended by itself and is not restarted.

    `significant` is the child's; `others_active` says of each other significant child whether it runs
    or is about to.
    """
    if not significant or auto_shutdown is AutoShutdown.NEVER:
        return False
    return auto_shutdown is AutoShutdown.ANY_SIGNIFICANT or not any(others_active)


@dataclass(frozen=True, slots=True)
class RestartWindow:
    """The restarts of the last `period` seconds, of which `intensity` are allowed.

    Each restart remembers why it was needed. At most `intensity + 1` are held.
    """

    intensity: int
    period: float
    restarts: tuple[tuple[float, Exception], ...] = ()

    def add(self, now: float, reason: Exception) -> RestartWindow:
        """The window with one more restart at `now` and those older than `period` left out."""
        recent = tuple(entry for entry in self.restarts if now - entry[0] <= self.period)
        return RestartWindow(self.intensity, self.period, (*recent, (now, reason)))

    @property
    def exceeded(self) -> bool:
        return len(self.restarts) > self.intensity

    @property
    def reasons(self) -> tuple[Exception, ...]:
        return tuple(reason for _, reason in self.restarts)
