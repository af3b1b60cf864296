"""Copied pixels are in the plate where the source layers say, and the check knows when they are not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from delivering import deliver
from filming import look, pan, rgb, scene, write

from overscan.core.geometry import Window
from overscan.core.jobs import Extend, Margins
from overscan.core.receipts import State, Subject
from overscan.core.receipts._audit import _sampled, _summary, _Tally
from overscan.core.receipts._refetch import SAMPLED, SourceCheck, check_sources

FRAMES = tuple(range(1001, 1009))


@pytest.fixture(scope="module", params=["clean", "grain and flicker"])
def shot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A job with more than 10,000 copied pixels, and its frames read again."""
    root = tmp_path_factory.mktemp("shot")
    random = np.random.default_rng(3)

    def edit(index: int, view: np.ndarray) -> np.ndarray:
        if request.param == "clean":
            return view
        grain = np.sqrt(4e-6 + 2e-4 * np.maximum(view, 0)) * random.standard_normal(view.shape)
        return (view * (1 + 0.05 * (-1) ** index) + grain).astype(np.float32)

    plate = pan(root / "p", size=(144, 96), step=(4.3, 0.4), frames=FRAMES, edit=edit)
    return deliver(root, Extend(margins=Margins(left=20, right=20)), plate)


def test_ten_thousand_copied_pixels_are_found_at_their_sources(shot) -> None:
    found = [item for item in shot.audit() if item.subject is Subject.SOURCES]
    assert [item.state for item in found] == [State.INTACT], [item.detail for item in found]
    reproduced, sampled = (
        int(word.replace(",", "")) for word in (found[0].detail.split()[0], found[0].detail.split()[2])
    )
    assert sampled >= SAMPLED * 0.95
    assert reproduced >= 0.995 * sampled


def _made(*, gain: float = 1.0, noise: float = 0.0) -> dict:
    """A result whose every pixel was copied from a known place of a known frame."""
    whole = scene(300, 460)
    plate = look(whole, 20.0, 20.0, size=(160, 120))
    light = look(whole, 30.3, 25.7, size=(140, 100)) * np.float32(gain)
    random = np.random.default_rng(1)
    light = (light + noise * random.standard_normal(light.shape)).astype(np.float32)
    if noise:
        plate = (plate + noise * random.standard_normal(plate.shape)).astype(np.float32)
    rows, columns = np.indices((100, 140), dtype=np.float32)
    layers = {
        "generated.A": np.ones((100, 140), np.float32),
        "source.kind": np.ones((100, 140), np.float32),
        "source.X": columns + np.float32(10.3 - 7),
        "source.Y": rows + np.float32(5.7 + 3),
        "source.frame": np.full((100, 140), 1004, np.float32),
    }
    window = Window(x=-7, y=3, width=160, height=120)
    return {"light": light, "layers": layers, "light_of": {1004: (plate, window)}.__getitem__}


@pytest.mark.parametrize(("gain", "noise"), [(1.0, 0.0), (1.4, 0.0), (0.7, 0.01), (1.0, 0.03)])
def test_truth_passes_and_every_other_address_fails(gain: float, noise: float) -> None:
    made = _made(gain=gain, noise=noise)
    true = check_sources(count=3000, seed=1, **made)
    assert true.sampled >= 3000
    assert true.reproduced >= 0.99 * true.sampled
    for shift in (3.0, -5.0) if noise else (1.0, 3.0, -5.0):
        wrong = check_sources(count=3000, seed=1, shift=shift, **made)
        assert wrong.reproduced < (0.97 if noise else 0.85) * wrong.sampled, (shift, wrong)


def test_addresses_beyond_the_plate_and_frames_that_are_gone() -> None:
    made = _made()
    made["layers"]["source.X"] = made["layers"]["source.X"] + 1000
    found = check_sources(count=1000, seed=1, **made)
    assert (found.reproduced, found.unreachable) == (0, 0)
    made = _made()
    made["layers"]["source.frame"][:] = 1005
    found = check_sources(count=1000, seed=1, **made)
    assert found.sampled == 0
    assert found.unreachable >= 1000


def test_what_was_not_copied_is_not_sampled() -> None:
    made = _made()
    made["layers"]["source.kind"][:] = 2
    assert check_sources(count=1000, seed=1, **made).sampled == 0
    made = _made()
    made["layers"]["source.X"][:] = np.nan  # of a clean plate
    assert check_sources(count=1000, seed=1, **made).sampled == 0


def test_plates_that_are_not_linear_are_compared_as_light(tmp_path: Path) -> None:
    whole = scene(160, 260)
    for index, number in enumerate(FRAMES[:5]):
        view = np.clip(look(whole, 20.0 + 3 * index, 20.0, size=(96, 64)), 0.02, 1)
        codes = np.round(view ** (1 / 2.2) * 65535).astype(np.uint16)
        write(tmp_path / f"p/plate.{number}.tif", rgb(codes, np.uint16))
    source = {"colour_space": "sRGB Encoded Rec.709 (sRGB)"}
    task = Extend(margins=Margins(left=12, right=12))
    delivered = deliver(tmp_path, task, str(tmp_path / "p/plate.%04d.tif"), source=source)
    assert delivered.not_intact() == []


@pytest.mark.parametrize(("found", "state"), [(990, "intact"), (989, "unknown"), (800, "unknown"), (799, "changed")])
def test_between_proof_and_refutation_nothing_is_said(found: int, state: str) -> None:
    (said,) = _summary(_Tally(sampled=1000, reproduced=found))
    assert said.state.value == state


@pytest.mark.parametrize(("sampled", "found", "changed"), [(320, 248, False), (320, 221, True), (40, 10, False)])
def test_of_one_frame_few_squares_are_drawn_and_it_takes_more_to_refute_them(
    sampled: int, found: int, changed: bool
) -> None:
    sampler = SimpleNamespace(sample=lambda *_, **__: SourceCheck(sampled=sampled, reproduced=found))
    image = SimpleNamespace(number=1030, path="extended.1030.exr")
    said = list(_sampled(sampler, image, _Tally(), sidecar=None))
    assert [item.state for item in said] == [State.CHANGED] * changed
