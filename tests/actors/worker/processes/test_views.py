"""Programs run in namespaces that show them their client's directories, as the worker's own children."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import dffmpeg
from dffmpeg.actors.worker.attempts.commands import Machine, NotRunnable, prepare
from dffmpeg.actors.worker.processes import namespaces
from dffmpeg.actors.worker.processes.actor import Exit, Processes
from dffmpeg.actors.worker.processes.launches import CannotStart, Command
from dffmpeg.model.views import ViewPlan
from dffmpeg.wire.jobs import Launch
from dffmpeg.wire.workers import JobRequest
from tests.actors.worker.conftest import StartWorker
from tests.actors.worker.coordinator import FakeCoordinator
from tests.actors.worker.processes.programs import OPEN, read, read_until, run

ROOT = Path(dffmpeg.__file__).parent.parent
PROGRAMS = {"sh": b"/bin/sh", "python": os.fsencode(sys.executable)}


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    opened = Processes(views=True)
    async with opened.open():
        if not opened.namespaces.available:
            pytest.skip("this machine cannot make path views")
        yield opened


@pytest.fixture
def movies(tmp_path: Path) -> Path:
    folder = tmp_path / "worker" / "movies"
    folder.mkdir(parents=True)
    (folder / "a").write_text("content")
    return folder


@pytest.fixture
def client(tmp_path: Path) -> Path:
    """Where the client has them; on this machine there is no such directory."""
    return tmp_path / "client" / "media" / "my movies"


def request(client: Path, *arguments: str, binary: str = "sh", **more: Any) -> JobRequest:
    given: dict[str, Any] = {
        "paths": ["Movies"],
        "working_directory": None,
        "client_paths": {"Movies": str(client)},
    } | more
    return JobRequest(
        job_id="J", attempt=1, binary_name=binary, arguments=list(arguments), heartbeat_interval=60.0, **given
    )


def command_for(processes: Processes, movies: Path, asked: JobRequest, **changes: Any) -> Command:
    values: dict[str, Any] = {
        "programs": PROGRAMS,
        "present": {"Movies": os.fsencode(movies)},
        "kept": processes.tools.folders,
    }
    return prepare(asked, Machine(**(values | changes)))


async def test_the_command_line_is_the_clients_own(processes: Processes, movies: Path, client: Path) -> None:
    code = 'pwd; printf "%s\\n" "$@" "$FFREPORT"; cat "$1"; echo new > made; ls'
    asked = request(
        client,
        "-c",
        code,
        "sh",
        "$Movies/a",
        "file:$Movies",
        "$$HOME",
        working_directory="$Movies",
        launch=Launch(environment={"FFREPORT": "file=$Movies/log:level=32"}, umask=0o077),
    )
    command = command_for(processes, movies, asked)
    assert command.arguments[3:] == (bytes(client / "a"), b"file:" + bytes(client), b"$HOME")
    ended, data = await run(processes, command)
    shown = [
        str(client),
        f"{client}/a",
        f"file:{client}",
        "$HOME",
        f"file={client}/log:level=32",
        "contenta",
        "made",
        "",
    ]
    assert data.decode() == "\n".join(shown)
    assert ended == Exit(code=0)
    assert (movies / "made").read_text() == "new\n"
    assert (movies / "made").stat().st_mode & 0o777 == 0o600
    # On the worker's real file system nothing was made.
    assert not client.parent.parent.exists()


async def test_what_is_beside_it_stays_visible(processes: Processes, movies: Path, client: Path) -> None:
    beside = client.parents[2] / "beside"
    beside.mkdir()
    (beside / "file").write_text("there ")
    code = f"cat {beside}/file; ls {movies}; echo x > {client.parents[1]}/lost"
    ended, data = await run(processes, command_for(processes, movies, request(client, "-c", code)))
    # What would be lost with the view is refused, not swallowed.
    assert (ended, data) == (Exit(code=2), b"there a\n")


async def test_the_process_is_the_program_itself(processes: Processes, movies: Path, client: Path) -> None:
    command = command_for(processes, movies, request(client, "-c", "echo $$ $PPID; kill -SEGV $$"))
    async with processes.running(command) as process:
        assert await read(process) == b"%d %d\n" % (process.pid, os.getpid())
        await process.exited.wait()
        assert (process.exit, process.failure) == (Exit(signal=signal.SIGSEGV), None)
    command = command_for(
        processes, movies, request(client, "-c", "trap 'exit 42' INT; echo up; while :; do sleep 0.05; done")
    )
    async with processes.running(command) as process:
        await read_until(process, b"up")
        process.pass_on(signal.SIGINT)
        await process.exited.wait()
        assert process.exit == Exit(code=42)


async def test_nothing_but_its_own_descriptors(processes: Processes, movies: Path, client: Path) -> None:
    asked = request(client, "-I", "-S", "-c", OPEN, binary="python")
    _, data = await run(processes, command_for(processes, movies, asked))
    assert [name for name in map(str, range(64)) if f'"{name}"' in data.decode()] == ["0", "1", "2"]


NAMESPACE = ("-c", "readlink /proc/self/ns/mnt")


async def test_there_is_no_namespace_where_all_is_equal(
    processes: Processes, movies: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(movies)
    own = os.readlink("/proc/self/ns/mnt").encode() + b"\n"
    for equal in (movies, link):
        command = command_for(processes, movies, request(equal, *NAMESPACE))
        assert command.view is None
        assert (await run(processes, command))[1] == own


async def test_views_are_kept_while_the_directories_are_the_same(
    processes: Processes, movies: Path, client: Path
) -> None:
    async def seen() -> bytes:
        return (await run(processes, command_for(processes, movies, request(client, *NAMESPACE))))[1]

    first = await seen()
    assert first != os.readlink("/proc/self/ns/mnt").encode() + b"\n"
    assert await seen() == first
    movies.rename(movies.with_name("old"))
    movies.mkdir()
    assert await seen() != first


async def test_only_so_many_views_are_kept_besides_those_in_use(
    processes: Processes, movies: Path, client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespaces, "MOST_VIEWS", 2)
    held = command_for(processes, movies, request(client, "-c", "echo up; read x"))
    plans = [
        command_for(processes, movies, request(client.with_name(str(number)))).view for number in range(5)
    ]
    async with processes.running(held) as process:
        await read_until(process, b"up")
        for plan in plans:
            assert plan is not None
            await processes.namespaces.have(plan)
            assert kept_views() <= 3
        assert kept_views() == 2


def kept_views() -> int:
    """Mount namespaces that this process holds open."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            count += os.readlink(descriptor).startswith("mnt:")
    return count


