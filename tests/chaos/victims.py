"""What can break, how, and the one who breaks it: one thing after the other, drawn from a seed."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import trio

from tests.chaos.history import Disturbance
from tests.servers.link import Link
from tests.servers.process import ServerProcess

Action = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to break something, and to mend it again: back from `mend` means that it works.

    Attributes:
        name: as it is printed: `kill`, `freeze`, `cut`.
        shortest, longest: seconds that it may last.
    """

    name: str
    strike: Action
    mend: Action
    longest: float = 5.0
    shortest: float = 0.5


@dataclass(frozen=True, slots=True)
class Victim:
    """Something that can break, by its name in the history."""

    name: str
    ways: Sequence[Way]


def killed(process: ServerProcess, mend: Action | None = None) -> Way:
    """kill -9, and a start."""
    return Way("kill", process.kill, mend or process.start)


def frozen(process: ServerProcess, mend: Action | None = None) -> Way:
    """SIGSTOP: connections stay open, and nothing is said on them."""

    async def strike() -> None:
        process.freeze()

    async def thaw() -> None:
        process.thaw()
        await (mend or process.wait_ready)()

    return Way("freeze", strike, thaw)


def cut(links: Sequence[Link], mend: Action) -> Way:
    """Nothing passes on these links."""

    async def strike() -> None:
        for link in links:
            link.cut()

    async def join() -> None:
        for link in links:
            link.mend()
        await mend()

    return Way("cut", strike, join)


PAUSE = (0.5, 3.0)
"""Seconds between two disturbances, at least and at most."""


@dataclass
class Chaos:
    """Breaks things. One at a time, because the cluster is made to bear the loss of one of each.

    Args:
        victims: by what they are; each of these gets its turn.
        serves: returns when the cluster does its work; before the next thing breaks, it must.
        say: takes a line for each thing that is done.

    Attributes:
        done: what was struck, and when.
    """

    victims: Mapping[str, Sequence[Victim]]
    serves: Action
    chance: random.Random
    say: Callable[[str], None]
    done: list[Disturbance] = field(default_factory=list)

    async def run(self, duration: float) -> None:
        """Break things for so many seconds; when this returns, all is mended."""
        end = trio.current_time() + duration
        while trio.current_time() < end:
            for kind in self.chance.sample(sorted(self.victims), k=len(self.victims)):
                if trio.current_time() >= end:
                    break
                victim = self.chance.choice(self.victims[kind])
                await self._disturb(victim, self.chance.choice(victim.ways))
                await trio.sleep(self.chance.uniform(*PAUSE))

    async def _disturb(self, victim: Victim, way: Way) -> None:
        hold = self.chance.uniform(way.shortest, way.longest)
        begin = time.time()
        await way.strike()
        await trio.sleep(hold)
        await way.mend()
        await self.serves()
        end = time.time()
        self.done.append(Disturbance(target=victim.name, begin=begin, end=end))
        self.say(f"{way.name} {victim.name} for {hold:.1f} s, all was well after {end - begin:.1f} s")
