"""What breaks is drawn from the seed, one thing at a time, and mended again."""

from __future__ import annotations

import random

import trio
import trio.testing

from tests.chaos.load import Plan
from tests.chaos.victims import Chaos, Victim, Way


def staged(seed: int) -> tuple[Chaos, list[str]]:
    """Two kinds of victims that only note what is done to them."""
    events: list[str] = []

    def victim(name: str) -> Victim:
        async def strike() -> None:
            events.append(f"strike {name}")

        async def mend() -> None:
            events.append(f"mend {name}")

        return Victim(name, [Way("kill", strike, mend)])

    async def serves() -> None:
        events.append("serves")

    kinds = {"worker": [victim("w1"), victim("w2")], "coordinator": [victim("c1")]}
    return Chaos(kinds, serves, random.Random(seed), lambda line: None), events


async def test_one_thing_breaks_at_a_time_and_the_cluster_serves_before_the_next(
    autojump_clock: trio.testing.MockClock,
) -> None:
    chaos, events = staged(1)
    await chaos.run(60.0)
    assert len(events) == 3 * len(chaos.done) > 15
    for number, struck in enumerate(chaos.done):
        assert events[3 * number : 3 * number + 3] == [
            f"strike {struck.target}",
            f"mend {struck.target}",
            "serves",
        ]
    # Each kind has its turn.
    turns = [
        {struck.target[0] for struck in chaos.done[at : at + 2]} for at in range(0, len(chaos.done) - 1, 2)
    ]
    assert all(turn == {"w", "c"} for turn in turns)


async def test_a_seed_breaks_the_same_in_the_same_order(autojump_clock: trio.testing.MockClock) -> None:
    plays: list[list[str]] = []
    for seed in (1, 1, 2):
        chaos, events = staged(seed)
        await chaos.run(60.0)
        plays.append(events)
    assert plays[0] == plays[1] != plays[2]


def test_a_seed_submits_the_same() -> None:
    first, again, other = (Plan.draw(random.Random(seed), 60.0, 200, 4) for seed in (1, 1, 2))
    assert first == again != other
    assert len({job.key for job in first.shorts} | {encode.key for encode in first.encodes}) == 204
    assert sum(encode.piped for encode in first.encodes) == 2
