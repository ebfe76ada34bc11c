"""Any part of the coordinator's tree may crash, and the jobs finish."""

from pathlib import Path

import trio
import trio.testing

from dffmpeg.configuration.coordinator import CoordinatorConfig, Leases
from dffmpeg.supervisors import TreeNode
from tests.actors.coordinator.tree import (
    PATIENCE,
    FakeWorker,
    open_coordinator,
)


def paths(node: TreeNode, prefix: str = "") -> list[str]:
    here = f"{prefix}{node.id}"
    return [here] + [path for child in node.children for path in paths(child, here + "/")]


async def test_any_actor_may_crash_and_the_jobs_finish(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online():
            await coordinator.submit(monitor=False)
            await worker.take()
            victims = [path for path in paths(coordinator.handle.tree()) if "/" in path]
    assert {path.split("/")[1] for path in victims} == {
        "store",
        "members",
        "downlinks",
        "workers",
        "jobs",
        "feed",
        "scheduler",
        "successors",
        "hooks",
        "janitor",
        "recorder",
        "web",
        "hindrances",
    }
    for number, victim in enumerate(victims):
        await crash_and_finish(tmp_path / str(number), victim.split("/")[1:])


async def crash_and_finish(folder: Path, victim: list[str]) -> None:
    """One job runs, one waits; the victim crashes; both complete."""
    folder.mkdir()
    # However long a slow machine takes to restart everything, the worker is not lost meanwhile.
    leases = Leases(worker=3600.0, worker_disconnect=3600.0)
    async with open_coordinator(folder, CoordinatorConfig(leases=leases)) as coordinator:
        worker = FakeWorker(coordinator, "w1")
        async with worker.online(slots=1):
            running = await coordinator.submit()
            request = await worker.take()
            waiting = await coordinator.submit()
        # Job ids differ from tree to tree.
        where = [running if len(part) == 26 else part for part in victim]
        coordinator.handle.crash_child("/".join(["coordinator", *where]))
        with trio.fail_after(PATIENCE):
            while any(
                node.state.value != "running" for node in coordinator.handle.tree().children
            ) or not any(node.restarts or node.last_crash for node in nodes(coordinator.handle.tree())):
                # The store's threads have to get their turn meanwhile.
                await trio.testing.wait_all_tasks_blocked(0.01)
        again = FakeWorker(coordinator, "w1")
        again.running = worker.running
        async with again.online(slots=1):
            await again.finish(request)
            await again.finish(await again.take())
        for job_id in (running, waiting):
            assert (await coordinator.until(job_id, "completed")).attempt == 1


def nodes(node: TreeNode) -> list[TreeNode]:
    return [node] + [below for child in node.children for below in nodes(child)]
