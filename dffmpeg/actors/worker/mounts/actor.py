"""Which mapped paths are really there, and what becomes of the mounts that they lie on.

Each mount and each mapped directory is looked at now and then (`dffmpeg.actors.worker.mounts.looks`), at
once when something was mounted or unmounted, and before a job that needs it begins. Nothing here waits for
a file system; what a mount's state means is decided in `dffmpeg.model.mounts`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import trio

from dffmpeg.actors.runtime import Actor, ActorRef, Reply, Timer
from dffmpeg.actors.worker.attempts.messages import Withdraw
from dffmpeg.actors.worker.mounts.looks import Looks, Place, Released, TableChanged, read_mount_points
from dffmpeg.actors.worker.mounts.messages import (
    Begin,
    Key,
    Look,
    Looked,
    LostPaths,
    MountsMessage,
    MountsRequest,
    MountStates,
    PresentPaths,
    Restarted,
    Think,
    UsablePaths,
)
from dffmpeg.actors.worker.mounts.recovery import restart
from dffmpeg.actors.worker.processes.actor import Processes
from dffmpeg.actors.worker.registration_messages import Renew
from dffmpeg.model import mounts
from dffmpeg.model.mount_table import Mounted, covering, is_mounted, may_hang
from dffmpeg.model.mounts import Condition, Health, Mount, MountEvent

logger = logging.getLogger("dffmpeg.worker.mounts")

CHECK_SECONDS = 2.0
LOOK_SECONDS = 10.0
"""Of a path that lies on no configured mount: how long a look may take, and how often there is one."""

FRESH_SECONDS = 1.0
"""A look at a network mount that is no older will do for a job that is about to begin."""

_START_SECONDS = 2.0
"""How long the first registration waits for the first looks."""


_NEVER = float("-inf")


@dataclass(slots=True)
class _Subject:
    """What is looked at.

    Attributes:
        on: the mount that a path lies on.
        seen: when the last look ended; never, as soon as what it lies on is not healthy.
        began: when the look under way began; None if there is none.
        again: there has to be another look after it at once.
        present: of a path, whether it is there.
        was_mount: of a path that lies on no configured mount, whether something was ever mounted there.
    """

    place: Place
    interval: float
    timeout: float
    on: str | None = None
    seen: float = _NEVER
    began: float | None = None
    again: bool = False
    present: bool = False
    was_mount: bool = False
    timer: Timer | None = None


@dataclass(slots=True)
class _Waiting:
    """Somebody who wants to know of fresh looks."""

    reply: Reply[object]
    answer: Callable[[], object]
    keys: set[Key] = field(default_factory=set)


class MountsActor(Actor[MountsMessage]):
    """Knows which mapped directories can be used.

    Args:
        directories: variable to absolute directory.
        configured: the mounts, each behind those that it needs.
        looks: how they are looked at.
        processes: where systemctl runs, and whose views may hold a mount.
        registration: told to renew when something went or came.
        attempts: told which paths are lost to the jobs that run on them.
    """

    def __init__(
        self,
        directories: Mapping[str, bytes],
        configured: Sequence[Mount],
        looks: Looks,
        processes: Processes,
        *,
        registration: ActorRef[Renew],
        attempts: ActorRef[Withdraw],
    ) -> None:
        self._directories = directories
        self._mounts = {mount.name: mount for mount in configured}
        self._looks = looks
        self._processes = processes
        self._registration = registration
        self._attempts = attempts
        self._health = {name: Health() for name in self._mounts}
        self._points: dict[bytes, Mounted] = {}
        self._waiting: list[_Waiting] = []
        self._thinking: Timer | None = None
        self._shown: tuple[Mapping[str, bytes], Mapping[str, str]] = ({}, {})
        self._begun = False
        self._early: list[Reply[Mapping[str, bytes]]] = []
        self._subjects: dict[Key, _Subject] = {}
        for mount in configured:
            place = Place(mount.path, mount.read, mount.write)
            self._subjects[Key(mount.name, True)] = _Subject(place, mount.interval, mount.timeout)
        for name, path in directories.items():
            on = mounts.mount_of(path, configured)
            interval, timeout = (LOOK_SECONDS, CHECK_SECONDS) if on is None else (on.interval, on.timeout)
            self._subjects[Key(name, False)] = _Subject(
                Place(path), interval, timeout, None if on is None else on.name
            )

    async def run(self) -> None:
        async with self._looks.open(self.context.ref.tell):
            self._points = read_mount_points()
            for key in self._subjects:
                self._look(key)
            self.context.tell_after(_START_SECONDS if self._subjects else 0.0, Begin())
            await super().run()

    async def handle(self, message: MountsMessage) -> object:
        match message:
            case PresentPaths() | UsablePaths() | LostPaths() | MountStates():
                return self._asked(message)
            case Look(key):
                self._look(key)
            case Looked(key, began, result):
                if self._subjects[key].began == began:
                    await self._looked(key, result)
            case Restarted(name, how):
                await self._restarted(name, how)
            case Begin():
                self._begin()
            case Think():
                await self._settle()
            case Released() | TableChanged():
                self._look_again(message)
        return None

    # What is there

    def _asked(self, message: MountsRequest) -> object:
        match message:
            case UsablePaths(names):
                self._await_looks(self._present, self._keys(names), trio.current_time() - FRESH_SECONDS)
            case LostPaths(names):
                on = {self._subjects[Key(name, False)].on for name in self._directories.keys() & names}
                keys = [Key(mount, True) for mount in on if mount is not None]
                self._await_looks(partial(self._lost, names), keys, trio.current_time())
            case MountStates():
                return self._states()
            case PresentPaths() if self._begun:
                return self._present()
            case PresentPaths():
                self._early.append(self.context.defer())
        return None

    def _present(self) -> dict[str, bytes]:
        return {name: path for name, path in self._directories.items() if self._is_present(name)}

    def _is_present(self, name: str) -> bool:
        subject = self._subjects[Key(name, False)]
        return subject.present and (subject.on is None or self._health[subject.on].healthy)

    def _states(self) -> dict[str, str]:
        return {name: str(health) for name, health in self._health.items()}

    def _keys(self, names: Iterable[str]) -> list[Key]:
        """What has to be looked at again for paths that are there and may hang.

        A disk of this machine answers as it did last; the others cost a job some milliseconds.
        """
        keys = []
        for name in self._directories.keys() & names:
            subject = self._subjects[Key(name, False)]
            if self._is_present(name) and may_hang(subject.place.path, self._points):
                keys.append(Key(name, False))
                keys += [] if subject.on is None else [Key(subject.on, True)]
        return keys

    def _lost(self, names: frozenset[str]) -> dict[str, str]:
        found = {}
        for name in self._directories.keys() & names:
            on = self._subjects[Key(name, False)].on
            if on is not None and self._health[on].lost_since is not None:
                found[name] = mounts.lost_reason(on, self._health[on])
        return found

    def _await_looks(self, answer: Callable[[], object], keys: Iterable[Key], since: float) -> None:
        """Answer the request in hand once all of these were looked at since then."""
        waiting = _Waiting(self.context.defer(), answer)
        for key in keys:
            if self._subjects[key].seen < since:
                self._look(key)
            if self._subjects[key].began is not None:
                waiting.keys.add(key)
        self._waiting.append(waiting)
        self._answer()

    def _answer(self) -> None:
        for waiting in [one for one in self._waiting if not one.keys]:
            self._waiting.remove(waiting)
            waiting.reply.send(waiting.answer())

    # Looking

    def _look(self, key: Key) -> None:
        """Begin a look, unless one is under way or there is no use in one."""
        subject = self._subjects[key]
        if subject.began is not None or not self._is_open(key, subject):
            return
        if subject.timer is not None:
            subject.timer.cancel()
        subject.began = trio.current_time()
        self.context.nursery.start_soon(self._see, key, subject, subject.began)

    def _is_open(self, key: Key, subject: _Subject) -> bool:
        """Whether it may be looked at: what it lies on has to be healthy, and nobody is mounting it anew."""
        if not key.mount:
            return subject.on is None or self._health[subject.on].healthy
        mount = self._mounts[key.name]
        recovering = self._health[key.name].condition is Condition.RECOVERING
        return not recovering and mounts.blocker(mount, self._health) is None

    async def _see(self, key: Key, subject: _Subject, began: float) -> None:
        result = await self._looks.look(subject.place, subject.timeout)
        await self.context.ref.tell(Looked(key, began, result))

    async def _looked(self, key: Key, result: mounts.Fine | mounts.Faulty | mounts.Silent) -> None:
        subject = self._subjects[key]
        subject.seen, subject.began = trio.current_time(), None
        subject.timer = self.context.tell_after(0.0 if subject.again else subject.interval, Look(key))
        subject.again = False
        path = subject.place.path
        mounted = is_mounted(path, read_mount_points())
        if key.mount:
            event = result
            if not isinstance(result, mounts.Silent) and not mounted:
                event = mounts.Faulty(f"nothing is mounted at {os.fsdecode(path)}", gone=True)
            self._apply(key.name, event)
        else:
            # An empty mount point is a directory too, but not the one that was meant.
            lost = subject.on is None and subject.was_mount and not mounted
            subject.was_mount = subject.was_mount or mounted
            subject.present = isinstance(result, mounts.Fine) and not lost
        await self._settle()
        for waiting in self._waiting:
            waiting.keys.discard(key)
        self._answer()
        if all(subject.began is None for subject in self._subjects.values()):
            self._begin()

    def _look_again(self, message: Released | TableChanged) -> None:
        before, self._points = self._points, read_mount_points()
        for key, subject in self._subjects.items():
            path = subject.place.path
            released = isinstance(message, Released) and message.path == path
            if released or covering(path, before) != covering(path, self._points):
                # What is under way may have seen what was there before.
                subject.again = subject.began is not None
                self._look(key)

    def _begin(self) -> None:
        """Let the registration know what there is."""
        if self._begun:
            return
        self._begun = True
        present = self._present()
        self._shown = (present, self._states())
        for name in sorted(set(self._directories) - set(present)):
            logger.warning("path %s is not there: %s", name, os.fsdecode(self._directories[name]))
        for reply in self._early:
            reply.send(present)
        self._early.clear()

    # What follows

    def _apply(self, name: str, event: MountEvent) -> None:
        before = self._health[name]
        health = self._health[name] = mounts.after(before, event, self._mounts[name], trio.current_time())
        if not health.healthy and health.condition is not before.condition:
            # Otherwise it could not be unmounted for good, and mounted anew.
            self._processes.namespaces.drop_unused()
        if str(health) != str(before) and health.condition is not Condition.UNKNOWN:
            level = logging.INFO if health.healthy else logging.WARNING
            logger.log(level, "mount %s is %s", name, health)

    async def _settle(self) -> None:
        """Do whatever follows from the mounts' states."""
        for name, mount in self._mounts.items():
            self._block(name, mount)
        # What lies on a mount is looked at once that is healthy.
        for key, subject in self._subjects.items():
            if not key.mount and subject.on is not None and not self._health[subject.on].healthy:
                subject.present, subject.seen = False, _NEVER
            elif subject.seen == _NEVER:
                self._look(key)
        now = trio.current_time()
        due = [moment for name in self._mounts for moment in await self._act(name, now)]
        if self._thinking is not None:
            self._thinking.cancel()
        self._thinking = self.context.tell_after(min(due) - now, Think()) if due else None
        await self._show()

    async def _act(self, name: str, now: float) -> list[float]:
        """Do what is due for a mount; returns when there is more to do."""
        mount = self._mounts[name]
        health = self._health[name]
        move, recover = mounts.move_at(health, mount), mounts.recover_at(health, mount)
        if move is not None and move <= now:
            await self._move_jobs(name)
        if recover is not None and recover <= now:
            self._recover(name)
        return [moment for moment in (move, recover) if moment is not None and moment > now]

    def _block(self, name: str, mount: Mount) -> None:
        by = mounts.blocker(mount, self._health)
        if by is not None:
            self._apply(name, mounts.Blocked(by))
        elif self._health[name].condition in (Condition.BLOCKED, Condition.UNKNOWN):
            self._look(Key(name, True))

    async def _show(self) -> None:
        """Tell the coordinator, and the log, what went and what came."""
        present, states = self._present(), self._states()
        before = self._shown
        if not self._begun or before == (present, states):
            return
        self._shown = (present, states)
        for name in sorted(set(present) ^ set(before[0])):
            state = "is there again" if name in present else "is gone"
            logger.warning("path %s %s: %s", name, state, os.fsdecode(self._directories[name]))
        await self._registration.tell(Renew())

    async def _move_jobs(self, name: str) -> None:
        self._health[name] = mounts.with_jobs_moved(self._health[name])
        reason = mounts.lost_reason(name, self._health[name])
        paths = [key.name for key, subject in self._subjects.items() if subject.on == name]
        if paths:
            await self._attempts.tell(Withdraw(dict.fromkeys(paths, reason)))

    def _recover(self, name: str) -> None:
        self._apply(name, mounts.Recovering())
        self.context.nursery.start_soon(self._restart, name)

    async def _restart(self, name: str) -> None:
        how = await restart(self._processes, self._mounts[name].unit)
        await self.context.ref.tell(Restarted(name, how))

    async def _restarted(self, name: str, how: mounts.Recovered) -> None:
        unit = self._mounts[name].unit
        if how.outcome == "refused":
            logger.error("%s cannot be restarted here, and is not tried again: %s", unit, how.detail)
        elif how.outcome == "failed":
            logger.warning("%s could not be restarted: %s", unit, how.detail)
        self._apply(name, how)
        subject = self._subjects[Key(name, True)]
        subject.again = subject.began is not None
        await self._settle()
