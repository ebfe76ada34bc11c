"""The caller's terminal while the program at the other end has one of its own."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Terminal:
    """A terminal that several descriptors of the caller may be.

    Args:
        descriptor: one of them, preferably the one that is read.
        reads: whether what is typed there is meant for the program.
    """

    def __init__(self, descriptor: int, *, reads: bool) -> None:
        self._descriptor = descriptor
        self._reads = reads
        self._saved: list[Any] | None = None

    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        try:
            columns, rows = os.get_terminal_size(self._descriptor)
        except OSError:
            return 0, 0
        return rows, columns

    def open(self) -> None:
        """Pass keys on as they are typed, if they are for us at all.

        Signals (Ctrl-C) and whatever concerns output stay as they are: the terminal at the other
        end cooks the input, and its echo comes back as output.
        """
        if not self._reads or self._saved is not None or not self._in_foreground():
            return
        import termios

        try:
            saved = termios.tcgetattr(self._descriptor)
            raw = [*saved[:6], list(saved[6])]
            raw[0] &= ~(
                termios.IXON | termios.ICRNL | termios.INLCR | termios.IGNCR | termios.ISTRIP | termios.IXOFF
            )
            raw[3] &= ~(termios.ICANON | termios.ECHO | termios.ECHONL | termios.IEXTEN)
            raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self._descriptor, termios.TCSANOW, raw)
        except termios.error:
            # It hung up; reading it will say so.
            return
        self._saved = saved

    def close(self) -> None:
        """Leave it as it was found."""
        if self._saved is None:
            return
        import termios

        saved, self._saved = self._saved, None
        try:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, saved)
        except termios.error:
            return

    def _in_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:
            # It is not our session's: nobody is in the foreground, and nobody is stopped for using it.
            return True
