"""Promise 1, checked with OpenImageIO alone: outside the generated region every sample is the plate's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filming import EXTRAS, Image, changed, ellipse, inpaint, make_job, pan, problems, read, rgb, run, scene, write

from overscan.core.jobs import Extend, ExtrasMode, Margins, SampleType

REFUSED = {
    "Chromaticities/Rec709_YC.exr",
    "Chromaticities/XYZ_YC.exr",
    "LuminanceChroma/Flowers.exr",
    "MultiResolution/ColorCodedLevels.exr",
    "MultiResolution/PeriodicPattern.exr",
}
"""Sound files of kinds that are not processed: subsampled or mip-mapped."""
ALIKE = {
    *(f"Beachball/singlepart.000{number}.exr" for number in range(1, 9)),
    "Beachball/multipart.0002.exr",
    *(f"TestImages/{name}.exr" for name in ("GammaChart", "GrayRampsHorizontal", "RgbRampsDiagonal", "WideColorGamut")),
}
"""Large files of the same kinds as others of the set."""
QUICK = {"quality": "preview"}


def _files(folder: Path) -> dict[str, Path]:
    root = folder / "openexr-images"
    return {str(path.relative_to(root)): path for path in sorted(root.glob("*/*.exr")) if path.parent.name != "Damaged"}


def _picture(parts: list[Image]) -> tuple[int, tuple[str, ...]]:
    """Which part and channels are the picture, in the Academy's files."""
    for names in (("R", "G", "B"), ("Y",)):
        for index, part in enumerate(parts):
            if set(names) <= set(part.planes):
                return index, names
    ((name, _),) = parts[0].planes.items()
    return 0, (name,)


def _mostly_full(parts: list[Image], format_samples: int) -> bool:
    return 2 * min(part.shape[0] * part.shape[1] for part in parts) >= format_samples


def _extend(path: Path, folder: Path) -> bool:
    """Whether anything was generated."""
    before = read(path)
    x, y, width, height = before[0].display
    # To synthesise takes long where much is to be filled, and beside large pictures.
    fill = "synthesise" if width * height <= 200_000 and _mostly_full(before, width * height) else "smooth"
    task, parameters = Extend(margins=Margins(left=9, bottom=6)), {**QUICK, "fill": fill}
    run(make_job(task, str(path), str(folder / "o.exr"), parameters=parameters), folder)
    after = read(folder / "o.exr")
    assert len(after) == len(before) + 1
    assert list(after[-1].planes) == sorted(EXTRAS)
    assert after[0].display == (x, y, width + 9, height + 6)
    index, painted = _picture(before)
    compared, differing = changed(path, folder / "o.exr", offset=(9, 0), part=index, painted=painted)
    assert differing == 0
    assert compared == sum(plane.size for part in before for plane in part.planes.values())
    made = after[-1].planes["generated.A"] == 1
    assert made.sum() == made.size - before[index].planes[painted[0]].size
    light = np.stack([after[index].planes[name][made].astype(np.float32) for name in painted])
    assert np.isfinite(light).all()
    return bool(made.any())


def _inpaint(path: Path, folder: Path) -> bool:
    """Whether any sample was changed."""
    before = read(path)
    index, painted = _picture(before)
    part = before[index]
    left, top, width, height = part.display
    matte = ellipse(
        (width, height),
        # Where the plate has samples, which may be at the rim of its format.
        centre=(
            np.clip(part.origin[0] + part.shape[1] / 2 - left, 0, width - 1),
            np.clip(part.origin[1] + part.shape[0] / 2 - top, 0, height - 1),
        ),
        radii=(min(width / 9, 45), min(height / 9, 45)),
        soft=6,
    )
    write(folder / "m.exr", {"A": matte}, origin=(left, top))
    run(make_job(inpaint(str(folder / "m.exr")), str(path), str(folder / "o.exr"), parameters=QUICK), folder)
    full = np.zeros((max(part.shape[0], height) * 3, max(part.shape[1], width) * 3), bool)
    x, y = max(part.shape[1], width), max(part.shape[0], height)
    full[y : y + height, x : x + width] = matte > 0
    dx, dy = part.origin[0] - left, part.origin[1] - top
    replaced = full[y + dy : y + dy + part.shape[0], x + dx : x + dx + part.shape[1]]
    meets = -part.shape[1] < dx < width and -part.shape[0] < dy < height
    assert replaced.any() == meets  # a data window may lie wholly outside the format
    compared, differing = changed(path, folder / "o.exr", part=index, painted=painted, replaced=replaced)
    assert differing == 0
    assert compared > 0
    after = read(folder / "o.exr")
    assert np.array_equal(after[-1].planes["generated.A"] > 0, replaced)
    inside = [after[index].planes[name][replaced] for name in painted]
    assert all(np.isfinite(now.astype(np.float32)).all() for now in inside)
    return any(not np.array_equal(now, part.planes[name][replaced]) for name, now in zip(painted, inside, strict=True))


