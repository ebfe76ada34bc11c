"""The supervision tree as a topic of the change feed: a crash and its healing, as they happen.

Only of this coordinator: each has a tree of its own. Of several changes of one child between two messages
only how it is by now is told; that it crashed meanwhile shows by its restarts, and by when it crashed last.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import trio

from dffmpeg.actors.coordinator.topics import Topic
from dffmpeg.model import access
from dffmpeg.model.identities import Role
from dffmpeg.supervisors.tree import TreeNode
from dffmpeg.wire import times
from dffmpeg.wire.dashboard import TreeChange, TreeEvent

if TYPE_CHECKING:
    from dffmpeg.model.identities import Identity
    from dffmpeg.supervisors import TreeHandle
    from dffmpeg.wire.events import EventData, EventKind

SHOWN = 200
"""Children of one supervisor that are shown at most, the oldest: a dynamic one may have thousands."""

KEPT = 2000
"""Changes that are kept for those who were told something before. Who missed more is told all anew."""


class TreeTopic(Topic):
    """How the tree is, and what of it has changed since."""

    kind: ClassVar[EventKind] = "tree"
    roles: ClassVar[frozenset[Role]] = access.roles_of("tree")
    every: ClassVar[float] = 0.5
    """Mailboxes fill and empty without a word."""

    def __init__(self, tree: TreeHandle) -> None:
        super().__init__()
        self._tree = tree
        # By path, the latest change last.
        self._changes: OrderedDict[str, tuple[int, TreeChange]] = OrderedDict()
        self._seen: dict[str, tuple[int, int]] = {}
        self._look_at = 0.0
        self._first = 0
        """What changed up to this version is not known one by one."""
        self._observing = False

    async def refresh(self) -> None:
        if not self._observing:
            self._begin()
        now = trio.current_time()
        if now >= self._look_at:
            self._look_at = now + self.every
            self._look()

    def news(self, after: int, who: Identity) -> list[EventData]:
        del who
        if after < self._first or after == 0:
            return [TreeEvent(nodes=list(changes(self._tree.tree(SHOWN))), whole=True)]
        nodes: list[TreeChange] = []
        for version, change in reversed(self._changes.values()):
            if version <= after:
                break
            nodes.append(change)
        return [TreeEvent(nodes=nodes[::-1])] if nodes else []

    def _take(self, path: str, node: TreeNode | None) -> None:
        if not self.watchers:
            self._tree.observers.discard(self._take)
            self._observing = False
            return
        if node is None:
            self._seen.pop(path, None)
        self._note(TreeChange(path=path, state="removed") if node is None else change(path, node))
        self.stir()

    def _note(self, changed: TreeChange) -> None:
        self.version += 1
        self._changes[changed.path] = (self.version, changed)
        self._changes.move_to_end(changed.path)
        if len(self._changes) > KEPT:
            _, (self._first, _) = self._changes.popitem(last=False)

    def _begin(self) -> None:
        """Observe the tree; how it was before is not known."""
        self._observing = True
        self._tree.observers.add(self._take)
        self.version += 1
        self._first = self.version
        self._changes.clear()
        self._look_at = 0.0
        self._seen = {one.path: _measure(one) for one in changes(self._tree.tree(SHOWN))}

    def _look(self) -> None:
        """What grows and shrinks without a word."""
        for one in changes(self._tree.tree(SHOWN)):
            measure = _measure(one)
            if self._seen.get(one.path, (0, 0)) != measure:
                self._seen[one.path] = measure
                self._note(one)


def _measure(one: TreeChange) -> tuple[int, int]:
    # A mailbox in steps, each twice the one before: what comes and goes at once is no news.
    return one.mailbox_depth.bit_length(), one.children


def changes(root: TreeNode, above: str = "") -> Iterator[TreeChange]:
    """Each node of a tree, before those below it."""
    path = f"{above}{root.id}"
    yield change(path, root)
    for child in root.children:
        yield from changes(child, f"{path}/")


def change(path: str, node: TreeNode) -> TreeChange:
    """How a node is, without what is below it."""
    crash = node.last_crash
    return TreeChange(
        path=path,
        state=node.state.value,
        kind=node.kind.value,
        restarts=node.restarts,
        last_crash=None if crash is None else crash.text,
        crashed_at=None if crash is None else times.to_wire(crash.at),
        mailbox_depth=node.mailbox_depth,
        mailbox_capacity=node.mailbox_capacity,
        children=len(node.children) + node.hidden,
    )
