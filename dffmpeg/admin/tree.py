"""`dffmpeg-admin tree`: what runs inside the coordinator."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import msgspec

from dffmpeg.admin.coordinator import Coordinator
from dffmpeg.admin.output import answer
from dffmpeg.supervisors import TreeNode


async def show(options: argparse.Namespace, cluster: Coordinator) -> None:
    """Draw what runs inside the coordinator."""
    root = await cluster.tree()
    answer(options, msgspec.to_builtins(root), "\n".join(draw(root)))


def draw(node: TreeNode, lead: str = "", below: str = "") -> Iterator[str]:
    """A node and all below it, a line each."""
    yield f"{lead}{_describe(node)}"
    for child in node.children:
        last = child is node.children[-1]
        yield from draw(child, below + ("└── " if last else "├── "), below + ("    " if last else "│   "))


def _describe(node: TreeNode) -> str:
    parts = [f"{node.id}  {node.state.value}"]
    if node.uptime:
        parts.append(f"up {_duration(node.uptime)}")
    if node.mailbox_depth:
        parts.append(f"mailbox {node.mailbox_depth}/{node.mailbox_capacity}")
    if node.restarts:
        parts.append(f"{node.restarts} restart{'s' if node.restarts > 1 else ''}")
    if node.last_crash is not None:
        parts.append(f"last crash: {node.last_crash.text}")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
