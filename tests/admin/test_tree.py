"""How the coordinator's tree is drawn."""

from __future__ import annotations

from dffmpeg.admin.tree import draw
from dffmpeg.supervisors import ChildKind, ChildState, LastCrash, TreeNode
from dffmpeg.wire import codec


def node(name: str, *children: TreeNode, crash: str | None = None, depth: int = 0) -> TreeNode:
    return TreeNode(
        id=name,
        kind=ChildKind.SUPERVISOR if children else ChildKind.ACTOR,
        state=ChildState.RUNNING,
        restarts=2 if crash else 0,
        last_crash=LastCrash(crash, 0.0) if crash else None,
        mailbox_depth=depth,
        mailbox_capacity=128,
        uptime=200.0,
        children=children,
    )


TREE = node("coordinator", node("store"), node("jobs", node("01A", depth=3)), node("web", crash="OSError: x"))


def test_a_tree_is_drawn_with_what_is_remarkable() -> None:
    assert list(draw(TREE)) == [
        "coordinator  running, up 3 min",
        "├── store  running, up 3 min",
        "├── jobs  running, up 3 min",
        "│   └── 01A  running, up 3 min, mailbox 3/128",
        "└── web  running, up 3 min, 2 restarts, last crash: OSError: x",
    ]


def test_what_the_coordinator_sends_is_a_tree() -> None:
    assert codec.decode(codec.encode(TREE), TreeNode) == TREE