@pytest.mark.parametrize("work", [_extend, _inpaint], ids=["extend", "inpaint"])
def test_every_kind_of_exr_file(shared_data, tmp_path, work):
    done = worked = 0
    for at, (name, path) in enumerate(_files(shared_data).items()):
        if name in REFUSED | ALIKE:
            continue
        folder = tmp_path / str(at)
        folder.mkdir()
        worked += work(path, folder)
        done += 1
    assert done >= 28
    assert worked >= done - 8  # some have nothing to extend, or one colour all round the matte


@pytest.mark.slow
@pytest.mark.parametrize("work", [_extend, _inpaint], ids=["extend", "inpaint"])
def test_the_other_large_files(shared_data, tmp_path, work):
    files = _files(shared_data)
    for name in sorted(ALIKE):
        folder = tmp_path / Path(name).stem
        folder.mkdir()
        assert work(files[name], folder)


def test_unsupported_files_are_refused_with_the_reason(shared_data, tmp_path):
    files = _files(shared_data)
    for name in sorted(REFUSED):
        found = problems(make_job(Extend(margins=Margins(left=9)), str(files[name]), str(tmp_path / "o.exr")))
        assert list(found) == ["UNSUPPORTED_IMAGE"], name
        record = found["UNSUPPORTED_IMAGE"]
        assert record.path == str(files[name])
        assert "part 0" in record.message


def test_damaged_files_are_refused(shared_data, tmp_path):
    refused = 0
    for path in sorted((shared_data / "openexr-images" / "Damaged").iterdir()):
        plate = tmp_path / f"{path.name[-40:]}.exr"
        plate.write_bytes(path.read_bytes())
        found = problems(make_job(Extend(margins=Margins(left=9)), str(plate), str(tmp_path / "o" / "o.exr")))
        refused += bool(found)
        assert set(found) <= {"UNREADABLE_IMAGE", "UNSUPPORTED_IMAGE"}, path.name
        assert all(record.path == str(plate) for record in found.values())
    # The headers of a few are sound: their samples are refused when they are read.
    assert refused > 80


def _wild(index: int, light: np.ndarray, dtype: type) -> dict[str, np.ndarray]:
    """A frame with everything in it that a plate may hold."""
    planes = rgb(light, dtype)
    red = planes["R"]
    red[5, 5:12] = [np.nan, np.inf, -np.inf, -0.0, -3.5, 60000, 1e-7]
    red[40, 60 + index] = np.nan
    kind = f"u{red.dtype.itemsize}"
    planes["G"].view(kind)[6, 6] = 0x7E01 if red.dtype == np.float16 else 0x7FC12345  # a NaN with a payload
    planes["A"] = np.full(red.shape, 0.5, dtype)
    return planes


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_nan_inf_negatives_ids_and_depth_in_tiles(tmp_path, dtype):
    rng = np.random.default_rng(3)
    for index in range(4):
        planes = _wild(index, scene(120, 200)[20:84, 3 * index : 3 * index + 100], dtype)
        planes |= {
            "Z": rng.random((64, 100), np.float32),
            "id": rng.integers(0, 2**32, (64, 100), np.uint32),
            "diffuse.R": planes["R"].copy(),
        }
        write(tmp_path / f"p/p.{index:04d}.exr", planes, origin=(-2 + index, 3), display=(0, 0, 100, 64), tile=(32, 16))
        matte = ellipse((100, 64), centre=(60, 40), radii=(14, 9))
        write(tmp_path / f"m/m.{index:04d}.exr", {"A": matte})
    plate = str(tmp_path / "p/p.%04d.exr")
    wide = run(make_job(Extend(size=(121, 80), place=(7, -4)), plate, str(tmp_path / "w/w.%04d.exr")), tmp_path / "1")
    clean = run(
        make_job(inpaint(str(tmp_path / "m/m.%04d.exr")), plate, str(tmp_path / "c/c.%04d.exr")), tmp_path / "2"
    )
    for index in range(4):
        source = tmp_path / f"p/p.{index:04d}.exr"
        assert changed(source, wide.path(index), offset=(7, -4)) == (7 * 6400, 0)
        assert wide.result(index).tile == (32, 16)
        x, y = -2 + index, 3
        matte = np.zeros((80, 120), bool)
        matte[:64, :100] = ellipse((100, 64), centre=(60, 40), radii=(14, 9)) > 0
        replaced = np.roll(matte, (-y, -x), axis=(0, 1))[:64, :100]
        replaced[64 - y :] = False
        compared, differing = changed(source, clean.path(index), replaced=replaced)
        assert differing == 0
        assert compared == 7 * 6400 - 3 * replaced.sum()
        inside = np.stack([clean.result(index).planes[name][replaced] for name in "RGB"])
        assert np.isfinite(inside.astype(np.float32)).all()


