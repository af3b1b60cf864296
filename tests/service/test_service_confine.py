"""Weights that nobody has judged are not opened, whatever their names look like."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from overscan.core.errors import PolicyError
from overscan.service.workers.confine import confined


@pytest.mark.parametrize("name", ["model.safetensors", "MODEL.CKPT", "pytorch_model.bin", "net.H5"])
def test_only_judged_weights_are_opened(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"weights")
    with pytest.raises(PolicyError, match="had not named"), confined({}):
        (tmp_path / name).read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / name)
    with confined({name: tmp_path / "link"}):
        assert (tmp_path / name).read_bytes() == b"weights"


@pytest.mark.parametrize("name", ["vae/config.json", "vae/modeling.py", "tokenizer/chat_template.JINJA", "new/x.model"])
def test_nothing_else_of_a_models_folder_is_read(name: str, tmp_path: Path) -> None:
    judged = tmp_path / "m" / "vae" / "model.safetensors"
    for path in (judged, tmp_path / "m" / name, tmp_path / "beside.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    files = {"vae/model.safetensors": judged}
    with pytest.raises(PolicyError, match="in the model's folder"), confined(files):
        (tmp_path / "m" / name).read_text()
    with confined(files):
        judged.read_bytes()
        (tmp_path / "beside.json").read_text()
        with pytest.raises(FileNotFoundError):
            (tmp_path / "m" / "vae" / "not_there.json").read_text()
    with confined({**files, name: tmp_path / "m" / name}):
        (tmp_path / "m" / name).read_text()


def test_a_caught_refusal_is_raised_at_the_end(tmp_path: Path) -> None:
    judged, other = tmp_path / "m" / "a.safetensors", tmp_path / "m" / "code.py"
    for path in (judged, other):
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    found = pytest.raises(PolicyError, match="in the model's folder")
    with found, confined({"a.safetensors": judged}), suppress(PolicyError):
        other.read_text()