async def test_a_program_without_a_directory_has_one_also_where_the_view_hides_it(
    processes: Processes, movies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for client in (temporary / "transcodes", temporary):
        command = command_for(processes, movies, request(client, "-c", "echo x > file; cat file; ls"))
        assert (await run(processes, command))[1] == b"x\nfile\n"
        assert os.listdir(temporary) == []


async def test_a_view_that_cannot_be_made(processes: Processes) -> None:
    plan = ViewPlan((b"--dev-bind", b"/nonexistent/for/sure", b"/"), (), (), ())
    with pytest.raises(CannotStart, match=r"bubblewrap cannot make the view: .*nonexistent"):
        await processes.namespaces.have(plan)
    with pytest.raises(CannotStart, match="bubblewrap cannot make the view"):
        async with processes.running(Command(b"/bin/sh", (), view=plan)):
            pass


async def test_a_directory_that_cannot_be_shown_or_entered(
    processes: Processes, movies: Path, client: Path
) -> None:
    with pytest.raises(Exception, match=r"\$Movies .* in a system directory"):
        command_for(processes, movies, request(Path("/etc/movies")))
    command = command_for(processes, movies, request(client, working_directory="$Movies/gone"))
    async with processes.running(command) as process:
        assert b"gone" in await read(process, 2)
        await process.exited.wait()
        assert process.failure is not None


async def test_without_views_paths_are_rewritten(processes: Processes, movies: Path, client: Path) -> None:
    asked = request(client, "-c", "cat $0", "$Movies/a")
    command = command_for(processes, movies, asked, kept=None)
    assert (command.view, command.arguments[2]) == (None, bytes(movies / "a"))
    # A name whose directory the client does not tell has no place in a view.
    command = command_for(processes, movies, request(client, "$Movies/a", client_paths={}))
    assert (command.view, command.arguments[0]) == (None, bytes(movies / "a"))


async def test_links_mean_what_they_mean_at_the_client(
    processes: Processes, movies: Path, client: Path
) -> None:
    (movies / "inside").symlink_to(client / "a")
    (movies / "around").symlink_to("../my movies/./inside")
    (movies / "here").symlink_to(movies / "a")
    (movies / "outside").symlink_to("/etc/passwd")
    (movies / "above").symlink_to("../..")
    for name in ("inside", "around", "here"):
        command = command_for(processes, movies, request(client, "-c", 'cat "$0"', f"$Movies/{name}"))
        assert (await run(processes, command))[1] == b"content", name
    for name in ("outside", "above", "above/media/../../x"):
        with pytest.raises(NotRunnable, match="link"):
            command_for(processes, movies, request(client, f"$Movies/{name}"))


async def test_a_link_where_the_client_has_a_directory(
    processes: Processes, movies: Path, tmp_path: Path
) -> None:
    (tmp_path / "mnt").symlink_to("worker")
    (tmp_path / "worker" / "other").mkdir()
    client = tmp_path / "mnt" / "films"
    command = command_for(
        processes, movies, request(client, "-c", f'cat "$0"; ls {tmp_path}/mnt', "$Movies/a")
    )
    assert (await run(processes, command))[1] == b"contentfilms\nmovies\nother\n"


@pytest.mark.parametrize("views", ["auto", "never"])
async def test_a_worker_runs_jobs_in_views_and_says_so(
    coordinator: FakeCoordinator,
    start_worker: StartWorker,
    processes: Processes,
    movies: Path,
    client: Path,
    views: str,
) -> None:
    async with start_worker(paths={"Movies": str(movies)}, views=views, capabilities=["cuda"]):
        more: dict[str, Any] = {"paths": ["Movies"], "client_paths": {"Movies": str(client)}}
        job = coordinator.add("J1", "sh", "-c", 'cat "$0"; echo "$0"', "$Movies/a", **more)
        await coordinator.finished(job)
        bad = coordinator.add("J2", paths=["Movies"], client_paths={"Movies": "/usr"})
        await coordinator.until(lambda: bad.reason is not None or bad.report is not None)
    seen = f"{client}/a" if views == "auto" else f"{movies}/a"
    assert job.stdout.data.decode() == f"content{seen}\n"
    assert coordinator.registrations[0].capabilities == ["cuda", *(["views"] if views == "auto" else [])]
    assert ("would cover /usr" in (bad.reason or "")) is (views == "auto")


# Without root

ORDINARY = 65534
REACHABLE = """
set -e
stage=$1; shift
number=0
for folder in "$@"; do
  number=$((number + 1)); mkdir $stage/$number; mount --rbind "$folder" $stage/$number
done
for hidden in $HIDDEN; do mount -t tmpfs -o mode=755 none $hidden; done
number=0
for folder in "$@"; do
  number=$((number + 1)); mkdir -p "$folder"; mount --rbind $stage/$number "$folder"
done
"""
"""In a mount namespace of its own: lets an ordinary user reach a Python that lies in root's home."""


@pytest.mark.skipif(os.geteuid() != 0, reason="not root: all of this file runs as an ordinary user anyway")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare(1) here")
def test_all_of_it_as_an_ordinary_user() -> None:
    folders = [sys.base_prefix, sys.prefix, str(ROOT)]
    hidden = sorted({f"/{Path(folder).parts[1]}" for folder in folders if not reachable(Path(folder))})
    with tempfile.TemporaryDirectory() as name:
        stage = Path(name)
        stage.chmod(0o755)
        own = f"{stage}/own"
        os.mkdir(own)
        os.chown(own, ORDINARY, ORDINARY)
        inner = [
            *("setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups", "--"),
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={own}/base"),
            *("-rs", f"{ROOT}/tests/actors/worker/processes/test_views.py", "-k", "not ordinary"),
        ]
        script = REACHABLE + f"cd {shlex.quote(str(ROOT))}; exec {shlex.join(inner)}"
        result = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", str(stage), *folders],
            env=os.environ
            | {
                "HIDDEN": " ".join(hidden),
                "TMPDIR": f"{stage}/own",
                "PYTHONPATH": str(ROOT),
                "HOME": f"{stage}/own",
            },
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    if "cannot make path views" in result.stdout:
        pytest.skip("ordinary users cannot make path views on this machine")
    assert result.returncode == 0, result.stdout + result.stderr


def reachable(folder: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents))
