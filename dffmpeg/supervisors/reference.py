"""The handle of a supervisor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dffmpeg.actors.runtime import ActorRef

from .errors import SupervisorNotRunning

if TYPE_CHECKING:
    from .core import ChildInfo, SupervisorCore
    from .spec import ChildSpec
    from .tree import ChildCounts, TreeNode


class SupervisorRef:
    """Reaches a supervisor, and stays valid when that supervisor is itself restarted.

    All methods but `find` raise SupervisorNotRunning while no instance of it runs.
    """

    def __init__(self, name: str) -> None:
        self.ref: ActorRef[Any] = ActorRef.unbound(name, mailbox_size=0)
        """For `Context.watch`: a supervisor has an end like an actor, but takes no messages."""
        self._supervisor: SupervisorCore | None = None

    @classmethod
    def unbound(cls, name: str) -> SupervisorRef:
        """Make a handle before there is a supervisor; a `ChildSpec` with `ref=` binds it."""
        return cls(name)

    @property
    def name(self) -> str:
        return self.ref.name

    @property
    def running(self) -> bool:
        return self._supervisor is not None

    async def start_child(self, spec: ChildSpec) -> ActorRef[Any]:
        """Start one more child and wait until it is ready. The supervisor owns it.

        Raises AlreadyStarted or AlreadyPresent if the id is taken, MaxChildren if there is no room, and
        ChildStartFailed (the spec is then forgotten). A static supervisor appends it on the right.
        """
        return await self._target().start_child(spec)

    async def terminate_child(self, id: str) -> None:  # noqa: A002 - OTP's name for it
        """Stop a child and wait until it is down; its restart type does not matter.

        A static supervisor keeps the record of a child that is not temporary. Raises NotFound.
        """
        await self._target().terminate_child(id)

    async def restart_child(self, id: str) -> ActorRef[Any]:  # noqa: A002
        """Start a child that is down and was kept. Raises NotFound, Running, Restarting, ChildStartFailed."""
        return await self._target().restart_child(id)

    async def delete_child(self, id: str) -> None:  # noqa: A002
        """Forget a child that is down. Raises NotFound, Running, Restarting."""
        await self._target().delete_child(id)

    def which_children(self) -> list[ChildInfo]:
        """All children in start order."""
        return self._target().which_children()

    def count_children(self) -> ChildCounts:
        return self._target().count_children()

    def find(self, id: str) -> ActorRef[Any] | None:  # noqa: A002
        """The handle of a child that runs or is being restarted; else None. One dictionary look-up."""
        return self._supervisor.find(id) if self._supervisor is not None else None

    def tree(self) -> tuple[TreeNode, ...]:
        """The children and all below them."""
        return self._target().nodes()

    def crash_child(self, path: str) -> None:
        """Debug facility: crash what runs at `path`, relative to this supervisor ("jobs/01H…").

        Raises NotFound if nothing runs there.
        """
        self._target().crash(path)

    def _target(self) -> SupervisorCore:
        if self._supervisor is None:
            raise SupervisorNotRunning(f"{self.name} is not running")
        return self._supervisor

    def __repr__(self) -> str:
        return f"<SupervisorRef {self.name} {'running' if self.running else 'not running'}>"
