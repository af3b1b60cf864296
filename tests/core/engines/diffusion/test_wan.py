"""The Wan families paint windows as the models mean them, with real pipelines of tiny random weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra `models`")

from PIL import Image
from tiny import folder_bytes
from tiny._wan import save_wan_i2v, save_wan_vace

from overscan.core.controls import (
    CameraMove,
    CameraMoveKind,
    ControlPass,
    ControlPassKind,
    Controls,
    Keyframe,
    Reference,
)
from overscan.core.engines.diffusion import runtime
from overscan.core.engines.diffusion._family import (
    Guide,
    PaintRequest,
    PassKind,
    ReferenceKind,
    ReferenceStill,
    Still,
)
from overscan.core.engines.diffusion.families._wan_i2v import WanI2v, _shown
from overscan.core.engines.diffusion.families._wan_vace import WanVace, _conditions
from overscan.core.errors import InvalidJobError
from overscan.core.jobs import Continue, Interpolate, Job, OutputSpec, Task
from overscan.core.media import ImageSource, SequenceSource
from overscan.core.models import ModelFolder, library

FRAMES, HEIGHT, WIDTH = 9, 32, 48
PLAIN: dict[str, Any] = {"precision": "float32", "offload": "none", "tiling": "off"}
KINDS = ("2.1", "flf", "2.2", "2.2-5b")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ModelFolder]]:
    root = tmp_path_factory.mktemp("wan")
    models = library(root / "home")
    save_wan_vace(root / "vace")
    save_wan_vace(root / "vace-2.2", two_stages=True)
    for kind in KINDS:
        save_wan_i2v(root / kind, kind=kind)
    for name in ("vace", "vace-2.2", *KINDS):
        assert folder_bytes(root / name) < 1_000_000
        card = "wan-vace" if name.startswith("vace") else "wan-i2v"
        models.add(root / name, name=f"m-{name}", card=card)
    yield {name: models.find(f"m-{name}") for name in ("vace", "vace-2.2", *KINDS)}
    runtime.forget_models()


class Quiet:
    """Listens, and looks at a preview of every step."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []
        self.shapes: set[tuple[int, ...]] = set()

    def step(self, *, index: int, total: int, preview: Callable[[], Any] | None = None) -> None:
        self.steps.append((index, total))
        if preview is not None:
            picture = preview()
            assert np.isfinite(picture).all()
            self.shapes.add(picture.shape)


def processor() -> runtime.Device:
    return next(device for device in runtime.devices() if device.name == "cpu")


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


def request(**changes: Any) -> PaintRequest:
    """The right third of all frames is to be painted."""
    matte = np.zeros((FRAMES, HEIGHT, WIDTH), np.float32)
    matte[:, :, 32:] = 1
    return PaintRequest(
        **{
            "video": noise(1, FRAMES, HEIGHT, WIDTH, 3),
            "matte": matte,
            "given": (False,) * FRAMES,
            "task": Task.INPAINT,
            "prompt": "a stone wall",
            "negative_prompt": "blurred text",
            "steps": 3,
            "guidance": 4.0,
            "seed": 11,
            "frame_rate": 24.0,
            "parameters": PLAIN | {"flow_shift": 0.0},
            **changes,
        }
    )


def whole(last: bool, *, width: int = 64, **changes: Any) -> PaintRequest:
    """The first frame, and with `last` the last, are given; the others are to be painted."""
    given = [False] * FRAMES
    given[0], given[-1] = True, last
    matte = np.ones((FRAMES, HEIGHT, width), np.float32)
    matte[[index for index, known in enumerate(given) if known]] = 0
    return request(
        **{
            "video": noise(2, FRAMES, HEIGHT, width, 3),
            "matte": matte,
            "given": tuple(given),
            "task": Task.CONTINUE,
            **changes,
        }
    )


def paint(family: Any, folder: ModelFolder, asked: PaintRequest, hook: Quiet | None = None) -> np.ndarray:
    pipeline = family.load(folder, processor(), parameters=PLAIN)
    video = family.paint(pipeline, asked, hook or Quiet()).video
    assert video.shape == asked.video.shape
    assert video.dtype == np.float32
    assert np.isfinite(video).all()
    return video


@pytest.mark.parametrize("name", ["vace", "vace-2.2"])
def test_vace_sees_the_plate_and_not_what_is_under_the_matte(folders: dict[str, ModelFolder], name: str) -> None:
    asked = request()
    hook = Quiet()
    made = paint(WanVace(), folders[name], asked, hook)
    assert hook.steps == [(1, 3), (2, 3), (3, 3)]
    assert hook.shapes == {(4, 6, 3)}
    under, plate = asked.video.copy(), asked.video.copy()
    under[:, :, 32:] = 0.1
    plate[:, :, :32] *= 0.5
    assert np.array_equal(paint(WanVace(), folders[name], request(video=under)), made)
    assert not np.array_equal(paint(WanVace(), folders[name], request(video=plate)), made)


