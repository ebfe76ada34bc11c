"""Being told of each change of a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from dffmpeg.supervisors import (
    Backoff,
    ChildSpec,
    DynamicSupervisor,
    Restart,
    Strategy,
    Supervisor,
    SupervisorRef,
    TreeHandle,
    TreeNode,
    open_tree,
)

from .kit import Bench, Boom, Crash, Finish, settle

if TYPE_CHECKING:
    from trio.testing import MockClock


class Diary:
    """Writes down what it is told of a tree."""

    def __init__(self, tree: TreeHandle) -> None:
        self.tree = tree
        self.told: list[tuple[str, TreeNode | None]] = []
        tree.observers.add(self.take)
        tree.observers.add(self.take)

    def take(self, path: str, node: TreeNode | None) -> None:
        self.told.append((path, node))

    def states(self) -> list[tuple[str, str]]:
        """Path and state of what was told since the last call."""
        found = [(path, "removed" if node is None else node.state.value) for path, node in self.told]
        self.told.clear()
        return found


async def test_a_crash_and_its_healing_are_told_step_by_step(bench: Bench, autojump_clock: MockClock) -> None:
    root = Supervisor([bench.spec("a", backoff=Backoff(5, 5, 0)), bench.spec("b")])
    async with open_tree(root, name="root") as tree:
        diary = Diary(tree)
        await bench.send("a", Crash(Boom("why")))
        crashed = [node for _, node in diary.told if node is not None and node.last_crash is not None]
        assert crashed[0].last_crash is not None
        assert (crashed[0].last_crash.text, crashed[0].restarts) == ("Boom: why", 0)
        assert diary.states() == [("root/a", "stopping"), ("root/a", "stopping"), ("root/a", "restarting")]
        await trio.sleep(6)
        healed = diary.told[-1][1]
        assert healed is not None
        assert (healed.restarts, healed.last_crash) == (1, crashed[0].last_crash)
        assert diary.states() == [("root/a", "starting"), ("root/a", "running")]


async def test_children_that_come_and_go_are_told(bench: Bench, autojump_clock: MockClock) -> None:
    jobs: Any = SupervisorRef.unbound("jobs")
    async with open_tree(Supervisor([ChildSpec("jobs", DynamicSupervisor, ref=jobs)]), name="root") as tree:
        diary = Diary(tree)
        await jobs.start_child(bench.spec("j", restart=Restart.TRANSIENT))
        assert diary.states() == [("root/jobs/j", "starting"), ("root/jobs/j", "running")]
        await bench.send("j", Finish())
        assert diary.states() == [
            ("root/jobs/j", "stopping"),
            ("root/jobs/j", "stopped"),
            ("root/jobs/j", "removed"),
        ]
        await jobs.start_child(bench.spec("k", restart=Restart.TEMPORARY))
        diary.states()
        await bench.send("k", Crash())
        gone = [node for path, node in diary.told if path == "root/jobs/k"]
        assert gone[-1] is None
        assert gone[-2] is not None
        assert gone[-2].last_crash is not None
        await jobs.start_child(bench.spec("l"))
        diary.states()
        await jobs.terminate_child("l")
        assert diary.states()[-1] == ("root/jobs/l", "removed")


async def test_what_was_below_a_supervisor_goes_with_it(bench: Bench, autojump_clock: MockClock) -> None:
    def inner() -> Supervisor:
        return Supervisor([bench.spec("b"), bench.spec("c")], strategy=Strategy.ONE_FOR_ALL)

    async with open_tree(Supervisor([ChildSpec("inner", inner)]), name="root") as tree:
        diary = Diary(tree)
        tree.crash_child("root/inner")
        await settle()
        told = diary.states()
        below = [one for one in told if one[0] == "root/inner/b"]
        assert below[-3:] == [
            ("root/inner/b", "removed"),
            ("root/inner/b", "starting"),
            ("root/inner/b", "running"),
        ]
        assert told[-1] == ("root/inner", "running")


async def test_nobody_is_told_any_more_who_does_not_want_to(bench: Bench, autojump_clock: MockClock) -> None:
    async with open_tree(Supervisor([bench.spec("a"), bench.spec("b")], intensity=9), name="root") as tree:
        diary = Diary(tree)
        tree.observers.discard(diary.take)
        await bench.send("a", Crash())
        assert not tree.observers.watched()
        assert diary.told == []

        def once(path: str, node: TreeNode | None) -> None:
            tree.observers.discard(once)
            diary.take(path, node)

        tree.observers.add(once)
        await bench.send("a", Crash())
        assert diary.states() == [("root/a", "stopping")]


async def test_a_tree_is_shown_in_part(bench: Bench, autojump_clock: MockClock) -> None:
    jobs: Any = SupervisorRef.unbound("jobs")
    async with open_tree(
        Supervisor([bench.spec("a"), ChildSpec("jobs", DynamicSupervisor, ref=jobs)]), name="root"
    ) as tree:
        for number in range(5):
            await jobs.start_child(bench.spec(f"j{number}"))
        part = tree.tree(2)
        assert part.hidden == 0
        assert ([one.id for one in part.children[1].children], part.children[1].hidden) == (["j0", "j1"], 3)
        assert tree.tree(1).hidden == 1
        assert len(tree.tree().children[1].children) == 5
