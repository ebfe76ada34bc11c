"""What /proc/self/mountinfo says."""

from __future__ import annotations

import pytest

from dffmpeg.model.mount_table import Mounted, covering, is_mounted, may_hang, mount_points

TABLE = rb"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/nas rw,relatime shared:9 - nfs4 nas:/export rw,vers=4.2
31 22 0:41 / /mnt/auto rw,relatime - autofs systemd-1 rw,fd=41
32 31 0:42 / /mnt/auto rw,relatime master:3 propagate_from:2 - cifs //nas/x rw
33 22 0:43 / /mnt/waiting rw - autofs systemd-1 rw
34 30 0:44 / /mnt/nas/inner rw - tmpfs tmpfs rw
35 22 0:45 / /mnt/with\040space\134 rw - fuse.sshfs host: rw
not a line
"""
POINTS = mount_points(TABLE)


def test_the_topmost_is_what_counts() -> None:
    assert POINTS[b"/mnt/auto"] == Mounted(32, "cifs")
    assert POINTS[b"/mnt/with space\\"] == Mounted(35, "fuse.sshfs")
    assert len(POINTS) == 6


@pytest.mark.parametrize(
    ("path", "number"),
    [(b"/", 22), (b"/srv/x", 22), (b"/mnt/nas/a", 30), (b"/mnt/nas/inner/b", 34), (b"/mnt/nasty", 22)],
)
def test_what_covers_a_path(path: bytes, number: int) -> None:
    found = covering(path, POINTS)
    assert found is not None
    assert found.number == number


@pytest.mark.parametrize(
    ("path", "mounted"),
    [(b"/mnt/nas", True), (b"/mnt/nas/a", False), (b"/mnt/auto", True), (b"/mnt/waiting", False)],
)
def test_whether_something_is_mounted_just_there(path: bytes, mounted: bool) -> None:
    assert is_mounted(path, POINTS) == mounted


@pytest.mark.parametrize(
    ("path", "hangs"),
    [
        (b"/srv", False),
        (b"/mnt/nas/film", True),
        (b"/mnt/nas/inner/film", False),
        (b"/mnt/auto", True),
        (b"/mnt/waiting/x", True),
        (b"/mnt/with space\\/x", True),
    ],
)
def test_what_may_fall_silent(path: bytes, hangs: bool) -> None:
    assert may_hang(path, POINTS) == hangs


def test_without_a_table_anything_may() -> None:
    assert covering(b"/srv", {}) is None
    assert may_hang(b"/srv", {})