def test_vace_with_less_strength_starts_from_what_is_under_the_matte(folders: dict[str, ModelFolder]) -> None:
    hook = Quiet()
    made = paint(WanVace(), folders["vace"], request(strength=0.6), hook)
    assert hook.steps == [(1, 2), (2, 2)]
    under = request().video.copy()
    under[:, :, 32:] = 0.1
    assert not np.array_equal(paint(WanVace(), folders["vace"], request(strength=0.6, video=under)), made)
    # References come before the frames in the latents, also in those that it starts from.
    still = ReferenceStill(image=noise(3, 20, 10, 3), kind=ReferenceKind.SUBJECT)
    paint(WanVace(), folders["vace"], request(strength=0.6, references=(still,)))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 12},
        {"prompt": "clouds and sky"},
        {"negative_prompt": "bright"},
        {"guidance": 6.0},
        {"guidance": 1.0},
        {"steps": 4},
        {"parameters": PLAIN | {"flow_shift": 7.0}},
        {"keyframes": (Still(index=4, image=noise(4, HEIGHT, WIDTH, 3)),)},
        {"references": (ReferenceStill(image=noise(5, 20, 10, 3), kind=ReferenceKind.SUBJECT),)},
        {"guides": (Guide(kind=PassKind.DEPTH, video=noise(6, FRAMES, HEIGHT, WIDTH, 3)),)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_everything_that_vace_claims_to_honour_changes_what_it_paints(
    folders: dict[str, ModelFolder], changes: dict[str, Any]
) -> None:
    made = paint(WanVace(), folders["vace"], request())
    assert not np.array_equal(paint(WanVace(), folders["vace"], request(**changes)), made)
    assert np.array_equal(paint(WanVace(), folders["vace"], request()), made), "nothing of it stays behind"


def test_vace_weighs_guides_and_references_by_their_strength(folders: dict[str, ModelFolder]) -> None:
    video = noise(6, FRAMES, HEIGHT, WIDTH, 3)

    def steered(strength: float) -> np.ndarray:
        guides = (Guide(kind=PassKind.DEPTH, video=video, strength=strength),)
        return paint(WanVace(), folders["vace"], request(guides=guides))

    assert not np.array_equal(steered(1.0), steered(0.4))
    # At 0 nothing that it is conditioned by gets through, whatever it is.
    other = (Guide(kind=PassKind.EDGES, video=1 - video, strength=0.0),)
    assert np.array_equal(steered(0.0), paint(WanVace(), folders["vace"], request(guides=other)))


def test_vace_gets_a_key_frame_inside_the_matte_and_the_plate_outside(folders: dict[str, ModelFolder]) -> None:
    image = noise(4, HEIGHT, WIDTH, 3)
    outside = image.copy()
    outside[:, :32] = 0
    one, other = (
        paint(WanVace(), folders["vace"], request(keyframes=(Still(index=4, image=picture),)))
        for picture in (image, outside)
    )
    assert np.array_equal(one, other)


def test_vace_is_given_what_a_camera_path_shows_of_the_plate(folders: dict[str, ModelFolder]) -> None:
    moved = np.full((FRAMES, HEIGHT, WIDTH, 3), 0.5, np.float32)
    moved[:, :, 30:40] = noise(9, FRAMES, HEIGHT, 10, 3)
    asked = request(guides=(Guide(kind=PassKind.CAMERA, video=moved, certain=True),))
    video, mask = _conditions(asked)
    assert not mask[:, :, :40].any(), "the plate, and what the path shows beyond it"
    assert mask[:, :, 40:].all()
    assert np.array_equal(video[:, :, 32:], moved[:, :, 32:])
    assert np.array_equal(video[:, :, :32], asked.video[:, :, :32]), "the plate goes before the path"
    assert not np.array_equal(paint(WanVace(), folders["vace"], asked), paint(WanVace(), folders["vace"], request()))


@pytest.mark.parametrize("guide", [{"certain": False}, {"certain": True, "strength": 0.5}])
def test_vace_may_leave_a_path_that_guesses_or_is_followed_in_part(guide: dict[str, object]) -> None:
    moved = np.full((FRAMES, HEIGHT, WIDTH, 3), 0.7, np.float32)
    asked = request(guides=(Guide(kind=PassKind.CAMERA, video=moved, **guide),))
    video, mask = _conditions(asked)
    assert np.array_equal(mask, (asked.matte > 0).astype(np.float32))
    assert (video[asked.matte > 0] == np.float32(0.7)).all()


def test_both_transformers_of_wan_2_2_take_their_part(folders: dict[str, ModelFolder]) -> None:
    pipeline = WanVace().load(folders["vace-2.2"], processor(), parameters=PLAIN)
    calls: list[str] = []
    hooks = [
        getattr(pipeline, name).register_forward_hook(lambda *_, name=name: calls.append(name))
        for name in ("transformer", "transformer_2")
    ]
    try:
        WanVace().paint(pipeline, request(steps=6, guidance=1.0), Quiet())
    finally:
        for hook in hooks:
            hook.remove()
    assert set(calls) == {"transformer", "transformer_2"}
    assert calls == sorted(calls), "high noise first"
    assert len(calls) == 6


@pytest.mark.parametrize("kind", ["2.1", "2.2", "2.2-5b"])
def test_image_to_video_goes_on_from_the_first_frame(folders: dict[str, ModelFolder], kind: str) -> None:
    hook = Quiet()
    asked = whole(last=False)
    made = paint(WanI2v(), folders[kind], asked, hook)
    assert hook.steps == [(1, 3), (2, 3), (3, 3)]
    rest, first = asked.video.copy(), asked.video.copy()
    rest[1:] = 0.3
    first[0] *= 0.5
    assert np.array_equal(paint(WanI2v(), folders[kind], whole(last=False, video=rest)), made)
    assert not np.array_equal(paint(WanI2v(), folders[kind], whole(last=False, video=first)), made)
    assert not np.array_equal(paint(WanI2v(), folders[kind], whole(last=False, strength=0.6)), made)
    assert not np.array_equal(paint(WanI2v(), folders[kind], whole(last=False, seed=12)), made)


@pytest.mark.parametrize("kind", ["flf", "2.2"])
def test_image_to_video_reaches_the_last_frame_where_it_was_trained_to(
    folders: dict[str, ModelFolder], kind: str
) -> None:
    asked = whole(last=True)
    made = paint(WanI2v(), folders[kind], asked)
    other = asked.video.copy()
    other[-1] *= 0.5
    assert not np.array_equal(paint(WanI2v(), folders[kind], whole(last=True, video=other)), made)
    assert WanI2v().refusals(job(Interpolate(between=3)), folders[kind]) == []


@pytest.mark.parametrize(("kind", "task"), [("2.1", "between"), ("2.2-5b", "between"), ("flf", "tail")])
def test_image_to_video_says_what_it_was_not_trained_for(folders: dict[str, ModelFolder], kind: str, task: str) -> None:
    between, tail = job(Interpolate(between=3)), job(Continue(tail=3))
    asked, other = (between, tail) if task == "between" else (tail, between)
    (refusal,) = WanI2v().refusals(asked, folders[kind])
    assert refusal.field == "model"
    assert f"m-{kind}" in refusal.message
    assert WanI2v().refusals(other, folders[kind]) == []
    with pytest.raises(InvalidJobError, match="not trained"):
        paint(WanI2v(), folders[kind], whole(last=task == "between"))


@pytest.mark.parametrize("kind", ["2.2-5b", "2.2"])
def test_a_model_that_says_it_makes_video_from_text_may_take_a_frame(
    folders: dict[str, ModelFolder], tmp_path: Path, kind: str
) -> None:
    """As Wan2.2-TI2V-5B is published; the large models from text have no place for a frame."""
    copy = tmp_path / "copy"
    shutil.copytree(folders[kind].path, copy)
    index = json.loads((copy / "model_index.json").read_text())
    index["_class_name"] = "WanPipeline"
    for name in ("image_encoder", "image_processor"):
        del index[name]
    (copy / "model_index.json").write_text(json.dumps(index))
    folder = library(tmp_path / "home").add(copy, name="from-text", card="wan-i2v")
    refusals = WanI2v().refusals(job(Continue(tail=3)), folder)
    if kind == "2.2":
        assert ["from text alone" in refusal.message for refusal in refusals] == [True]
    else:
        assert refusals == []
        made = paint(WanI2v(), folder, whole(last=False))
        assert np.array_equal(made, paint(WanI2v(), folders[kind], whole(last=False)))


def test_image_to_video_needs_its_first_frame(folders: dict[str, ModelFolder]) -> None:
    with pytest.raises(InvalidJobError, match="given frame 0"):
        paint(WanI2v(), folders["2.2"], whole(last=False, given=(False,) * FRAMES))


def test_the_image_encoder_sees_what_its_own_processor_shows_it_but_for_8_bits(
    folders: dict[str, ModelFolder],
) -> None:
    pipeline = WanI2v().load(folders["2.1"], processor(), parameters=PLAIN)
    picture = np.asarray(Image.fromarray(np.rint(noise(8, 6, 10, 3) * 255).astype(np.uint8)).resize((100, 60)))
    theirs = pipeline.image_processor(images=Image.fromarray(picture), return_tensors="pt")["pixel_values"]
    ours = _shown(runtime.video_tensor(picture[np.newaxis].astype(np.float32) / 255)[0], pipeline.image_processor)
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max()) < 0.03  # one of 255 levels is 0.015 after normalising


