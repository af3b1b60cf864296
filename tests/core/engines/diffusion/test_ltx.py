"""The LTX families paint windows as the models mean them, with real pipelines of tiny random weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra `models`")

import torch
from tiny import folder_bytes
from tiny._ltx import save_lora, save_ltx, save_ltx2

from overscan.core.controls import Controls
from overscan.core.engines.diffusion import runtime
from overscan.core.engines.diffusion._family import PaintRequest, Still
from overscan.core.engines.diffusion.families import _ltx2_denoise
from overscan.core.engines.diffusion.families._latent_replacement import decode, denormalised, encode
from overscan.core.engines.diffusion.families._ltx import Ltx
from overscan.core.engines.diffusion.families._ltx2 import Ltx2
from overscan.core.engines.diffusion.families._ltx2_hdr import Ltx2Hdr
from overscan.core.errors import CancelledError, InvalidJobError
from overscan.core.jobs import Continue, Extend, Interpolate, Job, Margins, OutputSpec, Task
from overscan.core.models import ModelFolder, library

FRAMES, HEIGHT, WIDTH = 17, 64, 96
PLAIN: dict[str, Any] = {"precision": "float32", "offload": "none", "tiling": "off"}
NAMES = ("ltx", "ltx-0.9.1", "ltx-2.0", "ltx-2.3")
PUBLISHED_SIGMAS = {
    "ltx": [1.0, 0.993, 0.987, 0.981, 0.975, 0.909, 0.725, 0.00003],
    "ltx-2.0": [1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875],
}
"""Of the distilled models."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ModelFolder]]:
    root = tmp_path_factory.mktemp("ltx")
    models = library(root / "home")
    save_ltx(root / "ltx")
    save_ltx(root / "ltx-0.9.1", timestep_conditioning=True, shifting=True)
    save_ltx2(root / "ltx-2.0", version="2.0")
    save_ltx2(root / "ltx-2.3")
    for name in NAMES:
        assert folder_bytes(root / name) < 2_000_000
        models.add(root / name, name=name, card="ltx-2" if "ltx-2" in name else "ltx-video")
    yield {name: models.find(name) for name in NAMES}
    runtime.forget_models()


