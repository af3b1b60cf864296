"""The library: models that were added, found again, compared, copied and removed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from model_folders import CARD, PIPELINE, TRANSFORMER, bomb, change, hub_cache, shard, sound, weights, write

from overscan.core.errors import ModelError, ModelsNotInstalledError, UnknownModelError
from overscan.core.jobs import Extend, Job, Margins, OutputSpec
from overscan.core.models import Library, _choice, chosen_model, library, model_files
from overscan.core.rights import seal


@pytest.fixture
def shelf(tmp_path: Path) -> Library:
    return library(tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound(tmp_path / "Wan2.1 VACE")


@dataclass(frozen=True)
class Family:
    name: str = "wan-vace"
    pipelines: tuple[str, ...] = (PIPELINE,)


def job(model: str = "") -> Job:
    return Job(
        task=Extend(margins=Margins(left=8)), output=OutputSpec(path="/out.%04d.exr"), engine="wan-vace", model=model
    )


def test_what_was_added_is_found_again(shelf: Library, folder: Path) -> None:
    added = shelf.add(folder, card=CARD, source="OWNER/MODEL@abc")
    assert added.name == "wan2.1-vace"
    found = shelf.find("wan2.1-vace")
    assert found == added
    assert (found.path, found.pipeline, found.rights_card) == (folder, PIPELINE, CARD)
    assert found.hashes["model_index.json"] == hashlib.sha256((folder / "model_index.json").read_bytes()).hexdigest()
    assert found.bytes_of["transformer"] == (folder / f"{TRANSFORMER}.safetensors").stat().st_size
    assert set(found.bytes_of) == {"transformer", "text_encoder", "vae"}
    assert found.index()["boundary_ratio"] is None
    assert found.config("vae")["latents_mean"] == [0.1, -0.2]
    assert found.config("scheduler")["flow_shift"] == 3.0
    assert found.config("tokenizer") == {}
    assert shelf.list() == (added,)


def test_loras_go_by_their_names(shelf: Library, folder: Path) -> None:
    write(folder / "loras/depth.safetensors", weights())
    assert shelf.add(folder, card=CARD).loras == {"depth": folder / "loras/depth.safetensors"}


def test_a_name_is_given_once(shelf: Library, folder: Path) -> None:
    shelf.add(folder, name="a", card=CARD)
    with pytest.raises(ModelError, match="has a model called 'a' already"):
        shelf.add(folder, name="a", card=CARD)
    shelf.add(folder, name="b", card=CARD)
    assert shelf.names() == ("a", "b")


@pytest.mark.parametrize("name", ["../x", "A", "a/b", ".hidden", "a b", "x" * 81, "-x"])
def test_a_name_that_is_none_is_refused(name: str, shelf: Library, folder: Path) -> None:
    with pytest.raises(ModelError, match="is no name for a model"):
        shelf.add(folder, name=name, card=CARD)
    with pytest.raises(UnknownModelError):
        shelf.find(name)


def test_nothing_is_entered_of_a_folder_that_is_refused(shelf: Library, folder: Path, tmp_path: Path) -> None:
    write(folder / "vae/weights.bin", bomb(tmp_path / "ran"))
    with pytest.raises(ModelError, match="run code"):
        shelf.add(folder, card=CARD)
    assert shelf.names() == ()
    assert not (tmp_path / "ran").exists()


def test_every_change_is_told(shelf: Library, folder: Path) -> None:
    write(folder / "vae/notes.txt.orig", "was there")
    model = shelf.add(shard(folder), name="m", card=CARD)
    assert {item.state for item in shelf.changes(model)} == {"intact"}
    shelf.require_unchanged(model)
    write(folder / f"{TRANSFORMER}-00001-of-00002.safetensors", weights({"blocks.0.weight": (4, 4)}) + b"")
    change(folder / "vae/config.json", scaling_factor=2)
    (folder / "tokenizer/spiece.model").unlink()
    write(folder / "vae/diffusion_pytorch_model.safetensors.index.json", {})
    write(folder / "loras/new.safetensors", weights())
    write(folder / "NEWS.md", "read by nobody")
    states = {item.name: item.state for item in shelf.changes(model) if item.state != "intact"}
    assert states == {
        "vae/config.json": "changed",
        "tokenizer/spiece.model": "missing",
        "vae/diffusion_pytorch_model.safetensors.index.json": "extra",
        "loras/new.safetensors": "extra",
    }


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: change(m / "vae/config.json", scaling_factor=2), "'vae/config.json' is not what it was"),
        (lambda m: (m / "vae/config.json").unlink(), "'vae/config.json' is gone"),
        (lambda m: write(m / "vae/model.safetensors", weights()), "was not there, and loading may read it"),
        (lambda m: write(m / "tokenizer/modeling.py", "x"), "was not there, and loading may read it"),
        (lambda m: (m / "vae/x.json").symlink_to("/etc/passwd"), "leads out of the folder"),
        (lambda m: (m / "vae").rename(m / "other"), "is gone"),
    ],
)
def test_no_job_runs_with_a_folder_that_was_changed(spoil, words: str, shelf: Library, folder: Path) -> None:
    shelf.add(folder, name="m", card=CARD)
    assert model_files(job=job(), family=Family(), models=shelf).name == CARD
    spoil(folder)
    with pytest.raises(ModelError) as caught:
        model_files(job=job(), family=Family(), models=shelf)
    assert words in str(caught.value)


def test_the_same_bytes_with_the_old_times_are_not_believed(shelf: Library, folder: Path) -> None:
    path = folder / "vae/diffusion_pytorch_model.safetensors"
    model = shelf.add(folder, name="m", card=CARD)
    was = path.stat()
    time.sleep(0.01)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    with pytest.raises(ModelError, match="is not what it was"):
        shelf.require_unchanged(model)


def test_a_folder_that_is_gone_is_said(shelf: Library, folder: Path) -> None:
    model = shelf.add(folder, name="m", card=CARD)
    folder.rename(folder.with_name("away"))
    assert {item.state for item in shelf.changes(model)} == {"missing"}
    with pytest.raises(ModelError, match="there is no folder"):
        shelf.require_unchanged(model)


def test_removing_forgets_and_leaves_the_folder(shelf: Library, folder: Path) -> None:
    shelf.add(folder, name="m", card=CARD)
    with pytest.raises(ModelError, match="not the library's to delete"):
        shelf.remove("m", delete_files=True)
    assert shelf.remove("m") is False
    assert shelf.names() == ()
    assert (folder / "model_index.json").exists()
    with pytest.raises(UnknownModelError, match="no model called 'm'"):
        shelf.remove("m")


def test_a_copy_takes_what_loading_reads_and_nothing_else(shelf: Library, folder: Path, tmp_path: Path) -> None:
    write(folder / "vae/old.bin", bomb(tmp_path / "ran"))
    write(folder / "convert.py", "print()")
    model = shelf.add(folder, name="m", card=CARD, copy=True)
    assert model.path == shelf.folder / "files" / "m"
    copied = {path.relative_to(model.path).as_posix() for path in model.path.rglob("*") if path.is_file()}
    assert copied == set(model.files)
    folder.rename(tmp_path / "away")
    shelf.require_unchanged(model)
    assert shelf.remove("m") is False
    assert model.path.is_dir()
    model = shelf.add(model.path, name="m", card=CARD, copy=True)
    assert shelf.remove("m", delete_files=True) is True
    assert not model.path.exists()
    assert not (tmp_path / "ran").exists()


def test_a_copy_is_refused_where_what_loading_reads_is_wrong(shelf: Library, folder: Path) -> None:
    change(folder / "text_encoder/config.json", auto_map={"A": "x.Y"})
    with pytest.raises(ModelError, match="asks for code"):
        shelf.add(folder, name="m", card=CARD, copy=True)
    assert not list(shelf.folder.glob("**/*.json"))


def test_a_model_in_the_hubs_cache_can_be_copied(shelf: Library, folder: Path, tmp_path: Path) -> None:
    snapshot = hub_cache(folder, tmp_path / "hub")
    model = shelf.add(snapshot, name="m", card=CARD, copy=True)
    assert not any(path.is_symlink() for path in model.path.rglob("*"))
    assert model.hashes == shelf.add(folder, name="n", card=CARD).hashes


def test_a_hard_linked_model_can_be_copied(shelf: Library, folder: Path, tmp_path: Path) -> None:
    os.link(folder / "vae/diffusion_pytorch_model.safetensors", tmp_path / "other name")
    with pytest.raises(ModelError, match="another name outside the folder"):
        shelf.add(folder, name="m", card=CARD)
    shelf.require_unchanged(shelf.add(folder, name="m", card=CARD, copy=True))


def test_a_link_elsewhere_is_never_copied(shelf: Library, folder: Path, tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.json", {"password": "x"})
    (folder / "vae/config.json").unlink()
    (folder / "vae/config.json").symlink_to(secret)
    with pytest.raises(ModelError, match="leads out of the folder"):
        shelf.add(folder, name="m", card=CARD, copy=True)


def test_records_are_for_this_user_and_a_spoilt_one_is_said(shelf: Library, folder: Path) -> None:
    shelf.add(folder, name="m", card=CARD)
    record = shelf.folder / "m.json"
    assert shelf.folder.stat().st_mode & 0o077 == 0
    assert shelf.folder.parent.stat().st_mode & 0o077 == 0
    facts = json.loads(record.read_text())
    for spoilt in (
        "{",
        "[]",
        json.dumps({**facts, "format": 2}),
        json.dumps({**facts, "path": "relative"}),
        json.dumps({**facts, "files": {"../x": {"sha256": "", "bytes": 1}}}),
    ):
        record.write_text(spoilt)
        with pytest.raises(ModelError, match="record of 'm' cannot be read"):
            shelf.find("m")
    assert shelf.remove("m") is False


# ---- which model a job runs with


def test_the_only_model_that_fits_is_taken(shelf: Library, folder: Path, tmp_path: Path) -> None:
    shelf.add(folder, name="m", card=CARD)
    other = sound(tmp_path / "other")
    change(other / "model_index.json", _class_name="LTXConditionPipeline")
    shelf.add(other, name="ltx", card="ltx-video")
    assert chosen_model(job=job(), family=Family(), models=shelf).name == "m"
    assert chosen_model(job=job("m"), family=Family(), models=shelf).name == "m"
    files = model_files(job=job(), family=Family(), models=shelf)
    assert seal(files).hashes == shelf.find("m").hashes


def test_none_several_and_wrong_ones_are_said(shelf: Library, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="has no model for the engine 'wan-vace'") as caught:
        chosen_model(job=job(), family=Family(), models=shelf)
    assert "overscan models add FOLDER" in caught.value.record.next_step
    shelf.add(folder, name="one", card=CARD)
    shelf.add(folder, name="two", card=CARD)
    with pytest.raises(UnknownModelError, match="has 2 models") as caught:
        chosen_model(job=job(), family=Family(), models=shelf)
    assert "one, two" in caught.value.record.next_step
    assert caught.value.record.field == "model"
    with pytest.raises(UnknownModelError, match="no model called 'three'"):
        chosen_model(job=job("three"), family=Family(), models=shelf)
    with pytest.raises(UnknownModelError, match="is a WanVACEPipeline, which the engine 'ltx' does not run"):
        chosen_model(job=job("one"), family=Family(name="ltx", pipelines=("LTXPipeline",)), models=shelf)


def test_without_the_libraries_it_is_said_what_to_install(
    shelf: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_choice, "missing_packages", lambda: "torch not installed: install it")
    shelf.add(folder, name="m", card=CARD)
    with pytest.raises(ModelsNotInstalledError) as caught:
        model_files(job=job(), family=Family(), models=shelf)
    assert "torch" in caught.value.record.message
    assert "pip install '.[models]'" in caught.value.record.next_step
