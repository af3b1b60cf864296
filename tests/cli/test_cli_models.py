"""`overscan models`: a folder from where it lies into the library, and from a hub; and every way it is refused."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Cli
from fake_hub import COMMIT, GATED, REPOSITORY, Hub, serving
from model_folders import CARD, TRANSFORMER, bomb, change, sound, weights, write


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(home=tmp_path / "home", cwd=tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound(tmp_path / "wan-vace-1.3b")


@pytest.fixture
def hub(tmp_path: Path, cli: Cli) -> Iterator[Hub]:
    folder = sound(tmp_path / "published")
    write(folder / "transformer/diffusion_pytorch_model.bin", b"not wanted")
    write(folder / f"{TRANSFORMER}.fp16.safetensors", weights())
    write(folder / "all_in_one.safetensors", weights())
    write(folder / "pipeline.py", "print()")
    with serving(Hub(folder=folder)) as served:
        cli.environment = {"HF_ENDPOINT": served.address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hf")}
        yield served


# ---- folders on this machine


def test_a_model_is_added_listed_shown_verified_and_removed(cli: Cli, folder: Path) -> None:
    result = cli("models", "list")
    assert result.code == 0
    assert "The library is empty" in result.out
    result = cli("models", "add", folder.name)
    assert result.code == 0, result.err
    assert "Added as 'wan-vace-1.3b': WanVACEPipeline" in result.out
    assert "for the engine wan-vace" in result.out
    assert "policy: not allowed" in result.out
    assert "overscan policy approve wan-vace --weights wan-vace-1.3b" in result.out
    listed = cli("models", "list")
    assert "wan-vace-1.3b  WanVACEPipeline  wan-vace" in listed.out
    assert str(folder) in listed.out
    shown = cli("models", "show", "wan-vace-1.3b")
    assert "Apache-2.0" in shown.out
    assert "diffusers.WanVACETransformer3DModel" in shown.out
    assert "tokenizer/spiece.model" in shown.out
    assert cli("models", "verify", "wan-vace-1.3b").code == 0
    change(folder / "vae/config.json", scaling_factor=2)
    verified = cli("models", "verify", "wan-vace-1.3b")
    assert verified.code == 3
    assert "changed: vae/config.json" in verified.out
    removed = cli("models", "remove", "wan-vace-1.3b")
    assert removed.code == 0
    assert f"Its folder stays: {folder}" in removed.out
    assert folder.is_dir()
    assert cli("models", "show", "wan-vace-1.3b").code == 2


def test_scripts_get_every_fact(cli: Cli, folder: Path) -> None:
    added = cli("models", "add", str(folder), "--name", "wan", "--source", "the shelf", "--json")
    model, decision = (line for line in added.lines if line["type"] != "summary")
    assert added.summary["name"] == "wan"
    assert added.summary["allowed"] is False
    assert model["source"] == "the shelf"
    assert model["engines"] == ["wan-vace"]
    assert {file["name"] for file in model["files"]} >= {"model_index.json", f"{TRANSFORMER}.safetensors"}
    assert decision["name"] == CARD
    shown = cli("models", "show", "wan", "--json")
    assert [line["type"] for line in shown.lines] == ["model", "decision", "summary"]
    verified = cli("models", "verify", "wan", "--json")
    assert {line["state"] for line in verified.lines if line["type"] == "file"} == {"intact"}


def test_everything_that_is_wrong_with_a_folder_is_said_and_nothing_is_run(cli: Cli, folder: Path) -> None:
    marker = cli.cwd / "ran"
    write(folder / "vae/diffusion_pytorch_model.bin", bomb(marker))
    write(folder / "modeling.py", f"open({str(marker)!r}, 'w')")
    change(folder / "text_encoder/config.json", auto_map={"AutoModel": "modeling.Evil"})
    result = cli("models", "add", str(folder))
    assert result.code == 3
    assert result.err.count("error: ") == 3
    for words in ("run code when they are loaded", "is code", "asks for code that comes with the model"):
        assert words in result.err
    assert "--copy" in result.err
    assert "The library is empty" in cli("models", "list").out
    assert not marker.exists()


def test_a_copy_leaves_the_rest_behind(cli: Cli, folder: Path) -> None:
    write(folder / "convert.py", "print()")
    assert cli("models", "add", str(folder), "--name", "wan").code == 3
    result = cli("models", "add", str(folder), "--name", "wan", "--copy")
    assert result.code == 0, result.err
    copy = cli.home / "models/files/wan"
    assert (copy / "model_index.json").is_file()
    assert not (copy / "convert.py").exists()
    removed = cli("models", "remove", "wan", "--delete-files")
    assert "Its copy is deleted" in removed.out
    assert not copy.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--card", "nobody"), "there is no rights card called 'nobody'"),
        (("--name", "../up"), "is no name for a model"),
    ],
)
def test_what_is_not_there_is_said(arguments: tuple[str, ...], words: str, cli: Cli, folder: Path) -> None:
    result = cli("models", "add", str(folder), *arguments)
    assert result.code == 3
    assert words in result.err


def test_a_class_that_no_engine_runs_needs_a_card(cli: Cli, folder: Path) -> None:
    change(folder / "model_index.json", _class_name="StableDiffusionPipeline")
    result = cli("models", "add", str(folder))
    assert result.code == 3
    assert "no engine that is installed runs a StableDiffusionPipeline" in result.err
    assert "WanVACEPipeline" in result.err
    assert cli("models", "add", str(folder), "--card", CARD).code == 0


def test_a_model_is_approved_and_locked_by_its_name(cli: Cli, folder: Path, tmp_path: Path) -> None:
    assert cli("models", "add", str(folder), "--name", "wan").code == 0
    other = sound(tmp_path / "other")
    change(other / "vae/config.json", scaling_factor=3)
    assert cli("models", "add", str(other), "--name", "second").code == 0
    unsaid = cli("policy", "approve", CARD, "--by", "Jane Doe", "--show", "alpha")
    assert unsaid.code == 8
    assert "Say which with --weights: second, wan" in unsaid.err
    assert cli("policy", "approve", CARD, "--by", "Jane Doe", "--show", "alpha", "--weights", "wan").code == 0
    assert "policy: allowed" in cli("models", "show", "wan", "--show", "alpha").out
    assert "policy: not allowed" in cli("models", "show", "wan").out
    refused = cli("models", "show", "second", "--show", "alpha").out
    assert "is for other weights" in refused
    locked = cli("policy", "lock", "alpha", "--by", "Jane Doe", "--model", f"{CARD}=wan")
    assert locked.code == 0, locked.err
    assert f"{CARD}: 12 files" in locked.out
    change(folder / "vae/config.json", scaling_factor=2)
    changed = cli("policy", "approve", CARD, "--by", "Jane Doe", "--weights", "wan")
    assert "is not what was added to the library" in changed.err


def test_a_folder_can_be_approved_without_the_library(cli: Cli, folder: Path) -> None:
    assert cli("policy", "approve", CARD, "--by", "Jane Doe", "--weights", str(folder)).code == 0
    assert cli("policy", "check", CARD, "--weights", str(folder)).code == 0
    change(folder / "transformer/config.json", num_layers=31)
    assert cli("policy", "check", CARD, "--weights", str(folder)).code == 8, "configs are pinned with the weights"


# ---- downloads


def test_a_download_says_what_it_fetches_and_is_added(cli: Cli, hub: Hub) -> None:
    result = cli("models", "download", REPOSITORY, "--into", "models/wan", "--name", "wan", "--yes")
    assert result.code == 0, result.err
    assert f"{REPOSITORY} at {COMMIT}" in result.out
    assert f"from     {hub.address}" in result.out
    assert "licence  apache-2.0" in result.out
    assert "Added as 'wan'" in result.out
    folder = cli.cwd / "models/wan"
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {name for name in there if not name.startswith(".cache/")} == {
        *("model_index.json", "LICENSE.txt", "scheduler/scheduler_config.json", "text_encoder/config.json"),
        *("text_encoder/model.safetensors", "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"),
        *("tokenizer/special_tokens_map.json", "tokenizer/spiece.model", "transformer/config.json"),
        *(f"{TRANSFORMER}.safetensors", "vae/config.json", "vae/diffusion_pytorch_model.safetensors"),
    }
    shown = cli("models", "show", "wan", "--json").lines[0]
    assert shown["source"] == f"{REPOSITORY}@{COMMIT}"


def test_nothing_is_downloaded_without_a_yes(cli: Cli, hub: Hub) -> None:
    result = cli("models", "download", REPOSITORY, "--into", "wan")
    assert result.code == 2
    assert "--yes" in result.err
    assert "13 files" in result.out
    assert hub.fetched == ["model_index.json"], "which says what a download would be"
    assert not (cli.cwd / "wan").exists()


def test_a_download_is_of_one_commit(cli: Cli, hub: Hub) -> None:
    done = cli("models", "download", REPOSITORY, "--into", "wan", "--revision", COMMIT, "--yes", "--json")
    assert done.code == 0, done.err
    (offer,) = (line for line in done.lines if line["type"] == "download")
    assert offer["revision"] == COMMIT
    assert offer["bytes"] == sum(offer["files"].values())
    assert done.summary["downloaded"] is True
    assert all(f"/resolve/{COMMIT}/" in line for line in hub.asked if "/resolve/" in line)
    unknown = cli("models", "download", REPOSITORY, "--into", "new", "--revision", "f" * 40, "--yes")
    assert unknown.code == 3
    assert "has no such revision" in unknown.err


def test_a_file_that_is_not_what_the_hub_lists_is_refused(cli: Cli, hub: Hub) -> None:
    name = "vae/diffusion_pytorch_model.safetensors"
    content = bytearray((hub.folder / name).read_bytes())
    content[-1] ^= 1
    hub.lies[name] = bytes(content)
    result = cli("models", "download", REPOSITORY, "--into", "wan", "--name", "wan", "--yes")
    assert result.code == 3
    assert f"'{name}' is not the file that was published" in result.err
    assert "The library is empty" in cli("models", "list").out


def test_a_hub_cannot_write_outside_the_folder(cli: Cli, hub: Hub) -> None:
    hub.extra += ["vae/../../../escaped.json", "/tmp/escaped.json", "vae/.hidden.json", "vae/a\\b.json"]
    result = cli("models", "download", REPOSITORY, "--into", "deep/er/wan", "--yes")
    assert result.code == 0, result.err
    assert not list(cli.cwd.glob("**/escaped.json"))
    assert not any("escaped" in line or "hidden" in line for line in hub.asked)


@pytest.mark.parametrize(
    ("repository", "words"),
    [
        ("maker/unknown", "has no model 'maker/unknown'"),
        (GATED, "asks everybody to accept its terms first"),
        ("a/b/c", "is no name of a repository"),
    ],
)
def test_what_a_hub_does_not_give_is_said(repository: str, words: str, cli: Cli, hub: Hub) -> None:
    result = cli("models", "download", repository, "--into", "wan", "--yes")
    assert result.code == 3
    assert words in result.err


def test_a_single_file_repository_is_no_model(cli: Cli, hub: Hub) -> None:
    (hub.folder / "model_index.json").unlink()
    result = cli("models", "download", REPOSITORY, "--into", "wan", "--yes")
    assert result.code == 3
    assert "no model in diffusers' layout" in result.err


def test_without_a_network_it_is_said(cli: Cli) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        cli.environment = {"HF_ENDPOINT": f"http://127.0.0.1:{nobody.getsockname()[1]}", "HF_HUB_OFFLINE": "0"}
        result = cli("models", "download", REPOSITORY, "--into", "wan", "--yes")
    assert result.code == 3
    assert "could not be fetched" in result.err
    assert "[DOWNLOAD]" in result.err
    cli.environment["HF_HUB_OFFLINE"] = "1"
    offline = cli("models", "download", REPOSITORY, "--into", "wan", "--yes", "--json")
    assert offline.code == 3
    assert "switched off here by HF_HUB_OFFLINE" in json.dumps(offline.summary)
