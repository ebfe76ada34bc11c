"""The model of a terminal's lines, as it is served, in the browser that it is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from tests.browser.watch import watched
from tests.cluster.kit import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

RUN = """async ({pieces, lines}) => {
  const { Terminal } = await import(new URL("status/terminal.js", document.baseURI));
  const terminal = new Terminal(lines ? { lines } : {});
  for (const piece of pieces) terminal.write(Uint8Array.from(piece));
  terminal.interrupt();
  return {
    first: terminal.first,
    text: terminal.lines.map((line) => line.text),
    runs: terminal.lines.map((line) =>
      line.runs().map(({ text, style }) => ({ text, ...style.colors, classes: style.classes }))),
  };
}"""

RED, GREEN = "rgb(240 113 120)", "rgb(152 222 148)"


@pytest.fixture(scope="module")
def blank(browser: Browser, cluster: Cluster) -> Iterator[Page]:
    """A page of ours without anything of its own, not even an icon."""
    with watched(browser, f"{cluster.url}/") as (page, watch):
        watch.expect("favicon.ico")
        page.goto("health")
        yield page


def shown(page: Page, *pieces: bytes, lines: int | None = None) -> dict[str, Any]:
    """What the model makes of an output in these pieces."""
    found: dict[str, Any] = page.evaluate(RUN, {"pieces": [list(piece) for piece in pieces], "lines": lines})
    return found


TEXTS: dict[bytes, list[str]] = {
    b"one\ntwo\r\nthree": ["one", "two", "three"],
    b"frame=  1 fps=0\rframe= 25 fps=9\r": ["frame= 25 fps=9"],
    # What is behind the shorter line stays, unless it is erased.
    b"12345\rab": ["ab345"],
    b"12345\rab\x1b[K": ["ab"],
    b"12345\r\x1b[2Kab": ["ab"],
    b"12345\b\b\x1b[1Kx": ["   x5"],
    b"abc\b\bX": ["aXc"],
    b"\b\bok": ["ok"],
    b"a\tb\r\tc": ["a       c"],
    b"bell\x07\x00\x7f!": ["bell!"],
    b"\x1b]0;a title\x07shown\x1b]8;;http://example.net\x1b\\link": ["shownlink"],
    b"\x1bP1;2|picture\x1b\\behind": ["behind"],
    b"\x1b(Bcharacter set": ["character set"],
    b"\x1b[?25l\x1b[10;20H\x1b[2Jmoved": ["moved"],
    b"ab\x1b[3\rmx": ["xb"],
    b"\x1b[": [""],
    "Größe – 日本 🎬".encode(): ["Größe – 日本 🎬"],
    "e\u0301x\be\u0301".encode(): ["e\u0301e\u0301"],
    b"bad \xff\xc3( end": ["bad \ufffd\ufffd( end"],
    b"cut \xe2\x82": ["cut \ufffd"],
}


@pytest.mark.parametrize("content", TEXTS)
def test_text_is_where_a_terminal_has_it(blank: Page, content: bytes) -> None:
    assert shown(blank, content)["text"] == TEXTS[content]


def test_all_at_once_is_the_same_as_byte_by_byte(blank: Page) -> None:
    content = b"\n".join(TEXTS) + b"\x1b[1;38;5;208mcolour\x1b[0m\n"
    assert shown(blank, *(bytes([byte]) for byte in content)) == shown(blank, content)


def colors(page: Page, content: bytes) -> list[tuple[str, str | None, str | None]]:
    [runs] = shown(page, content)["runs"]
    return [(run["text"], run["color"], run["background"]) for run in runs]


def test_colours(blank: Page) -> None:
    assert colors(blank, b"a\x1b[31mb\x1b[39mc\x1b[92md\x1b[me") == [
        ("a", None, None),
        ("b", RED, None),
        ("c", None, None),
        ("d", GREEN, None),
        ("e", None, None),
    ]
    assert colors(blank, b"\x1b[7;31mx") == [("x", "rgb(16 20 28)", RED)]
    assert colors(blank, b"\x1b[38;5;46mx") == [("x", "rgb(0 255 0)", None)]
    assert colors(blank, b"\x1b[38;5;250mx") == [("x", "rgb(188 188 188)", None)]
    assert colors(blank, b"\x1b[38;2;200;210;220mx") == [("x", "rgb(200 210 220)", None)]
    assert colors(blank, b"\x1b[38:2::200:210:220mx") == [("x", "rgb(200 210 220)", None)]
    assert colors(blank, b"\x1b[48;5;196;97mx")[0][2] == "rgb(255 0 0)"
    # Not a colour, and what stands behind it is one.
    assert colors(blank, b"\x1b[38;5;999;31mx") == [("x", RED, None)]
    assert colors(blank, b"\x1b[?31mx") == [("x", None, None)]


def test_weights(blank: Page) -> None:
    [runs] = shown(blank, b"\x1b[1ma\x1b[22;3mb\x1b[23;4mc\x1b[24;9md")["runs"]
    assert [run["classes"] for run in runs] == [["bold"], ["italic"], ["underline"], ["strike"]]


CONTRAST = """async ({front, back}) => {
  const { contrast, readable } = await import(new URL("status/terminal-style.js", document.baseURI));
  return contrast(readable(front, back), back);
}"""


def test_every_colour_can_be_read(blank: Page) -> None:
    color = st.tuples(*[st.integers(0, 255)] * 3)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(color, color)
    def check(front: tuple[int, ...], back: tuple[int, ...]) -> None:
        found = blank.evaluate(CONTRAST, {"front": front, "back": back})
        assert found >= 4.5

    check()


def test_what_is_kept_is_bounded(blank: Page) -> None:
    found = shown(blank, b"".join(b"line %d\n" % number for number in range(1000)), lines=100)
    assert len(found["text"]) <= 105
    assert found["text"][-2] == "line 999"
    assert found["text"][0] == f"line {found['first']}"
    long = shown(blank, b"x" * 9000)["text"]
    assert [len(line) for line in long] == [4000, 4000, 1000]
    assert len(shown(blank, b"a" + "\u0301".encode() * 1000)["text"][0]) < 10