def test_lattices_are_read_from_the_models(folders: dict[str, ModelFolder]) -> None:
    def shape(family: Any, name: str) -> tuple[int, int, int]:
        lattice = family.lattice(runtime.model_facts(folders[name]))
        assert (lattice.frames, lattice.offset) == (4, 1)
        return lattice.size, lattice.frames_max, lattice.pixels

    assert shape(WanVace(), "vace") == (16, 81, 832 * 480)
    assert shape(WanI2v(), "2.2") == (16, 81, 832 * 480)
    assert shape(WanI2v(), "2.2-5b") == (32, 121, 1280 * 704)
    assert WanVace().lattice(None) == WanVace().card.lattice


def job(task: Any, **controls: Any) -> Job:
    return Job(task=task, output=OutputSpec(path="/x/out.####.exr"), controls=Controls(**controls))


def test_what_vace_cannot_express_is_refused_with_the_reason() -> None:
    depth = ControlPass(kind=ControlPassKind.DEPTH, sequence=SequenceSource(path="/x/d.####.exr"))
    edges = ControlPass(kind=ControlPassKind.EDGES, sequence=SequenceSource(path="/x/e.####.exr"))
    picture = ImageSource(sequence=SequenceSource(path="/x/still.exr"))
    subject = Reference(image=picture, kind=ReferenceKind.SUBJECT, strength=0.5)
    held = Keyframe(frame=1001, image=picture)
    loose = Keyframe(frame=1001, image=picture, strength=0.5)

    def fields(**controls: Any) -> list[str]:
        found = WanVace().refusals(job(Continue(tail=3), **controls), None)
        assert all(one.message.endswith(".") and one.next_step for one in found)
        return [one.field for one in found]

    assert fields(passes=(depth,), keyframes=(held,)) == []
    assert fields(passes=(depth, edges)) == ["controls.passes"]
    assert fields(passes=(depth,), references=(subject,)) == ["controls.references"]
    assert fields(references=(subject,)) == []
    assert fields(keyframes=(loose,)) == ["controls.keyframes"]
    pan = CameraMove(kind=CameraMoveKind.PAN, amount=10.0)
    assert fields(camera_moves=(pan,)) == []
    assert fields(camera_moves=(pan,), passes=(depth,)) == ["controls.passes"]


