"""Seeing a tree change as it does: whoever wants to is told of each step of each child."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tree import TreeNode

Observer = Callable[[str, "TreeNode | None"], None]
"""Given the path of what has changed, and how it is now, without what is below it; None once it is no more.

Called in the middle of a supervisor's work: it must neither wait nor raise, and keeps little.
"""


class Observers:
    """Those who observe one tree. While there are none, a change costs a look at whether there are."""

    def __init__(self) -> None:
        self._observers: tuple[Observer, ...] = ()

    def watched(self) -> bool:
        """Whether there are any."""
        return bool(self._observers)

    def add(self, observer: Observer) -> None:
        """Tell this one too, from now on. Adding it twice is adding it once."""
        if observer not in self._observers:
            self._observers = (*self._observers, observer)

    def discard(self, observer: Observer) -> None:
        """Do not tell this one any more; it may say so itself while it is told."""
        self._observers = tuple(other for other in self._observers if other != observer)

    def tell(self, path: str, node: TreeNode | None) -> None:
        """Something has changed."""
        for observer in self._observers:
            observer(path, node)
