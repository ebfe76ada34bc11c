"""What a line of the log says: as text, as JSON, and what it is about."""

from __future__ import annotations

import io
import json
import logging
import re

import pytest
import trio

from dffmpeg import logs
from dffmpeg.errors import BadInput


def logged(form: logging.Formatter, *, error: Exception | None = None, **about: object) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(form)
    logger = logging.Logger("dffmpeg.x")
    logger.addHandler(handler)
    try:
        if error is not None:
            raise error
    except Exception:
        logger.warning("it\n%s", "broke", exc_info=True, extra=about)
    else:
        logger.warning("it %s", "works", extra=about)
    return stream.getvalue()


async def test_a_line_says_what_its_task_deals_with() -> None:
    found: dict[str, str] = {}

    async def deal(name: str) -> None:
        logs.begin(job=name, attempt=2, trace=None)
        await trio.lowlevel.checkpoint()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(note, name)

    async def note(name: str) -> None:
        found[name] = logged(logs.OneLine(logs.FORMAT), status=200)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(deal, "A")
        nursery.start_soon(deal, "B")
    for name, line in found.items():
        assert line.endswith(f"WARNING dffmpeg.x: it works [job={name} attempt=2 status=200]\n")
    assert logs.subject() == {}
    assert logged(logs.OneLine(logs.FORMAT)).endswith("WARNING dffmpeg.x: it works\n")


async def test_json_is_one_object_a_line() -> None:
    async def deal() -> None:
        logs.begin(job="J", request="R")
        line = logged(logs.JsonLines(), error=ValueError("é\n"), route="GET /x")
        assert line.count("\n") == 1
        content = json.loads(line)
        assert content.pop("time").endswith("+00:00")
        assert content.pop("traceback").startswith("Traceback")
        assert content == {
            "level": "WARNING",
            "logger": "dffmpeg.x",
            "message": "it\nbroke",
            "job": "J",
            "request": "R",
            "route": "GET /x",
            "error": "ValueError('é\\n')",
        }

    async with trio.open_nursery() as nursery:
        nursery.start_soon(deal)


@pytest.mark.parametrize("form", [logs.OneLine(logs.FORMAT), logs.JsonLines()])
def test_an_error_of_ours_needs_no_traceback(form: logging.Formatter) -> None:
    assert "Traceback" not in logged(form, error=BadInput("what"))


EVIL = "2026-01-01 00:00:00,000 ERROR root: hacked"
CONTROLS = r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]"


@pytest.mark.parametrize("form", [logs.OneLine(logs.FORMAT), logs.JsonLines()])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\x1b[2J\n", "\x85", "\x9b31m", "\u2028", "\x7f"])
def test_nobody_elses_words_begin_a_line(form: logging.Formatter, end: str) -> None:
    """Neither what a line is about, nor what a defect says in its traceback."""
    text = logged(form, error=ValueError(f"x{end}{EVIL}"), job=f"J{end}{EVIL}")
    assert not re.search(CONTROLS, text)
    assert not any(line.startswith(EVIL) for line in text.splitlines())
    assert "hacked" in text


def test_bytes_that_are_no_text_lose_no_line() -> None:
    """As names of files have them."""
    content = json.loads(logged(logs.JsonLines(), job="/media/\udcff"))
    assert content["job"] == "/media/\\udcff"
