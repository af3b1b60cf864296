"""What is decided when a job is planned: precision, offload, tiles; and refusals that say what would fit."""

from __future__ import annotations

import pytest

from overscan.core.engines.diffusion.families._wan_i2v import WanI2v
from overscan.core.engines.diffusion.families._wan_vace import WanVace
from overscan.core.engines.diffusion.runtime import Choice, ComponentFacts, Device, ModelFacts, Need, choose, moved_out
from overscan.core.jobs import Continue, Job, OutputSpec

GIB = 1024**3
TRANSFORMERS = {
    "1.3B": (12, 1.3e9, 8960, 30, 15, 0.85e9),
    "14B": (40, 14.3e9, 13824, 40, 8, 3.0e9),
}
"""Heads of 128, numbers of the model, inside of the feed-forward, layers, layers beside and their numbers."""


def gpu(gib: float, *, free: float | None = None, bfloat16: bool = True, host: float = 512) -> Device:
    return Device(
        name="cuda:0",
        title="Some GPU",
        total_bytes=round(gib * GIB),
        free_bytes=round((gib if free is None else free) * GIB),
        bfloat16=bfloat16,
        float16=True,
        host_bytes=round(host * GIB),
    )


def cpu(gib: float) -> Device:
    return Device(
        name="cpu",
        title="CPU",
        total_bytes=round(gib * GIB),
        free_bytes=round(gib * GIB),
        bfloat16=False,
        float16=False,
    )


def component(name: str, count: float, **config: object) -> ComponentFacts:
    return ComponentFacts(
        name=name, library="diffusers", class_name=name, parameters=round(count), bytes=round(2 * count), config=config
    )


def published(size: str) -> ModelFacts:
    """Wan2.1-VACE as its makers publish it."""
    heads, count, inner, layers, beside, beside_count = TRANSFORMERS[size]
    parts = (
        component("text_encoder", 5.68e9, d_model=4096),
        component("vae", 127e6, base_dim=96, temperal_downsample=[False, True, True]),
        component(
            "transformer",
            count + beside_count,
            num_attention_heads=heads,
            attention_head_dim=128,
            ffn_dim=inner,
            num_layers=layers,
            vace_layers=list(range(beside)),
            patch_size=[1, 2, 2],
        ),
    )
    return ModelFacts(name=size, pipeline="WanVACEPipeline", components={part.name: part for part in parts})


def need(size: str, *, width: int = 832, height: int = 480, frames: int = 81) -> Need:
    job = Job(task=Continue(tail=1), output=OutputSpec(path="x"))
    return WanVace().estimate(published(size), frames=frames, width=width, height=height, steps=30, job=job)


def decided(what: Need, device: Device, **parameters: object) -> Choice:
    return choose(what, device=device, parameters=parameters, speed=lambda *_: 1e14)  # type: ignore[arg-type]


def test_published_sizes_land_where_they_run() -> None:
    assert decided(need("1.3B"), gpu(32)).settings.offload == "none"
    assert decided(need("1.3B"), gpu(24)).settings.offload == "model"
    assert decided(need("1.3B"), gpu(10)).settings.offload == "sequential"  # its text encoder alone has 10.6 GiB
    assert decided(need("14B"), gpu(80)).settings.offload == "none"
    assert decided(need("14B"), gpu(48)).settings.offload == "model"
    assert decided(need("14B"), gpu(24)).settings.offload == "sequential"
    assert decided(need("14B"), gpu(80)).settings.precision == "bfloat16"
    assert all(decided(need("14B"), gpu(size)).refusal is None for size in (24, 48, 80))


def test_nothing_is_tiled_or_moved_without_need() -> None:
    choice = decided(need("1.3B"), gpu(80))
    assert (choice.settings.offload, choice.settings.tiling, choice.settings.attention) == ("none", False, "native")
    assert not choice.settings.compile


def test_offload_is_tried_before_tiles_and_single_layers_last() -> None:
    found = [decided(need("1.3B", width=1280, height=720), gpu(gib / 2)).settings for gib in range(100, 16, -1)]
    ways = list(dict.fromkeys((one.offload, one.tiling) for one in found))
    order = [
        ("none", False),
        ("model", False),
        ("none", True),
        ("model", True),
        ("sequential", False),
        ("sequential", True),
    ]
    assert ways == [way for way in order if way in ways]
    assert ways[0] == ("none", False)
    assert ("model", False) in ways
    assert ways[-1] == ("sequential", True)


def test_what_others_use_counts() -> None:
    assert decided(need("1.3B"), gpu(32, free=20)).settings.offload == "model"


