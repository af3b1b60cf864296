"""What may be in a model's folder, and what may not; nothing of it is ever loaded."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from model_folders import (
    INDEX,
    PIPELINE,
    TENSORS,
    TRANSFORMER,
    bomb,
    change,
    hub_cache,
    shard,
    sound,
    weights,
    write,
    zipped_bomb,
)

from overscan.core.errors import ModelError
from overscan.core.models import Inspection, accepted, inspect_folder


def said(found: Inspection) -> str:
    """All that is wrong with a folder."""
    return "\n".join(f"{fault.message} {fault.next_step}" for fault in (*found.faults, *found.strays))


def test_a_sound_folder_is_accepted_and_read_as_published(tmp_path: Path) -> None:
    found = accepted(sound(tmp_path / "m"))
    assert found.pipeline == PIPELINE
    assert found.components["transformer"] == ("diffusers", "WanVACETransformer3DModel")
    assert "image_encoder" not in found.components
    assert found.variant == ""
    assert set(found.files) == {
        *("model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json"),
        *("text_encoder/model.safetensors", "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"),
        *("tokenizer/special_tokens_map.json", "tokenizer/spiece.model", "transformer/config.json"),
        *(f"{TRANSFORMER}.safetensors", "vae/config.json", "vae/diffusion_pytorch_model.safetensors"),
    }
    assert found.others == ("LICENSE.txt", "README.md")
    assert not found.notes


def test_what_publishers_lay_beside_a_model_does_no_harm(tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    write(folder / "wan2.1_vace.safetensors", weights())
    write(folder / "assets/teaser.png", b"\x89PNG\r\n\x1a\n")
    write(folder / ".cache/huggingface/download/x.metadata", "etag")
    write(folder / f"{TRANSFORMER}.fp16.safetensors", weights())
    write(folder / f"{TRANSFORMER}.safetensors.index.fp16.json", {"weight_map": {"a": "gone.safetensors"}})
    found = accepted(folder)
    assert f"{TRANSFORMER}.safetensors" in found.files
    assert f"{TRANSFORMER}.fp16.safetensors" in found.others
    assert not any(name.startswith(".") for name in (*found.files, *found.others))


def test_shards_are_all_read(tmp_path: Path) -> None:
    found = accepted(shard(sound(tmp_path / "m")))
    assert {name for name in found.files if "-of-" in name} == {
        f"{TRANSFORMER}-0000{number}-of-00002.safetensors" for number in (1, 2)
    }
    assert f"{TRANSFORMER}.safetensors.index.json" in found.files


def test_weights_that_are_there_in_half_precision_only_are_a_variant(tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    for name in (TRANSFORMER, "vae/diffusion_pytorch_model"):
        (folder / f"{name}.safetensors").rename(folder / f"{name}.fp16.safetensors")
    found = accepted(folder)
    assert found.variant == "fp16"
    assert f"{TRANSFORMER}.fp16.safetensors" in found.files
    assert "text_encoder/model.safetensors" in found.files


def test_words_of_a_vocabulary_are_words(tmp_path: Path) -> None:
    """A tokenizer that knows programs has such words, each with its number."""
    folder = sound(tmp_path / "m")
    words = {word: number for number, word in enumerate(("the", "_file", "_files", "auto_map", "quantization_config"))}
    change(folder / "tokenizer/tokenizer.json", model={"type": "BPE", "vocab": words, "merges": []})
    change(folder / "text_encoder/config.json", label2id=words)
    assert not accepted(folder).notes


def test_a_document_as_deep_as_python_reads_is_looked_through(tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    for depth in (900, 960, 980, 990, 5_000):
        deep = '{"a": ' * depth + '{"auto_map": {"x": "y"}}' + "}" * depth
        write(folder / "tokenizer/extra_config.json", deep)
        text = said(inspect_folder(folder))
        assert "asks for code" in text or "nested too deeply" in text


def test_a_chat_template_is_told_of(tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    write(folder / "tokenizer/chat_template.jinja", "{{ messages }}")
    (note,) = accepted(folder).notes
    assert "chat_template.jinja" in note


def test_loras_are_looked_at_like_weights(tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    write(folder / "loras/depth.safetensors", weights())
    write(folder / "loras/loras.toml", "[[lora]]\n")
    assert {"loras/depth.safetensors", "loras/loras.toml"} <= set(accepted(folder).files)
    write(folder / "loras/depth.safetensors", b"no weights at all")
    assert "depth.safetensors" in said(inspect_folder(folder))


# ---- what runs code


@pytest.mark.parametrize(
    "place",
    [
        "transformer/diffusion_pytorch_model.bin",
        "text_encoder/pytorch_model.bin",
        "vae/model.pt",
        "vae/VAE.PTH",
        "pipeline.ckpt",
        "transformer/weights.pkl",
        "transformer/optimizer.txt",
        "notes.md",
        "transformer/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "model_index.json",
        "tokenizer/tokenizer_config.json",
        "tokenizer/merges.txt",
        "tokenizer/spiece.model",
        "loras/one.safetensors",
    ],
)
def test_a_pickle_is_refused_under_any_name_and_never_run(place: str, tmp_path: Path) -> None:
    folder, marker = sound(tmp_path / "m"), tmp_path / "ran"
    write(folder / place, bomb(marker))
    with pytest.raises(ModelError) as caught:
        accepted(folder)
    assert Path(place).name in str(caught.value)
    whole = said(inspect_folder(folder))
    assert "run code when they are loaded" in whole or "a pickle, which runs code when it is loaded" in whole
    assert not marker.exists()
    pickle.loads((folder / place).read_bytes())
    assert marker.exists(), "the pickle would have run"


@pytest.mark.parametrize("place", ["transformer/diffusion_pytorch_model.safetensors", "vae/data.txt", "a.model"])
def test_a_torch_checkpoint_is_refused_under_any_name(place: str, tmp_path: Path) -> None:
    folder, marker = sound(tmp_path / "m"), tmp_path / "ran"
    zipped_bomb(folder / place, marker)
    assert "a zip archive, as PyTorch's pickles are" in said(inspect_folder(folder))
    assert not marker.exists()


Spoil = Callable[[Path], object]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: write(m / "transformer/modeling.py", "import os"), "is code, and none that comes with a model"),
        (lambda m: write(m / "pipeline.py", "import os"), "is code, and none that comes with a model"),
        (lambda m: write(m / "vae/fast.so", b"\x7fELF"), "is code"),
        (lambda m: write(m / "setup", b"#!/bin/sh\n"), "is a script"),
        (lambda m: change(m / "model_index.json", _class_name=["my_pipe", "MyPipeline"]), "is no class of diffusers"),
        (lambda m: change(m / "model_index.json", _class_name="NoSuchPipeline"), "diffusers has no class"),
        (lambda m: change(m / "model_index.json", vae=["my_vae", "MyVae"]), "is code that is not diffusers'"),
        (lambda m: change(m / "model_index.json", vae=["os", "System"]), "is code that is not diffusers'"),
        (lambda m: change(m / "model_index.json", vae=["diffusers", "OnnxRuntimeModel"]), "does not load"),
        (lambda m: change(m / "model_index.json", vae=["diffusers", "NoSuchModel"]), "that is installed has not"),
        (lambda m: change(m / "model_index.json", vae=["ltx2", "NoSuchModel"]), "that is installed has not"),
        (lambda m: change(m / "model_index.json", vae=["diffusers.pipelines.ltx2", "LTX2Vocoder"]), "is code that is"),
        (lambda m: change(m / "model_index.json", vae=["diffusers", "DiffusionPipeline"]), "does not load"),
        (lambda m: change(m / "model_index.json", vae=["diffusers", "a.b"]), "does not load"),
        (lambda m: change(m / "model_index.json", **{"../vae": ["diffusers", "X"]}), "no name of a component"),
        (lambda m: change(m / "model_index.json", custom_pipeline="x/y"), "asks for code that comes with the model"),
        (lambda m: change(m / "text_encoder/config.json", auto_map={"AutoModel": "x.Y"}), "asks for code"),
        (lambda m: change(m / "text_encoder/config.json", text_config={"auto_map": {"A": "x.Y"}}), "asks for code"),
        (lambda m: change(m / "tokenizer/tokenizer_config.json", auto_map={"AutoTokenizer": ["x.Y"]}), "asks for code"),
        (lambda m: change(m / "tokenizer/tokenizer_config.json", trust_remote_code=True), "asks for code"),
        (lambda m: change(m / "text_encoder/config.json", attn_implementation="evil/kernel"), "kernel of its own"),
        (lambda m: change(m / "text_encoder/config.json", transformers_weights="../x"), "names another file"),
        (lambda m: change(m / "text_encoder/config.json", quantization_config={"quant_method": "x"}), "quantised"),
        (lambda m: change(m / "tokenizer/tokenizer_config.json", vocab_file="/etc/passwd"), "names another file"),
        (lambda m: write(m / "vae/Diffusion_pytorch_model.safetensors.index.json", {}), "is not in small letters"),
        (lambda m: write(m / "text_encoder/adapter_config.json", {"peft_type": "LORA"}), "has an adapter"),
    ],
)
def test_code_and_other_places_are_refused(spoil: Spoil, words: str, tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    spoil(folder)
    assert words in said(inspect_folder(folder))
    with pytest.raises(ModelError):
        accepted(folder)


# ---- what leads out of the folder


def leading_out(folder: Path, inside: str, target: Path) -> None:
    (folder / inside).unlink(missing_ok=True)
    (folder / inside).symlink_to(target)


@pytest.mark.parametrize("inside", [f"{TRANSFORMER}.safetensors", "vae/config.json", "notes.txt"])
def test_a_link_out_of_the_folder_is_refused(inside: str, tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    leading_out(folder, inside, write(tmp_path / "elsewhere", weights()))
    assert "is a link that leads out of the folder" in said(inspect_folder(folder))


def test_a_linked_folder_is_refused(tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    (folder / "vae").rename(tmp_path / "vae")
    (folder / "vae").symlink_to(tmp_path / "vae")
    whole = said(inspect_folder(folder))
    assert "leads out of the folder" in whole
    assert "the component 'vae' is missing" in whole


def test_a_link_inside_the_folder_is_a_file(tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    (folder / f"{TRANSFORMER}.safetensors").rename(folder / "transformer/real.safetensors")
    (folder / f"{TRANSFORMER}.safetensors").symlink_to("real.safetensors")
    assert f"{TRANSFORMER}.safetensors" in accepted(folder).files


def test_a_hard_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    os.link(folder / "vae/diffusion_pytorch_model.safetensors", tmp_path / "other name")
    assert "has another name outside the folder" in said(inspect_folder(folder))


@pytest.mark.parametrize(
    "name", ["../vae/diffusion_pytorch_model.safetensors", "/etc/passwd", "a/b.safetensors", ".x.safetensors", "x.bin"]
)
def test_an_index_that_names_other_places_is_refused(name: str, tmp_path: Path) -> None:
    folder = shard(sound(tmp_path / "m"), names=dict.fromkeys(TENSORS, name))
    assert "names shards that are not files beside it" in said(inspect_folder(folder))


def test_what_is_no_file_is_refused_without_being_opened(tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    os.mkfifo(folder / "vae/pipe.json")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "vae/s.txt"))
        whole = said(inspect_folder(folder))
    assert "'vae/pipe.json' is no ordinary file" in whole
    assert "'vae/s.txt' is no ordinary file" in whole


@pytest.mark.parametrize("name", ["a\nb.txt", "a\u202etxt.nib", "a\\b.txt", "c:d.txt", " x.txt", "x" * 201])
def test_an_odd_name_is_refused_and_shown_as_it_is(name: str, tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    write(folder / "vae" / name, "x")
    found = inspect_folder(folder)
    (fault,) = (*found.faults, *found.strays)
    assert "\n" not in fault.message
    assert "\u202e" not in fault.message


def test_a_name_that_is_no_text_can_be_told_of(tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    try:
        (folder / os.fsdecode(b"vae/\xff.json")).write_text("{}")
    except OSError:
        pytest.skip("this file system takes no such names")
    found = inspect_folder(folder)
    json.dumps([fault.to_dict() for fault in (*found.faults, *found.strays)]).encode("utf-8")
    assert "cannot be seen" in said(found)


# ---- what is missing, and what lies


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: (m / "model_index.json").unlink(), "there is no model_index.json"),
        (lambda m: (m / "vae/config.json").unlink(), "'vae' has no config.json"),
        (lambda m: (m / "vae/diffusion_pytorch_model.safetensors").unlink(), "'vae' has no weights in safetensors"),
        (lambda m: (m / "vae").rename(m / "vea"), "the component 'vae' is missing"),
        (
            lambda m: (shard(m) / f"{TRANSFORMER}-00002-of-00002.safetensors").unlink(),
            "the shard 'diffusion_pytorch_model-00002-of-00002.safetensors' of 'transformer' is missing",
        ),
        (
            lambda m: write(shard(m) / f"{TRANSFORMER}-00002-of-00002.safetensors", weights({"x": (4,)})),
            "has not the tensor 'blocks.0.bias'",
        ),
        (lambda m: write(shard(m) / f"{TRANSFORMER}.safetensors", weights()), "has two sets of weights"),
        (lambda m: change(m / "transformer/config.json", _class_name="FluxTransformer2DModel"), "by its own config"),
        (lambda m: change(m / "transformer/config.json", num_layers=10**6), "num_layers is 1,000,000"),
        (lambda m: write(m / "transformer/config.json", '{"a": NaN}'), "NaN is no number"),
        (lambda m: write(m / "transformer/config.json", '{"a": 1, "a": 2}'), "says something twice"),
        (lambda m: write(m / "transformer/config.json", "[" * 100_000), "nested too deeply"),
        (lambda m: write(m / "transformer/config.json", "[]"), "it is no object"),
        (lambda m: write(m / "transformer/config.json", b"\xff\xfe{}"), "not in UTF-8"),
        (lambda m: write(m / "transformer/config.json", "{" + " " * 17_000_000 + "}"), "larger than"),
    ],
)
def test_what_is_missing_or_garbled_is_said(spoil: Spoil, words: str, tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    spoil(folder)
    assert words in said(inspect_folder(folder))


def entry(**facts: object) -> dict[str, object]:
    return {"a": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8], **facts}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "its header claims 0 bytes, and the file has 0"),
        (b"\x01\x02", "header claims"),
        (weights(length=1 << 62), "its header claims 4,611,686,018,427,387,904 bytes"),
        (weights(length=40), "no file that a model would have"),
        (weights() + b"more", "its tensors take 40 bytes, and there are 44"),
        (weights()[:-1], "its tensors take 40 bytes, and there are 39"),
        (weights({"a": (4,)}, header=entry(shape=[5])), "of shape [5] has 8 bytes"),
        (weights({"a": (4,)}, header=entry(data_offsets=[8, 16])), "leaves a gap"),
        (weights({"a": (4,)}, header={**entry(), "b": entry()["a"]}), "overlaps"),
        (weights({"a": (4,)}, header=entry(data_offsets=[-8, 0])), "no whole numbers"),
        (weights({"a": (4,)}, header=entry(shape=[True, 4])), "no whole numbers"),
        (weights({"a": (4,)}, header=entry(shape=[1] * 1_000 + [4])), "no whole numbers"),
        (weights({"a": (4,)}, header=entry(shape=[10**4_000] * 16)), "no whole numbers"),
        (weights({"a": (4,)}, header=entry(dtype="OBJECT")), "unknown type"),
        (weights({"a": (4,)}, header=entry(extra=1)), "is not what a header says"),
        (weights({"a": (4,)}, header={"__metadata__": {"a": 1}}), "its metadata are no texts"),
        (weights({"a": (4,)}, header=[1]), "it has no safetensors header"),
    ],
)
def test_a_safetensors_header_is_not_believed(content: bytes, words: str, tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    write(folder / f"{TRANSFORMER}.safetensors", content)
    assert words in said(inspect_folder(folder))


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    folder = sound(tmp_path / "m")
    write(folder / "x.ckpt", b"x")
    (folder / "vae/config.json").unlink()
    change(folder / "text_encoder/config.json", auto_map={"A": "x.Y"})
    found = inspect_folder(folder)
    assert len(found.faults) == 2
    assert len(found.strays) == 1
    assert all(fault.next_step for fault in (*found.faults, *found.strays))


def test_a_cache_of_the_hub_can_only_be_copied(tmp_path: Path) -> None:
    snapshot = hub_cache(sound(tmp_path / "m"), tmp_path / "hub")
    found = inspect_folder(snapshot)
    assert not found.faults
    assert "--copy" in found.strays[0].next_step
    with pytest.raises(ModelError, match="leads out of the folder"):
        accepted(snapshot)
    assert set(found.sources) >= set(found.files)


def test_no_folder_and_far_too_much_are_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no folder"):
        inspect_folder(tmp_path / "nothing")
    deep = tmp_path / "deep" / Path(*"abcdefghi")
    write(deep / "x.txt", "x")
    with pytest.raises(ModelError, match="deeper than"):
        inspect_folder(tmp_path / "deep")


def test_inspecting_imports_nothing_that_could_load_a_model(tmp_path: Path) -> None:
    folder = sound(tmp_path / "m", index={**INDEX})
    program = (
        "import sys; from pathlib import Path; from overscan.core.models import accepted;"
        f"accepted(Path({str(folder)!r}));"
        "print([name for name in ('torch', 'diffusers', 'transformers', 'safetensors') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_damage_of_any_kind_is_said_and_never_a_crash(tmp_path: Path) -> None:
    """Bytes flipped, cut off, doubled and swapped between files: the folder is refused, or is as good as before."""
    random = np.random.default_rng(7)
    folder = shard(sound(tmp_path / "m"))
    write(folder / "tokenizer/merges.txt", "a b\n")
    names = accepted(folder).files
    contents = {name: (folder / name).read_bytes() for name in names}
    refused = 0
    for _ in range(400):
        name = names[random.integers(len(names))]
        content = bytearray(contents[name])
        match random.integers(5):
            case 0:
                content[random.integers(len(content))] ^= 1 << random.integers(8)
            case 1:
                del content[random.integers(len(content)) :]
            case 2:
                content += content[: random.integers(1, len(content))]
            case 3:
                content = bytearray(contents[names[random.integers(len(names))]])
            case _:
                at = random.integers(len(content))
                content[at : at + 8] = random.integers(0, 256, 8, np.uint8).tobytes()
        (folder / name).write_bytes(content)
        found = inspect_folder(folder)
        refused += bool(found.faults)
        assert all(fault.message and fault.next_step for fault in found.faults)
        (folder / name).write_bytes(contents[name])
    assert refused > 200
    assert not inspect_folder(folder).faults