@pytest.mark.parametrize("family", [WanVace(), WanI2v()], ids=lambda one: one.card.name)
def test_a_strength_that_leaves_no_step_is_refused(family: Any) -> None:
    def refused(strength: float) -> list[str]:
        job = Job(task=Continue(tail=1), output=OutputSpec(path="x"), controls=Controls(steps=10, strength=strength))
        return [one.field for one in family.refusals(job, None)]

    assert refused(0.04) == ["controls.strength"]
    assert refused(0.06) == []


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_words_beyond_what_wan_reads_are_not_left_out_in_silence(folders: dict[str, ModelFolder], field: str) -> None:
    with pytest.raises(InvalidJobError, match="the end would be left out") as caught:
        paint(WanVace(), folders["vace"], request(**{field: "wall " * 600}))
    assert caught.value.record.field == f"controls.{field}"


def test_loras_in_a_folder_are_not_left_out_in_silence(folders: dict[str, ModelFolder], tmp_path: Path) -> None:
    for name, family, card in (("vace", WanVace(), "wan-vace"), ("2.2", WanI2v(), "wan-i2v")):
        copy = tmp_path / name
        shutil.copytree(folders[name].path, copy)
        (copy / "loras").mkdir()
        shutil.copy(copy / "vae" / "diffusion_pytorch_model.safetensors", copy / "loras" / "fast.safetensors")
        folder = library(tmp_path / "home").add(copy, name=name, card=card)
        (refusal,) = family.refusals(job(Continue(tail=3)), folder)
        assert "fast" in refusal.message
        assert refusal.field == "model"


def test_cards_are_read_without_torch(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from overscan.core.engines.diffusion.families._wan_i2v import WanI2v\n"
        "from overscan.core.engines.diffusion.families._wan_vace import WanVace, _conditions\n"
        "print(WanI2v().card.name, WanVace().card.name)\n"
        "assert not {'torch', 'diffusers', 'transformers', 'accelerate'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.split() == ["wan-i2v", "wan-vace"], done.stderr
