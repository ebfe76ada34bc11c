from dffmpeg.model.jobs import Job
from dffmpeg.model.matching import WorkerSlots, match
from dffmpeg.model.workers import Worker, WorkerState


def job(
    name: str, *, binary: str = "ffmpeg", paths: tuple[str, ...] = (), excluded: str | None = None
) -> Job:
    return Job(
        job_id=name,
        requester_id="alice",
        binary_name=binary,
        arguments=(),
        paths=paths,
        excluded_worker=excluded,
        created_at=0.0,
        last_update=0.0,
    )


def worker(
    name: str,
    slots: int = 1,
    used: int = 0,
    *,
    state: WorkerState = WorkerState.ONLINE,
    paths: tuple[str, ...] = (),
) -> WorkerSlots:
    return WorkerSlots(
        Worker(
            worker_id=name,
            state=state,
            binaries=("ffmpeg",),
            paths=paths,
            slots=slots,
            last_seen=0.0,
            registered_at=0.0,
        ),
        used,
    )


def test_first_come_first_served() -> None:
    assert match([job("a"), job("b")], [worker("w")]) == [("a", "w")]


def test_never_more_than_there_are_slots() -> None:
    chosen = match([job(str(n)) for n in range(20)], [worker("w", 4, 1), worker("v", 2)])
    assert len(chosen) == 5
    assert [w for _, w in chosen].count("w") == 3


def test_the_largest_free_share_goes_first() -> None:
    assert match([job("a")], [worker("big", 10, 6), worker("small", 2, 1)]) == [("a", "small")]


def test_a_job_that_fits_nowhere_holds_up_nobody() -> None:
    waiting = [job("odd", binary="ffprobe"), job("lost", paths=("Movies",)), job("b")]
    assert match(waiting, [worker("w", 3)]) == [("b", "w")]


def test_all_paths_are_needed() -> None:
    workers = [worker("w", paths=("Movies",)), worker("v", paths=("Movies", "TV"))]
    assert match([job("a", paths=("TV", "Movies"))], workers) == [("a", "v")]


def test_only_online_workers() -> None:
    others = [state for state in WorkerState if state is not WorkerState.ONLINE]
    assert match([job("a")], [worker(state.value, state=state) for state in others]) == []


def test_the_worker_that_lost_it_waits_for_others_to_be_free() -> None:
    again = job("a", excluded="w")
    assert match([again], [worker("w"), worker("v")]) == [("a", "v")]
    assert match([again], [worker("w"), worker("v", 1, 1)]) == []


def test_the_worker_that_lost_it_is_better_than_none() -> None:
    assert match([job("a", excluded="w")], [worker("w")]) == [("a", "w")]
