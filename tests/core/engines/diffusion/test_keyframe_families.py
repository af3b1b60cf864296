"""Families of stills on tiny folders of the real classes: what goes in comes out as floats, steered by controls."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra `models`")

from tiny._stills import save_fibo_edit, save_flux_fill, save_sdxl, tiny_fibo_2

from overscan.core.controls import Controls
from overscan.core.engines.diffusion._family import PaintRequest
from overscan.core.engines.diffusion.families import _bria
from overscan.core.engines.diffusion.families._bria import BriaFibo, instruction
from overscan.core.engines.diffusion.families._flux import FluxFill
from overscan.core.engines.diffusion.families._sdxl import SdxlInpaint
from overscan.core.engines.diffusion.runtime import devices, model_facts
from overscan.core.errors import CancelledError
from overscan.core.jobs import Extend, Job, Margins, OutputSpec, Task
from overscan.core.models import Library

MODELS = {
    "sdxl": (SdxlInpaint, lambda folder: save_sdxl(folder), "sdxl-inpaint"),
    "sdxl-base": (SdxlInpaint, lambda folder: save_sdxl(folder, inpaint=False), "sdxl-inpaint"),
    "fibo-edit": (BriaFibo, save_fibo_edit, "bria-fibo"),
    "flux": (FluxFill, save_flux_fill, "flux1-fill"),
}
PARAMETERS = {"precision": "float32", "offload": "none", "tiling": "off", "attention": "native", "compile": False}


class Heard:
    """A hook that keeps what it hears."""

    def __init__(self, *, stops_after: int | None = None) -> None:
        self.steps: list[tuple[int, int]] = []
        self.previews: list[np.ndarray] = []
        self._stops_after = stops_after

    def step(self, *, index, total, preview=None) -> None:
        self.steps.append((index, total))
        if preview is not None:
            self.previews.append(preview())
        if index == self._stops_after:
            raise CancelledError("stopped.")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    shelf = Library(folder=place / "library")
    return {
        name: (family(), shelf.add(save(place / name), name=name, card=card))
        for name, (family, save, card) in MODELS.items()
    }


def _loaded(models, name, **parameters):
    family, folder = models[name]
    cpu = next(device for device in devices() if device.name == "cpu")
    return family, family.load(folder, cpu, parameters=PARAMETERS | parameters)


@pytest.fixture(scope="module")
def fibo_2():
    return BriaFibo(), tiny_fibo_2()


def _request(family, **fields) -> PaintRequest:
    rng = np.random.default_rng(1)
    height, width = 48, 80
    matte = np.zeros((1, height, width), np.float32)
    matte[:, 11:37, 30:61] = 1
    plain = PaintRequest(
        video=rng.random((1, height, width, 3), np.float32),
        matte=matte,
        given=(False,),
        task=Task.INPAINT,
        prompt="a wall of stone",
        negative_prompt="",
        steps=3,
        guidance=family.card.defaults.guidance,
        seed=7,
        frame_rate=24.0,
        parameters=PARAMETERS,
    )
    return replace(plain, **fields)


@pytest.mark.parametrize("name", MODELS)
def test_a_picture_is_painted_as_floats_and_the_same_way_each_time(models, name):
    family, pipeline = _loaded(models, name)
    heard = Heard()
    one = family.paint(pipeline, _request(family), heard).video
    assert one.shape == (1, 48, 80, 3)
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    assert len(np.unique(one)) > 5000  # more than 8 bits
    assert heard.steps == [(1, 3), (2, 3), (3, 3)]
    assert all(
        picture.shape[1] * 3 == picture.shape[0] * 5 and np.isfinite(picture).all() for picture in heard.previews
    )
    assert np.array_equal(one, family.paint(pipeline, _request(family), Heard()).video)


@pytest.mark.parametrize("name", ["sdxl", "sdxl-base"])
def test_no_negative_words_are_what_the_model_was_trained_with_and_the_default_has_some(models, name, monkeypatch):
    family, pipeline = _loaded(models, name)
    heard, own = [], pipeline.encode_prompt

    def listening(**named):
        heard.append(named["negative_prompt"])
        return own(**named)

    monkeypatch.setattr(pipeline, "encode_prompt", listening)
    for words in ("", family.card.defaults.negative_prompt):
        family.paint(pipeline, _request(family, negative_prompt=words), Heard())
    assert heard[0] is None  # zeros in place of the words
    assert "watermark" in heard[1]


@pytest.mark.parametrize("name", MODELS)
def test_seed_words_steps_guidance_and_strength_count(models, name):
    family, pipeline = _loaded(models, name)
    plain = family.paint(pipeline, _request(family), Heard()).video
    changes = {
        "seed": 8,
        "prompt": "bright sky",
        "steps": 4,
        "guidance": 3.0,
        "strength": 0.6,
        "negative_prompt": "sky",
    }
    for control, value in changes.items():
        if control not in family.card.controls:
            continue
        heard = Heard()
        other = family.paint(pipeline, _request(family, **{control: value}), heard).video
        assert np.abs(other - plain).max() > 1e-4, control
        assert heard.steps[-1][0] == heard.steps[-1][1] == len(heard.steps)
    refused = {"flux": {"negative_prompt"}, "fibo-edit": {"strength"}}
    assert set(changes) - set(family.card.controls) == refused.get(name, set())


@pytest.mark.parametrize("name", MODELS)
def test_what_is_under_the_matte_is_forgotten_and_what_is_round_it_is_not(models, name):
    family, pipeline = _loaded(models, name)
    request = _request(family)
    plain = family.paint(pipeline, request, Heard()).video
    rng = np.random.default_rng(2)
    # Cells of the latents that the matte covers whole; a sample next to them is read by the autoencoder.
    inside = np.zeros_like(request.matte)
    inside[:, 16:32, 32:56] = 1
    other = np.where(inside[..., np.newaxis] > 0, rng.random(request.video.shape, np.float32), request.video)
    if name != "sdxl-base":  # which puts known latents back, and these have seen a little of what lies beside them
        assert np.array_equal(family.paint(pipeline, replace(request, video=other), Heard()).video, plain)
    around = np.where(request.matte[..., np.newaxis] > 0, request.video, 1 - request.video)
    assert np.abs(family.paint(pipeline, replace(request, video=around), Heard()).video - plain).max() > 1e-4


@pytest.mark.parametrize("name", MODELS)
def test_it_stops_within_a_step_and_can_be_used_again(models, name):
    family, pipeline = _loaded(models, name)
    plain = family.paint(pipeline, _request(family), Heard()).video
    heard = Heard(stops_after=2)
    with pytest.raises(CancelledError):
        family.paint(pipeline, _request(family), heard)
    assert len(heard.steps) == 2
    assert np.array_equal(family.paint(pipeline, _request(family), Heard()).video, plain)


@pytest.mark.parametrize("name", MODELS)
def test_in_half_precision_the_autoencoder_keeps_floats(models, name):
    family, pipeline = _loaded(models, name, precision="bfloat16")
    half = family.paint(pipeline, _request(family), Heard()).video
    assert np.isfinite(half).all()
    assert len(np.unique(half)) > 5000
    assert "float32" in str(pipeline.vae.dtype)
    family, pipeline = _loaded(models, name)
    assert np.abs(half - family.paint(pipeline, _request(family), Heard()).video).mean() < 0.1


def test_sizes_and_needs_come_from_the_configurations(models):
    job = Job(task=Extend(margins=Margins(left=8)), output=OutputSpec(path="/o.%d.exr"))
    for name, size in {"sdxl": 8, "sdxl-base": 8, "flux": 16}.items():
        family, folder = models[name]
        facts = model_facts(folder)
        assert family.lattice(facts).size == size
        needs = [
            family.estimate(facts, frames=1, width=side, height=side, steps=4, job=job) for side in (256, 512, 1024)
        ]
        operations = [sum(part.operations for part in need.parts) for need in needs]
        assert operations[0] < operations[1] < operations[2]
        assert {part.name for part in needs[0].parts} >= {"vae", "text_encoder"}


def test_a_strength_that_leaves_no_step_is_refused(models):
    family, folder = models["sdxl"]
    controls = Controls(steps=10, strength=0.04)
    job = Job(task=Extend(margins=Margins(left=8)), output=OutputSpec(path="/o.%d.exr"), controls=controls)
    (problem,) = family.refusals(job, folder)
    assert problem.field == "controls.strength"
    assert "0.1" in problem.next_step


def test_fibo_2_paints_floats_and_sees_the_unknown_part_greyed_out(fibo_2):
    family, pipeline = fibo_2
    heard = Heard()
    request = _request(family, steps=2)
    one = family.paint(pipeline, request, heard).video
    assert one.shape == (1, 48, 80, 3)
    assert np.isfinite(one).all()
    assert len(np.unique(one)) > 5000
    assert heard.steps == [(1, 2), (2, 2)]
    assert all(picture.shape == (6, 10, 3) for picture in heard.previews)
    assert len(heard.previews) == 2
    seen = np.asarray(pipeline.processor.pictures[-1])
    assert (seen[request.matte[0] > 0] == 128).all()
    assert np.abs(seen / 255.0 - request.video[0])[request.matte[0] == 0].max() < 0.003
    rng = np.random.default_rng(2)
    guess = np.where(request.matte[..., np.newaxis] > 0, rng.random(request.video.shape, np.float32), request.video)
    assert np.array_equal(family.paint(pipeline, replace(request, video=guess), Heard()).video, one)
    with pytest.raises(CancelledError):
        family.paint(pipeline, request, Heard(stops_after=1))
    assert type(pipeline.image_processor).__name__ == "BriaFibo2ImageProcessor"


def test_fibo_2_says_which_library_it_lacks(models, monkeypatch):
    family, folder = models["fibo-edit"]
    job = Job(task=Extend(margins=Margins(left=8)), output=OutputSpec(path="/o.%d.exr"))
    monkeypatch.setattr(_bria, "find_spec", lambda _: None)
    assert family.refusals(job, folder) == []
    (problem,) = family.refusals(job, replace(folder, pipeline="BriaFibo2Pipeline"))
    assert "torchvision" in problem.message


def test_words_become_an_instruction_and_instructions_stay():
    assert json.loads(instruction("a brick wall")) == {"edit_instruction": "a brick wall"}
    assert "grey" in json.loads(instruction(""))["edit_instruction"]
    whole = '{"edit_instruction": "Add a door.", "lighting": {"conditions": "dusk"}}'
    assert instruction(whole) == whole
    assert json.loads(instruction('{"lighting": {}}'))["edit_instruction"] == '{"lighting": {}}'
