"""The supervision tree, for those who may look at everything."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

from quart import Blueprint, Response

from dffmpeg.actors.coordinator.operations import NotFound, Operations
from dffmpeg.actors.coordinator.tree_topic import SHOWN
from dffmpeg.supervisors.tree import TreeNode
from dffmpeg.web.answers import json_answer
from dffmpeg.web.versions import PREFIX


class TreeLook(Protocol):
    """The tree as it is now, with so many children of each supervisor at most; None shows all."""

    def __call__(self, limit: int | None = None) -> TreeNode: ...


@dataclass(frozen=True, slots=True)
class CoordinatorTree(TreeNode):
    """GET /api/v1/tree: the coordinator's own tree. Each coordinator has one, and answers with that."""

    coordinator_id: str = ""
    """Which one it is."""


def blueprint(operations: Operations, tree: TreeLook | None) -> Blueprint:
    """The routes /admin/tree and /api/v1/tree."""
    routes = Blueprint("tree", __name__)

    def look(limit: int | None) -> TreeNode:
        if tree is None:
            raise NotFound("there is no supervision tree here")
        return tree(limit)

    @routes.get("/admin/tree")
    async def whole() -> Response:
        return json_answer(look(None))

    @routes.get(f"{PREFIX}/tree")
    async def shown() -> Response:
        node = look(SHOWN)
        known = {field.name: getattr(node, field.name) for field in fields(TreeNode)}
        return json_answer(CoordinatorTree(**known, coordinator_id=operations.coordinator_id))

    return routes
