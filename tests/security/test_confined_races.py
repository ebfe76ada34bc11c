"""A link is swapped between the worker's look at a file that it opens for a job and the opening itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dffmpeg.wire.jobs import Descriptor, Launch
from tests.actors.worker.conftest import coordinator, start_worker
from tests.security.ground import CONFINED, SECRET, Ground, ground

__all__ = ["coordinator", "ground", "start_worker"]

pytestmark = CONFINED


def swapped_at(
    monkeypatch: pytest.MonkeyPatch, name: bytes, swap: Callable[[], None], *, late: bool
) -> list[str]:
    """Have `swap` done by somebody else just before the worker looks at a path, or just after.

    Returns:
        What is written when that has happened.
    """
    done: list[str] = []
    true_open = os.open

    def opened(path: object, flags: int, *rest: int, **more: int) -> int:
        looks = isinstance(path, bytes) and path.endswith(name) and flags & os.O_PATH and not done
        if looks and not late:
            swap()
            done.append("before")
        number = true_open(path, flags, *rest, **more)  # type: ignore[arg-type]
        if looks and late:
            swap()
            done.append("between")
        return number

    monkeypatch.setattr(os, "open", opened)
    return done


def replace_by_link(place: Path, target: Path) -> None:
    """In one step, as an attacker does it; what was there is gone, or stands aside."""
    if place.is_dir() and not place.is_symlink():
        place.rename(place.with_name("aside"))
    new = place.with_name("new")
    new.symlink_to(target)
    os.replace(new, place)


@pytest.mark.parametrize("late", [False, True], ids=["before the look", "before the opening"])
@pytest.mark.parametrize("what", ["file", "link", "folder"])
@pytest.mark.parametrize("direction", ["in", "out"])
async def test_a_link_that_is_swapped_while_the_worker_opens_it(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, direction: str, what: str, late: bool
) -> None:
    """What is outside is neither read nor written, and what was looked at is what is used."""
    inside, folder = ground.media / "inside", ground.media / "folder"
    folder.mkdir()
    for file in (inside, folder / "secret.srt", ground.media / "plain"):
        file.write_text("mine\n")
    (ground.media / "link").symlink_to(inside)
    secret = ground.outside / "secret.srt"
    before = secret.read_text()
    named, place, target = {
        "file": ("plain", ground.media / "plain", secret),
        "link": ("link", ground.media / "link", secret),
        "folder": ("folder/secret.srt", folder, ground.outside),
    }[what]
    looked_at = {"file": None, "link": inside, "folder": ground.media / "aside/secret.srt"}[what]
    path = f"$Media/{named}"
    ends = [Descriptor(number=number, kind="pipe", direction="out") for number in (1, 2)]
    if direction == "in":
        ends.insert(0, Descriptor(number=0, kind="file", path=path))
        code = "cat"
    else:
        ends[0] = Descriptor(number=1, kind="file", direction="out", path=path)
        code = "echo theirs"
    async with ground.worker():
        # Only now: what the worker does at its start is none of this.
        done = swapped_at(monkeypatch, named.encode(), lambda: replace_by_link(place, target), late=late)
        job = ground.coordinator.add(
            "J1",
            "sh",
            "-c",
            code,
            paths=["Media"],
            client_paths={"Media": ground.shown("Media")},
            working_directory="$Media",
            launch=Launch(descriptors=ends),
        )
        await ground.coordinator.until(lambda: done and (job.reason or job.report))
        monkeypatch.undo()
    assert done == ["between" if late else "before"]
    assert secret.read_text() == before
    assert SECRET.encode() not in bytes(job.stdout.data) + bytes(job.stderr.data)
    if late:
        assert job.report is not None
        assert job.report.status == "completed"
        if direction == "in":
            assert bytes(job.stdout.data) == b"mine\n"
        elif looked_at is not None:
            assert looked_at.read_text() == "theirs\n"
    else:
        assert not job.stdout.data
