"""Whole jobs with LTX pipelines of tiny random weights, on an odd-sized HDR plate, with sound and without."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra `models`")

from filming import Run, changed, ellipse, inpaint, make_job, pan, read, same_files, write
from running import run_engine
from tiny._ltx import save_hdr_words, save_lora, save_ltx, save_ltx2

from overscan.core.colour import Curve, WideRange
from overscan.core.controls import (
    CameraMove,
    CameraMoveKind,
    ControlPass,
    ControlPassKind,
    Controls,
    Keyframe,
    Reference,
    ReferenceKind,
    Transfer,
)
from overscan.core.engines.diffusion import DiffusionEngine, Painted, PaintRequest, StepHook, runtime
from overscan.core.engines.diffusion.families._ltx import Ltx
from overscan.core.engines.diffusion.families._ltx2 import Ltx2
from overscan.core.engines.diffusion.families._ltx2_hdr import Ltx2Hdr
from overscan.core.engines.diffusion.families._ltx2_in_context import Ltx2InContext
from overscan.core.jobs import Continue, Extend, Interpolate, Job, Margins
from overscan.core.media import ImageSource, SequenceSource
from overscan.core.models import library
from overscan.core.results import files_beside

SIZE = (87, 61)
FRAMES = range(1001, 1012)
ORIGIN, DISPLAY = (-4, -3), (0, 0, 77, 53)
PARAMETERS = {"work_pixels": 64 * 64, "window": 9, "overlap": 1}
CONTROLS = Controls(prompt="a stone wall", steps=2)
FAMILIES: dict[str, Any] = {"ltx": Ltx(), "ltx-2": Ltx2(), "ltx-2-in-context": Ltx2InContext(), "ltx-2-hdr": Ltx2Hdr()}


@pytest.fixture(scope="module", autouse=True)
def _library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    root = tmp_path_factory.mktemp("ltx-jobs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVERSCAN_HOME", str(root / "home"))
        models = library()
        models.add(save_ltx(root / "ltx"), name="ltx", card="ltx-video")
        folder = save_ltx2(root / "ltx-2")
        loras = folder / "loras"
        save_lora(loras / "ltx-2.3-22b-ic-lora-union-control-ref0.5.safetensors", seed=1)
        save_lora(loras / "ltx-2.3-22b-ic-lora-hdr-0.9.safetensors", seed=2)
        save_hdr_words(loras / "ltx-2.3-22b-ic-lora-hdr-words.safetensors")
        models.add(folder, name="ltx-2", card="ltx-2")
        yield
        runtime.forget_models()


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eleven frames from 1001, the data window larger than the display window, light from below 0 to far above 1."""
    return pan(
        tmp_path_factory.mktemp("plate"), size=SIZE, step=(2.0, 0.5), frames=FRAMES, origin=ORIGIN, display=DISPLAY
    )


