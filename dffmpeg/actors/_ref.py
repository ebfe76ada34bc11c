"""Handles and messages: what one actor holds of another."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

from ._errors import ActorStopped
from ._mailbox import Answer, Envelope, Mailbox, Standing

if TYPE_CHECKING:
    from collections.abc import Callable

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")


class Request(Generic[R]):
    """Base of the messages that have an answer: `class Append(Request[int])` is answered by an int."""

    __slots__ = ()


class ActorRef(Generic[M_contra]):
    """The handle of an actor. It stays valid when the actor is restarted.

    Two refs are equal if they reach the same mailbox. A ref owns nothing and needs no closing.
    """

    __slots__ = ("_mailbox",)

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    @classmethod
    def unbound(cls, name: str, mailbox_size: int = 128) -> ActorRef[M_contra]:
        """Make a ref before there is an actor; a `ChildSpec` with `ref=` binds it.

        Until then messages wait in the mailbox, which holds `mailbox_size` of them.
        """
        return cls(Mailbox(name, mailbox_size))

    @property
    def name(self) -> str:
        return self._mailbox.name

    @property
    def alive(self) -> bool:
        """Whether a child stands behind the ref: it runs, or its supervisor is restarting it."""
        return self._mailbox.standing is Standing.BOUND

    async def tell(self, message: M_contra) -> None:
        """Put `message` in the mailbox, waiting while it is full.

        Never raises for an actor that has ended: the message becomes a dead letter.
        """
        await self._mailbox.put(Envelope(message))

    def tell_nowait(self, message: M_contra) -> None:
        """Put `message` in the mailbox at once.

        Raises MailboxFull if there is no room. To an ended actor it becomes a dead letter.
        """
        self._mailbox.put_nowait(Envelope(message))

    async def ask(self, request: Request[R], timeout: float) -> R:
        """Send `request` and wait at most `timeout` seconds for its answer, room in the mailbox included.

        Raises trio.TooSlowError at the deadline; ActorStopped if the actor has ended, or ends or is
        stopped before it answers; ActorCrashed if it crashed handling this request (its `__cause__`
        is what was raised); and whatever `Rejected` the actor raised.
        """
        answer: Answer[R] = Answer()
        with trio.fail_after(timeout):
            await self._mailbox.put(Envelope(request, answer))
            return await answer.wait()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActorRef) and other._mailbox is self._mailbox

    def __hash__(self) -> int:
        return id(self._mailbox)

    def __repr__(self) -> str:
        return f"<ActorRef {self.name} {self._mailbox.standing.value}>"


@dataclass(frozen=True, slots=True)
class Down:
    """Delivered once to a watcher when the running instance of `ref` ends."""

    ref: ActorRef[Any]
    reason: BaseException | None
    """The crash; None if it ended normally or was stopped."""


class Reply(Generic[R]):
    """A promise to answer later, from `Context.defer()`.

    Only the first `send` or `fail` counts. If it is dropped unanswered, the asker gets ActorStopped.
    """

    __slots__ = ("_answer", "_forget", "_name")

    def __init__(self, answer: Answer[R] | None, name: str, forget: Callable[[Answer[R]], None]) -> None:
        self._answer = answer
        self._name = name
        self._forget = forget

    def send(self, value: R) -> None:
        if self._answer is not None:
            self._answer.succeed(value)
            self._forget(self._answer)

    def fail(self, error: BaseException) -> None:
        """Raise `error` at the asker."""
        if self._answer is not None:
            self._answer.fail(error)
            self._forget(self._answer)

    def __del__(self) -> None:
        answer = self._answer
        if answer is None or answer.settled:
            return
        # The garbage collector may run in any thread, so the answer is settled by the trio loop.
        with contextlib.suppress(trio.RunFinishedError):
            answer.token.run_sync_soon(_drop, answer, self._name, self._forget)


def _drop(answer: Answer[R], name: str, forget: Callable[[Answer[R]], None]) -> None:
    answer.fail(ActorStopped(f"{name} dropped a request unanswered"))
    forget(answer)
