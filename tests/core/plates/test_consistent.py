"""Frames of one sequence are of one kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from overscan.core.errors import MismatchError
from overscan.core.plates import check_consistent


@pytest.fixture
def header(make_part):
    return make_part({name: np.zeros((4, 6), np.float16) for name in "RGB"}, name="rgba").header


def _check(reference, other):
    check_consistent(reference, other, path=Path("p.1002.exr"), frame=1002)


def test_data_windows_and_compression_may_differ(header):
    moved = replace(header, data_window=header.data_window.moved(3, 4).grown(left=5), compression="piz", name="x")
    _check((header,), (moved,))


def test_what_must_agree(header):
    wide = header.display_window.grown(right=1)
    float_channels = tuple(replace(channel, dtype=np.dtype(np.float32)) for channel in header.channels)
    for fields, word in (
        ({"display_window": wide}, "display window"),
        ({"pixel_aspect": 2.0}, "pixel aspect"),
        ({"channels": header.channels[:2]}, "channels"),
        ({"channels": float_channels}, "channels"),
        ({"view": "left"}, "view"),
        ({"bits": 10}, "bits"),
    ):
        with pytest.raises(MismatchError, match=word) as error:
            _check((header,), (replace(header, **fields),))
        assert (error.value.record.frame, error.value.record.path) == (1002, "p.1002.exr")
        assert error.value.record.expected != error.value.record.actual


def test_part_structure_must_agree(header):
    second = replace(header, index=1, name="depth")
    with pytest.raises(MismatchError, match="number of parts"):
        _check((header, second), (header,))
    with pytest.raises(MismatchError, match="another name"):
        _check((header, second), (header, replace(second, name="z")))
