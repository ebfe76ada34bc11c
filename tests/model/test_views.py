"""What a view mounts, planned for file systems that only exist on paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffmpeg.model.views import (
    MAX_NEIGHBOURS,
    Bind,
    Entry,
    Fixtures,
    ViewError,
    ViewPlan,
    enclosed,
    is_system,
    plan,
)

DIRECTORY = Entry("directory")


class Paper:
    """A file system: path to what is there. Parents are directories by themselves."""

    def __init__(self, *directories: bytes, **others: Entry) -> None:
        self.entries: dict[bytes, Entry] = {}
        for path in directories:
            parts = path.strip(b"/").split(b"/")
            for end in range(1, len(parts) + 1):
                self.entries.setdefault(b"/" + b"/".join(parts[:end]), DIRECTORY)
        self.entries |= {b"/" + name.replace("__", "/").encode(): entry for name, entry in others.items()}

    def look(self, path: bytes) -> Entry | None:
        return DIRECTORY if path == b"/" else self.entries.get(path)

    def listing(self, path: bytes) -> Mapping[bytes, Entry]:
        prefix = path.rstrip(b"/") + b"/"
        return {
            name[len(prefix) :]: entry
            for name, entry in self.entries.items()
            if name.startswith(prefix) and b"/" not in name[len(prefix) :]
        }


def bind(name: str, target: str, source: str, *, same: bool | None = None) -> Bind:
    return Bind(name, target.encode(), source.encode(), (1, 2), target == source if same is None else same)


def words(view: ViewPlan | None) -> str:
    assert view is not None
    return b" ".join(view.arguments).decode()


def test_equal_directories_need_no_view() -> None:
    assert plan([bind("A", "/srv/a", "/srv/a")], ["A"], [], Paper(b"/srv/a")) is None
    assert plan([bind("A", "/data", "/srv/a", same=True)], ["A"], [], Paper(b"/srv/a")) is None
    assert plan([], [], [], Paper()) is None


def test_an_existing_directory_is_mounted_upon() -> None:
    view = plan([bind("A", "/mnt/a", "/srv/a")], ["A"], [], Paper(b"/srv/a", b"/mnt/a", b"/mnt/b"))
    assert words(view) == "--dev-bind / / --dev-bind /srv/a /mnt/a"


def test_where_it_is_missing_its_parent_is_replaced_and_what_is_beside_it_stays() -> None:
    tree = Paper(b"/srv/a", b"/mnt/b", mnt__link=Entry("link", b"../srv"), mnt__file=Entry("other"))
    view = plan([bind("A", "/mnt/a/deep", "/srv/a")], ["A"], [], tree)
    assert words(view) == (
        "--dev-bind / / --perms 0755 --tmpfs /mnt"
        " --dev-bind-try /mnt/b /mnt/b --dev-bind-try /mnt/file /mnt/file"
        " --symlink ../srv /mnt/link --dir /mnt/a --dev-bind /srv/a /mnt/a/deep --remount-ro /mnt"
    )


def test_a_missing_directory_of_the_root_and_its_links() -> None:
    view = plan(
        [bind("A", "/data", "/srv/a")],
        ["A"],
        [],
        Paper(b"/srv/a", b"/usr/bin", bin=Entry("link", b"usr/bin", b"/usr/bin")),
    )
    assert words(view) == (
        "--symlink usr/bin /bin --dev-bind-try /srv /srv --dev-bind-try /usr /usr"
        " --dev-bind /srv/a /data --remount-ro /"
    )


def test_a_link_in_the_way_becomes_the_directory_that_it_leads_to() -> None:
    tree = Paper(b"/srv/media/other", b"/disk", mnt=Entry("link", b"srv/media", b"/srv/media"))
    view = plan([bind("A", "/mnt/other", "/disk")], ["A"], [], tree)
    assert words(view) == (
        "--dev-bind-try /disk /disk --dev-bind-try /srv /srv --dev-bind /srv/media /mnt"
        " --dev-bind /disk /mnt/other --remount-ro /"
    )


def test_a_directory_that_everybody_may_write_to_stays_writable() -> None:
    tree = Paper(b"/srv/a", tmp=Entry("directory", mode=0o1777))
    view = plan([bind("A", "/tmp/a", "/srv/a")], ["A"], [], tree)
    assert words(view) == "--dev-bind / / --perms 1777 --tmpfs /tmp --dev-bind /srv/a /tmp/a"


def test_a_mapped_directory_below_another() -> None:
    binds = [bind("B", "/mnt/a/b", "/disk"), bind("A", "/mnt/a", "/srv/a")]
    view = plan(binds, ["A", "B"], [], Paper(b"/srv/a/b", b"/disk", b"/mnt/a"))
    assert words(view) == "--dev-bind / / --dev-bind /srv/a /mnt/a --dev-bind /disk /mnt/a/b"


def test_one_with_the_same_name_below_another_is_not_covered() -> None:
    binds = [bind("B", "/mnt/a/b", "/mnt/a/b"), bind("A", "/mnt/a", "/srv/a")]
    view = plan(binds, ["A"], [], Paper(b"/srv/a/b", b"/mnt/a/b"))
    assert words(view) == "--dev-bind / / --dev-bind /srv/a /mnt/a --dev-bind /mnt/a/b /mnt/a/b"


def test_nothing_is_made_inside_a_mapped_directory() -> None:
    binds = [bind("B", "/mnt/a/b", "/disk"), bind("A", "/mnt/a", "/srv/a")]
    tree = Paper(b"/srv/a", b"/disk", b"/mnt/a/b")
    with pytest.raises(ViewError, match=r"\$B .* no directory /srv/a/b"):
        plan(binds, ["A", "B"], [], tree)
    assert words(plan(binds, ["A"], [], tree)) == "--dev-bind / / --dev-bind /srv/a /mnt/a"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/usr", "cover /usr"),
        ("/etc/media", "system directory"),
        ("/lib64", "cover /lib64"),
        ("/dev/shm", None),
        ("/dev/shm/new", None),
        ("/dev/disk", "system directory"),
        ("/run/media", "system directory /run"),
        ("/opt", "cover /opt/ffmpeg/bin"),
        ("/opt/ffmpeg/bin", "cover /opt/ffmpeg/bin"),
        ("/opt/media", None),
        ("/usrlocal", None),
    ],
)
def test_what_the_system_or_the_program_stands_on_is_not_covered(target: str, reason: str | None) -> None:
    tree = Paper(b"/srv/a", b"/dev/shm", b"/run", b"/etc", b"/usr", b"/opt/ffmpeg/bin")
    binds = [bind("A", target, "/srv/a"), bind("B", "/srv/b", "/srv/a")]
    if reason is None:
        assert target in words(plan(binds, ["A"], [b"/opt/ffmpeg/bin"], tree)).split()
    else:
        with pytest.raises(ViewError, match=reason):
            plan(binds, ["A"], [b"/opt/ffmpeg/bin"], tree)
    # What the job does not use does not stand in its way.
    assert "/srv/b" in words(plan(binds, ["B"], [b"/opt/ffmpeg/bin"], tree)).split()


def test_too_many_neighbours() -> None:
    tree = Paper(b"/srv/a", *(b"/mnt/%d" % number for number in range(MAX_NEIGHBOURS + 1)))
    with pytest.raises(ViewError, match="more than 1000 entries"):
        plan([bind("A", "/mnt/a", "/srv/a")], ["A"], [], tree)


def test_what_a_view_hides() -> None:
    view = plan([bind("A", "/tmp/a", "/srv/a")], ["A"], [], Paper(b"/srv/a", b"/tmp/old"))
    assert view is not None
    assert view.hides(b"/tmp/new")
    assert view.hides(b"/tmp/a/new")
    assert not view.hides(b"/tmp/old/new")
    assert not view.hides(b"/var/tmp/new")


paths = st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=4).map(
    lambda parts: b"/" + b"/".join(parts)
)


@given(directories=st.lists(paths, max_size=6), targets=st.lists(paths, min_size=1, max_size=3, unique=True))
def test_nothing_is_ever_made_on_the_real_file_system(directories: list[bytes], targets: list[bytes]) -> None:
    """Each mount lies on what is there already, or in memory."""
    tree = Paper(b"/srv/0", b"/srv/1", b"/srv/2", *directories)
    binds = [
        Bind(str(number), target, b"/srv/%d" % number, (0, number), False)
        for number, target in enumerate(targets)
    ]
    try:
        view = plan(binds, [bind.name for bind in binds], [], tree)
    except ViewError:
        return
    assert view is not None
    # What each place of the view shows: a directory of the worker's, or None for memory.
    shown: dict[bytes, bytes | None] = {b"/": None}

    def real(path: bytes) -> bytes | None:
        place = max((p for p in shown if path == p or path.startswith(p.rstrip(b"/") + b"/")), key=len)
        below = path[len(place.rstrip(b"/")) :]
        source = shown[place]
        return None if source is None else (source.rstrip(b"/") + below) or b"/"

    rest = list(view.arguments)
    while rest:
        option = rest.pop(0)
        if option == b"--perms":
            rest.pop(0)
            continue
        source = rest.pop(0) if option in (b"--dev-bind", b"--dev-bind-try") else None
        path = rest.pop(0)
        below = real(path)
        assert below is None or tree.look(below) is not None, (option, path)
        if option != b"--remount-ro":
            shown[path] = source
    for bind in binds:
        assert real(bind.target) == bind.source


def test_system_directories() -> None:
    assert is_system(b"/usr/local/bin")
    assert is_system(b"/run")
    assert not is_system(b"/run/media/disk")
    assert not is_system(b"/userdata")


# Views that show nothing but what was asked for

NOTHING_ELSE = Fixtures(read=(b"/usr/lib", b"/usr/lib/x86"), write=(b"/var/w",))


def test_directories_above_what_is_shown_are_open_to_every_user() -> None:
    view = enclosed([bind("A", "/films/new/a", "/srv/a")], NOTHING_ELSE, [], Paper(b"/srv/a"))
    text = words(view)
    text = text.removeprefix("--perms 1777 --tmpfs /tmp ")
    assert text.startswith("--dir /usr --ro-bind-try /usr/lib /usr/lib --ro-bind-try /usr/lib/x86 ")
    assert " --dir /var --bind-try /var/w /var/w --dir /films --dir /films/new --bind /srv/a " in text
    assert text.endswith(" /films/new/a --remount-ro /")


def test_where_somebody_cannot_go_on_the_worker_he_cannot_go_in_a_view() -> None:
    tree = Paper(b"/srv/a/in", b"/srv/b", b"/mnt/a")
    closed = replace(bind("A", "/mnt/a", "/srv/a"), reachable=False)
    below = bind("B", "/mnt/a/in", "/srv/b")
    shown = "--perms 0000 --tmpfs /mnt/a --remount-ro /mnt/a"
    assert words(enclosed([closed, below], NOTHING_ELSE, [], tree)).endswith(f"{shown} --remount-ro /")
    assert words(plan([closed, below], ["A", "B"], [], tree)) == f"--dev-bind / / {shown}"


@pytest.mark.parametrize("target", ["/var/w/b", "/mnt/a/b/c"])
def test_nothing_is_made_in_a_directory_of_the_workers_to_hold_another(target: str) -> None:
    binds = [bind("A", "/mnt/a", "/srv/a"), bind("B", target, "/srv/b")]
    with pytest.raises(ViewError, match=r"there is no directory /.* to hold it"):
        enclosed(binds, NOTHING_ELSE, [], Paper(b"/srv/a", b"/srv/b", b"/var/w"))
    tree = Paper(b"/srv/a/b/c", b"/srv/b", b"/var/w/b")
    assert words(enclosed(binds, NOTHING_ELSE, [], tree)).endswith(f"/srv/b {target} --remount-ro /")
