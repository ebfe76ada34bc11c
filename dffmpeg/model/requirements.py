"""What a submitter asks of the worker: `encoder=hevc_nvenc`, `label=gpu`, `resource=nvenc:2`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dffmpeg.errors import BadInput
from dffmpeg.model.needs import Needs, derive, merged
from dffmpeg.model.resources import taken_by

KINDS: Mapping[str, str] = {
    "encoder": "encoders",
    "decoder": "decoders",
    "filter": "filters",
    "hwaccel": "hwaccels",
    "muxer": "muxers",
    "demuxer": "demuxers",
    "protocol": "protocols",
    "label": "labels",
}
"""What may stand in front of `=`, besides `resource`, and the need that it is."""

MOST_SLOTS = 10_000

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_SLOTS = re.compile(r"[0-9]{1,5}")


def needs_of(
    binary_name: str,
    arguments: Sequence[bytes],
    require: Sequence[str],
    resources: Mapping[str, Sequence[str]],
) -> Needs:
    """All that a job needs: what its command line asks for, and what its submitter adds.

    Args:
        require: as `required` takes them.
        resources: resource to patterns of encoders, see `dffmpeg.model.resources`.

    Raises:
        BadInput: see `required`.
    """
    needs = merged(derive(binary_name, arguments), required(require))
    return merged(needs, Needs(resources=taken_by(needs.encoders, resources)))


def required(texts: Sequence[str]) -> Needs:
    """All of them together; of a resource that is named more than once the largest number counts.

    Raises:
        BadInput: one of them does not fit; the text says which, and what would.
    """
    needs = Needs()
    for text in texts:
        needs = merged(needs, _one(text))
    return needs


def _one(text: str) -> Needs:
    kind, equals, value = text.partition("=")
    if not equals or (kind not in KINDS and kind != "resource"):
        raise BadInput(
            f"require: {text!r}: expected KIND=NAME, where KIND is one of {', '.join(KINDS)}, resource"
        )
    if kind != "resource":
        if not _NAME.fullmatch(value):
            raise BadInput(f"require: {text!r}: expected a name behind {kind}=, such as {_EXAMPLES[kind]}")
        names: dict[str, Any] = {KINDS[kind]: (value,)}
        return Needs(**names)
    name, colon, slots = value.partition(":")
    count = int(slots) if _SLOTS.fullmatch(slots) else 0
    if not _NAME.fullmatch(name) or (colon and not 1 <= count <= MOST_SLOTS):
        raise BadInput(
            f"require: {text!r}: expected resource=NAME or resource=NAME:SLOTS, SLOTS from 1 to {MOST_SLOTS}"
        )
    return Needs(declared=(name,), resources={name: count if colon else 1})


_EXAMPLES = {
    "encoder": "hevc_nvenc",
    "decoder": "h264_cuvid",
    "filter": "scale_cuda",
    "hwaccel": "cuda",
    "muxer": "matroska",
    "demuxer": "mov",
    "protocol": "https",
    "label": "gpu",
}
