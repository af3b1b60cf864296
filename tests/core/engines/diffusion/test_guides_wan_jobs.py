"""Each control that Wan VACE honours, in whole jobs on a tiny random model: it changes what is painted, no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra `models`")

from filming import changed, make_job, pan, read
from running import run_engine
from steering import film
from tiny._wan import save_wan_vace

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
from overscan.core.engines.diffusion import DiffusionEngine, runtime
from overscan.core.engines.diffusion.families._wan_vace import WanVace
from overscan.core.jobs import Continue, Job, SequenceSource
from overscan.core.media import ImageSource
from overscan.core.models import library

SIZE = (87, 61)
FRAMES = range(1001, 1006)
NEW = range(1006, 1010)


@pytest.fixture(scope="module", autouse=True)
def _library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    root = tmp_path_factory.mktemp("steered")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVERSCAN_HOME", str(root / "home"))
        library().add(save_wan_vace(root / "vace"), name="vace", card="wan-vace")
        yield
        runtime.forget_models()


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pan(tmp_path_factory.mktemp("plate"), size=SIZE, step=(2.0, 0.5), frames=FRAMES)


def _job(plate: str, folder: Path, controls: Controls) -> Job:
    return make_job(
        Continue(tail=4), plate, str(folder / "out.%04d.exr"), engine="wan-vace", model="vace", seed=5,
        parameters={"work_pixels": 48 * 32, "window": 9}, controls=controls,
    )  # fmt: skip


def _painted(plate: str, folder: Path, controls: Controls) -> np.ndarray:
    job = _job(plate, folder, controls)
    run_engine(DiffusionEngine(family=WanVace()), job, folder)
    for frame in FRAMES:
        compared, differing = changed(Path(plate % frame), folder / f"out.{frame:04d}.exr")
        assert compared
        assert not differing
    parts = [read(folder / f"out.{frame:04d}.exr")[0].planes for frame in NEW]
    return np.stack([[planes[name] for name in "RGB"] for planes in parts]).astype(np.float32)


def _named(folder: Path) -> dict[str, dict[str, Any]]:
    height, width = SIZE[1], SIZE[0]
    lines = np.zeros((height, width), np.float32)
    lines[::6] = 1

    def source(name: str, picture: np.ndarray, *channels: str, frames: range = NEW) -> SequenceSource:
        return SequenceSource(path=film(folder, name, frames, lambda _: picture, channels=channels))

    key = source("key", np.full((height, width, 3), 3.0), "R", "G", "B", frames=range(1, 2))
    moving = np.random.default_rng(0).random((40, 80, 3))
    skeleton = np.zeros((height, width, 3))
    skeleton[10:50, 40:44] = (1, 0, 0)
    return {
        "keyframes": {"keyframes": (Keyframe(frame=1008, image=ImageSource(sequence=key)),)},
        "references": {"references": (Reference(image=ImageSource(sequence=key), kind=ReferenceKind.SUBJECT),)},
        "passes": {
            "passes": (
                ControlPass(kind=ControlPassKind.EDGES, sequence=source("e", lines, "Y", frames=range(1001, 1010))),
            )
        },
        "camera_moves": {"camera_moves": (CameraMove(kind=CameraMoveKind.PAN, amount=30.0),)},
        "motion_transfer": {"motion_transfer": Transfer(source=source("c", moving, "R", "G", "B"))},
        "pose_transfer": {"pose_transfer": Transfer(source=source("s", skeleton, "R", "G", "B"))},
        "prompt": {"prompt": "a river"},
        "guidance": {"guidance": 1.0},
        "strength": {"strength": 0.5},
        "negative_prompt": {"negative_prompt": "a river"},
    }


def test_each_changes_what_is_painted(plate: str, tmp_path: Path) -> None:
    plain = Controls(prompt="a stone wall", steps=2)
    without = _painted(plate, tmp_path / "plain", plain)
    assert np.array_equal(without, _painted(plate, tmp_path / "again", plain))
    for name, controls in _named(tmp_path).items():
        found = _painted(plate, tmp_path / name, replace(plain, **controls))
        assert not np.array_equal(found, without), f"'{name}' was ignored in silence"
        assert np.isfinite(found).all()


def test_what_it_cannot_take_is_in_the_plan(plate: str, tmp_path: Path) -> None:
    named = _named(tmp_path)
    both = Controls(steps=2, **named["passes"], **named["pose_transfer"])
    plan = DiffusionEngine(family=WanVace()).plan(_job(plate, tmp_path, both))
    assert not plan.feasible
    assert any("one control video" in problem.message for problem in plan.problems)
