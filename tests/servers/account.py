"""The user that a server runs as, and folders that belong to it."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.requirements import Missing


class Account:
    """The package's own user where we are root, because some servers refuse to run as root; else ourselves.

    Args:
        user: its name; None is ourselves in any case.

    Raises:
        Missing: there is no such user: its package is not installed.
    """

    def __init__(self, user: str | None = None) -> None:
        self._entry: pwd.struct_passwd | None = None
        if user is not None and os.geteuid() == 0:
            try:
                self._entry = pwd.getpwnam(user)
            except KeyError:
                raise Missing(
                    f"there is no user {user} on this machine, which comes with its server"
                ) from None

    def command(self, *argv: str) -> list[str]:
        """A command line that runs that command as this user, in the process that is started with it."""
        if self._entry is None:
            return list(argv)
        ids = [f"--reuid={self._entry.pw_uid}", f"--regid={self._entry.pw_gid}", "--init-groups"]
        # A change of user clears the signal of the parent's death, so it is asked for with the change.
        return ["setpriv", *ids, "--pdeathsig", "KILL", *argv]

    def own(self, path: Path) -> None:
        """Give a file or a folder, not what is inside it, to the user."""
        if self._entry is not None:
            os.chown(path, self._entry.pw_uid, self._entry.pw_gid)

    @contextmanager
    def folder(self, prefix: str) -> Iterator[Path]:
        """A new folder of the user's around a block; a test's own folder lets nobody else in."""
        path = Path(tempfile.mkdtemp(prefix=f"dffmpeg-{prefix}-"))
        self.own(path)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def subfolder(self, path: Path) -> Path:
        """A folder of the user's, made where it is not there."""
        path.mkdir(exist_ok=True)
        path.chmod(0o700)
        self.own(path)
        return path

    def write(self, path: Path, text: str, *, mode: int = 0o600) -> Path:
        """A file of the user's with that text."""
        path.write_text(text)
        path.chmod(mode)
        self.own(path)
        return path
