"""Soft mattes mix in scene-linear light; where the matte is 0, nothing is touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PyOpenColorIO as ocio
import pytest
from filming import changed, ellipse, inpaint, make_job, pan, read, rgb, run, scene, write

from overscan.core.jobs import ExtrasMode, SampleType

SIZE = (160, 96)


def _hard_and_soft(tmp_path, plate, frames, **fields):
    """The same hole with a hard edge and a soft one."""
    soft = ellipse(SIZE, centre=(80, 48), radii=(24, 18), soft=10)
    write(tmp_path / "soft.exr", {"A": soft})
    write(tmp_path / "hard.exr", {"A": (soft > 0).astype(np.float32)})
    runs = [
        run(
            make_job(inpaint(str(tmp_path / f"{edge}.exr")), plate, str(tmp_path / f"{edge}/o.%d.exr"), **fields),
            tmp_path / edge,
        )
        for edge in ("hard", "soft")
    ]
    return soft, *runs


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_edge_is_the_scene_linear_mix(tmp_path, dtype):
    plate = pan(tmp_path / "p", frames=range(1, 7), dtype=dtype)
    soft, hard, mixed = _hard_and_soft(tmp_path, plate, range(1, 7))
    edge = (soft > 0) & (soft < 1)
    assert edge.sum() > 500
    for frame in range(1, 7):
        before = np.stack([plane.astype(np.float64) for plane in _planes(plate, frame)], axis=-1)
        share = soft[..., None].astype(np.float64)
        expected = before * (1 - share) + hard.light(frame) * share
        # What was generated is rounded to half in the hard result already.
        tolerance = {"rtol": 1.2e-3, "atol": 1e-5} if dtype == np.float16 else {"rtol": 1e-5, "atol": 1e-6}
        assert np.allclose(mixed.light(frame)[edge], expected[edge], **tolerance)
        assert np.array_equal(mixed.extras(frame)["A"], soft)
        compared, differing = changed(tmp_path / f"p/plate.{frame:04d}.exr", mixed.path(frame), replaced=soft > 0)
        assert differing == 0
        assert compared == 3 * int((soft == 0).sum())


def _planes(plate: str, frame: int):
    return read(Path(plate % frame))[0].planes.values()


def test_a_log_plate_is_mixed_in_linear_light(tmp_path):
    config = ocio.Config.CreateFromFile("ocio://studio-config-v5.0.0_aces-v2.1_ocio-v2.6")
    encode = config.getProcessor("ACEScg", "ACEScct").getDefaultCPUProcessor()
    decode = config.getProcessor("ACEScct", "ACEScg").getDefaultCPUProcessor()

    def shaped(index: int, view: np.ndarray) -> np.ndarray:
        view = np.ascontiguousarray(view)
        encode.applyRGB(view)
        return view

    plate = pan(tmp_path / "p", frames=range(1, 5), dtype=np.float32, edit=shaped)
    soft, hard, mixed = _hard_and_soft(tmp_path, plate, range(1, 5), source={"colour_space": "ACEScct"})
    edge = (soft > 0.2) & (soft < 0.8)
    share = soft[..., None]
    for frame in range(1, 5):
        before = np.stack(list(_planes(plate, frame)), axis=-1)
        light = [np.ascontiguousarray(picture) for picture in (before, hard.light(frame), mixed.light(frame))]
        for picture in light:
            decode.applyRGB(picture)
        expected = light[0] * (1 - share) + light[1] * share
        assert np.allclose(light[2][edge], expected[edge], rtol=2e-4, atol=2e-5)
        in_log = before * (1 - share) + hard.light(frame) * share
        assert np.abs(mixed.light(frame)[edge] - in_log[edge]).max() > 1e-3


def test_where_the_plate_holds_no_light_the_edge_is_all_generated(tmp_path):
    def broken(index: int, view: np.ndarray) -> np.ndarray:
        view[48, 40:120] = np.nan
        view[49, 40:120, 0] = np.inf
        return view

    plate = pan(tmp_path / "p", frames=range(1, 5), edit=broken, dtype=np.float32)
    soft, _, mixed = _hard_and_soft(tmp_path, plate, range(1, 5))
    for frame in range(1, 5):
        assert np.isfinite(mixed.light(frame)[soft > 0]).all()
        assert np.isnan(mixed.light(frame)[48, 40:120][soft[48, 40:120] == 0]).all()
        assert (soft[48, 40:120] == 0).any()


@pytest.mark.parametrize("still", [True, False])
def test_an_empty_matte_passes_the_plate_through_and_analyses_nothing(tmp_path, still):
    plate = pan(tmp_path / "p", frames=range(1, 5), attributes={"compression": "piz"})
    for number in range(1, 5):
        write(tmp_path / f"m/m.{number}.exr", {"A": np.zeros((96, 160), np.float16)})
    matte = str(tmp_path / ("m/m.2.exr" if still else "m/m.%d.exr"))
    done = run(
        make_job(inpaint(matte), plate, str(tmp_path / "o/o.%d.exr"), output={"extras": ExtrasMode.NONE}), tmp_path
    )
    assert not list((tmp_path / "cache").rglob("*.npz"))
    assert not list((tmp_path / "work").rglob("*.npz"))
    for number in range(1, 5):
        before = tmp_path / f"p/plate.{number:04d}.exr"
        assert changed(before, done.path(number)) == (3 * 96 * 160, 0)
        (image,) = read(done.path(number))
        assert list(image.planes) == list(read(before)[0].planes)
        assert image.attributes["compression"] == "piz"


@pytest.mark.parametrize("value", [np.nan, -1.0, 1e-30])
def test_strange_values_in_a_matte(tmp_path, value):
    plate = pan(tmp_path / "p", frames=range(1, 4))
    matte = np.zeros((96, 160), np.float32)
    matte[10:13, 10:13] = value
    write(tmp_path / "m.exr", {"A": matte})
    done = run(make_job(inpaint(str(tmp_path / "m.exr")), plate, str(tmp_path / "o.%d.exr")), tmp_path)
    for number in range(1, 4):
        assert done.extras(number)["A"].sum() == (9 * value if value > 0 else 0)
        # So thin a mix is less than a half can tell.
        assert changed(tmp_path / f"p/plate.{number:04d}.exr", done.path(number))[1] == 0


def test_a_matte_smaller_than_the_frame_keeps_what_it_does_not_reach(tmp_path):
    plate = pan(tmp_path / "p", frames=range(1, 5))
    display = (0, 0, *SIZE)
    write(tmp_path / "m.exr", {"A": np.ones((20, 30), np.float16)}, origin=(100, 50), display=display)
    # Another reaches beyond the format, which is nothing of the plate's.
    write(tmp_path / "far.exr", {"A": np.ones((10, 10), np.float16)}, origin=(-10, -10), display=display)
    inside = np.zeros((96, 160), bool)
    inside[50:70, 100:130] = True
    done = run(make_job(inpaint(str(tmp_path / "m.exr")), plate, str(tmp_path / "o.%d.exr")), tmp_path / "1")
    far = run(make_job(inpaint(str(tmp_path / "far.exr")), plate, str(tmp_path / "f.%d.exr")), tmp_path / "2")
    for number in range(1, 5):
        assert np.array_equal(done.extras(number)["A"] == 1, inside)
        assert changed(tmp_path / f"p/plate.{number:04d}.exr", done.path(number), replaced=inside)[1] == 0
        assert changed(tmp_path / f"p/plate.{number:04d}.exr", far.path(number))[1] == 0


def test_mattes_of_other_kinds_say_the_same(tmp_path):
    plate = pan(tmp_path / "p", frames=range(1, 4))
    codes = np.rint(ellipse(SIZE, centre=(60, 40), radii=(20, 14), soft=8) * 255).astype(np.uint8)
    level = codes.astype(np.float32) / np.float32(255)
    other = np.full_like(codes, 9)
    mattes = {
        "grey.png": {"Y": codes},
        "alpha.png": {"R": other, "G": other, "B": other, "A": codes},
        "alpha.exr": {"A": level},
        "red.exr": {"R": level, "G": level * 0, "B": level * 0},
        "deep.tif": {"Y": codes.astype(np.uint16) * 257},
        "named.exr": {"mask.roto": level, "Z": level * 0},
    }
    results = {}
    for name, planes in mattes.items():
        path = write(tmp_path / name, planes)
        channel = "mask.roto" if name == "named.exr" else ""
        job = make_job(
            inpaint(str(path), channel=channel), plate, str(tmp_path / f"{path.stem}-{path.suffix[1:]}.%d.exr")
        )
        results[name] = run(job, tmp_path / f"run-{name}")
    for done in results.values():
        assert np.allclose(done.extras(2)["A"], level, atol=1e-7)
        assert np.allclose(done.light(2), results["alpha.exr"].light(2), rtol=2e-3, atol=1e-4)


def test_half_never_overflows(tmp_path):
    bright = scene(96, 200) * np.float32(1e6)
    for index in range(3):
        write(tmp_path / f"p/p.{index}.exr", rgb(bright[:, 3 * index : 3 * index + 160], np.float32))
    matte = ellipse(SIZE, centre=(80, 48), radii=(24, 18), soft=10)
    write(tmp_path / "m.exr", {"A": matte})
    job = make_job(
        inpaint(str(tmp_path / "m.exr")),
        str(tmp_path / "p/p.%d.exr"),
        str(tmp_path / "o.%d.exr"),
        output={"sample_type": SampleType.HALF},
    )
    done = run(job, tmp_path)
    assert np.isfinite(done.light(1)[matte == 1]).all()
    assert done.light(1)[matte == 1].max() > 6e4
