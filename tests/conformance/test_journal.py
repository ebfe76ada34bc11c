"""What an engine's journal tells those who follow it."""

import pytest

from dffmpeg.model import transitions
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.model.workers import Hold
from dffmpeg.store import Duplicate, Store
from dffmpeg.store.journal import WorkerChanged
from tests.conformance.rows import job, worker


async def test_the_journal_tells_what_was_committed_and_nothing_else(store: Store) -> None:
    journal = store.jobs.journal
    await store.jobs.add(job("before"))
    journal.open()
    await store.jobs.add(job("J"))
    with pytest.raises(Duplicate):
        await store.jobs.add(job("J"))
    assigning = transitions.assign(job("J"), "w", 110.0)
    assert await store.jobs.apply(assigning)
    assert not await store.jobs.apply(assigning)
    await store.workers.register(worker("w"))
    await store.workers.set_hold("w", Hold.PAUSED, reason=None, until=None, strikes=0)
    assert not await store.workers.set_hold("v", Hold.PAUSED, reason=None, until=None, strikes=0)
    pause = Pause(paused=True, reason="upgrade", by="root", at=5.0)
    await store.settings.set_pause(pause)
    assert journal.read() == [job("J"), assigning, worker("w"), WorkerChanged("w"), pause]
    assert journal.read() == []
    assert await store.settings.pause() == pause


async def test_a_journal_that_is_not_read_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dffmpeg.store.journal.LIMIT", 2)
    store.jobs.journal.open()
    for number in range(3):
        await store.jobs.add(job(f"J{number}"))
    assert store.jobs.journal.read() is None
    store.jobs.journal.open()
    assert store.jobs.journal.read() == []
