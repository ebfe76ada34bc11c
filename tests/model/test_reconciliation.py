from dffmpeg.model.jobs import JobState
from dffmpeg.model.reconciliation import Plan, reconcile
from tests.model.test_transitions import make_job

S = JobState


def test_every_combination() -> None:
    assigned, running, canceling = (
        make_job(state, job_id=state.value, attempt=2) for state in (S.ASSIGNED, S.RUNNING, S.CANCELING)
    )
    live = [assigned, running, canceling]
    everything = {(job.job_id, 2) for job in live}
    assert reconcile(live, everything) == Plan((), (("canceling", 2),), (), ())
    assert reconcile(live, set()) == Plan((assigned,), (), (), (running, canceling))


def test_what_is_not_the_worker_s_is_stopped() -> None:
    running = make_job(S.RUNNING, attempt=2)
    plan = reconcile([running], {("J", 1), ("J", 2), ("other", 1)})
    assert plan == Plan((), (), (("J", 1), ("other", 1)), ())
