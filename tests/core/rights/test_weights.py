"""Hashing a model's files, and noticing that one has changed."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from overscan.core.errors import PolicyError
from overscan.core.rights import ModelFiles, SealedFiles, files_in, know_hashes, known_hashes, seal
from overscan.core.rights import _weights as module

CONTENT = bytes(range(256)) * 5000


def sealed(folder: Path) -> SealedFiles:
    return seal(ModelFiles(name="m", files=files_in(folder)))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "a.safetensors").write_bytes(CONTENT)
    (tmp_path / "b.safetensors").write_bytes(b"b")
    (tmp_path / "readme.md").write_text("no weights")
    return tmp_path


def test_files_are_hashed_by_their_place_in_the_folder(model: Path) -> None:
    found = sealed(model)
    assert found.hashes == {
        "unet/a.safetensors": hashlib.sha256(CONTENT).hexdigest(),
        "b.safetensors": hashlib.sha256(b"b").hexdigest(),
    }
    found.check()


def rewrite(path: Path) -> None:
    path.write_bytes(b"c")


def rewrite_and_set_back_the_time(path: Path) -> None:
    before = path.stat()
    path.write_bytes(b"c")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_with_the_same(path: Path) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(path.read_bytes())
    beside.replace(path)


def remove(path: Path) -> None:
    path.unlink()


def link_elsewhere(path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    (path.parent / "other").write_bytes(b"c")
    path.symlink_to(path.parent / "other")


@pytest.mark.parametrize(
    "change", [rewrite, rewrite_and_set_back_the_time, replace_with_the_same, remove, link_elsewhere]
)
def test_a_changed_file_is_noticed_and_named(change: object, model: Path) -> None:
    found = sealed(model)
    assert callable(change)
    change(model / "b.safetensors")
    with pytest.raises(PolicyError, match=r"'b\.safetensors' of the model was changed"):
        found.check()


def test_a_change_in_the_same_tick_of_the_clock_is_noticed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems keep time in steps: a change right after hashing may leave every time as it was."""
    found = sealed(model)
    frozen = {path: path.stat() for path in found.files.values()}
    (model / "b.safetensors").write_bytes(b"c")
    real = module._signature
    by_inode = {(item.st_dev, item.st_ino): item for item in frozen.values()}
    monkeypatch.setattr(module, "_signature", lambda found: real(by_inode[found.st_dev, found.st_ino]))
    with pytest.raises(PolicyError, match="was changed"):
        found.check()


def test_settled_files_are_hashed_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    monkeypatch.setattr(module.time, "time_ns", lambda: now + 10_000_000_000)
    first = sealed(model)
    monkeypatch.setattr(module, "_sha256", lambda _: pytest.fail("it was read again"))
    assert sealed(model).hashes == first.hashes
    first.check()


def test_what_cannot_be_read_is_refused(model: Path) -> None:
    for name, path in (("gone", model / "gone"), ("folder", model / "unet")):
        with pytest.raises(PolicyError, match=f"'{name}' of the model cannot be read"):
            seal(ModelFiles(name="m", files={name: path}))


def test_what_another_process_has_hashed_is_not_hashed_again(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_known", {})
    name, path = "b.safetensors", model / "b.safetensors"
    only = ModelFiles(name="m", files={name: path})
    known = {seal(only).signatures[name]: "f" * 64}
    know_hashes(known)
    assert known_hashes() == known
    assert seal(only).hashes == {name: "f" * 64}, "it was read all the same"
    rewrite_and_set_back_the_time(path)
    assert seal(only).hashes == {name: hashlib.sha256(b"c").hexdigest()}
