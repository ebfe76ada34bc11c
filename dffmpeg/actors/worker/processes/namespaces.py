"""Makes the mount namespaces of path views with bubblewrap, and keeps them.

bubblewrap runs a holder, which says its number and waits; once its namespaces are
open here it may go, for an open descriptor keeps a namespace. Programs enter by exec
alone (`exec_chain`), so bubblewrap is nobody's parent and costs nothing at a start.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import stat
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial

import trio

from dffmpeg.actors.worker.processes.exec_chain import Entry, Tools
from dffmpeg.actors.worker.processes.launches import CannotStart
from dffmpeg.model import views
from dffmpeg.model.views import ViewPlan

logger = logging.getLogger("dffmpeg.worker.views")

MOST_VIEWS = 16
"""Views that are kept for the next job; those in use may be more."""

_MAKE_SECONDS = 10.0
_TRIAL = (
    *(b"--dev-bind", b"/", b"/", b"--perms", b"0755", b"--tmpfs", b"/proc"),
    *(b"--symlink", b"self", b"/proc/link", b"--dev-bind-try", b"/proc", b"/proc", b"--remount-ro", b"/"),
    *(b"--ro-bind", b"/dev", b"/dev", b"--bind-try", b"/sys", b"/sys"),
)
"""Every option that a plan may have."""

_HOLDER = (b"/bin/sh", b"-c", b"echo $$ && read -r end")


class FileTree:
    """The file system as a plan looks at it, `dffmpeg.model.views.Tree`. Each path is looked at once."""

    def __init__(self) -> None:
        self._seen: dict[bytes, views.Entry | None] = {}

    def look(self, path: bytes) -> views.Entry | None:
        if path not in self._seen:
            self._seen[path] = _entry(path)
        return self._seen[path]

    def listing(self, path: bytes) -> Mapping[bytes, views.Entry]:
        found: dict[bytes, views.Entry] = {}
        with contextlib.suppress(OSError), os.scandir(path) as neighbours:
            for neighbour in neighbours:
                # Nothing is asked of it that the directory does not say: it may be a mount that hangs.
                if not neighbour.is_symlink():
                    found[neighbour.name] = views.Entry("other")
                elif (link := self.look(neighbour.path)) is not None:
                    found[neighbour.name] = link
        return found


def _entry(path: bytes) -> views.Entry | None:
    try:
        status = os.lstat(path)
        if stat.S_ISDIR(status.st_mode):
            return views.Entry("directory", mode=stat.S_IMODE(status.st_mode))
        if stat.S_ISLNK(status.st_mode):
            real = os.path.realpath(path)
            return views.Entry("link", os.readlink(path), real if os.path.isdir(real) else None)
    except OSError:
        return None
    return views.Entry("other")


@dataclass(slots=True)
class _View:
    """A namespace that is kept.

    Attributes:
        user: of the user namespace that it belongs to, where it is not the worker's own.
        users: programs that run in it.
        temporary: its own /tmp, where it has one.
    """

    mount: int
    user: int | None
    temporary: int | None = None
    users: int = 0

    @property
    def entry(self) -> Entry:
        # By the worker's number and not `self`: so no program inherits these descriptors.
        folder = b"/proc/%d/fd/" % os.getpid()
        descriptors = tuple(number for number in (self.mount, self.user) if number is not None)
        first, *rest = (folder + b"%d" % number for number in descriptors)
        return Entry(first, rest[0] if rest else None, descriptors, temporary=self.temporary)

    def close(self) -> None:
        for number in (self.mount, self.user, self.temporary):
            if number is not None:
                os.close(number)


class Namespaces:
    """The views of this worker. Made and owned by `Processes`.

    Args:
        tools: what this machine has.
        enabled: whether the configuration wants views.
    """

    def __init__(self, tools: Tools, *, enabled: bool) -> None:
        self._tools = tools
        self._enabled = enabled
        self.available = False
        """Whether views can be made; known once `try_out` was called."""
        self._kept: dict[ViewPlan, _View] = {}
        # Its own, because a thread that hangs on a dead mount keeps its token.
        self._threads = trio.CapacityLimiter(4)

    async def try_out(self) -> None:
        """Make a view and enter it; says once in the log why there are none, if there are none."""
        if not self._enabled:
            return
        missing = [name for name in ("bwrap", "nsenter", "env") if getattr(self._tools, name) is None]
        if missing:
            logger.info("no path views: there is no %s(1) here; paths are rewritten instead", missing[0])
            return
        trial = ViewPlan(_TRIAL, (), (), ())
        try:
            async with self.entered(trial) as entry:
                await trio.to_thread.run_sync(partial(_enter, entry, self._tools), limiter=self._threads)
        except CannotStart as reason:
            logger.info("no path views: %s; paths are rewritten instead", reason)
        else:
            self.available = True
        finally:
            self.close()

    async def have(self, plan: ViewPlan) -> None:
        """See that a view is there, for a program that is about to start.

        Raises:
            CannotStart: it cannot be made; the text says why.
        """
        async with self.entered(plan):
            pass

    @contextlib.asynccontextmanager
    async def entered(self, plan: ViewPlan) -> AsyncIterator[Entry]:
        """A view, which is kept at least as long as this is open.

        Raises:
            CannotStart: it cannot be made; the text says why.
        """
        view = await self._get(plan)
        view.users += 1
        try:
            yield view.entry
        finally:
            view.users -= 1
            self._drop_surplus()

    async def _get(self, plan: ViewPlan) -> _View:
        if plan not in self._kept:
            assert self._tools.bwrap is not None
            make = partial(_make, self._tools.bwrap, plan)
            # What it opens wants an owner, so it is waited for; it has a deadline of its own.
            with trio.CancelScope(shield=True):
                made = await trio.to_thread.run_sync(make, limiter=self._threads)
                if plan in self._kept:
                    # Somebody else was faster; nobody waits for a view that is not the own.
                    made.close()
                else:
                    self._kept[plan] = made
        # The order of a dict is that of insertion: the least recently used stands first.
        view = self._kept[plan] = self._kept.pop(plan)
        return view

    def _drop_surplus(self) -> None:
        for plan, view in list(self._kept.items()):
            if len(self._kept) <= MOST_VIEWS:
                return
            if view.users == 0:
                del self._kept[plan]
                view.close()

    def drop_unused(self) -> None:
        """Let go of views that no program runs in. Each holds every mount that was there when it was made."""
        for plan, view in list(self._kept.items()):
            if view.users == 0:
                del self._kept[plan]
                view.close()

    def close(self) -> None:
        """Let go of all views. Programs that run in one are not touched."""
        for view in self._kept.values():
            view.close()
        self._kept.clear()


def _make(bwrap: bytes, plan: ViewPlan) -> _View:
    process = subprocess.Popen(
        [bwrap, *plan.arguments, b"--chdir", b"/", b"--", *_HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        bufsize=0,
    )
    try:
        # The holder ends when its input does, so also with the worker.
        with contextlib.ExitStack() as undo:
            holder = _holder(process)
            mount = os.open(f"/proc/{holder}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            undo.callback(os.close, mount)
            user = None
            if os.stat(f"/proc/{holder}/ns/user").st_ino != os.stat("/proc/self/ns/user").st_ino:
                user = os.open(f"/proc/{holder}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
                undo.callback(os.close, user)
            temporary = None
            if plan.enclosed:
                inside = b"/proc/%d/root" % holder + views.TEMPORARY
                temporary = os.open(inside, os.O_PATH | os.O_CLOEXEC)
            undo.pop_all()
        return _View(mount, user, temporary)
    except OSError as error:
        raise CannotStart(f"cannot open a view's namespace: {error.strerror}") from error
    finally:
        _end(process)


def _holder(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    assert process.stderr is not None
    line = b""
    deadline = time.monotonic() + _MAKE_SECONDS
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise CannotStart(f"bubblewrap did not make the view within {_MAKE_SECONDS:.0f} s")
        data = os.read(process.stdout.fileno(), 64)
        if not data:
            said = process.stderr.read(2000).decode("utf-8", "replace").strip()
            raise CannotStart(f"bubblewrap cannot make the view: {said or 'it does not say why'}")
        line += data
    return int(line)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End bubblewrap and its holder without waiting for one that hangs in the kernel."""
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    try:
        process.wait(timeout=1.0)
    except subprocess.TimeoutExpired:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1.0)


def _enter(entry: Entry, tools: Tools) -> None:
    assert tools.nsenter is not None
    assert tools.env is not None
    words = [tools.nsenter, b"--mount=" + entry.mount]
    if entry.user is not None:
        words += [b"--user=" + entry.user, b"--preserve-credentials"]
    try:
        result = subprocess.run(
            [*words, b"--", tools.env, b"-C", b"/", b"true"],
            capture_output=True,
            timeout=_MAKE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotStart(f"nsenter does not work here: {error}") from error
    if result.returncode != 0:
        said = result.stderr.decode("utf-8", "replace").strip()
        raise CannotStart(f"nsenter does not work here: {said}")
