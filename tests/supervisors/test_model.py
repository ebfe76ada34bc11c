"""Random trees and random crashes against a model that knows only OTP's rules."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from dffmpeg.actors import ActorRef
from dffmpeg.supervisors import (
    ChildSpec,
    Restart,
    RestartIntensityExceeded,
    Strategy,
    Supervisor,
    TreeNode,
    open_tree,
)

from .kit import Boom, Crash, Finish, Probe, leaves, settle

# The model: written from the manual, sharing no code with the library.


@dataclass
class Leaf:
    id: str
    restart: Restart
    up: bool = False
    starts: int = 0


@dataclass
class Branch:
    id: str
    restart: Restart
    strategy: Strategy
    intensity: int
    period: float
    plan: list[Any]
    """What its children are made from; a restart begins with all of them again."""
    children: list[Any] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)
    up: bool = False


class Model:
    def __init__(self, root: Branch) -> None:
        self.root = root
        self.starts: dict[str, int] = {}
        self.start(root)

    def start(self, node: Leaf | Branch) -> None:
        node.up = True
        if isinstance(node, Leaf):
            self.starts[node.id] = self.starts.get(node.id, 0) + 1
            return
        node.restarts = []
        node.children = [clone(child) for child in node.plan]
        for child in node.children:
            self.start(child)

    def stop(self, node: Leaf | Branch) -> None:
        node.up = False
        if isinstance(node, Branch):
            for child in node.children:
                self.stop(child)

    def running(self) -> set[str]:
        return {leaf.id for leaf in walk(self.root) if isinstance(leaf, Leaf) and leaf.up}

    def parent_of(self, id_: str) -> Branch:
        for node in walk(self.root):
            if isinstance(node, Branch) and any(child.id == id_ for child in node.children):
                return node
        raise LookupError(id_)

    def exit(self, id_: str, crashed: bool, now: float) -> None:
        """The child ends by itself."""
        parent = self.parent_of(id_)
        child = next(child for child in parent.children if child.id == id_)
        self.stop(child)
        if child.restart is Restart.TEMPORARY:
            parent.children.remove(child)
            return
        if child.restart is Restart.TRANSIENT and not crashed:
            return
        parent.restarts = [time for time in parent.restarts if time >= now - parent.period] + [now]
        if len(parent.restarts) > parent.intensity:
            self.stop(parent)
            if parent is not self.root:
                self.exit(parent.id, True, now)
            return
        position = parent.children.index(child)
        first, last = {
            Strategy.ONE_FOR_ONE: (position, position + 1),
            Strategy.ONE_FOR_ALL: (0, None),
            Strategy.REST_FOR_ONE: (position, None),
        }[parent.strategy]
        for member in parent.children[first:last]:
            self.stop(member)
            if member.restart is Restart.TEMPORARY:
                parent.children.remove(member)
            else:
                self.start(member)


def clone(node: Leaf | Branch) -> Leaf | Branch:
    if isinstance(node, Leaf):
        return Leaf(node.id, node.restart)
    return Branch(node.id, node.restart, node.strategy, node.intensity, node.period, node.plan)


def walk(node: Leaf | Branch) -> list[Leaf | Branch]:
    below = [found for child in node.children for found in walk(child)] if isinstance(node, Branch) else []
    return [node, *below]


# Random trees and events


@st.composite
def branches(draw: st.DrawFn, depth: int = 0, prefix: str = "n") -> Branch:
    plan: list[Leaf | Branch] = []
    for number in range(draw(st.integers(1, 4))):
        id_ = f"{prefix}{number}"
        if depth < 2 and draw(st.integers(0, 3)) == 0:
            plan.append(draw(branches(depth + 1, id_)))
        else:
            plan.append(Leaf(id_, draw(st.sampled_from(Restart))))
    return Branch(
        prefix,
        draw(st.sampled_from(Restart)),
        draw(st.sampled_from(Strategy)),
        draw(st.integers(0, 3)),
        draw(st.sampled_from([1.0, 5.0])),
        plan,
    )


@dataclass(frozen=True)
class Event:
    choice: int
    """Which of the running leaves, modulo their number."""
    crashes: bool
    pause: float
    """Seconds before it."""


events = st.lists(
    st.builds(Event, st.integers(0, 30), st.booleans(), st.sampled_from([0.0, 0.4, 2.0, 6.0])), max_size=12
)


class Records(logging.Handler):
    """Collects the exceptions that were logged."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is not None and record.exc_info[1] is not None:
            self.errors.append(record.exc_info[1])


class World:
    """The real tree that a plan describes."""

    def __init__(self) -> None:
        self.refs: dict[str, ActorRef[Any]] = {}
        self.starts: dict[str, int] = {}
        self.diary: list[str] = []

    def supervisor(self, branch: Branch) -> Supervisor:
        specs = [self.spec(node) for node in branch.plan]
        return Supervisor(specs, strategy=branch.strategy, intensity=branch.intensity, period=branch.period)

    def spec(self, node: Leaf | Branch) -> ChildSpec:
        if isinstance(node, Branch):
            return ChildSpec(node.id, lambda: self.supervisor(node), restart=node.restart)
        ref = self.refs.setdefault(node.id, ActorRef.unbound(node.id))

        def make() -> Probe:
            self.starts[node.id] = self.starts.get(node.id, 0) + 1
            return Probe(node.id, self.diary, self.starts[node.id], None, None)

        return ChildSpec(node.id, make, restart=node.restart, ref=ref)


def running(node: TreeNode) -> set[str]:
    if node.kind.value == "actor":
        return {node.id} if node.state.value == "running" else set()
    return {id_ for child in node.children for id_ in running(child)}


async def play(plan: Branch, script: list[Event]) -> None:
    tasks = trio.lowlevel.current_statistics().tasks_living
    world, model = World(), Model(clone(plan))  # type: ignore[arg-type]
    injected: list[Boom] = []
    raised: list[BaseException] = []
    records = Records()
    logging.getLogger("dffmpeg.supervisor").addHandler(records)
    try:
        async with open_tree(world.supervisor(plan), name="root") as tree:
            for event in script:
                await trio.sleep(event.pause)
                assert running(tree.tree()) == model.running()
                assert world.starts == model.starts
                candidates = sorted(model.running())
                if not candidates:
                    break
                target = candidates[event.choice % len(candidates)]
                model.exit(target, event.crashes, trio.current_time())
                if event.crashes:
                    injected.append(Boom(str(len(injected))))
                await world.refs[target].tell(Crash(injected[-1]) if event.crashes else Finish())
                await settle()
            assert running(tree.tree()) == model.running()
            assert model.root.up
    except RestartIntensityExceeded as error:
        raised.append(error)
        assert not model.root.up
    finally:
        logging.getLogger("dffmpeg.supervisor").removeHandler(records)
    assert world.starts == model.starts
    logged = {id(leaf) for error in [*records.errors, *raised] for leaf in leaves(error)}
    assert all(id(error) in logged for error in injected), "a crash was lost"
    assert not any(ref.alive for ref in world.refs.values())
    starts = sum(entry.startswith("+") for entry in world.diary)
    assert starts == len(world.diary) - starts, "a life did not end"
    await settle()
    assert trio.lowlevel.current_statistics().tasks_living == tasks, "a task was left behind"


@settings(max_examples=300, deadline=None)
@given(plan=branches(), script=events)
def test_what_runs_is_what_the_rules_say(plan: Branch, script: list[Event]) -> None:
    trio.run(play, plan, script, clock=trio.testing.MockClock(autojump_threshold=0))
