"""What can go wrong between actors."""

from __future__ import annotations


class ActorError(Exception):
    """Base of the errors that the runtime raises at an actor's callers."""


class ActorStopped(ActorError):
    """The actor ended, or was stopped, before it answered. `__cause__` is the crash, if one ended it."""


class ActorCrashed(ActorError):
    """The actor crashed while it handled this very request. `__cause__` is what it raised."""


class MailboxFull(ActorError):
    """`tell_nowait` found no room; the message was not delivered."""


class Rejected(Exception):
    """Base of the exceptions that are an answer.

    Raised in `handle()`, it reaches the asker as it is and the actor carries on with its next message.
    """
