"""Actors: the runtime, and the project's own."""

from .runtime import (
    Actor,
    ActorCrashed,
    ActorError,
    ActorRef,
    ActorStopped,
    Context,
    DeadLetters,
    Down,
    MailboxFull,
    Rejected,
    Reply,
    Request,
    Timer,
)

__all__ = [
    "Actor",
    "ActorCrashed",
    "ActorError",
    "ActorRef",
    "ActorStopped",
    "Context",
    "DeadLetters",
    "Down",
    "MailboxFull",
    "Rejected",
    "Reply",
    "Request",
    "Timer",
]
