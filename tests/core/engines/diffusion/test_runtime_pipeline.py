"""Loading, keeping warm, stopping and running out of memory, with real pipelines of tiny random weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra `models`")

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler
from tiny import folder_bytes
from tiny._wan import save_wan_vace

from overscan.core import memory as _memory
from overscan.core.engines.diffusion import runtime
from overscan.core.engines.diffusion._family import PaintRequest
from overscan.core.engines.diffusion.families._wan_vace import WanVace
from overscan.core.engines.diffusion.runtime import Device, devices, load_pipeline, warm_models
from overscan.core.errors import CancelledError, InvalidJobError
from overscan.core.jobs import Task
from overscan.core.models import ModelFolder, library

CLASSES = ("WanVACEPipeline",)
PLAIN: dict[str, Any] = {"precision": "float32", "offload": "none", "tiling": "off"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    root = tmp_path_factory.mktemp("models")
    assert folder_bytes(save_wan_vace(root / "vace")) < 1_000_000
    return library(root / "home").add(root / "vace", name="tiny", card="wan-vace")


@pytest.fixture(autouse=True)
def _cold() -> Iterator[None]:
    runtime.forget_models()
    yield
    runtime.forget_models()


def processor() -> Device:
    return next(device for device in devices() if device.name == "cpu")


def request(**changes: Any) -> PaintRequest:
    rng = np.random.default_rng(5)
    matte = np.zeros((5, 32, 48), np.float32)
    matte[:, :, 24:] = 1
    return PaintRequest(
        **{
            "video": rng.random((5, 32, 48, 3), np.float32),
            "matte": matte,
            "given": (False,) * 5,
            "task": Task.INPAINT,
            "prompt": "a wall",
            "negative_prompt": "text",
            "steps": 3,
            "guidance": 4.0,
            "seed": 11,
            "frame_rate": 24.0,
            **changes,
        }
    )


class Quiet:
    def step(self, *, index: int, total: int, preview: Callable[[], Any] | None = None) -> None:
        pass


class Stops:
    """Stops at a step, as a job does that was cancelled."""

    def __init__(self, at: int) -> None:
        self.at, self.heard = at, 0

    def step(self, *, index: int, total: int, preview: Callable[[], Any] | None = None) -> None:
        self.heard = index
        assert index <= total
        assert preview is not None
        if index == self.at:
            raise CancelledError("stop")


def test_devices_say_what_they_have() -> None:
    device = processor()
    assert 0 < device.free_bytes <= device.total_bytes
    assert not device.separate


def test_facts_are_those_of_the_loaded_model(folder: ModelFolder) -> None:
    facts = runtime.model_facts(folder)
    pipeline = load_pipeline(folder, classes=CLASSES, device=processor(), parameters=PLAIN)
    for name in ("transformer", "vae", "text_encoder"):
        held = getattr(pipeline, name).state_dict()
        shared = name == "text_encoder"  # its embedding is in the state twice, and on disk once
        count = sum(
            tensor.numel() for key, tensor in held.items() if not (shared and key == "encoder.embed_tokens.weight")
        )
        assert facts.components[name].parameters == count
    assert facts.config("vae")["z_dim"] == 16
    assert facts.settings == {"boundary_ratio": None}


def test_a_pipeline_stays_warm_for_the_same_settings_only(folder: ModelFolder) -> None:
    def load(**changes: Any) -> Any:
        return load_pipeline(folder, classes=CLASSES, device=processor(), parameters=PLAIN | changes)

    first = load()
    assert load() is first
    half = load(precision="bfloat16")
    assert half is not first
    assert half.transformer.dtype == torch.bfloat16
    assert half.vae.dtype == torch.float32
    assert half.text_encoder.dtype == torch.bfloat16
    assert load(tiling="on").vae.use_tiling
    assert not load().vae.use_tiling
    assert len(warm_models()) == 3


def test_the_longest_unused_model_goes_when_the_budget_is_spent(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(prepared: int) -> Any:
        return load_pipeline(folder, classes=CLASSES, device=processor(), parameters=PLAIN, variant_key=prepared)

    load(0)
    ((_, _, size),) = warm_models()
    monkeypatch.setenv("OVERSCAN_MODEL_MEMORY", str(round(2.5 * size)))
    kept = load(1)
    load(0)
    load(2)  # 1 is now the longest unused
    assert len(warm_models()) == 2
    assert load(1) is not kept
    monkeypatch.setenv("OVERSCAN_MODEL_MEMORY", "0")
    load(3)
    assert len(warm_models()) == 1, "the one in use is kept whatever the budget"


def test_a_prepared_pipeline_is_prepared_once(folder: ModelFolder) -> None:
    seen: list[Any] = []
    for _ in range(2):
        load_pipeline(
            folder, classes=CLASSES, device=processor(), parameters=PLAIN, prepare=seen.append, variant_key="lora"
        )
    assert len(seen) == 1


def test_a_model_of_another_class_is_refused(folder: ModelFolder) -> None:
    with pytest.raises(InvalidJobError, match="is a WanVACEPipeline, not a WanImageToVideoPipeline"):
        load_pipeline(folder, classes=("WanImageToVideoPipeline",), device=processor(), parameters=PLAIN)


@pytest.mark.parametrize(
    "entry", [["os", "system"], ["diffusers", "no_such"], ["my_code", "Transformer"], ["transformers", "pipeline"]]
)
def test_an_index_that_names_other_code_is_refused_when_it_is_loaded(
    folder: ModelFolder, tmp_path: Path, entry: list[str]
) -> None:
    """The folder is inspected when it is added; this is what lies there afterwards."""
    import dataclasses

    copy = tmp_path / "copy"
    shutil.copytree(folder.path, copy)
    index = json.loads((copy / "model_index.json").read_text())
    index["transformer"] = entry
    (copy / "model_index.json").write_text(json.dumps(index))
    swapped = dataclasses.replace(folder, path=copy, files={name: copy / name for name in folder.files})
    with pytest.raises(InvalidJobError, match="the component 'transformer'"):
        load_pipeline(swapped, classes=CLASSES, device=processor(), parameters=PLAIN, variant_key=str(tmp_path))


def test_loading_and_painting_open_no_connection(folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*arguments: object) -> None:
        raise AssertionError(f"called out: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    pipeline = WanVace().load(folder, processor(), parameters=PLAIN)
    WanVace().paint(pipeline, request(), Quiet())


def test_cancelled_within_a_step_the_pipeline_paints_the_same_again(folder: ModelFolder) -> None:
    family = WanVace()
    pipeline = family.load(folder, processor(), parameters=PLAIN)
    before = family.paint(pipeline, request(), Quiet()).video
    hook = Stops(at=2)
    with pytest.raises(CancelledError):
        family.paint(pipeline, request(), hook)
    assert hook.heard == 2
    assert family.load(folder, processor(), parameters=PLAIN) is pipeline
    assert np.array_equal(family.paint(pipeline, request(), Quiet()).video, before)


def test_running_out_of_memory_is_said_and_the_model_let_go(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = WanVace()
    pipeline = family.load(folder, processor(), parameters=PLAIN)

    def full(*arguments: object, **named: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr(pipeline.vae, "decode", full)
    with pytest.raises(runtime.OutOfMemoryError, match="ran out of memory") as caught:
        family.paint(pipeline, request(), Quiet())
    assert caught.value.record.code == "OUT_OF_MEMORY"
    assert "work_pixels" in caught.value.record.next_step
    assert warm_models() == ()


def test_running_out_of_memory_lets_go_of_models_that_wait_for_other_jobs(folder: ModelFolder) -> None:
    other = load_pipeline(folder, classes=CLASSES, device=processor(), parameters=PLAIN, variant_key="other")
    pipeline = WanVace().load(folder, processor(), parameters=PLAIN)
    assert other is not pipeline
    with pytest.raises(runtime.OutOfMemoryError), runtime.painting(pipeline):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    assert warm_models() == ()


def test_a_model_that_does_not_fit_when_it_is_loaded_is_said_and_leaves_nothing(folder: ModelFolder) -> None:
    def full(pipeline: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    load_pipeline(folder, classes=CLASSES, device=processor(), parameters=PLAIN)
    with pytest.raises(runtime.OutOfMemoryError, match="while the model 'tiny' was loaded"):
        load_pipeline(
            folder, classes=CLASSES, device=processor(), parameters=PLAIN, prepare=full, variant_key="too large"
        )
    assert warm_models() == ()


def test_a_process_that_plans_counts_what_others_will_have_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from overscan.core.engines.diffusion.runtime import _devices

    free = [8_000, 3_000, 9_000, 1_000]
    monkeypatch.setattr(_devices, "_most_free", {})
    monkeypatch.setattr(_memory, "_machine", lambda: (10_000, free.pop(0)))
    monkeypatch.setattr(_memory, "_container", list)
    monkeypatch.setenv("OVERSCAN_PLANS_ONLY", "1")
    assert [processor().free_bytes for _ in range(3)] == [8_000, 8_000, 9_000]
    monkeypatch.delenv("OVERSCAN_PLANS_ONLY")
    assert processor().free_bytes == 1_000


def test_a_device_too_full_to_be_measured_has_a_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    from overscan.core.engines.diffusion.runtime import _devices

    def full(*_: object) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(_devices, "_measured", full)
    assert _devices.operations_per_second("cuda:0", "bfloat16") > 1e12
    assert _devices.operations_per_second("cpu", "float32") > 0


def test_an_allocation_that_the_cpu_cannot_make_is_running_out_of_memory(folder: ModelFolder) -> None:
    pipeline = WanVace().load(folder, processor(), parameters=PLAIN)
    with pytest.raises(runtime.OutOfMemoryError), runtime.painting(pipeline):
        torch.empty(2**60)


def test_offload_changes_no_bit_and_survives_a_cancel(folder: ModelFolder) -> None:
    """With the CPU as the device the same hooks move the same components, if only from one place to itself.

    Single layers cannot be moved so: accelerate loses the type of shared weights where both places are the CPU.
    """
    family = WanVace()
    whole = family.paint(family.load(folder, processor(), parameters=PLAIN), request(), Quiet()).video
    pipeline = family.load(folder, processor(), parameters=PLAIN | {"offload": "model"})
    with pytest.raises(CancelledError):
        family.paint(pipeline, request(), Stops(at=1))
    for strength in (1.0, 0.5):
        asked = request(strength=strength)
        assert family.paint(pipeline, asked, Quiet()).video.shape == whole.shape
    assert np.array_equal(family.paint(pipeline, request(), Quiet()).video, whole)


def test_tiles_give_the_same_bits_every_time(folder: ModelFolder) -> None:
    family = WanVace()
    matte = np.zeros((1, 32, 288), np.float32)
    matte[:, :, 100:] = 1
    video = np.random.default_rng(1).random((1, 32, 288, 3), np.float32)
    asked = request(video=video, matte=matte, given=(False,), steps=1)
    tiled = family.load(folder, processor(), parameters=PLAIN | {"tiling": "on"})
    one, other = (family.paint(tiled, asked, Quiet()).video for _ in range(2))
    assert np.array_equal(one, other)
    whole = family.paint(family.load(folder, processor(), parameters=PLAIN), asked, Quiet()).video
    assert not np.array_equal(one, whole), "wide enough to be cut into tiles"


def test_other_faults_stay_what_they_are(folder: ModelFolder) -> None:
    pipeline = WanVace().load(folder, processor(), parameters=PLAIN)
    with pytest.raises(RuntimeError, match="shapes"), runtime.painting(pipeline):
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert len(warm_models()) == 1


def test_painting_leaves_torch_as_it_was(folder: ModelFolder) -> None:
    pipeline = WanVace().load(folder, processor(), parameters=PLAIN)
    with runtime.painting(pipeline):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_grad_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    "scheduler",
    [
        UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
        FlowMatchEulerDiscreteScheduler(shift=3.0),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_late_start_takes_the_last_steps_of_the_whole_schedule(scheduler: Any) -> None:
    scheduler.set_timesteps(10)
    times, sigmas = scheduler.timesteps.clone(), scheduler.sigmas.clone()
    with runtime.late_start(scheduler, steps=10, strength=0.4) as taken:
        assert taken == 4
        scheduler.set_timesteps(10)
        assert torch.equal(scheduler.timesteps, times[6:])
        assert torch.equal(scheduler.sigmas, sigmas[6:])
        # A model that knows the answer gets there from any noise: the shortened schedule ends at the clean latents.
        clean = torch.linspace(-1, 1, 60, dtype=torch.float32).reshape(1, 4, 1, 3, 5)
        fresh = torch.randn(clean.shape, generator=runtime.noise(1))
        latents = (1 - scheduler.sigmas[0]) * clean + scheduler.sigmas[0] * fresh
        for time in scheduler.timesteps:
            latents = scheduler.step(fresh - clean, time, latents, return_dict=False)[0]
        assert torch.allclose(latents, clean, atol=1e-5)
    scheduler.set_timesteps(10)
    assert torch.equal(scheduler.timesteps, times)


def test_a_schedule_whose_first_times_are_the_same_runs_to_its_end() -> None:
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=20.0)
    with runtime.late_start(scheduler, steps=80, strength=1.0):
        scheduler.set_timesteps(80)
        assert scheduler.timesteps[0] == scheduler.timesteps[1]
        clean, latents = torch.zeros(1, 4, 1, 3, 5), torch.randn(1, 4, 1, 3, 5, generator=runtime.noise(1))
        fresh = latents.clone()
        for time in scheduler.timesteps:
            latents = scheduler.step(fresh - clean, time, latents, return_dict=False)[0]
    assert torch.allclose(latents, clean, atol=1e-4)


def test_a_late_start_of_another_kind_of_scheduler_is_refused() -> None:
    with (
        pytest.raises(InvalidJobError, match="rectified flow"),
        runtime.late_start(UniPCMultistepScheduler(), steps=10, strength=0.5),
    ):
        pass


def test_a_preview_shows_the_picture_that_it_was_fitted_to() -> None:
    rng = np.random.default_rng(2)
    small = rng.random((6, 10, 3)).astype(np.float32)
    mixed = torch.from_numpy(small.reshape(-1, 3)) @ torch.randn(3, 16, generator=runtime.noise(3))
    latents = mixed.T.reshape(16, 6, 10)
    picture = np.repeat(np.repeat(small, 8, axis=0), 8, axis=1)
    preview = runtime.LatentPreview(latents=latents, picture=picture)
    assert np.abs(preview.picture(latents) - small).max() < 0.02


def test_noise_and_tensors() -> None:
    video = np.random.default_rng(0).random((2, 4, 6, 3), np.float32)
    assert runtime.video_tensor(video).shape == (1, 2, 3, 4, 6)
    assert np.array_equal(runtime.video_array(runtime.video_tensor(video)), video)
    assert runtime.video_tensor(video[..., 0]).shape == (1, 2, 1, 4, 6)
    one, other = (torch.rand(3, generator=runtime.noise(-7)) for _ in range(2))
    assert torch.equal(one, other)


class Reporter:
    def __init__(self) -> None:
        self.fractions: list[float] = []
        self.pictures: list[tuple[int, Any]] = []
        self.asked = 0

    def progress(self, *, fraction: float, message: str) -> None:
        self.fractions.append(fraction)
        assert "window 1 of 2" in message

    def check_cancelled(self) -> None:
        self.asked += 1

    def preview(self, *, frame: int, picture: Any) -> None:
        self.pictures.append((frame, picture))


def test_the_hook_reports_every_step_and_a_preview_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    reporter = Reporter()
    hook = runtime.step_hook(reporter, begin=0.5, end=1.0, message="window 1 of 2", frame=1007)  # type: ignore[arg-type]
    for index in range(1, 6):
        clock[0] += 0.9
        hook.step(index=index, total=5, preview=lambda: np.zeros((4, 6, 3)))
    assert reporter.fractions == pytest.approx([0.6, 0.7, 0.8, 0.9, 1.0])
    assert reporter.asked == 5
    assert [frame for frame, _ in reporter.pictures] == [1007]
    assert reporter.pictures[0][1].dtype == np.float32
