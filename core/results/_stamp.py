"""Metadata of results: what the plate says, what Overscan adds, and what is no longer true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from overscan.core.plates import ExrAttribute, Part
from overscan.core.results._digests import PREFIX, facts_of

ACES_FLAG = "acesImageContainerFlag"
"""Says that a file keeps to SMPTE ST 2065-4: one part of uncompressed half RGB or RGBA, and nothing else."""
MULTI_VIEW = "multiView"
"""Names the views whose channels a part holds."""


def stamped(part: Part, *, text: Mapping[str, str], untrue: Iterable[str]) -> Part:
    """`part` with the header attributes `text` in place of any older receipt, and without the `untrue` ones.

    A part that gets a text gets digests of its samples and the shares of where they came from with it.
    """
    header, gone = part.header, frozenset(untrue)
    if text:
        text = {**text, **facts_of(part)}

    def stays(name: str) -> bool:
        # A plate may be a result of Overscan itself; what the older run said of itself gives way.
        return not name.startswith(PREFIX) and name not in gone

    kept = header.exr_attributes
    return replace(
        part,
        header=replace(
            header,
            attributes={name: value for name, value in header.attributes.items() if stays(name)} | dict(text),
            exr_attributes=None
            if kept is None
            else (*(attribute for attribute in kept if stays(attribute.name)), *_text_attributes(text)),
        ),
    )


def _text_attributes(text: Mapping[str, str]) -> tuple[ExrAttribute, ...]:
    # Paths may hold bytes that are no UTF-8, which Python keeps as surrogates.
    return tuple(
        ExrAttribute(name=name, type="string", data=value.encode("utf-8", "surrogateescape"))
        for name, value in sorted(text.items())
    )
