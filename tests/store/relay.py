"""A port that passes everything on to a database server, and can be cut."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

CHUNK = 65_536

COMMITS = (b"COMMIT", b"COMMIT\0")
"""How the end of a packet looks with which a client commits: MySQL's, PostgreSQL's."""


class Relay:
    """Connections to `port` reach the server, until one of these is asked for."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._armed = False
        self._listener: socket.socket | None = None
        self.port = 0
        self.come_back()

    def come_back(self) -> None:
        """Take connections."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def go_away(self) -> None:
        """Take no connection, and cut those that are there."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # Closing alone does not wake who waits in it.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut()

    def cut(self) -> None:
        """Cut every connection."""
        with self._lock:
            found = list(self._open)
        for each in found:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut_behind_commit(self) -> None:
        """Cut the next connection on which the client commits, once that has been passed on, before the
        answer."""
        self._armed = True

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                server = socket.create_connection(self._server)
            except OSError:
                return
            with server:
                pair = {client, server}
                with self._lock:
                    self._open |= pair
                back = threading.Thread(target=self._pass, args=(server, client, False), daemon=True)
                back.start()
                self._pass(client, server, True)
                back.join()
                with self._lock:
                    self._open -= pair

    def _pass(self, source: socket.socket, target: socket.socket, of_client: bool) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                fatal = self._armed and of_client and data.endswith(COMMITS)
                if fatal:
                    self._armed = False
                    # Nothing that the server says now comes through.
                    source.shutdown(socket.SHUT_RDWR)
                target.sendall(data)
                if fatal:
                    break
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_WR)


@contextmanager
def relay(host: str, port: int) -> Iterator[Relay]:
    """One around a block."""
    with ExitStack() as stack:
        made = Relay(host, port)
        stack.callback(made.go_away)
        yield made
