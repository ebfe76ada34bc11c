"""What becomes of a mount, event by event, on a clock that only exists on paper."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from dffmpeg.model.mounts import (
    Blocked,
    Condition,
    Faulty,
    Fine,
    Health,
    Mount,
    MountError,
    MountEvent,
    Recovered,
    Recovering,
    Silent,
    after,
    blocker,
    judged,
    lost_reason,
    mount_of,
    move_at,
    recover_at,
    recovery_outcome,
    related,
    retry_delay,
    unit_name,
    with_jobs_moved,
)

C = Condition
NAS = Mount("NAS", b"/mnt/nas", unit="mnt-nas.mount", recover=True, patience=30.0)
GONE = Faulty("nothing is mounted at /mnt/nas", gone=True)
BROKEN = Faulty("the read test: No such file or directory", gone=False)
FINE, SILENT = Fine(), Silent()


def history(*events: tuple[float, MountEvent], mount: Mount = NAS) -> Health:
    health = Health()
    for now, event in events:
        health = after(health, event, mount, now)
    return health


BEFORE: dict[str, tuple[tuple[float, MountEvent], ...]] = {
    "unknown": (),
    "healthy": ((1.0, FINE),),
    "failing": ((1.0, FINE), (2.0, BROKEN)),
    "gone": ((1.0, FINE), (2.0, GONE)),
    "hung": ((1.0, FINE), (2.0, SILENT)),
    "blocked": ((1.0, FINE), (2.0, Blocked("Gateway"))),
    "recovering": ((1.0, FINE), (2.0, GONE), (3.0, Recovering())),
}
EVENTS: dict[str, MountEvent] = {
    "fine": FINE,
    "broken": BROKEN,
    "gone": GONE,
    "silent": SILENT,
    "blocked": Blocked("Gateway"),
    "recovered": Recovered("done"),
}
SAME = dict(zip(EVENTS, (C.HEALTHY, C.FAILING, C.GONE, C.HUNG, C.BLOCKED, C.UNKNOWN), strict=True))


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("event", EVENTS)
def test_what_is_seen_is_the_state_but_while_it_is_being_recovered(before: str, event: str) -> None:
    health = history(*BEFORE[before], (10.0, EVENTS[event]))
    if (before == "recovering") != (event == "recovered"):
        assert health == history(*BEFORE[before])
    else:
        assert health.condition is SAME[event]


@pytest.mark.parametrize(
    ("events", "since", "lost_since"),
    [
        pytest.param([], None, None, id="never looked at"),
        pytest.param([(1, FINE)], None, None, id="healthy"),
        pytest.param([(1, SILENT)], 1, 1, id="hung from the start"),
        pytest.param([(1, FINE), (5, SILENT), (9, SILENT)], 5, 5, id="hung and still hung"),
        pytest.param([(1, FINE), (5, SILENT), (9, GONE)], 5, 5, id="hung, then gone"),
        pytest.param([(1, FINE), (5, BROKEN), (9, GONE)], 5, 9, id="failing, then gone"),
        pytest.param([(1, FINE), (5, GONE), (9, BROKEN)], 5, None, id="gone, then only failing"),
        pytest.param([(1, FINE), (5, SILENT), (9, FINE)], None, None, id="one slow look"),
        pytest.param([(1, FINE), (5, SILENT), (9, FINE), (12, SILENT)], 12, 12, id="it begins anew"),
        pytest.param([(5, GONE), (6, Recovering()), (9, Recovered("done"))], 5, 5, id="until it is seen"),
    ],
)
def test_since_when(
    events: list[tuple[float, MountEvent]], since: float | None, lost_since: float | None
) -> None:
    health = history(*events)
    assert (health.since, health.lost_since) == (since, lost_since)


@pytest.mark.parametrize(
    ("events", "changes", "moment"),
    [
        ([(1, FINE)], {}, None),
        ([(1, FINE), (5, BROKEN)], {}, None),
        ([(1, FINE), (5, SILENT)], {}, 35),
        ([(1, FINE), (5, GONE)], {}, 35),
        ([(1, FINE), (5, Blocked("Gateway"))], {}, 35),
        ([(1, FINE), (5, GONE), (6, Recovering())], {}, 35),
        ([(1, FINE), (5, SILENT), (9, FINE)], {}, None),
        ([(1, FINE), (5, SILENT)], {"patience": 3.0}, 8),
        ([(1, FINE), (5, SILENT)], {"on_loss": "wait"}, None),
        ([(1, FINE), (5, GONE)], {"on_loss": "wait"}, None),
    ],
)
def test_when_jobs_move(
    events: list[tuple[float, MountEvent]], changes: dict[str, object], moment: float | None
) -> None:
    mount = replace(NAS, **changes)  # type: ignore[arg-type]
    assert move_at(history(*events, mount=mount), mount) == moment


def test_jobs_move_once_each_time_that_it_is_lost() -> None:
    moved = with_jobs_moved(history((1, FINE), (5, SILENT)))
    assert move_at(moved, NAS) is None
    assert move_at(after(moved, GONE, NAS, 50), NAS) is None
    again = after(after(moved, FINE, NAS, 60), SILENT, NAS, 70)
    assert move_at(again, NAS) == 100


@pytest.mark.parametrize(
    ("events", "changes", "moment"),
    [
        ([], {}, None),
        ([(1, FINE)], {}, None),
        ([(1, FINE), (5, GONE)], {}, 5),
        ([(1, FINE), (5, BROKEN)], {}, 35),
        ([(1, FINE), (5, SILENT)], {}, 35),
        ([(1, FINE), (5, SILENT)], {"on_loss": "wait"}, None),
        ([(1, FINE), (5, GONE)], {"on_loss": "wait"}, 5),
        ([(1, FINE), (5, Blocked("Gateway"))], {}, None),
        ([(1, FINE), (5, GONE)], {"recover": False}, None),
        ([(5, GONE), (5, Recovering())], {}, None),
        ([(5, GONE), (5, Recovering()), (9, Recovered("failed")), (9, GONE)], {}, 14),
        ([(5, GONE), (5, Recovering()), (9, Recovered("refused")), (9, GONE)], {}, None),
        ([(5, GONE), (5, Recovering()), (9, Recovered("done")), (9, SILENT)], {}, 35),
    ],
)
def test_when_it_is_mounted_again(
    events: list[tuple[float, MountEvent]], changes: dict[str, object], moment: float | None
) -> None:
    mount = replace(NAS, **changes)  # type: ignore[arg-type]
    assert recover_at(history(*events, mount=mount), mount) == moment


def test_a_recovery_that_does_not_help_is_tried_more_and_more_seldom() -> None:
    health, now, waits = history((0, GONE)), 0.0, []
    for _ in range(12):
        moment = recover_at(health, NAS)
        assert moment is not None
        waits.append(moment - now)
        now = moment
        for event in (Recovering(), Recovered("done"), GONE):
            health = after(health, event, NAS, now)
    assert waits == [0, 5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600]
    health = after(health, FINE, NAS, now)
    assert recover_at(after(health, GONE, NAS, now + 1), NAS) == now + 1
    assert retry_delay(10_000) == 600


def test_what_was_refused_stays_refused() -> None:
    health = history((0, GONE), (0, Recovering()), (1, Recovered("refused")), (2, FINE), (3, GONE))
    assert recover_at(health, NAS) is None


@pytest.mark.parametrize(
    ("code", "said", "outcome"),
    [
        (0, "", "done"),
        (1, "Job for mnt-nas.mount failed.\nSee systemctl status", "failed"),
        (32, "", "failed"),
        (None, "", "failed"),
        (1, "Failed to restart mnt-nas.mount: Access denied", "refused"),
        (1, "Failed to restart mnt-nas.mount: Interactive authentication required.", "refused"),
        (1, "Failed to connect to bus: No such file or directory", "refused"),
        (1, "System has not been booted with systemd as init system (PID 1). Can't operate.", "refused"),
        (4, "", "refused"),
        (5, "Failed to restart x.mount: Unit x.mount not found.", "refused"),
    ],
)
def test_what_systemctl_means(code: int | None, said: str, outcome: str) -> None:
    found = recovery_outcome(code, said)
    assert found.outcome == outcome
    assert "\n" not in found.detail
    assert found.detail or outcome == "done"


@pytest.mark.parametrize(
    ("number", "step", "gone"),
    [
        (errno.ESTALE, "directory", True),
        (errno.ENOTCONN, "directory", True),
        (errno.ENOENT, "directory", True),
        (errno.EACCES, "directory", False),
        (errno.ENOENT, "read", False),
        (errno.EIO, "read", True),
        (errno.EROFS, "write", False),
        (errno.EAGAIN, "fork", False),
    ],
)
def test_what_an_error_says(number: int, step: str, gone: bool) -> None:
    assert judged(number, step).gone == gone


def test_what_people_read() -> None:
    assert str(history((1, FINE))) == "healthy"
    assert str(history((1, SILENT))) == "hung: no answer within 5 s"
    assert str(history((1, GONE))) == "gone: nothing is mounted at /mnt/nas"
    assert str(history((1, Blocked("Gateway")))) == "blocked: Gateway is not healthy"
    assert str(history((1, GONE), (2, Recovering()))) == "recovering: restarting mnt-nas.mount"
    assert lost_reason("NAS", history((1, SILENT))) == "the mount NAS does not answer"
    assert lost_reason("NAS", history((1, GONE))) == "the mount NAS is gone"
    assert "Gateway is not healthy" in lost_reason("NAS", history((1, Blocked("Gateway"))))


# What mounts have to do with each other


def named(name: str, path: str, *needs: str) -> Mount:
    return Mount(name, path.encode(), after=frozenset(needs))


def test_each_stands_behind_what_it_needs() -> None:
    found = related([named("C", "/c", "B"), named("B", "/b", "A"), named("A", "/a")])
    assert [mount.name for mount in found] == ["A", "B", "C"]


def test_one_needs_the_one_in_whose_directory_it_lies() -> None:
    found = related([named("Deep", "/mnt/nas/x/deep"), named("Nas", "/mnt/nas"), named("Other", "/mnt/nas2")])
    needs = {mount.name: mount.after for mount in found}
    assert needs == {"Nas": frozenset(), "Deep": {"Nas"}, "Other": frozenset()}
    assert [mount.name for mount in found].index("Nas") < [mount.name for mount in found].index("Deep")


@pytest.mark.parametrize(
    ("mounts", "text"),
    [
        ([named("A", "/a", "B"), named("B", "/b", "A")], "in a circle"),
        ([named("A", "/a", "A")], "A needs A"),
        ([named("A", "/a", "B"), named("B", "/a/b")], "in a circle"),
        ([named("A", "/a", "X")], "there is no mount X"),
        ([named("A", "/a"), named("B", "/a")], "A has the same path"),
    ],
)
def test_what_does_not_fit_together(mounts: list[Mount], text: str) -> None:
    with pytest.raises(MountError, match=text):
        related(mounts)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/mnt/nas", "Nas"),
        ("/mnt/nas/a/b", "Nas"),
        ("/mnt/nas/deep/x", "Deep"),
        ("/mnt/nas2", None),
        ("/mnt", None),
    ],
)
def test_the_mount_of_a_path_is_the_closest_one(path: str, name: str | None) -> None:
    found = mount_of(path.encode(), [named("Nas", "/mnt/nas"), named("Deep", "/mnt/nas/deep")])
    assert (None if found is None else found.name) == name


def test_what_blocks_a_mount() -> None:
    mount = named("C", "/c", "A", "B")
    assert blocker(mount, {"A": history((1, FINE)), "B": history((1, FINE))}) is None
    assert blocker(mount, {"A": history((1, FINE)), "B": Health()}) == "B"


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/mnt/nas", "mnt-nas.mount"),
        ("/mnt/my-nas", "mnt-my\\x2dnas.mount"),
        ("/mnt/a b", "mnt-a\\x20b.mount"),
        ("/.hidden", "\\x2ehidden.mount"),
        ("/mnt/.x", "mnt-.x.mount"),
        ("/mnt/ü", "mnt-\\xc3\\xbc.mount"),
        ("/", "-.mount"),
    ],
)
def test_the_unit_of_a_mount_point(path: str, unit: str) -> None:
    assert unit_name(path.encode()) == unit
