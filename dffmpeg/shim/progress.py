"""How far one output is, over all attempts of a job: offsets, and what a new attempt must repeat. Pure.

A job may be run again when its worker is lost. What was written of the older attempt's stdout cannot
be taken back, so the new attempt has to begin with the same bytes; whether it does is known from a
checksum, without keeping them. stderr is written anew, since it tells about this attempt.
"""

from __future__ import annotations

from zlib import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    Bytes = bytes | memoryview


class Missing(Exception):
    """Bytes begin behind those that were taken: ask again from there."""


class Differs(Exception):
    """The job was run again and wrote something else than what was already handed out."""


class StreamProgress:
    """One stream.

    Args:
        owner: whether each byte must come: a gap is an error then.
        repeats: whether a new attempt must repeat what was handed out of the older one.

    Attributes:
        attempt: the attempt that `taken` is about.
        taken: the offset behind what was taken of it.
        shown: how many bytes were handed out, over all attempts.
        eof: whether the end was taken.
    """

    def __init__(self, *, owner: bool, repeats: bool) -> None:
        self.attempt = 0
        self.taken = 0
        self.shown = 0
        self.eof = False
        self._owner = owner
        self._repeats = repeats
        # Invariant: of all that was handed out, `_checksum` is over the bytes from `_known_from` to
        # `shown`; `_candidate` over the same stretch of an attempt that is being compared.
        self._known_from = 0
        self._checksum = 0
        self._candidate: int | None = None

    def begin(self, attempt: int) -> None:
        """A new attempt's stream starts at 0."""
        self.attempt = attempt
        self.taken = 0
        self.eof = False
        if not self._repeats:
            self.shown = self._known_from = 0
        elif self.shown > self._known_from:
            self._candidate = 0

    def take(self, offset: int, payload: Bytes, eof: bool) -> tuple[Bytes, int] | None:
        """What of some bytes of this attempt is new.

        Returns:
            The bytes to be handed out, perhaps none, and how many are missing in front of
            them; None where nothing at all was new.

        Raises:
            Missing: they begin behind what was taken, and each byte is needed.
            Differs: this attempt does not repeat what was handed out of the older one.
        """
        before = self.taken
        start = max(offset, before)
        data = payload[start - offset :]
        missing = self._skip_to(start) if start > before else 0
        self.taken = start + len(data)
        fresh = self._fresh(start, data)
        if eof and offset + len(payload) == self.taken:
            self.eof = True
        return None if self.taken == before else (fresh, missing)

    @property
    def whole(self) -> bool:
        """Whether an attempt that has ended repeated everything that was handed out before."""
        return not self.eof or self.taken >= self.shown

    def _skip_to(self, start: int) -> int:
        if self._owner:
            raise Missing(f"a gap from byte {self.taken} to {start}")
        if start > self._known_from:
            # Part of what should be compared is not there.
            self._candidate = None
        missing = max(0, start - self.shown)
        if missing:
            self.shown = self._known_from = start
            self._checksum = 0
        return missing

    def _fresh(self, start: int, data: Bytes) -> Bytes:
        again = max(0, min(self.shown - start, len(data)))
        fresh = data[again:] if again else data
        if self._candidate is not None:
            self._candidate = crc32(data[max(0, self._known_from - start) : again], self._candidate)
            if self.taken >= self.shown:
                if self._candidate != self._checksum:
                    raise Differs
                self._candidate = None
        if fresh:
            self.shown += len(fresh)
            if self._repeats:
                self._checksum = crc32(fresh, self._checksum)
        return fresh
