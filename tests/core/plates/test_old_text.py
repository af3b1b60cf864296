"""Metadata in other encodings than UTF-8, as older scanners write it, comes through byte for byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenImageIO
import pytest

from overscan.core.plates import read_frame, write_frame


@pytest.mark.parametrize("extension", ["dpx", "tif"])
def test_text_that_is_no_unicode_is_carried(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a.0001.{extension}"
    spec = OpenImageIO.ImageSpec(8, 4, 3, "uint16")
    spec.attribute("Software", b"cam\xe9ra 2")
    output = OpenImageIO.ImageOutput.create(str(path))
    assert output.open(str(path), spec)
    assert output.write_image(np.full((4, 8, 3), 0.5, np.float32))
    output.close()
    frame = read_frame(path, number=1)
    for target in (tmp_path / f"b.0001.{extension}", tmp_path / "c.0001.png"):
        write_frame(frame, path=target, overwrite=False)
        assert b"cam\xe9ra 2" in target.read_bytes()
        again = read_frame(target, number=1).parts[0].header
        assert again.attributes["Software"] == frame.parts[0].header.attributes["Software"]
