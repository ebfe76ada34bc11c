"""Reading a log whose entries may become visible in another order than their numbers'.

A number is given when an entry is made, and the entry becomes visible when its transaction is committed. So
whoever reads goes on looking behind what it has seen for some time, and remembers what that was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Window:
    """What of a log was seen.

    Args:
        settled: the number up to which nothing is looked for any more.
        seconds: for how long an entry may become visible behind a higher one's.
    """

    def __init__(self, settled: int, seconds: float) -> None:
        self.settled = settled
        self.newest: dict[str, int] = {}
        """By author, the highest number that was seen: but for rare cases one author's come in order."""
        self._seconds = seconds
        self._seen: set[int] = set()
        self._marks: deque[tuple[float, int]] = deque()

    def fresh(self, number: int) -> bool:
        """Whether an entry was not seen yet."""
        return number > self.settled and number not in self._seen

    def note(self, entries: Iterable[tuple[str, int]], now: float) -> None:
        """Entries were seen, by author and number; `now` is monotonic."""
        highest = 0
        for author, number in entries:
            self._seen.add(number)
            self.newest[author] = max(number, self.newest.get(author, 0))
            highest = max(highest, number)
        if highest:
            self._marks.append((now, highest))

    def settle(self, now: float) -> None:
        """Forget what is behind everything that may still become visible."""
        before = self.settled
        while self._marks and self._marks[0][0] <= now - self._seconds:
            self.settled = max(self.settled, self._marks.popleft()[1])
        if self.settled > before:
            self._seen = {number for number in self._seen if number > self.settled}
            # Others' entries of before are not looked for either.
            self.newest = {author: number for author, number in self.newest.items() if number > self.settled}