@pytest.mark.parametrize(
    ("kind", "dtype", "bits", "space"),
    [
        ("png", np.uint8, 8, ""),
        ("png", np.uint16, 16, ""),
        ("tif", np.uint16, 16, "ACEScct"),
        ("tif", np.float32, 32, "ACEScg"),
        ("dpx", np.uint16, 10, "ACEScct"),
    ],
)
def test_other_formats_to_their_own_kind_and_to_exr(tmp_path, kind, dtype, bits, space):
    top = 2**bits - 1 if np.dtype(dtype).kind == "u" else 1
    for index in range(3):
        # Codes of 10 bits are handed to OpenImageIO stretched over 16.
        view = np.clip(scene(100, 160)[:60, 2 * index : 2 * index + 90] * 0.4, 0, 1)
        codes = np.rint(view * top) if top > 1 else view
        stretched = codes * 64 + codes // 16 if bits == 10 else codes
        write(tmp_path / f"p/p.{index}.{kind}", rgb(stretched, dtype), attributes={"oiio:BitsPerSample": bits})
    plate, place = str(tmp_path / f"p/p.%d.{kind}"), Extend(size=(110, 70), place=(4, 6))
    source = {"colour_space": space}
    own = run(
        make_job(place, plate, str(tmp_path / f"o/o.%d.{kind}"), source=source, output={"extras": ExtrasMode.SIDECAR}),
        tmp_path / "1",
    )
    exr = run(make_job(place, plate, str(tmp_path / "e/e.%d.exr"), source=source), tmp_path / "2")
    for index in range(3):
        before, same, other = read(tmp_path / f"p/p.{index}.{kind}")[0], own.result(index), exr.result(index)
        sidecar = read(tmp_path / f"o/o.extras.{index}.exr")
        assert [list(part.planes) for part in sidecar] == [sorted(EXTRAS)]
        assert np.array_equal(sidecar[0].planes["generated.A"][6:66, 4:94], np.zeros((60, 90), np.float32))
        for name in "RGB":
            inside = (slice(6, 66), slice(4, 94))
            assert np.array_equal(before.planes[name], same.planes[name][inside])
            floats = other.planes[name][inside].astype(np.float64)
            if top == 1:
                assert np.array_equal(before.planes[name], other.planes[name][inside])
            else:
                # Every code value can be had back from the floats.
                codes = before.planes[name].astype(np.float64) // (64 if bits == 10 else 1)
                assert np.array_equal(np.rint(floats * top), codes)
        assert same.planes["R"].dtype == dtype


def test_float_for_half_is_exact_and_half_for_float_is_announced(tmp_path):
    half = pan(tmp_path / "h", frames=(1, 2, 3))
    float_ = pan(tmp_path / "f", frames=(1, 2, 3), dtype=np.float32)
    place = Extend(margins=Margins(right=10))
    out = str(tmp_path / "o/a.%d.exr")
    up = run(make_job(place, half, out, output={"sample_type": SampleType.FLOAT}), tmp_path / "1")
    for name, plane in read(tmp_path / "h/plate.0002.exr")[0].planes.items():
        found = up.result(2).planes[name]
        assert found.dtype == np.float32
        assert np.array_equal(plane.astype(np.float32), found[:, :160])
    assert not {notice.code for notice in up.plan.warnings} & {"SAMPLES_ROUNDED"}
    out = str(tmp_path / "o/b.%d.exr")
    down = run(make_job(place, float_, out, output={"sample_type": SampleType.HALF}), tmp_path / "2")
    for name, plane in read(tmp_path / "f/plate.0002.exr")[0].planes.items():
        assert np.array_equal(plane.astype(np.float16), down.result(2).planes[name][:, :160])
    assert "SAMPLES_ROUNDED" in {notice.code for notice in down.plan.warnings}


@pytest.mark.parametrize("method", ["dwaa", "b44", "pxr24", "piz", "none"])
@pytest.mark.parametrize("extras", list(ExtrasMode))
def test_no_compression_of_the_plate_alters_a_sample(tmp_path, method, extras):
    plate = pan(tmp_path / "p", frames=(1, 2), size=(70, 50), attributes={"compression": method})
    job = make_job(Extend(margins=Margins(top=5)), plate, str(tmp_path / "o/o.%d.exr"), output={"extras": extras})
    done = run(job, tmp_path)
    assert changed(tmp_path / "p/plate.0002.exr", done.path(2), offset=(0, 5)) == (3 * 3500, 0)
    written = str(done.result(2).attributes["compression"])
    lossy = method in ("dwaa", "b44") or (method == "pxr24" and extras is ExtrasMode.LAYERS)
    assert written == ("zip" if lossy else method)
    assert ("COMPRESSION_CHANGED" in {notice.code for notice in done.plan.warnings}) == lossy
