"""Filter graphs, ffmpeg-filters(1): `[in]name=options[out],…;…`."""

from __future__ import annotations

from collections.abc import Iterator

from dffmpeg.model.paths.spelling import Plain, Token, skip_whitespace, token


def filters_in(source: Plain) -> Iterator[tuple[bytes, Token | None]]:
    """The filters of a graph, in order, as far as it can be read.

    Yields:
        The filter's name, without the `@id` that may follow it; its options, None where it has none.
    """
    text = source.text
    position = 0
    while position < len(text):
        position = _behind_labels(source, position)
        name, position = token(source, position, b"=,;[")
        values = None
        if text[position : position + 1] == b"=":
            values, position = token(source, position + 1, b"[],;")
        yield name.text.partition(b"@")[0], values
        position = _behind_labels(source, position)
        if text[position : position + 1] not in (b",", b";"):
            return
        position += 1


def _behind_labels(source: Plain, position: int) -> int:
    position = skip_whitespace(source.text, position)
    while source.text.startswith(b"[", position):
        _, end = token(source, position + 1, b"]")
        position = skip_whitespace(source.text, end + 1)
    return position
