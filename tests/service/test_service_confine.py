"""Weights that nobody has judged are not opened, whatever their names look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from overscan.core.errors import PolicyError
from overscan.service._confine import confined


@pytest.mark.parametrize("name", ["model.safetensors", "MODEL.CKPT", "pytorch_model.bin", "net.H5"])
def test_only_judged_weights_are_opened(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"weights")
    with pytest.raises(PolicyError, match="had not named"), confined({}):
        (tmp_path / name).read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / name)
    with confined({name: tmp_path / "link"}):
        assert (tmp_path / name).read_bytes() == b"weights"
