"""The check for unmapped paths, on real folders."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from dffmpeg.client.api import Client
from dffmpeg.client.unmapped import check
from dffmpeg.model.paths import PathError
from tests.client.conftest import config_for
from tests.client.programs import Programs, assert_one_line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("mapped", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").touch()
    return tmp_path


def checked(folder: Path, *arguments: str, action: str = "error", cwd: str = "mapped") -> None:
    encoded = [os.fsencode(argument.replace("@", str(folder))) for argument in arguments]
    directories = {"Mapped": os.fsencode(folder / "mapped")}
    here = os.fsencode(folder / cwd)
    check(action, "ffmpeg", encoded, directories, cwd=here)


@pytest.mark.parametrize(
    "arguments",
    [
        ("-i", "@/other/a"),
        ("-i", "@/mapped/a", "@/other/new"),
        ("-i", "@/mapped/a", "@/other"),
        ("-vf", "subtitles=@/other/a"),
        ("-i", "@/other/%d.png"),
    ],
)
def test_what_is_there_is_refused(folder: Path, arguments: tuple[str, ...]) -> None:
    with pytest.raises(PathError, match=r"is in no mapped directory; mapped: Mapped=.*unmapped_paths"):
        checked(folder, *arguments)
    checked(folder, *arguments, action="ignore")


@pytest.mark.parametrize(
    "arguments",
    [
        ("-i", "@/mapped/a", "@/mapped/b"),
        ("-i", "@/other/missing", "-f", "null", "-"),
        ("-i", "@/mapped/a", "/new"),
        ("-i", "@/mapped/a", "@/nowhere/new"),
        ("-i", "a", "b"),
        ("-i", "\0", "-f", "null", "-"),
    ],
)
def test_what_is_not_there_is_left_to_the_program(folder: Path, arguments: tuple[str, ...]) -> None:
    checked(folder, *arguments)


def test_relative_paths_count_where_the_working_directory_is_not_mapped(folder: Path) -> None:
    with pytest.raises(PathError, match=r"^a is relative, and the working directory .*other is in no mapped"):
        checked(folder, "-i", "a", "-f", "null", "-", cwd="other")
    with pytest.raises(PathError, match=r"^new is relative"):
        checked(folder, "-i", "missing", "new", cwd="other")
    checked(folder, "-i", "missing", "-f", "null", "-", cwd="other")


@pytest.fixture
def linked(folder: Path) -> Path:
    mapped, other = folder / "mapped", folder / "other"
    (mapped / "out").symlink_to(other)
    (mapped / "film").symlink_to(other / "a")
    (mapped / "twice").symlink_to("film")
    (mapped / "missing").symlink_to(other / "missing" / "a")
    (mapped / "new").symlink_to(other / "new")
    (mapped / "within").symlink_to("a")
    (mapped / "null").symlink_to("/dev/null")
    (folder / "second").symlink_to(mapped)
    return folder


@pytest.mark.parametrize(
    ("arguments", "path", "target"),
    [
        (("-i", "@/mapped/film"), "@/mapped/film", "@/other/a"),
        (("-i", "@/mapped/twice"), "@/mapped/twice", "@/other/a"),
        (("-i", "@/mapped/out/a"), "@/mapped/out/a", "@/other/a"),
        (("-i", "@/mapped/out/%d.png"), "@/mapped/out/%d.png", "@/other/%d.png"),
        (("-i", "@/mapped/a", "@/mapped/new"), "@/mapped/new", "@/other/new"),
        (("-i", "@/mapped/a", "@/mapped/null"), "@/mapped/null", "/dev/null"),
        (("-vf", "subtitles=@/mapped/film"), "@/mapped/film", "@/other/a"),
        (("-i", "film"), "film", "@/other/a"),
        (("-i", "a", "out/new"), "out/new", "@/other/new"),
    ],
)
def test_a_link_out_of_the_mapped_directories_is_refused(
    linked: Path, arguments: tuple[str, ...], path: str, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    said = f"{path} leads to {target}, which is in no mapped directory; mapped: Mapped=@/mapped;"
    said = said.replace("@", str(linked))
    with pytest.raises(PathError) as caught:
        checked(linked, *arguments)
    assert str(caught.value).startswith(said)
    checked(linked, *arguments, action="ignore")
    assert not caplog.records
    checked(linked, *arguments, action="warn")
    assert caplog.records[0].getMessage().startswith(f"dffmpeg: {said}")


@pytest.mark.parametrize(
    "arguments",
    [
        ("-i", "@/mapped/within", "@/mapped/b"),
        # The program says itself that it is not there.
        ("-i", "@/mapped/missing", "-f", "null", "-"),
        ("-i", "@/mapped/nothing/here"),
        ("-i", "within", "null"),
        ("-i", "@/second/a", "-f", "null", "-"),
    ],
)
def test_a_link_within_the_mapped_directories_is_not(linked: Path, arguments: tuple[str, ...]) -> None:
    encoded = [os.fsencode(argument.replace("@", str(linked))) for argument in arguments]
    # One of them is a link itself.
    directories = {"Mapped": os.fsencode(linked / "mapped"), "Second": os.fsencode(linked / "second")}
    check("error", "ffmpeg", encoded, directories, cwd=os.fsencode(linked / "mapped"))


async def test_the_stand_in_says_where_a_link_leads(programs: Programs, tmp_path: Path) -> None:
    mapped = tmp_path / "of links"
    mapped.mkdir()
    (mapped / "film").symlink_to(programs.config)
    more = f'[paths]\nMapped = "{mapped}"'
    programs.configure("http://127.0.0.1:1", unmapped="error", more=more)
    code, out, err = await programs.run("ffmpeg", "-i", str(mapped / "film"), "-f", "null", "-")
    assert (code, out) == (120, b"")
    assert_one_line(err, f"{mapped}/film leads to {programs.config}, which is in no mapped directory;")


def test_a_warning_is_said_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        checked(folder, "-i", "@/other/a", "@/other/b", action="warn")
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage().startswith("dffmpeg: ")


@pytest.mark.parametrize(("action", "refused"), [("error", True), ("ignore", False)])
def test_the_interface_refuses_before_anything_is_sent(folder: Path, action: str, refused: bool) -> None:
    paths = {"Mapped": str(folder / "mapped")}
    client = Client(config_for("http://127.0.0.1:1", paths=paths, unmapped_paths=action))
    arguments = ["-i", f"{folder}/mapped/a", f"{folder}/other/b"]
    if refused:
        with pytest.raises(PathError):
            client.request("ffmpeg", arguments)
    else:
        assert client.request("ffmpeg", arguments).arguments[1] == "$Mapped/a"


async def test_the_stand_in_ends_with_one_line_and_a_code_of_its_own(programs: Programs) -> None:
    programs.configure("http://127.0.0.1:1", unmapped="error")
    code, out, err = await programs.run("ffmpeg", "-i", str(programs.config), "-f", "null", "-")
    assert (code, out) == (120, b"")
    assert_one_line(err, f"{programs.config} is in no mapped directory; mapped: none;")
