"""Where a WebSocket's frames end, while their bytes are passed on as they are.

RFC 6455, section 5.2. Nothing is unmasked, decoded or kept: whoever passes frames on has to know only when
it may say something of its own in between.
"""

from __future__ import annotations

_CLOSE = 0x8
_MASKED = 0x80
_LENGTHS = {126: 2, 127: 8}
_MASK_BYTES = 4


class FrameEnds:
    """Follows one direction of a connection, from its first frame on.

    Attributes:
        closed: a close frame has passed; nothing may follow it.
    """

    def __init__(self) -> None:
        self.closed = False
        self._header = bytearray()
        self._payload = 0

    @property
    def missing(self) -> int:
        """Bytes that surely belong to the frame that has begun; 0 between two frames."""
        if self._payload:
            return self._payload
        return _size(self._header) - len(self._header) if self._header else 0

    def feed(self, data: bytes | bytearray) -> None:
        """Take in what passes."""
        position = 0
        while position < len(data):
            if self._payload:
                skipped = min(self._payload, len(data) - position)
                self._payload -= skipped
                position += skipped
                continue
            wanted = max(2, _size(self._header)) - len(self._header)
            self._header += data[position : position + wanted]
            position += wanted
            if len(self._header) >= 2 and len(self._header) == _size(self._header):
                self._begin()

    def _begin(self) -> None:
        """The header is complete."""
        header = self._header
        self.closed = self.closed or header[0] & 0x0F == _CLOSE
        length = header[1] & 0x7F
        if length in _LENGTHS:
            length = int.from_bytes(header[2 : 2 + _LENGTHS[length]], "big")
        self._payload = length
        self._header = bytearray()


def _size(header: bytearray) -> int:
    """Bytes of a whole header, as far as its beginning tells."""
    if len(header) < 2:
        return 2
    length, masked = header[1] & 0x7F, header[1] & _MASKED
    return 2 + _LENGTHS.get(length, 0) + (_MASK_BYTES if masked else 0)
