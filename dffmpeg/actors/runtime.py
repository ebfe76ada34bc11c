"""Actors: one task, one bounded mailbox, one owner of its state.

The vocabulary and the guarantees are those of Erlang/OTP's gen_server; the mechanism is trio's. An
actor is written as a subclass of `Actor` and run by a supervisor (`dffmpeg.supervisors`); others reach
it only through an `ActorRef`. This module knows nothing of the rest of the project.
"""

from __future__ import annotations

from typing import ClassVar, Generic

from ._errors import ActorCrashed, ActorError, ActorStopped, MailboxFull, Rejected
from ._instance import Context, Instance, StopSignal, Timer
from ._mailbox import Answer, DeadLetter, DeadLetters, Mailbox
from ._ref import ActorRef, Down, M_contra, Reply, Request

__all__ = [
    "Actor",
    "ActorCrashed",
    "ActorError",
    "ActorRef",
    "ActorStopped",
    "Answer",
    "Context",
    "DeadLetter",
    "DeadLetters",
    "Down",
    "Instance",
    "Mailbox",
    "MailboxFull",
    "Rejected",
    "Reply",
    "Request",
    "StopSignal",
    "Timer",
]


class Actor(Generic[M_contra]):
    """Base of all actors; M_contra is the union of the message types that it takes.

    A fresh instance is made for each (re)start, so state lives in its attributes and a crash clears it.
    """

    mailbox_size: ClassVar[int] = 128
    """How many messages wait before `tell` does; a ref made with `ActorRef.unbound` has its own."""

    context: Context
    """Set by the runtime before `start()`."""

    async def start(self) -> None:
        """Prepare. Raising here is a failed start; being ready comes after it."""

    async def run(self) -> None:
        """Live. The default says that it is ready and handles messages until the actor is stopped.

        An override calls `self.context.ready()` when it serves; returning is a normal exit. It may
        `await super().run()` for the message loop.
        """
        await self.context._instance.serve()

    async def handle(self, message: M_contra) -> object:
        """Handle one message; what it returns answers an `ask`.

        An exception crashes the actor, unless it is a `Rejected`, which only the asker sees.
        """
        kind, message_type = type(self).__qualname__, type(message).__qualname__
        raise NotImplementedError(f"{kind} takes no messages, got {message_type}")

    async def stop(self) -> None:
        """Clean up when a stop was asked for, within the child's shutdown time; else it is cancelled.

        In the message loop it is called after the message in hand. Beside an overridden `run()` that is
        still running it is called concurrently with it, and `run()` is cancelled when it returns, unless
        that run ever looked at `context.stopping`. Not called after a crash.
        """
