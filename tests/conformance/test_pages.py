"""Pages of a list of jobs: together the whole list, each job once, whatever the filter, order and size."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
import trio

from dffmpeg.model.jobs import TERMINAL, Job, JobState
from dffmpeg.model.pages import JobFilter, Key, Looked, PageRequest, Place, merged
from dffmpeg.store import Store, schema
from dffmpeg.store.jobs import pages
from dffmpeg.store.jobs.lists import newest
from dffmpeg.store.jobs.sqlalchemy import SqlAlchemyJobRepository
from tests.conformance.rows import job

STATES = list(JobState)
STATES_BETWEEN = sorted(STATES).index(JobState.COMPLETED)
"""How many states are looked at before what has completed."""


async def fill(store: Store, number: int = 60) -> list[Job]:
    """Jobs of all states, of three requesters, several of them at the same moment."""
    made = [
        replace(
            job(f"J{index:03}"),
            created_at=100.0 + index // 3,
            last_update=500.0 - index % 7,
            state=STATES[index % len(STATES)],
            requester_id=("alice", "bob", "carol")[index % 3],
            worker_id="w1" if index % 4 == 0 else None,
            labels=("nightly", "b") if index % 5 == 0 else (),
            name=f"backup {index}%" if index % 2 else None,
            binary_name="ffmpeg" if index % 6 else "ffprobe",
            arguments=(b"-i", b"a\xff.mkv", b"-crf", str(index).encode()),
        )
        for index in range(number)
    ]
    for one in made:
        await store.jobs.add(one)
    return made


async def read(store: Store, request: PageRequest) -> list[str]:
    """All pages, one behind the other."""
    found: list[str] = []
    for _ in range(1000):
        page = await store.jobs.page(request)
        assert len(page.jobs) <= request.limit
        found += [one.job_id for one in page.jobs]
        if page.next is None:
            return found
        assert page.next != request.after
        request = replace(request, after=page.next, offset=page.skip)
    raise AssertionError("it never ends")


Fits = Callable[[Job], bool]
FILTERS: list[tuple[JobFilter, Fits]] = [
    (JobFilter(), lambda one: True),
    (JobFilter(states=frozenset({JobState.FAILED})), lambda one: one.state is JobState.FAILED),
    (
        JobFilter(states=frozenset({JobState.FAILED, JobState.PENDING}), requester_id="bob"),
        lambda one: one.state in ("failed", "pending") and one.requester_id == "bob",
    ),
    (JobFilter(requester_id="alice"), lambda one: one.requester_id == "alice"),
    (JobFilter(worker_id="w1"), lambda one: one.worker_id == "w1"),
    (JobFilter(labels=("b", "nightly")), lambda one: bool(one.labels)),
    (JobFilter(name="BACKUP 1*%"), lambda one: (one.name or "").startswith("backup 1")),
    (JobFilter(binary_name="ffprobe", text=b"f.m"), lambda one: False),
    (JobFilter(text=b"\xff.mk", binary_name="ffprobe"), lambda one: one.binary_name == "ffprobe"),
    (
        JobFilter(created_from=105.0, created_before=110.0, requester_id="carol"),
        lambda one: 105 <= one.created_at < 110 and one.requester_id == "carol",
    ),
    (JobFilter(words=(b"BACKUP", b"-Crf")), lambda one: one.name is not None),
    (JobFilter(requester_id="nobody"), lambda one: False),
]


@pytest.mark.parametrize(("wanted", "fits"), FILTERS, ids=range(len(FILTERS)))
async def test_pages_are_the_list(
    store: Store, wanted: JobFilter, fits: Fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await fill(store)
    for key, descending in itertools.product(Key, (True, False)):
        expected = [
            one.job_id
            for one in sorted(made, key=lambda one: (getattr(one, key), one.job_id), reverse=descending)
            if fits(one)
        ]
        for look, limit, offset in ((7, 5, 0), (14, 1, 3), (5000, 7, 2), (5000, 100, 0), (7, 100, 9)):
            monkeypatch.setattr(pages, "LOOK", look)
            request = PageRequest(filter=wanted, key=key, descending=descending, limit=limit, offset=offset)
            assert await read(store, request) == expected[offset:], (key, descending, look, limit, offset)


@pytest.mark.parametrize("page", [True, False])
async def test_a_job_that_goes_on_meanwhile_is_on_its_list_once(
    store: Store, page: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list is put together from one for each state: all of them are of the same moment."""
    look, repository = pages._look, store.jobs
    assert isinstance(repository, SqlAlchemyJobRepository)
    for index, (before, after) in enumerate(itertools.permutations(("assigned", "completed", "pending"), 2)):
        name = f"J{index}"
        await store.jobs.add(replace(job(name), state=JobState(before)))
        looks = itertools.count()

        def goes_on(*given: Any, name: str = name, after: str = after, looks: Any = looks) -> Looked:
            found = look(*given)
            # Behind each look but the first ones it could have been seen by both, or by none.
            if next(looks) == STATES_BETWEEN:
                statement = sa.update(schema.jobs).where(schema.jobs.c.job_id == name).values(state=after)
                trio.from_thread.run(repository.database.execute, statement)
            return found

        monkeypatch.setattr(pages, "_look", goes_on)
        if page:
            found = list((await store.jobs.page(PageRequest())).jobs)
        else:
            wanted: dict[str, Any] = {"requester_id": None, "since": 0.0, "states": None}
            found = list(await store.jobs.list(**wanted, limit=100, before_id=None))
        assert [(one.job_id, one.state) for one in found if one.job_id == name] == [(name, before)]
        assert len({one.job_id for one in found}) == len(found) == index + 1