def test_what_is_moved_out_needs_room_in_the_machine() -> None:
    assert decided(need("14B"), gpu(48, host=64)).settings.offload == "model"
    refusal = decided(need("14B"), gpu(48, host=16)).refusal
    assert refusal is not None
    assert "16.0 GiB of the machine's memory" in refusal.next_step
    assert float(refusal.actual.split()[0]) > float(refusal.expected.split()[2])
    asked = decided(need("14B"), gpu(48, host=16), offload="model").refusal
    assert asked is not None
    assert asked.field == "parameters.offload"
    assert "16.0 GiB free" in asked.message


def test_half_precision_by_device() -> None:
    assert decided(need("1.3B"), gpu(40, bfloat16=False)).settings.precision == "float16"
    assert decided(need("1.3B"), cpu(128)).settings.precision == "float32"
    assert decided(need("1.3B"), cpu(32)).settings.precision == "bfloat16"


def test_what_was_asked_for_is_kept() -> None:
    choice = decided(need("1.3B"), gpu(80), precision="float32", offload="model", tiling="on", attention="native")
    assert choice.settings.parameters() == {
        "precision": "float32",
        "offload": "model",
        "tiling": "on",
        "attention": "native",
        "compile": False,
    }
    assert decided(need("1.3B"), gpu(80), **choice.settings.parameters()) == choice


def test_a_refusal_says_what_would_fit() -> None:
    choice = decided(need("14B", width=1280, height=720), gpu(12), offload="none", tiling="off")
    assert choice.refusal is not None
    assert choice.refusal.code == "OUT_OF_MEMORY"
    assert "GiB" in choice.refusal.message
    assert "Some GPU" in choice.refusal.message
    for way in ("eave offload at auto", "leave tiling at auto", "smaller model"):
        assert way in choice.refusal.next_step
    assert choice.fits == 0, "the weights alone are too much"


def test_the_part_that_is_said_to_fit_does() -> None:
    big = need("1.3B", width=1920, height=1088)
    device = gpu(10)
    choice = decided(big, device, tiling="off")
    assert choice.refusal is not None
    assert 0 < choice.fits < 1
    assert "ower work_pixels or window" in choice.refusal.next_step
    scale = (choice.fits * 0.95) ** 0.5
    smaller = need("1.3B", width=round(1920 * scale) // 16 * 16, height=round(1088 * scale) // 16 * 16)
    assert decided(smaller, device, tiling="off").refusal is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("offload", "model"),
        ("offload", "sequential"),
        ("precision", "float16"),
        ("attention", "flash_hub"),
        ("attention", "_sage_qk_int8_pv_fp8_cuda"),
        ("attention", "flash"),
    ],
)
def test_what_cannot_be_done_here_is_refused(name: str, value: str) -> None:
    refusal = decided(need("1.3B"), cpu(500), **{name: value}).refusal
    assert refusal is not None
    assert refusal.field == f"parameters.{name}"
    assert refusal.actual == value


def test_attention_that_only_a_gpu_in_half_precision_has_is_refused_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    from overscan.core.engines.diffusion.runtime import _choose

    monkeypatch.setattr(_choose, "find_spec", lambda _: object())
    assert decided(need("1.3B"), gpu(80), attention="flash").refusal is None
    assert decided(need("1.3B"), gpu(80), attention="xformers", precision="float32").refusal is None
    for device, named in ((cpu(500), {}), (gpu(80), {"precision": "float32"})):
        refusal = decided(need("1.3B"), device, attention="flash", **named).refusal
        assert refusal is not None
        assert refusal.field == "parameters.attention"
        assert "only" in refusal.message


def test_time_grows_with_steps_guidance_and_offload() -> None:
    job = Job(task=Continue(tail=1), output=OutputSpec(path="x"))
    few, many = (
        WanI2v().estimate(published("14B"), frames=81, width=832, height=480, steps=steps, job=job)
        for steps in (10, 40)
    )
    assert decided(many, gpu(80)).seconds > 3 * decided(few, gpu(80)).seconds
    assert decided(few, gpu(80), offload="sequential").seconds > decided(few, gpu(80)).seconds + 20


@pytest.mark.parametrize(
    ("offload", "frugal", "then"),
    [
        ("none", 0, "none"),
        ("none", 1, "model"),
        ("none", 2, "sequential"),
        ("model", 1, "sequential"),
        ("sequential", 2, "sequential"),
    ],
)
def test_sparing_moves_weights_and_nothing_else(offload: str, frugal: int, then: str) -> None:
    asked = {"precision": "bfloat16", "offload": offload, "tiling": "off", "attention": "native", "steps": 20}
    assert moved_out(asked, device=gpu(24), frugal=frugal) == {**asked, "offload": then}


def test_there_is_nowhere_to_move_weights_out_of_the_machines_own_memory() -> None:
    asked = {"offload": "none"}
    assert moved_out(asked, device=cpu(64), frugal=2) == asked