class Quiet:
    """Listens, and looks at a preview of every step."""

    def __init__(self, *, stop: int = 0) -> None:
        self.steps: list[tuple[int, int]] = []
        self._stop = stop

    def step(self, *, index: int, total: int, preview: Callable[[], Any] | None = None) -> None:
        self.steps.append((index, total))
        assert preview is not None
        picture = preview()
        assert picture.shape == (HEIGHT // 32, WIDTH // 32, 3)
        assert np.isfinite(picture).all()
        if len(self.steps) == self._stop:
            raise CancelledError("stop")


def family_of(name: str) -> Any:
    return Ltx2() if "ltx-2" in name else Ltx()


def loaded(folders: dict[str, ModelFolder], name: str, *, family: Any = None) -> tuple[Any, Any]:
    processor = next(device for device in runtime.devices() if device.name == "cpu")
    family = family or family_of(name)
    return family, family.load(folders[name], processor, parameters=PLAIN)


def inside(loaded: Any) -> Any:
    """The pipeline of what a family has loaded."""
    return getattr(loaded, "pipeline", loaded)


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


def request(**changes: Any) -> PaintRequest:
    """The right third of all frames is to be painted."""
    matte = np.zeros((FRAMES, HEIGHT, WIDTH), np.float32)
    matte[:, :, 64:] = 1
    fields: dict[str, Any] = {
        "video": noise(1, FRAMES, HEIGHT, WIDTH, 3),
        "matte": matte,
        "given": (False,) * FRAMES,
        "task": Task.EXTEND,
        "prompt": "a wall of stone",
        "negative_prompt": "blurred",
        "steps": 3,
        "guidance": 3.0,
        "seed": 7,
        "frame_rate": 24.0,
        "parameters": dict(PLAIN),
        **changes,
    }
    return PaintRequest(**fields)


def going_on(given: tuple[int, ...], **changes: Any) -> PaintRequest:
    """Whole frames are given, and all others painted."""
    matte = np.ones((FRAMES, HEIGHT, WIDTH), np.float32)
    matte[list(given)] = 0
    return request(matte=matte, given=tuple(at in given for at in range(FRAMES)), task=Task.CONTINUE, **changes)


def job(task: Any = None, **fields: Any) -> Job:
    made: dict[str, Any] = {"task": task or Continue(tail=8), "output": OutputSpec(path="/out/a.%04d.exr"), **fields}
    return Job(**made)


@pytest.mark.parametrize("keyframes", [(), (5, 16)], ids=["alone", "with key frames"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_known_keeps_its_latents(
    folders: dict[str, ModelFolder], name: str, keyframes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    family, pipeline = loaded(folders, name)
    seen: list[torch.Tensor] = []
    own = inside(pipeline).vae.decode
    monkeypatch.setattr(
        inside(pipeline).vae,
        "decode",
        lambda latents, *rest, **named: seen.append(latents) or own(latents, *rest, **named),
    )
    # Key frames are tokens of their own, before the window's in one pipeline and behind them in the other.
    asked = request(keyframes=tuple(Still(index=at, image=noise(at, HEIGHT, WIDTH, 3)) for at in keyframes))
    painted = family.paint(pipeline, asked, Quiet())
    assert painted.video.shape == asked.video.shape
    assert painted.video.dtype == np.float32
    assert painted.sound is None
    (latents,) = seen
    with torch.no_grad():
        clean = denormalised(inside(pipeline), encode(inside(pipeline), asked.video))
    if inside(pipeline).vae.config.timestep_conditioning:
        # The decoder has a little noise mixed in, which it takes out again.
        assert (latents - clean)[..., :2].abs().mean() < 0.1 * (latents - clean)[..., 2].abs().mean()
        return
    assert torch.allclose(latents[..., :2], clean[..., :2], atol=1e-5)
    assert not torch.allclose(latents[..., 2], clean[..., 2], atol=1e-2)


@pytest.mark.parametrize("name", ["ltx", "ltx-2.3"])
def test_nothing_to_paint_gives_the_decoded_plate(folders: dict[str, ModelFolder], name: str) -> None:
    family, pipeline = loaded(folders, name)
    asked = request(matte=np.zeros((FRAMES, HEIGHT, WIDTH), np.float32))
    with torch.no_grad():
        there_and_back = decode(inside(pipeline), denormalised(inside(pipeline), encode(inside(pipeline), asked.video)))
    # Sums come out a little different in another number of threads.
    assert np.allclose(family.paint(pipeline, asked, Quiet()).video, there_and_back, atol=1e-3)


@pytest.mark.parametrize("name", ["ltx", "ltx-2.3"])
def test_words_that_would_be_left_out_are_refused(folders: dict[str, ModelFolder], name: str) -> None:
    family, pipeline = loaded(folders, name)
    with pytest.raises(InvalidJobError, match="the end would be left out"):
        family.paint(pipeline, request(prompt="grass " * 1100), Quiet())


@pytest.mark.parametrize("name", ["ltx-0.9.1", "ltx-2.3"])
def test_a_window_is_the_same_every_time_and_its_seed_matters(folders: dict[str, ModelFolder], name: str) -> None:
    family, pipeline = loaded(folders, name)
    hook = Quiet()
    first = family.paint(pipeline, request(), hook).video
    assert hook.steps == [(1, 3), (2, 3), (3, 3)]
    # A job that stops within a step leaves the pipeline as it was.
    with pytest.raises(CancelledError):
        family.paint(pipeline, request(seed=9), Quiet(stop=2))
    assert np.array_equal(first, family.paint(pipeline, request(), Quiet()).video)
    assert not np.array_equal(first, family.paint(pipeline, request(seed=8), Quiet()).video)
    for change in ({"prompt": "grass"}, {"guidance": 5.0}, {"frame_rate": 48.0}):
        assert not np.array_equal(first, family.paint(pipeline, request(**change), Quiet()).video), change


@pytest.mark.parametrize("name", ["ltx", "ltx-2.3"])
@pytest.mark.parametrize("given", [tuple(range(11)), (13, 14, 15, 16), (0, 16)], ids=["after", "before", "between"])
def test_given_frames_steer_those_between(folders: dict[str, ModelFolder], name: str, given: tuple[int, ...]) -> None:
    family, pipeline = loaded(folders, name)
    asked = going_on(given)
    other = asked.video.copy()
    other[list(given)] = 1 - other[list(given)]
    new = [at for at in range(FRAMES) if at not in given]
    first = family.paint(pipeline, asked, Quiet()).video
    second = family.paint(pipeline, replace(asked, video=other), Quiet()).video
    assert not np.allclose(first[new], second[new], atol=1e-4)


@pytest.mark.parametrize("name", ["ltx", "ltx-2.3"])
@pytest.mark.parametrize("index", [0, 5, 16])
def test_a_keyframe_draws_the_window_to_it(folders: dict[str, ModelFolder], name: str, index: int) -> None:
    family, pipeline = loaded(folders, name)
    plain = family.paint(pipeline, going_on((8,)), Quiet()).video
    image = noise(3, HEIGHT, WIDTH, 3)
    made = [
        family.paint(pipeline, going_on((8,), keyframes=(Still(index=index, image=image, strength=strength),)), Quiet())
        for strength in (1.0, 0.4)
    ]
    assert not np.array_equal(plain, made[0].video)
    assert not np.array_equal(made[0].video, made[1].video)


def test_ltx2_puts_pictures_at_the_very_frame(folders: dict[str, ModelFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    family, pipeline = loaded(folders, "ltx-2.3")
    placed: list[tuple[float, int]] = []
    own = inside(pipeline)._prepare_keyframe_coords

    def watched(**named: Any) -> Any:
        placed.append((named["pixel_frame_idx"], named["num_pixel_frames"]))
        return own(**named)

    monkeypatch.setattr(inside(pipeline), "_prepare_keyframe_coords", watched)
    stills = tuple(Still(index=at, image=noise(at, HEIGHT, WIDTH, 3)) for at in (3, 8, 9, 16))
    family.paint(pipeline, going_on((0,), keyframes=stills), Quiet())
    assert placed == [(3, 1), (8, 1), (9, 1), (16, 1)]


@pytest.mark.parametrize("name", ["ltx", "ltx-2.0", "ltx-2.3"])
def test_strength_starts_from_what_is_there(folders: dict[str, ModelFolder], name: str) -> None:
    family, pipeline = loaded(folders, name)
    with torch.no_grad():
        clean = encode(inside(pipeline), request().video)
        there = decode(inside(pipeline), denormalised(inside(pipeline), clean))
    distances = []
    for strength, steps in ((0.25, 2), (0.75, 6), (1.0, 8)):
        hook = Quiet()
        made = family.paint(pipeline, request(steps=8, strength=strength), hook).video
        assert hook.steps[-1] == (steps, steps)
        distances.append(np.abs(made - there)[:, :, 64:].mean())
    assert distances[0] < distances[1] < distances[2]


@pytest.mark.parametrize("tokens", [18, 24])
def test_a_late_start_has_the_noise_that_the_first_step_expects(
    folders: dict[str, ModelFolder], tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schedule depends on the length of the sequence, and a key frame makes it longer."""
    family, pipeline = loaded(folders, "ltx-2.3")
    found: dict[str, Any] = {}
    own = _ltx2_denoise.starting

    def watched(*positional: Any, **named: Any) -> dict[str, Any]:
        found.update(tokens=named["tokens"], **own(*positional, **named))
        return own(*positional, **named)

    monkeypatch.setattr(_ltx2_denoise, "starting", watched)
    stills = () if tokens == 18 else (Still(index=5, image=noise(4, HEIGHT, WIDTH, 3)),)
    family.paint(pipeline, request(strength=0.5, steps=6, keyframes=stills), Quiet())
    assert found["tokens"] == tokens
    assert found["noise_scale"] == pytest.approx(float(inside(pipeline).scheduler.sigmas[0]), abs=1e-6)
    assert found["noise_scale"] < 1


@pytest.mark.parametrize("name", ["ltx", "ltx-2.3"])
def test_a_distilled_model_takes_its_own_schedule(folders: dict[str, ModelFolder], name: str) -> None:
    family, pipeline = loaded(folders, name)
    hook = Quiet()
    distilled = {**PLAIN, "schedule": "distilled"}
    made = family.paint(pipeline, request(parameters=distilled), hook).video
    assert hook.steps[-1] == (8, 8)
    # Without guidance there is no use for these.
    same = family.paint(pipeline, request(parameters=distilled, guidance=7.0, negative_prompt="text"), Quiet())
    assert np.array_equal(made, same.video)
    controls = Controls(steps=20, guidance=4.0, negative_prompt="text")
    refused = family.refusals(job(controls=controls, parameters={"schedule": "distilled"}), None)
    assert [problem.field for problem in refused] == [
        "controls.steps",
        "controls.guidance",
        "controls.negative_prompt",
    ]
    assert not family.refusals(job(controls=controls), None)
    assert not family.refusals(job(controls=Controls(steps=8), parameters={"schedule": "distilled"}), None)


class Sigmas(Quiet):
    """Keeps the noise levels of the schedule that a pipeline runs with."""

    def __init__(self, pipeline: Any) -> None:
        super().__init__()
        self.levels: list[float] = []
        self._pipeline = pipeline

    def step(self, *, index: int, total: int, preview: Callable[[], Any] | None = None) -> None:
        super().step(index=index, total=total, preview=preview)
        self.levels = self._pipeline.scheduler.sigmas.tolist()


@pytest.mark.parametrize(
    ("name", "like"), [("ltx", "ltx"), ("ltx-0.9.1", "ltx"), ("ltx-2.0", "ltx-2.0"), ("ltx-2.3", "ltx-2.0")]
)
def test_no_scheduler_shifts_the_distilled_schedule(folders: dict[str, ModelFolder], name: str, like: str) -> None:
    """The folders' own ones do, where a LoRA distils the model."""
    family, pipeline = loaded(folders, name)
    own, hook = inside(pipeline).scheduler, Sigmas(inside(pipeline))
    family.paint(pipeline, request(parameters={**PLAIN, "schedule": "distilled"}), hook)
    assert hook.levels == pytest.approx([*PUBLISHED_SIGMAS[like], 0.0], abs=1e-6)
    late = Sigmas(inside(pipeline))
    family.paint(pipeline, request(parameters={**PLAIN, "schedule": "distilled"}, strength=0.5), late)
    assert late.steps[-1] == (4, 4)
    assert late.levels[-5:] == pytest.approx([*PUBLISHED_SIGMAS[like][4:], 0.0], abs=1e-6)
    assert inside(pipeline).scheduler is own


def test_an_early_model_keeps_its_own_schedule(folders: dict[str, ModelFolder]) -> None:
    """Up to 0.9.1 it depends on the length of the sequence and ends at 0.1; the pipeline with conditions has none."""
    family, pipeline = loaded(folders, "ltx-0.9.1")
    hook = Sigmas(pipeline)
    family.paint(pipeline, request(steps=4), hook)
    sequence = 3 * (HEIGHT // 32) * (WIDTH // 32)
    own = pipeline.scheduler
    slope = (2.05 - 0.95) / (4096 - 1024)
    own.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25], mu=0.95 + slope * (sequence - 1024))
    assert hook.levels == pytest.approx(own.sigmas.tolist(), abs=1e-6)
    assert hook.levels[-2:] == pytest.approx([0.1, 0.0], abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_one_step_is_a_picture_too(folders: dict[str, ModelFolder], name: str) -> None:
    family, pipeline = loaded(folders, name)
    assert np.isfinite(family.paint(pipeline, request(steps=1), Quiet()).video).all()


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_a_single_frame_at_a_high_rate_is_painted(folders: dict[str, ModelFolder], strength: float) -> None:
    """It is over before a single latent of sound."""
    family, pipeline = loaded(folders, "ltx-2.3")
    matte = np.ones((1, HEIGHT, WIDTH), np.float32)
    still = request(video=noise(1, 1, HEIGHT, WIDTH, 3), matte=matte, given=(False,), frame_rate=59.94)
    assert np.isfinite(family.paint(pipeline, replace(still, strength=strength), Quiet()).video).all()


def test_a_negative_prompt_that_is_not_heard_is_refused() -> None:
    for family in (Ltx(), Ltx2()):
        (problem,) = family.refusals(job(controls=Controls(negative_prompt="text", guidance=1.0)), None)
        assert problem.field == "controls.negative_prompt"
        assert not family.refusals(job(controls=Controls(negative_prompt="text")), None)
        assert not family.refusals(job(controls=Controls(negative_prompt="", guidance=1.0)), None)
    unguided = job(controls=Controls(negative_prompt="text"), parameters={"schedule": "standard"})
    (problem,) = Ltx2Hdr().refusals(unguided, None)
    assert problem.field == "controls.negative_prompt"


@pytest.mark.parametrize("name", ["ltx-2.0", "ltx-2.3"])
def test_ltx2_makes_sound_without_changing_the_pictures(folders: dict[str, ModelFolder], name: str) -> None:
    family, pipeline = loaded(folders, name)
    silent, heard = (family.paint(pipeline, request(sound=sound), Quiet()) for sound in (False, True))
    assert silent.sound is None
    assert np.array_equal(silent.video, heard.video)
    sound = heard.sound
    assert sound is not None
    assert sound.rate == 24_000
    assert sound.samples.shape[0] == 2
    assert sound.samples.dtype == np.float32
    assert abs(sound.samples.shape[1] / sound.rate - FRAMES / 24) < 0.04
    assert np.abs(sound.samples).max() <= 1
    assert np.ptp(sound.samples) > 0
    again = family.paint(pipeline, request(sound=True), Quiet()).sound
    assert again is not None
    assert np.array_equal(sound.samples, again.samples)


def test_a_lora_distils_ltx2_where_its_schedule_is_asked_for(tmp_path: Path) -> None:
    models = library(tmp_path / "home")
    made = {}
    for name in ("bare", "lora"):
        folder = save_ltx2(tmp_path / name)
        if name == "lora":
            save_lora(folder / "loras" / "ltx-2.3-22b-distilled-lora-384.safetensors")
        added = models.add(folder, name=name, card="ltx-2")
        family, loaded_one = loaded({name: added}, name, family=Ltx2())
        made[name] = [
            family.paint(loaded_one, request(parameters={**PLAIN, "schedule": schedule}), Quiet()).video
            for schedule in ("standard", "distilled", "standard")
        ]
    assert np.array_equal(made["bare"][0], made["lora"][0])
    assert not np.array_equal(made["bare"][1], made["lora"][1])
    assert np.array_equal(made["lora"][0], made["lora"][2])
    runtime.forget_models()


def test_sound_is_refused_where_it_cannot_be_made(tmp_path: Path) -> None:
    sound = {"sound": True}
    family = Ltx2()
    assert not family.refusals(job(parameters=sound), None)
    (late,) = family.refusals(job(parameters=sound, controls=Controls(strength=0.5)), None)
    assert late.field == "controls.strength"
    (between,) = family.refusals(job(Interpolate(between=1), parameters=sound), None)
    assert between.field == "parameters.sound"
    (tmp_path / "a.wav").touch()
    output = OutputSpec(path=str(tmp_path / "a.%04d.exr"))
    (there,) = family.refusals(job(parameters=sound, output=output), None)
    assert (there.code, there.path) == ("OUTPUT_EXISTS", str(tmp_path / "a.wav"))
    assert not family.refusals(job(parameters=sound, output=replace(output, overwrite=True)), None)
    assert not family.refusals(job(parameters={}, output=output), None)


def test_an_autoencoder_of_another_size_has_another_lattice(folders: dict[str, ModelFolder]) -> None:
    for name in NAMES:
        family = family_of(name)
        facts = runtime.model_facts(folders[name])
        assert family.lattice(facts) == family.lattice(None) == family.card.lattice
        vae = facts.components["vae"]
        config = {**vae.config, "spatial_compression_ratio": 64, "temporal_compression_ratio": 4}
        other = replace(facts, components={**facts.components, "vae": replace(vae, config=config)})
        lattice = family.lattice(other)
        assert (lattice.size, lattice.frames, lattice.offset) == (64, 4, 1)
        assert (lattice.frames_max - 1) % 4 == 0


@pytest.mark.parametrize("name", NAMES)
def test_estimates_grow_with_the_window_and_the_passes(folders: dict[str, ModelFolder], name: str) -> None:
    family = family_of(name)
    facts = runtime.model_facts(folders[name])

    def operations(asked: Job, frames: int = 17) -> float:
        need = family.estimate(facts, frames=frames, width=WIDTH, height=HEIGHT, steps=20, job=asked)
        return sum(part.operations for part in need.parts if part.name == "transformer")

    plain = job(Extend(margins=Margins(left=8)))
    assert operations(plain, frames=33) > operations(plain)
    assert operations(replace(plain, parameters={"schedule": "distilled"})) < 0.5 * operations(plain)
    if "ltx-2" in name:
        saved = replace(plain, parameters={"stg": 0.0, "modality_guidance": 1.0})
        assert operations(saved) == pytest.approx(operations(plain) / 2)
