"""What a program's answer in the sandbox says, beside the one that it gives without."""

from __future__ import annotations

import pytest

from dffmpeg.model.starts import Answer, explanation, interpreters, kept_from_starting, paths_in, unreadable

FINE, WRONG, ABSENT = Answer("", code=0), Answer("", code=2), Answer("", code=127)
UNREACHED, KILLED = Answer("", code=1, reached=False), Answer("", code=None)


@pytest.mark.parametrize(
    ("confined", "free", "kept"),
    [
        *((ABSENT, FINE, True), (UNREACHED, FINE, True), (UNREACHED, WRONG, True), (WRONG, FINE, True)),
        *((KILLED, FINE, True), (FINE, FINE, False), (WRONG, WRONG, False), (ABSENT, ABSENT, False)),
    ],
)
def test_only_what_differs_is_the_sandboxes(confined: Answer, free: Answer, kept: bool) -> None:
    assert kept_from_starting(confined, free) == kept


def test_paths_are_found_in_what_loaders_and_shells_say() -> None:
    assert paths_in(b"\tliba.so => /opt/a/liba.so (0x7f)\n\t/lib64/ld.so (0x7f)\n") == (
        b"/opt/a/liba.so",
        b"/lib64/ld.so",
    )
    assert paths_in(b"wrapper: 2: exec: /opt/a/ffmpeg: Permission denied") == (b"/opt/a/ffmpeg",)
    assert interpreters(b"#! /usr/bin/env /opt/a/python\necho /no") == (b"/usr/bin/env", b"/opt/a/python")
    assert interpreters(b"\x7fELF/opt/a\n") == ()


def test_what_cannot_be_read_lies_in_no_place() -> None:
    assert unreadable([b"/usr/lib/a", b"/opt/a/b", b"/optional/c"], [b"/usr", b"/opt/a"]) == (b"/optional/c",)


def test_the_remedy_is_named_once_for_each_folder() -> None:
    files = [b"/opt/a/1", b"/opt/a/2", b"/opt/b/3", b"/opt/b/4"]
    assert explanation(b"/x", files, b"") == (
        "/x does not start in the sandbox: it may not read /opt/a/1, /opt/a/2, /opt/b/3 and 1 more; "
        "add to sandbox.read in worker.toml: /opt/a, /opt/b"
    )
    assert explanation(b"/x", [], b"first\nx: no module\n\n") == (
        "/x does not start in the sandbox: x: no module; "
        "name the folder of what it misses in sandbox.read of worker.toml"
    )
