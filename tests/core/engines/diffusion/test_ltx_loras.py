"""LTX-2 with LoRAs of its folder: which serves what, guides with and without theirs, and rebuilt highlights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra `models`")

from tiny._ltx import save_hdr_words, save_lora, save_ltx2

from overscan.core.colour import Curve, WideRange
from overscan.core.controls import CameraMove, CameraMoveKind, ControlPass, ControlPassKind, Controls, Transfer
from overscan.core.engines.diffusion import runtime
from overscan.core.engines.diffusion._family import Guide, PaintRequest, PassKind
from overscan.core.engines.diffusion.families import _loras, _ltx2_hdr
from overscan.core.engines.diffusion.families._loras import read_loras, serving
from overscan.core.engines.diffusion.families._ltx2_hdr import Ltx2Hdr
from overscan.core.engines.diffusion.families._ltx2_in_context import Ltx2InContext, _holed, _smaller
from overscan.core.errors import ModelError
from overscan.core.jobs import Continue, Inpaint, Job, OutputSpec, Task
from overscan.core.media import MatteSource, SequenceSource
from overscan.core.models import ModelFolder, library

FRAMES, HEIGHT, WIDTH = 9, 64, 128
PLAIN: dict[str, Any] = {"precision": "float32", "offload": "none", "tiling": "off"}
KINDS = [kind.value for kind in PassKind] + ["fill", "hdr", "distilled", "move:dolly-in", "move:jib-up"]
PUBLISHED = {
    "ltx-2.3-22b-ic-lora-union-control-ref0.5": ({"depth", "pose", "edges"}, 2),
    "ltx-2-19b-ic-lora-depth-control": ({"depth"}, 1),
    "ltx-2.3-22b-ic-lora-motion-track-control-ref0.5": ({"tracks"}, 2),
    "ltx-2.3-22b-ic-lora-in-outpainting-0.9": ({"fill"}, 1),
    "ltx-2-19b-lora-camera-control-dolly-in": ({"move:dolly-in"}, 1),
    "ltx-2.3-22b-ic-lora-hdr-0.9": ({"hdr"}, 1),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ModelFolder]]:
    """``full`` has the published LoRAs, ``own`` one of a studio's with a table, ``none`` has none."""
    root = tmp_path_factory.mktemp("loras")
    home = library(root / "home")
    for name in ("full", "own", "none"):
        save_ltx2(root / name, distilled=name == "full")
    for seed, name in enumerate(PUBLISHED):
        save_lora(root / "full" / "loras" / f"{name}.safetensors", seed=seed)
    save_hdr_words(root / "full" / "loras" / "ltx-2.3-22b-ic-lora-hdr-words.safetensors")
    save_lora(root / "full" / "loras" / "some-style.safetensors", seed=20)
    save_lora(root / "own" / "loras" / "show-normals.safetensors", metadata={"reference_downscale_factor": "2"})
    (root / "own" / "loras" / "loras.toml").write_text(
        '[[lora]]\nfile = "show-normals.safetensors"\nserves = ["normals"]\nscale = 0.5\n', encoding="utf-8"
    )
    found = {name: home.add(root / name, name=name, card="ltx-2") for name in ("full", "own", "none")}
    yield found
    runtime.forget_models()


class Quiet:
    def step(self, *, index: int, total: int, preview: Callable[[], Any] | None = None) -> None:
        assert 1 <= index <= total
        if preview is not None:
            assert np.isfinite(preview()).all()


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


def request(**changes: Any) -> PaintRequest:
    matte = np.zeros((FRAMES, HEIGHT, WIDTH), np.float32)
    matte[:, :, 64:] = 1
    fields: dict[str, Any] = {
        "video": noise(1, FRAMES, HEIGHT, WIDTH, 3),
        "matte": matte,
        "given": (False,) * FRAMES,
        "task": Task.INPAINT,
        "prompt": "",
        "negative_prompt": "",
        "steps": 2,
        "guidance": 1.0,
        "seed": 7,
        "frame_rate": 24.0,
        "parameters": {**PLAIN, "stg": 0.0, "modality_guidance": 1.0, "fill": "replacement"},
        **changes,
    }
    return PaintRequest(**fields)


def with_values(**values: Any) -> dict[str, Any]:
    return {**request().parameters, **values}


def loaded(family: Any, folder: ModelFolder) -> Any:
    processor = next(device for device in runtime.devices() if device.name == "cpu")
    return family.load(folder, processor, parameters=PLAIN)


def job(task: Any = None, **fields: Any) -> Job:
    matte = MatteSource(sequence=SequenceSource(path="/m.%04d.exr"))
    made: dict[str, Any] = {
        "task": task or Inpaint(matte=matte),
        "output": OutputSpec(path="/out/a.%04d.exr"),
        **fields,
    }
    return Job(**made)


def passes(*kinds: ControlPassKind) -> Controls:
    source = SequenceSource(path="/p.%04d.exr")
    return Controls(passes=tuple(ControlPass(kind=kind, sequence=source) for kind in kinds))


