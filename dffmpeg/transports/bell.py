"""Waking those who wait for something to happen under a name, without polling and without a queue."""

from __future__ import annotations

import trio


class Bell:
    """Events by topic.

    A listener takes its event before it looks for what it wants, and waits on it
    only if there was nothing: so a ring between the look and the wait is never missed.
    A topic costs memory only while somebody listens.
    """

    def __init__(self) -> None:
        self._events: dict[str, trio.Event] = {}

    def listen(self, topic: str) -> trio.Event:
        """An event that the next ring of the topic sets. Ask anew after each ring."""
        return self._events.setdefault(topic, trio.Event())

    def ring(self, topic: str) -> None:
        """Wake everybody who listens to the topic now."""
        event = self._events.pop(topic, None)
        if event is not None:
            event.set()

    def ring_all(self) -> None:
        """Wake everybody: what happened is not known."""
        for topic in list(self._events):
            self.ring(topic)

    def forget(self, topic: str, event: trio.Event) -> None:
        """Drop a listener's event that was never rung, if nobody else waits on it."""
        if self._events.get(topic) is event and not event.statistics().tasks_waiting:
            del self._events[topic]
