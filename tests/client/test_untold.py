"""How often the local program ran instead: told once, whoever else is about to tell it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dffmpeg.client.untold import Telling, Untold
from dffmpeg.wire.jobs import MOST_FALLBACKS

URL = "https://coordinator.example"
PROCESSES, ROUNDS = 4, 100
BUSY = f"""
import sys
from dffmpeg.client.untold import Untold

untold, added, claimed = Untold({URL!r}), 0, 0
print("ready", flush=True)
sys.stdin.readline()
for _ in range({ROUNDS}):
    try:
        untold.add(2)
        added += 2
        claimed += untold.claim()
    except TimeoutError:
        # The other processes did not get to run.
        pass
print(added, claimed)
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "dffmpeg"


@pytest.fixture
def untold(state: Path) -> Untold:
    return Untold(URL)


def test_what_was_counted_is_claimed_once(untold: Untold, state: Path) -> None:
    assert not untold.waiting()
    assert untold.claim() == 0
    assert not state.exists()
    untold.add(1)
    untold.add(2)
    assert untold.waiting()
    assert [untold.claim(), untold.claim()] == [3, 0]
    assert not untold.waiting()


def test_each_coordinator_is_told_of_its_own(untold: Untold) -> None:
    untold.add(1)
    assert Untold(URL + "/other").claim() == 0
    assert Untold(URL).claim() == 1


def test_it_is_no_more_than_a_submission_may_tell(untold: Untold) -> None:
    untold.add(MOST_FALLBACKS)
    untold.add(1)
    assert untold.claim() == MOST_FALLBACKS


def test_processes_at_once_lose_nothing_and_tell_nothing_twice(untold: Untold) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        said = [process.communicate(timeout=600)[0].split() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    added, claimed = (sum(int(one[index]) for one in said) for index in (0, 1))
    assert added
    assert claimed + untold.claim() == added


def test_one_that_stays_locked_is_not_waited_for_for_long(untold: Untold) -> None:
    untold.add(1)
    descriptor = os.open(untold.file, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(TimeoutError, match="another process keeps it locked"):
        untold.claim()
    os.close(descriptor)
    assert untold.claim() == 1


async def test_a_repeated_submission_tells_the_same(untold: Untold) -> None:
    untold.add(2)
    telling = Telling(untold)
    assert await telling.claim() == 2
    untold.add(1)
    assert await telling.claim() == 2
    assert await Telling(untold).claim() == 1


async def test_what_nobody_accepted_is_told_by_another(untold: Untold) -> None:
    untold.add(2)
    telling = Telling(untold)
    await telling.claim()
    await telling.give_back()
    await telling.fell_back()
    assert await Telling(untold).claim() == 3


async def test_nothing_to_tell_leaves_no_trace(untold: Untold, state: Path) -> None:
    telling = Telling(untold)
    assert await telling.claim() == 0
    await telling.give_back()
    assert not state.exists()


async def test_where_it_cannot_be_written_nothing_is_told(tmp_path: Path, untold: Untold) -> None:
    (tmp_path / "state").write_text("a file in place of the folder")
    telling = Telling(untold)
    await telling.fell_back()
    assert await telling.claim() == 0