def test_published_files_are_known_by_their_names(models: dict[str, ModelFolder]) -> None:
    found = {lora.name: (set(lora.serves), lora.downscale) for lora in read_loras(models["full"], kinds=KINDS)}
    assert found == PUBLISHED, "words are no LoRA, and nobody knows what some-style is for"
    loras = read_loras(models["full"], kinds=KINDS)
    depth = serving(loras, "depth")
    assert depth is not None
    assert depth.name == "ltx-2-19b-ic-lora-depth-control", "the one for depth alone"
    assert serving(loras, "normals") is None
    assert not any("." in lora.adapter for lora in loras)


def test_a_table_says_what_other_files_serve(models: dict[str, ModelFolder]) -> None:
    (lora,) = read_loras(models["own"], kinds=KINDS)
    assert (lora.serves, lora.scale, lora.downscale) == ({"normals"}, 0.5, 2), "the factor is in the file's metadata"
    assert read_loras(models["none"], kinds=KINDS) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[lora]\n", "cannot be understood"),
        ('[[lora]]\nserves = ["depth"]\n', "cannot be understood"),
        ('[[lora]]\nfile = "gone.safetensors"\nserves = ["depth"]\n', "gone.safetensors"),
        ('[[lora]]\nfile = "a.safetensors"\nserves = ["everything"]\n', "everything"),
        ('[[lora]]\nfile = "a.safetensors"\nserves = ["depth"]\ndownscale = 3\n', "downscale of 3"),
        ('[[lora]]\nfile = "a.safetensors"\nserves = ["depth"]\nscale = "half"\n', "scale of 'half'"),
        ('[[lora]]\nfile = "a.safetensors"\nserves = ["depth"]\nweight = 0.5\n', "weight"),
        ('[[lora]]\nfile = "a.safetensors"\n[[lora]]\nfile = "a.safetensors"\n', "twice"),
    ],
)
def test_a_table_without_sense_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    folder = save_ltx2(tmp_path / "m")
    save_lora(folder / "loras" / "a.safetensors")
    (folder / "loras" / "loras.toml").write_text(text, encoding="utf-8")
    model = library(tmp_path / "home").add(folder, name="m", card="ltx-2")
    with pytest.raises(ModelError, match=said):
        read_loras(model, kinds=KINDS)
    (problem,) = Ltx2InContext().refusals(job(), model)
    assert problem.code == "MODEL"


@pytest.mark.parametrize("said", ["4", "0", "nan", "half"])
def test_references_of_a_size_off_the_lattice_are_refused(tmp_path: Path, said: str) -> None:
    folder = save_ltx2(tmp_path / "m")
    metadata = {"reference_downscale_factor": said}
    save_lora(folder / "loras" / "ltx-2-19b-ic-lora-depth-control.safetensors", metadata=metadata)
    model = library(tmp_path / "home").add(folder, name="m", card="ltx-2")
    (problem,) = Ltx2InContext().refusals(job(), model)
    assert problem.code == "MODEL"
    assert f"{said} times smaller" in problem.message


def test_a_guide_needs_its_lora(models: dict[str, ModelFolder]) -> None:
    family = Ltx2InContext()
    depth = job(controls=passes(ControlPassKind.DEPTH))
    assert not family.refusals(depth, models["full"])
    assert not family.refusals(depth, None), "while no model is chosen there is nothing to look at"
    for name in ("own", "none"):
        (problem,) = family.refusals(depth, models[name])
        assert "depth" in problem.message
        assert "loras" in problem.next_step
    assert not family.refusals(job(controls=passes(ControlPassKind.NORMALS)), models["own"])
    # The two are of different sizes, and the pipeline knows only one.
    motion = Transfer(source=SequenceSource(path="/clip.%04d.exr"))
    mixed = replace(passes(ControlPassKind.DEPTH), motion_transfer=motion)
    (problem,) = family.refusals(job(Continue(tail=8), controls=mixed), models["full"])
    assert "different sizes" in problem.message
    move = Controls(camera_moves=(CameraMove(kind=CameraMoveKind.PAN, amount=3.0),))
    assert not family.refusals(job(Continue(tail=8), controls=move), models["full"]), "as tracks"
    (problem,) = family.refusals(job(Continue(tail=8), controls=move), models["none"])
    assert "tracks" in problem.message


def test_parameters_need_their_loras(models: dict[str, ModelFolder]) -> None:
    family = Ltx2InContext()
    for values, field in (
        ({"fill": "lora"}, "parameters.fill"),
        ({"camera_lora": "dolly-in"}, "parameters.camera_lora"),
    ):
        assert not family.refusals(job(parameters=values), models["full"])
        (problem,) = family.refusals(job(parameters=values), models["none"])
        assert problem.field == field
    (problem,) = family.refusals(job(parameters={"camera_lora": "jib-up"}), models["full"])
    assert "jib-up" in problem.message
    both = job(parameters={"fill": "lora"}, controls=passes(ControlPassKind.POSE))
    (problem,) = family.refusals(both, models["full"])
    assert "another size" in problem.message
    hdr = Ltx2Hdr()
    assert not hdr.refusals(job(), models["full"])
    (problem,) = hdr.refusals(job(), models["none"])
    assert problem.field == "engine.model"


