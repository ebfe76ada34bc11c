"""`dffmpeg-admin` against a cluster of real processes, as an administrator uses it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from dffmpeg.admin.main import main
from dffmpeg.client.api import Client
from dffmpeg.client.events import Status
from dffmpeg.wire.jobs import JobRecord
from tests.admin.conftest import at_a_terminal
from tests.cluster.kit import GUARD, Cluster, program

pytestmark = pytest.mark.cluster

PROGRAM = """
case "$1" in
wait) exec sleep 600 ;;
fail) echo it is broken >&2; exit 3 ;;
esac
echo done >&2
"""
NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    fake = program(folder / "fake", PROGRAM)
    with Cluster(folder, "--workers", "2", "--slots", "2", "--binary", f"ffmpeg={fake}") as running:
        yield running


class Admin:
    """Runs commands as the cluster's administrator."""

    def __init__(self, cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
        self._cluster = cluster
        self._capsys = capsys
        self.files = ["--client-config", str(cluster.data / "admin.toml")]

    def __call__(self, *arguments: str, status: int = 0) -> str:
        try:
            ended = main([*self.files, *arguments])
        except SystemExit as end:
            ended = int(end.code or 0)
        said = self._capsys.readouterr()
        assert ended == status, said.err
        if status == 0:
            assert said.err == ""
            return said.out
        assert said.err.startswith("dffmpeg-admin")
        assert said.err.count("\n") == 1
        return said.err

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def with_client(self, work: Callable[[Client], Any]) -> Any:
        async def run() -> Any:
            with trio.fail_after(GUARD):
                async with self._cluster.client("admin") as client:
                    return await work(client)

        return trio.run(run)

    def submit(self, *arguments: str) -> str:
        """Queue a job of the administrator's own."""
        record: JobRecord = self.with_client(lambda client: client.submit("ffmpeg", arguments))
        return record.job_id

    def until(self, job_id: str, status: str) -> None:
        """Wait for a job to have a status."""

        async def follow(client: Client) -> None:
            async with client.follow(job_id) as events:
                async for event in events:
                    if isinstance(event, Status) and event.record.status == status:
                        return
            raise AssertionError(f"it ended without having been {status}")

        self.with_client(follow)


@pytest.fixture
def admin(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> Iterator[Admin]:
    admin = Admin(cluster, capsys)
    yield admin
    # What a test that failed has left behind is not for the next one.
    admin("queue", "resume")
    for worker in ("worker1", "worker2"):
        admin("worker", "resume", worker)
    left = [job["job_id"] for job in admin.json("job", "list") if job["status"] in ("pending", "running")]
    if left:
        admin("job", "cancel", "--yes", *left)
        for job_id in left:
            admin.until(job_id, "canceled")


def test_the_cluster_at_a_glance(admin: Admin, cluster: Cluster) -> None:
    failed = admin.submit("fail")
    admin.until(failed, "failed")
    running = admin.submit("wait")
    admin.until(running, "running")
    overview = admin.json("status")
    assert (overview["status"], overview["databases"]) == ("online", {"default": "online"})
    assert overview["transports"] == {"websocket": "online", "http_polling": "online"}
    assert [one["job_id"] for one in overview["live"]] == [running]
    assert failed in [one["job_id"] for one in overview["failed"]]
    assert [one["worker_id"] for one in overview["workers"]] == ["worker1", "worker2"]
    assert overview["counts"]["running"] == 1
    assert overview["queue"]["paused"] is False
    shown = admin("status")
    for expected in (cluster.url, "2 of 2 here, 1 of 4 slots used", "1 running", running, failed, "queue"):
        assert expected in shown
    assert "coordinator" in admin("tree")
    assert admin.json("tree")["id"] == "coordinator"


def test_jobs_are_listed_and_shown(admin: Admin) -> None:
    job_id = admin.submit("fail", "a b")
    admin.until(job_id, "failed")
    assert admin.json("job", "list", "--limit", "1")[0]["job_id"] == job_id
    assert job_id in admin("job", "list", "--state", "failed", "--requester", "admin")
    assert admin.json("job", "list", "--requester", "nobody") == []
    assert admin("job", "list", "--requester", "nobody") == "no jobs\n"
    record = admin.json("job", "show", job_id)
    assert record["exit_code"] == 3
    assert [(one["attempt"], one["outcome"], one["exit_code"]) for one in record["attempts"]] == [
        (1, "failed", 3)
    ]
    shown = admin("job", "show", job_id)
    for expected in ("failed (exit code 3)", "ffmpeg fail 'a b'", record["attempts"][0]["worker_id"]):
        assert expected in shown
    assert admin("job", "logs", job_id) == "it is broken\n"
    assert [one["content"] for one in admin.json("job", "logs", job_id)] == ["it is broken"]
    for command in ("show", "logs", "why"):
        assert NOBODY in admin("job", command, NOBODY, status=3)
        admin("job", command, "no/job", status=2)


def test_canceling_asks(admin: Admin) -> None:
    job_id = admin.submit("wait")
    admin.until(job_id, "running")
    assert "Cancel job" in admin("job", "cancel", job_id, status=2)
    done = at_a_terminal(*admin.files, "job", "cancel", job_id, typed="n\n")
    assert (done.returncode, done.stdout) == (4, "")
    done = at_a_terminal(*admin.files, "job", "cancel", job_id, typed="y\n")
    assert (done.returncode, done.stdout) == (0, f"{job_id}: canceling\n")
    admin.until(job_id, "canceled")
    said = admin.json("job", "cancel", job_id, "--yes")
    assert said == [{"job_id": job_id, "detail": "the job is canceled already"}]
    assert NOBODY in admin("job", "cancel", NOBODY, "--yes", status=3)


def test_a_job_is_retried(admin: Admin) -> None:
    job_id = admin.submit("fail")
    admin.until(job_id, "failed")
    (again,) = admin.json("job", "retry", job_id)
    assert (again["retry_of"], again["arguments"], again["requester_id"]) == (job_id, ["fail"], "admin")
    admin.until(again["job_id"], "failed")
    assert admin("job", "retry", job_id).startswith(f"{job_id}: again as 01")
    running = admin.submit("wait")
    admin.until(running, "running")
    assert "is running" in admin("job", "retry", running, status=4)
    admin("job", "retry", NOBODY, status=3)


def test_the_queue_is_paused_and_priorities_change_who_goes_first(admin: Admin) -> None:
    assert admin("queue", "pause", "--reason", "tea").startswith("the queue is paused by admin since ")
    assert admin.json("queue", "status")["reason"] == "tea"
    job_id = admin.submit("fine")
    why = admin.json("job", "why", job_id)
    assert (why["job_id"], why["status"]) == (job_id, "pending")
    assert any("paused" in clause for clause in why["waits_for"])
    assert "paused" in admin("job", "why", job_id)
    assert admin("job", "priority", job_id, "50") == f"{job_id}: priority 50\n"
    assert admin.json("job", "priority", job_id, "-5")["priority"] == -5
    assert "there is no class" in admin("job", "priority", job_id, "sometime", status=2)
    admin("job", "priority", job_id, "101", status=2)
    admin("job", "priority", NOBODY, "1", status=3)
    assert admin.json("job", "show", job_id)["status"] == "pending"
    assert admin("queue", "resume") == "the queue is open\n"
    admin.until(job_id, "completed")
    assert "is completed" in admin("job", "priority", job_id, "1", status=4)


def test_workers_are_held_back(admin: Admin) -> None:
    assert admin("worker", "pause", "worker1", "--reason", "new disk").startswith("worker1: paused")
    assert "--reason" in admin("worker", "pause", "worker1", status=2)
    (one, other) = admin.json("worker", "list")
    assert (one["status"], one["hold_reason"], other["status"]) == ("paused", "new disk", "online")
    assert "new disk" in admin("worker", "list")
    for _ in range(3):
        job_id = admin.submit("fine")
        admin.until(job_id, "completed")
        assert admin.json("job", "show", job_id)["worker_id"] == "worker2"
    drained = admin.json("worker", "drain", "worker2", "--reason", "it goes")
    assert (drained["status"], drained["hold_until"]) == ("draining", None)
    waiting = admin.submit("fine")
    verdicts = {one["worker_id"]: one for one in admin.json("job", "why", waiting)["workers"]}
    assert [verdicts[name]["takes"] for name in ("worker1", "worker2")] == [False, False]
    shown = admin("job", "why", waiting)
    for expected in ("worker1", "worker2", "new disk", "it goes"):
        assert expected in shown
    quarantined = admin.json("worker", "quarantine", "worker1", "--reason", "smoke", "--for", "2h")
    assert quarantined["status"] == "quarantined"
    assert quarantined["hold_until"] is not None
    assert "smoke" in admin("worker", "show", "worker1")
    assert admin("worker", "resume", "worker1") == "worker1: online\n"
    admin.until(waiting, "completed")
    for command in (["pause", "--reason", "x"], ["resume"], ["probe"], ["show"], ["remove", "--yes"]):
        admin("worker", command[0], "nobody", *command[1:], status=3)


def test_a_worker_is_probed(admin: Admin) -> None:
    assert admin("worker", "probe", "worker1").startswith("asked worker1")
    said = admin.json("worker", "probe", "worker1", "--benchmark")
    assert said == {"worker_id": "worker1", "benchmark": True}


def test_what_is_there_is_not_removed(admin: Admin) -> None:
    assert "worker1 is online" in admin("worker", "remove", "worker1", "--yes", status=4)
    done = at_a_terminal(*admin.files, "worker", "remove", "worker1", typed="n\n")
    assert (done.returncode, "Forget worker worker1?" in done.stderr) == (4, True)


def test_jobs_are_purged(admin: Admin) -> None:
    ids = [admin.submit("fail"), admin.submit("fine")]
    admin.until(ids[0], "failed")
    admin.until(ids[1], "completed")
    running = admin.submit("wait")
    admin.until(running, "running")
    assert "is running" in admin("job", "purge", running, "--yes", status=4)
    assert admin.json("job", "purge", *ids, "--yes") == [{"job_id": job_id} for job_id in ids]
    admin("job", "show", ids[0], status=3)
    assert admin("job", "purge", "--ended-before", "1h", "--yes") == "no such jobs\n"
    admin("job", "purge", NOBODY, "--yes", status=3)


def test_one_job_that_fails_does_not_hold_up_the_others(
    admin: Admin, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    admin("queue", "pause")
    first, last = admin.submit("fine"), admin.submit("fine")

    def several(*arguments: str) -> tuple[int, str, list[str]]:
        status = main([*admin.files, *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err.splitlines()

    not_there = f"dffmpeg-admin: {NOBODY}: there is no job {NOBODY} (HTTP 404)"
    lacking = [not_there, "dffmpeg-admin: 1 of 3 jobs: not done"]
    status, out, err = several("job", "priority", first, NOBODY, last, "-7")
    assert (status, out, err) == (3, f"{first}: priority -7\n{last}: priority -7\n", lacking)
    status, out, err = several("job", "cancel", "--yes", "--json", NOBODY, first, last)
    assert (status, err) == (3, lacking)
    assert json.loads(out) == [
        {"job_id": NOBODY, "error": f"there is no job {NOBODY} (HTTP 404)", "exit_status": 3},
        {"job_id": first, "detail": None},
        {"job_id": last, "detail": None},
    ]
    status, out, err = several("job", "retry", first, NOBODY, last)
    assert (status, err, [line[:26] for line in out.splitlines()]) == (3, lacking, [first, last])
    again = [line.split()[-1] for line in out.splitlines()]
    status, out, err = several("job", "purge", "--yes", first, again[0], NOBODY, last)
    assert (status, out, err[-1]) == (4, "purged 2 jobs\n", "dffmpeg-admin: 2 of 4 jobs: not done")
    assert "is pending" in err[0]
    admin("job", "cancel", "--yes", *again)
    admin("queue", "resume")


def test_a_client_cancels_several(admin: Admin, cluster: Cluster) -> None:
    ids = [admin.submit("wait"), admin.submit("wait")]
    command = [sys.executable, "-m", "dffmpeg.client", "--config", str(cluster.data / "admin.toml"), "job"]
    done = subprocess.run(
        [*command, "cancel", ids[0], NOBODY, ids[1]],
        capture_output=True,
        text=True,
        check=False,
        timeout=GUARD,
    )
    assert (done.returncode, done.stdout) == (122, f"{ids[0]}: canceling\n{ids[1]}: canceling\n")
    assert done.stderr.splitlines()[-1] == "dffmpeg: 1 of 3 jobs: not done"
    for job_id in ids:
        admin.until(job_id, "canceled")


def test_the_janitor_is_sent_and_its_runs_are_known(admin: Admin) -> None:
    record = admin.json("janitor", "run", "run_all")
    assert (record["action"], record["ended_at"] is not None) == ("run_all", True)
    assert admin("janitor", "clean_jobs").startswith("clean_jobs: ")
    runs = admin.json("janitor", "list", "--limit", "100")
    assert record["run_id"] in [run["run_id"] for run in runs]
    assert "clean_jobs" in admin("janitor", "list")
    admin("janitor", "run", "everything", status=2)


def test_the_database_beside_a_running_coordinator(admin: Admin, cluster: Cluster, tmp_path: Path) -> None:
    offline = ("--offline", "--config", str(cluster.data / "coordinator.toml"))
    job_id = admin.submit("fail")
    admin.until(job_id, "failed")
    assert admin.json("status", *offline)["status"] is None
    assert admin.json("job", "show", job_id, *offline) == admin.json("job", "show", job_id)
    assert admin.json("job", "logs", job_id, *offline) == admin.json("job", "logs", job_id)
    assert [one["worker_id"] for one in admin.json("worker", "list", *offline)] == ["worker1", "worker2"]
    assert admin.json("queue", "status", *offline)["paused"] is False
    assert admin.json("janitor", "list", *offline)
    for command in (
        ["queue", "pause"],
        ["job", "purge", job_id, "--yes"],
        ["worker", "remove", "w", "--yes"],
    ):
        assert "without --offline" in admin(*command, *offline, status=4)
    config = offline[1:]
    assert admin("db", "check", *config).endswith(": ok\n")
    assert admin.json("db", "backup", str(tmp_path / "copy.db"), *config)["bytes"] > 0
    (tmp_path / "copy.toml").write_text('[database.engine_defaults.sqlite]\npath = "copy.db"\n')
    copy = ("--config", str(tmp_path / "copy.toml"), "--offline")
    assert admin.json("job", "show", job_id, *copy) == admin.json("job", "show", job_id)
    # Nobody has the copy open, so it may be changed.
    assert admin("queue", "pause", "--reason", "x", *copy).startswith("the queue is paused by dffmpeg-admin")
    assert admin("queue", "resume", *copy) == "the queue is open\n"


def test_who_is_no_administrator_is_refused(admin: Admin, cluster: Cluster, tmp_path: Path) -> None:
    client = ["--client-config", str(cluster.data / "client.toml")]
    assert "asked as local; --client-config" in admin("status", *client, status=4)
    assert "--client-config" in admin("queue", "pause", *client, status=4)
    shutil.copy(cluster.data / "admin.toml", tmp_path / "admin.toml")
    text = (tmp_path / "admin.toml").read_text()
    key = text.partition('hmac_key = "')[2].partition('"')[0]
    (tmp_path / "admin.toml").write_text(text.replace(key, key[::-1].replace("=", "", 1)[:43] + "="))
    (tmp_path / "admin.toml").chmod(0o600)
    admin("status", "--client-config", str(tmp_path / "admin.toml"), status=4)