async def test_a_page_follows_an_index(store: Store) -> None:
    """Otherwise it would read, and sort, all rows that there are."""
    assert isinstance(store.jobs, SqlAlchemyJobRepository)
    await fill(store)
    place = Place(110.0, "J030")
    for (wanted, _), key, after in itertools.product(FILTERS, Key, (None, place)):
        request = PageRequest(filter=wanted, key=key, after=after)

        def explain(connection: sa.Connection, request: PageRequest = request) -> list[str]:
            if connection.dialect.name != "sqlite":
                return []
            plans: list[str] = []
            for query, _ in pages._looks(request):
                text = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
                plans += [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
            return plans

        for plan in await store.jobs.database.read(explain):
            # Of the same moment, ids may have to be sorted.
            ties = "FOR LAST TERM OF ORDER BY" in plan or "FOR RIGHT PART OF ORDER BY" in plan
            assert "INDEX jobs_by_" in plan or ties, (request, plan)


@pytest.mark.parametrize("limit", [100, 7])
async def test_a_list_is_of_what_has_not_ended_or_changed_since_a_time(store: Store, limit: int) -> None:
    made = [
        replace(
            job(f"J{index:03}"),
            created_at=100.0 + index // 2,
            last_update=100.0 + index // 2 + (0.0, 5.0, 40.0)[index % 3],
            state=STATES[index % len(STATES)],
            requester_id=("alice", "bob")[index % 2],
            labels=("nightly",) if index % 5 else (),
        )
        for index in range(60)
    ]
    for one in made:
        await store.jobs.add(one)
    some = frozenset({JobState.PENDING, JobState.RUNNING, JobState.FAILED, JobState.COMPLETED})
    for since, states, requester, labels, before in itertools.product(
        (None, 0.0, 115.0, 1000.0),
        (None, some, {JobState.FAILED}),
        (None, "bob"),
        ((), ("nightly",)),
        (None, 31),
    ):
        expected = [
            one.job_id
            for one in sorted(made, key=lambda one: (one.created_at, one.job_id), reverse=True)
            if (since is None or one.state not in TERMINAL or one.last_update >= since)
            and (states is None or one.state in states)
            and (requester is None or one.requester_id == requester)
            and set(labels) <= set(one.labels)
            and (
                before is None
                or (one.created_at, one.job_id) < (made[before].created_at, made[before].job_id)
            )
        ]
        found = await store.jobs.list(
            requester_id=requester,
            since=since,
            states=states,
            limit=limit,
            before_id=None if before is None else made[before].job_id,
            labels=labels,
        )
        assert [one.job_id for one in found] == expected[:limit], (since, states, requester, labels, before)
    unknown = await store.jobs.list(requester_id=None, since=None, states=None, limit=9, before_id="nowhere")
    assert list(unknown) == []


async def test_a_list_reads_no_more_than_it_shows(store: Store) -> None:
    assert isinstance(store.jobs, SqlAlchemyJobRepository)
    await fill(store)
    plans: list[str] = []

    def explain(connection: sa.Connection) -> None:
        if connection.dialect.name != "sqlite":
            return

        def look(_: sa.Connection, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in cursor.fetchall())

        sa.event.listen(connection, "before_cursor_execute", look)
        for wanted, _ in FILTERS:
            if not wanted.reads_arguments and wanted.created_from is None:
                newest(connection, wanted, since=600.0, limit=9, before_id=None)

    await store.jobs.database.read(explain)
    assert not [plan for plan in plans if plan.startswith("SCAN")], plans


def test_what_a_part_has_not_reached_is_left_to_the_next_page() -> None:
    places = {letter: Place(float(number), letter) for number, letter in enumerate("abcdef")}
    reached = Looked([places["f"], places["c"]], places["c"])
    short = Looked([places["e"], places["b"], places["a"]], None)
    page, end, skip = merged([reached, short], PageRequest(limit=10))
    assert ([place.job_id for place in page], end, skip) == (["f", "e", "c"], places["c"], 0)
    page, end, skip = merged([reached, short], PageRequest(limit=10, offset=5))
    assert (page, end, skip) == ([], places["c"], 2)
    page, end, skip = merged([reached, short], PageRequest(limit=2))
    assert ([place.job_id for place in page], end, skip) == (["f", "e"], places["e"], 0)