def test_without_peft_the_plan_says_so(models: dict[str, ModelFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_loras, "find_spec", lambda _: None)
    for family in (Ltx2InContext(), Ltx2Hdr()):
        (problem,) = family.refusals(job(), models["full"])
        assert problem.code == "MODELS_NOT_INSTALLED"
        assert "peft" in problem.message
    assert not Ltx2InContext().refusals(job(), models["none"])


def test_a_folder_without_loras_needs_no_peft(models: dict[str, ModelFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers.loaders import lora_base

    monkeypatch.setattr(_loras, "find_spec", lambda _: None)
    monkeypatch.setattr(lora_base, "USE_PEFT_BACKEND", False)
    family = Ltx2InContext()
    assert np.isfinite(family.paint(loaded(family, models["none"]), request(steps=1), Quiet()).video).all()


def test_loras_work_for_their_window_and_leave_no_trace(models: dict[str, ModelFolder]) -> None:
    family = Ltx2InContext()
    pipeline = loaded(family, models["full"])
    plain = family.paint(pipeline, request(), Quiet()).video
    bare = family.paint(loaded(family, models["none"]), request(), Quiet()).video
    assert not np.array_equal(plain, bare), "the folders' schedules differ"
    depth = Guide(kind=PassKind.DEPTH, video=noise(2, FRAMES, HEIGHT, WIDTH, 3))
    made = {
        "depth": family.paint(pipeline, request(guides=(depth,)), Quiet()).video,
        "weaker": family.paint(pipeline, request(guides=(replace(depth, strength=0.3),)), Quiet()).video,
        "other": family.paint(pipeline, request(guides=(replace(depth, video=1 - depth.video),)), Quiet()).video,
        "tracks": family.paint(
            pipeline, request(guides=(Guide(kind=PassKind.TRACKS, video=depth.video),)), Quiet()
        ).video,
        "fill": family.paint(pipeline, request(parameters=with_values(fill="auto")), Quiet()).video,
        "move": family.paint(pipeline, request(parameters=with_values(camera_lora="dolly-in")), Quiet()).video,
    }
    names = list(made)
    for at, name in enumerate(names):
        assert not np.array_equal(made[name], plain), name
        for other in names[at + 1 :]:
            assert not np.array_equal(made[name], made[other]), (name, other)
    zero = family.paint(pipeline, request(guides=(replace(depth, strength=0.0),)), Quiet()).video
    assert np.array_equal(zero, plain)
    assert np.array_equal(family.paint(pipeline, request(), Quiet()).video, plain)


def test_a_hole_is_shown_in_the_colour_that_the_lora_knows() -> None:
    video, matte = noise(1, 2, 4, 4, 3), np.zeros((2, 4, 4), np.float32)
    matte[:, :, 2:] = 1
    holed = _holed(video, matte)
    assert np.array_equal(holed[:, :, :2], video[:, :, :2])
    assert np.allclose(holed[:, :, 2:] * 255, (102, 255, 0))
    small = _smaller(video, 2)
    assert small.shape == (2, 2, 2, 3)
    assert np.allclose(small[0, 0, 0], video[0, :2, :2].mean(axis=(0, 1)))


def test_highlights_are_shown_as_a_display_has_them(models: dict[str, ModelFolder]) -> None:
    curve = WideRange(curve=Curve.LOGC3)
    light = np.array([-0.1, 0.0, 0.0031308, 0.18, 1.0, 40.0], np.float32)
    assert _ltx2_hdr._display(curve.encode(light)) == pytest.approx([0, 0, 0.04045, 0.4614, 1, 1], abs=2e-4)
    family = Ltx2Hdr()
    pipeline = loaded(family, models["full"])
    codes = curve.encode(noise(4, FRAMES, HEIGHT, WIDTH, 3) * 0.9)
    plain = request(video=codes, parameters=dict(PLAIN))
    made = family.paint(pipeline, plain, Quiet()).video
    assert np.array_equal(made, family.paint(pipeline, plain, Quiet()).video)
    # A camera that clips at 4 makes the same of a plate four times as bright.
    brighter = replace(plain, video=curve.encode(curve.decode(codes) * 4), parameters={**PLAIN, "white": 4.0})
    assert curve.decode(family.paint(pipeline, brighter, Quiet()).video) == pytest.approx(
        curve.decode(made) * 4, rel=2e-2, abs=2e-2
    )
    # A prompt is heard in place of the words that came with the LoRA.
    assert not np.array_equal(made, family.paint(pipeline, replace(plain, prompt="a lamp"), Quiet()).video)
    standard = replace(plain, prompt="a lamp", steps=3, guidance=3.0, parameters={**PLAIN, "schedule": "standard"})
    assert np.isfinite(family.paint(pipeline, standard, Quiet()).video).all()
    late = family.paint(pipeline, replace(plain, strength=0.3), Quiet()).video
    assert not np.array_equal(late, made)