@pytest.fixture(scope="module")
def mattes(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("matte")
    for index, number in enumerate(FRAMES):
        matte = ellipse(SIZE, centre=(30.0 + 2 * index, 28.0), radii=(11.0, 9.0))
        write(folder / f"matte.{number:04d}.exr", {"A": matte.astype(np.float16)}, origin=ORIGIN, display=DISPLAY)
    return str(folder / "matte.%04d.exr")


def job_for(task: Any, plate: str, folder: Path, *, engine: str, **fields: Any) -> Job:
    model = "ltx" if engine == "ltx" else "ltx-2"
    return make_job(
        task,
        plate,
        str(folder / "out.%04d.exr"),
        **{"engine": engine, "model": model, "parameters": PARAMETERS, "controls": CONTROLS, "seed": 5, **fields},
    )


def run(job: Job, folder: Path) -> Run:
    return run_engine(DiffusionEngine(family=FAMILIES[job.engine]), job, folder)


def kinds(done: Run, frame: int) -> set[int]:
    return {int(kind) for kind in np.unique(done.extras(frame)["kind"])}


def assert_plate_untouched(done: Run, plate: str, **where: Any) -> None:
    for frame in FRAMES:
        compared, differing = changed(Path(plate % frame), done.path(frame), **where)
        assert compared > 0
        assert differing == 0


@pytest.mark.parametrize("engine", ["ltx", "ltx-2"])
def test_extension_keeps_the_plate_and_runs_the_same_twice(engine: str, plate: str, tmp_path: Path) -> None:
    task = Extend(margins=Margins(left=9, right=21, top=5))
    done = run(job_for(task, plate, tmp_path / "a", engine=engine), tmp_path / "a")
    assert_plate_untouched(done, plate, offset=done.plan.plate_offset)
    assert 3 in kinds(done, 1001)
    assert np.isfinite(done.light(1006)).all()
    again = run(job_for(task, plate, tmp_path / "b", engine=engine), tmp_path / "b")
    for frame in FRAMES:
        assert same_files(done.path(frame), again.path(frame)), frame


@pytest.mark.parametrize("engine", ["ltx", "ltx-2"])
def test_handles_on_both_ends_and_in_betweens(engine: str, plate: str, tmp_path: Path) -> None:
    done = run(job_for(Continue(head=3, tail=9), plate, tmp_path / "a", engine=engine), tmp_path / "a")
    assert done.plan.new_frames == (998, 999, 1000, *range(1012, 1021))
    assert_plate_untouched(done, plate)
    for frame in done.plan.new_frames:
        assert kinds(done, frame) == {3}
        assert np.isfinite(done.light(frame)).all()
    between = job_for(
        Interpolate(between=1), plate, tmp_path / "b", engine=engine, source={"frames": (1001, 1002, 1003)}
    )
    inside = run(between, tmp_path / "b")
    assert len(inside.plan.new_frames) == 2
    for frame in inside.plan.new_frames:
        assert kinds(inside, frame) == {3}
        assert np.isfinite(inside.light(frame)).all()


def test_sound_lies_beside_the_frames_and_is_as_long_as_they_are(plate: str, tmp_path: Path) -> None:
    controls = Controls(prompt="a stone wall", steps=2, frame_rate=23.976)
    values = {**PARAMETERS, "sound": True}
    job = job_for(
        Extend(margins=Margins(right=12)), plate, tmp_path / "a", engine="ltx-2", controls=controls, parameters=values
    )
    done = run(job, tmp_path / "a")
    path = tmp_path / "a" / "out.wav"
    assert files_beside(done.work) == (path,)
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (48_000, 3, 2)
        assert file.getnframes() == 11 * 2002, "eleven frames of 24000/1001"
        samples = np.frombuffer(file.readframes(file.getnframes()), np.uint8)
    assert samples.any()
    silent = run(
        job_for(Extend(margins=Margins(right=12)), plate, tmp_path / "b", engine="ltx-2", controls=controls),
        tmp_path / "b",
    )
    assert files_beside(silent.work) == ()
    assert not (tmp_path / "b" / "out.wav").exists()
    # Only what the header says of the parameters may differ.
    assert np.array_equal(done.light(1004), silent.light(1004))
    problems = DiffusionEngine(family=Ltx2()).plan(job).problems
    assert "out.wav" in " ".join(problem.message for problem in problems)
    between = job_for(Interpolate(between=1), plate, tmp_path / "c", engine="ltx-2", parameters=values)
    assert [problem.field for problem in DiffusionEngine(family=Ltx2()).plan(between).problems] == ["parameters.sound"]


def test_a_pass_is_followed_by_its_lora_and_refused_without(plate: str, mattes: str, tmp_path: Path) -> None:
    def steered(kind: ControlPassKind) -> Controls:
        entry = ControlPass(kind=kind, sequence=SequenceSource(path=plate), strength=0.8)
        return Controls(prompt="a stone wall", steps=2, passes=(entry,))

    everything = {**PARAMETERS, "repaint": "all"}
    plain = job_for(inpaint(mattes), plate, tmp_path / "a", engine="ltx-2-in-context", parameters=everything)
    without = run(plain, tmp_path / "a")
    job = job_for(
        inpaint(mattes),
        plate,
        tmp_path / "b",
        engine="ltx-2-in-context",
        parameters=everything,
        controls=steered(ControlPassKind.SEGMENTATION),
    )
    (problem,) = DiffusionEngine(family=Ltx2InContext()).plan(job).problems
    assert "segmentation" in problem.message
    assert "loras" in problem.next_step
    job = job_for(
        inpaint(mattes),
        plate,
        tmp_path / "b",
        engine="ltx-2-in-context",
        parameters=everything,
        controls=steered(ControlPassKind.EDGES),
    )
    done = run(job, tmp_path / "b")
    assert not np.array_equal(done.light(1004), without.light(1004))
    for frame in FRAMES:
        matte = read(Path(mattes % frame))[0].planes["A"] > 0
        assert changed(Path(plate % frame), done.path(frame), replaced=matte)[1] == 0


def test_clipped_highlights_are_rebuilt_under_the_matte_alone(
    mattes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clipped(index: int, picture: np.ndarray) -> np.ndarray:
        matte = read(Path(mattes % FRAMES[index]))[0].planes["A"] > 0
        return np.where(matte[..., np.newaxis], np.float32(4.0), np.minimum(picture, 1.0))

    plate = pan(tmp_path / "p", size=SIZE, step=(2.0, 0.5), frames=FRAMES, origin=ORIGIN, display=DISPLAY, edit=clipped)
    asked: list[PaintRequest] = []
    family = FAMILIES["ltx-2-hdr"]
    own = family.paint

    def watched(pipeline: Any, request: PaintRequest, hook: StepHook) -> Painted:
        asked.append(request)
        return own(pipeline, request, hook)

    monkeypatch.setattr(family, "paint", watched)
    job = job_for(
        inpaint(mattes), plate, tmp_path / "a", engine="ltx-2-hdr", parameters=PARAMETERS, controls=Controls()
    )
    done = run(job, tmp_path / "a")
    for frame in FRAMES:
        matte = read(Path(mattes % frame))[0].planes["A"] > 0
        assert changed(Path(plate % frame), done.path(frame), replaced=matte)[1] == 0
    assert 3 in kinds(done, 1004)
    # Under the matte the model is shown the plate's own light, and not what would be laid there in its place.
    shown = WideRange(curve=Curve.LOGC3).decode(asked[0].video[4][asked[0].matte[4] > 0])
    assert np.median(shown) == pytest.approx(4.0, rel=0.01)
    extend = job_for(Extend(margins=Margins(left=8)), plate, tmp_path / "b", engine="ltx-2-hdr", controls=Controls())
    (problem,) = DiffusionEngine(family=Ltx2Hdr()).plan(extend).problems
    assert problem.field == "task"


def test_what_a_family_cannot_follow_is_refused(plate: str, tmp_path: Path) -> None:
    source = SequenceSource(path=plate)
    still = ImageSource(sequence=SequenceSource(path=plate % 1001))
    controls = {
        "passes": Controls(passes=(ControlPass(kind=ControlPassKind.DEPTH, sequence=source),)),
        "references": Controls(references=(Reference(image=still, kind=ReferenceKind.STYLE),)),
        "camera_moves": Controls(camera_moves=(CameraMove(kind=CameraMoveKind.PAN, amount=4.0),)),
        "motion_transfer": Controls(motion_transfer=Transfer(source=source)),
        "pose_transfer": Controls(pose_transfer=Transfer(source=source)),
        "keyframes": Controls(keyframes=(Keyframe(frame=1013, image=still),)),
    }
    refused = {
        "ltx": {"passes", "references", "camera_moves", "motion_transfer", "pose_transfer"},
        "ltx-2": {"passes", "references", "camera_moves", "motion_transfer", "pose_transfer"},
        "ltx-2-in-context": {"references", "camera_moves", "motion_transfer"},  # the folder has no LoRA for tracks
    }
    for engine, names in refused.items():
        for name, asked in controls.items():
            job = job_for(Continue(tail=4), plate, tmp_path, engine=engine, controls=asked)
            problems = DiffusionEngine(family=FAMILIES[engine]).plan(job).problems
            # A pass that is too short, say, is another problem.
            fields = {problem.field.partition("[")[0] for problem in problems if problem.code == "INVALID_JOB"}
            assert (f"controls.{name}" in fields) == (name in names), (engine, name, problems)
    for name in ("camera_moves", "motion_transfer"):
        job = job_for(Continue(tail=4), plate, tmp_path, engine="ltx-2-in-context", controls=controls[name])
        (problem,) = DiffusionEngine(family=Ltx2InContext()).plan(job).problems
        assert "tracks" in problem.message, "the folder has no LoRA for tracks"
