"""Whole jobs with pipelines of stills of tiny random weights: on an odd-sized HDR plate, stopped and taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra `models`")

from filming import Recorder, changed, ellipse, inpaint, make_job, pan, read, same_files, scene, write
from running import context_of, planned, run_engine
from tiny._stills import save_fibo_edit, save_flux_fill, save_sdxl

from overscan.core.controls import Controls
from overscan.core.engines.diffusion import runtime
from overscan.core.engines.diffusion.families._bria import engine as bria
from overscan.core.engines.diffusion.families._flux import engine as flux
from overscan.core.engines.diffusion.families._sdxl import engine as sdxl
from overscan.core.errors import CancelledError
from overscan.core.jobs import Extend, Margins
from overscan.core.models import library

SIZE = (107, 71)
ORIGIN, DISPLAY = (-6, 3), (0, 5, 96, 60)
FRAMES = range(1001, 1006)
MODELS = {
    "sdxl": (sdxl, save_sdxl, "sdxl-inpaint"),
    "sdxl-base": (sdxl, lambda folder: save_sdxl(folder, inpaint=False), "sdxl-inpaint"),
    "flux": (flux, save_flux_fill, "flux1-fill"),
    "fibo": (bria, save_fibo_edit, "bria-fibo"),
}
PARAMETERS = {"work_pixels": 96 * 64, "precision": "float32"}
CONTROLS = Controls(prompt="a stone wall", steps=2)
EXTEND = Extend(margins=Margins(left=25, top=7))


@pytest.fixture(scope="module", autouse=True)
def _library(tmp_path_factory) -> Iterator[None]:
    root = tmp_path_factory.mktemp("still-jobs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVERSCAN_HOME", str(root / "home"))
        for name, (_, save, card) in MODELS.items():
            library().add(save(root / name), name=name, card=card)
        yield
        runtime.forget_models()


@pytest.fixture(scope="module")
def plate(tmp_path_factory) -> str:
    """Five frames from 1001, the data window larger than the display window, light from below 0 to far above 1."""
    return pan(
        tmp_path_factory.mktemp("plate"),
        size=SIZE,
        frames=FRAMES,
        picture=scene(300, 460) * 12 - 0.2,
        origin=ORIGIN,
        display=DISPLAY,
    )


def _job(tmp_path, plate, model, task=EXTEND, out="o", **fields):
    fields = {"parameters": PARAMETERS, "controls": CONTROLS} | fields
    return make_job(task, plate, str(tmp_path / out / "o.%d.exr"), model=model, seed=3, **fields)


@pytest.mark.parametrize("model", MODELS)
def test_an_extension_keeps_the_plate_and_says_what_a_model_made(tmp_path, plate, model):
    done = run_engine(MODELS[model][0](), _job(tmp_path, plate, model), tmp_path)
    assert done.recorder.finished == list(FRAMES)
    made = 0
    for frame in FRAMES:
        path = tmp_path / f"o/o.{frame}.exr"
        compared, differing = changed(Path(plate % frame), path, offset=done.plan.plate_offset)
        assert (compared, differing) == (SIZE[0] * SIZE[1] * 3, 0)
        planes = read(path)[-1].planes
        model_made = planes["source.kind"] == 3
        made += int(model_made.sum())
        assert np.isnan(planes["source.X"][model_made]).all()
        assert (planes["generated.A"][model_made] == 1).all()
    assert made > 5 * 1500
    assert done.result(1001).attributes["overscan:model"] == model


@pytest.mark.parametrize("model", ["sdxl", "flux"])
def test_a_removal_is_the_same_each_time_and_after_a_stop_within_a_step(tmp_path, plate, model):
    matte = ellipse(SIZE, centre=(50, 36), radii=(17, 14), soft=4)
    write(tmp_path / "m.exr", {"A": matte}, origin=ORIGIN, display=DISPLAY)
    task = inpaint(str(tmp_path / "m.exr"))
    make = MODELS[model][0]
    run_engine(make(), _job(tmp_path, plate, model, task, "one"), tmp_path / "a")

    class Stopping(Recorder):
        """Stops after the first denoising step."""

        heard = 0

        def progress(self, *, fraction, message):
            super().progress(fraction=fraction, message=message)
            self.heard += "denoising step 1" in message

        def check_cancelled(self):
            if self.heard:
                raise CancelledError("stopped.")

    job, engine = _job(tmp_path, plate, model, task, "two"), make()
    plan = planned(engine, job)
    paints = next(at for at, step in enumerate(plan.steps) if step.kind == "imagine")
    context = context_of(job, plan, tmp_path / "b", reporter=Stopping())
    with pytest.raises(CancelledError):
        for step in plan.steps[: paints + 1]:
            engine.run(step, context)
    run_engine(engine, job, tmp_path / "b", order=lambda plan: plan.steps[paints:], fresh=make)
    for frame in FRAMES:
        one, two = tmp_path / f"one/o.{frame}.exr", tmp_path / f"two/o.{frame}.exr"
        assert same_files(one, two)
        assert changed(Path(plate % frame), one, replaced=matte > 0)[1] == 0


def test_the_only_model_that_fits_needs_no_name_and_another_is_refused(tmp_path, plate):
    assert flux().plan(_job(tmp_path, plate, "")).feasible
    (problem,) = sdxl().plan(_job(tmp_path, plate, "")).problems
    assert "sdxl, sdxl-base" in problem.next_step
    (problem,) = sdxl().plan(_job(tmp_path, plate, "flux")).problems
    assert "FluxFillPipeline" in problem.message
    assert flux().model(_job(tmp_path, plate, "")).name == "flux1-fill"


def test_words_that_a_model_cannot_follow_are_refused(tmp_path, plate):
    controls = Controls(negative_prompt="text")
    assert sdxl().plan(_job(tmp_path, plate, "sdxl", controls=controls)).feasible
    (problem,) = flux().plan(_job(tmp_path, plate, "flux", controls=controls)).problems
    assert problem.field == "controls.negative_prompt"
    (problem,) = bria().plan(_job(tmp_path, plate, "fibo", controls=Controls(strength=0.5))).problems
    assert problem.field == "controls.strength"


def test_a_plan_says_what_it_takes_and_refuses_what_does_not_fit(tmp_path, plate):
    plan = flux().plan(_job(tmp_path, plate, "flux"))
    assert sum(step.weight for step in plan.steps) == pytest.approx(1)
    kinds = [step.kind for step in plan.steps]
    assert kinds.index("look") < kinds.index("imagine") < kinds.index("render")
    assert plan.estimate.seconds > 0
    (problem,) = flux().plan(_job(tmp_path, plate, "flux", parameters=PARAMETERS | {"precision": "float16"})).problems
    assert problem.field == "parameters.precision"


def test_words_that_a_model_does_not_read_are_told(tmp_path, plate):
    words = " ".join(["stone"] * 80)
    job = _job(tmp_path, plate, "sdxl", controls=Controls(prompt=words, steps=1))
    (message,) = {
        notice.message
        for notice in run_engine(sdxl(), job, tmp_path).recorder.warnings
        if notice.code == "PROMPT_CUT_OFF"
    }
    assert "The last 4 words" in message  # 80 words and an end, of which 77 are read
    job = _job(tmp_path, plate, "flux", out="f", controls=Controls(prompt=words, steps=1))
    assert "PROMPT_CUT_OFF" not in run_engine(flux(), job, tmp_path / "f").recorder.codes
