"""Proxy mode, which a plate must not be looked at in: file names, formats and boxes would be those of proxies."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator

import nuke
from overscan_nuke._knobs import quietly


@contextlib.contextmanager
def full_size() -> Iterator[None]:
    """Proxy mode is off in here, and on again afterwards where it was. For a moment only: the viewer sees it."""
    knob: Any = nuke.root()["proxy"]
    on = bool(knob.value())
    if on:
        with quietly():
            knob.setValue(False)
    try:
        yield
    finally:
        if on:
            with quietly():
                knob.setValue(True)
