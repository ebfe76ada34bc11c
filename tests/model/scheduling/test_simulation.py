"""A hundred thousand jobs on a virtual clock, and what must be true of every moment of it."""

import pytest

from benchmarks.simulation import POLICY, Plan, Simulation


@pytest.mark.parametrize("plan", [Plan(), Plan(workers=20, requesters=10, jobs=5_000, failures=0.2, seed=2)])
def test_a_long_run(plan: Plan) -> None:
    result = Simulation(plan).run()
    assert result.completed == plan.jobs
    assert result.lost > 0
    assert result.decisions == result.completed + result.lost
    assert (result.oversubscribed, result.above_limit, result.unreserved) == (0, 0, 0)
    # Of equal standing, and with jobs waiting all the time: their slot-time differs by less than 5 %.
    assert max(abs(share - 1.0) for share in result.shares.values()) < 0.05, result.shares
    # Nobody starves: to be as high as the next class takes 50 points.
    turnover = 5 * plan.mean
    assert result.gaps["priority -50"] <= 50 * POLICY.aging + turnover
    assert result.gaps["priority 0"] <= 50 * POLICY.aging + turnover
    assert result.gaps["shape {'nvenc': 2}"] <= POLICY.patience + 2 * turnover


def test_one_seed_is_one_history() -> None:
    plan = Plan(workers=10, requesters=5, jobs=300)
    first, second = Simulation(plan).run(), Simulation(plan).run()
    assert (first.makespan, first.gaps, first.shares) == (second.makespan, second.gaps, second.shares)
