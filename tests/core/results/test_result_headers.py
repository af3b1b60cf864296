"""What a result's header keeps of the plate's, what it adds, and what it takes back."""

from __future__ import annotations

import numpy as np
import pytest
from filming import EXTRAS, changed, make_job, pan, read, rgb, run, scene, write

from overscan.core.jobs import Extend, ExtrasMode, Margins
from overscan.core.results import extras_pattern

WIDER = Extend(margins=Margins(left=6))
METADATA = {
    "Copyright": "Studio",
    "framesPerSecond": ("rational", (24000, 1001)),
    "worldToCamera": ("matrix", tuple(float(at) for at in range(16))),
    "smpte:TimeCode": ("timecode", (0x01020304, 0)),
    "camera/lens": "32 mm",
    "take": 7,
}


@pytest.mark.parametrize("mode", list(ExtrasMode))
def test_metadata_timecode_and_type_follow_the_plate(tmp_path, mode):
    plate = pan(tmp_path / "p", size=(40, 30), frames=(8, 9), attributes=METADATA | {"compression": "zips"})
    done = run(make_job(WIDER, plate, str(tmp_path / "o/o.%d.exr"), output={"extras": mode}), tmp_path)
    before = read(tmp_path / "p/plate.0009.exr")[0]
    after = done.result(9)
    given = {name: value for name, value in before.attributes.items() if name not in _STORED}
    assert set(METADATA) - {"framesPerSecond"} <= set(given)
    for name, value in given.items():
        assert after.attributes[name] == value, name
    assert after.attributes["compression"] == "zips"
    assert after.attributes["overscan:frame"] == "9"
    assert after.attributes["overscan:plate"] == plate
    for part in read(done.path(9)):
        assert part.attributes["smpte:TimeCode"] == before.attributes["smpte:TimeCode"]
        assert part.display == (0, 0, 46, 30)


_STORED = {"oiio:subimages", "oiio:subimagename", "name", "openexr:chunkCount", "version", "type"}


def test_where_the_extras_go(tmp_path):
    plate = pan(tmp_path / "p", size=(40, 30), frames=(1, 2))
    names = {}
    for mode in ExtrasMode:
        done = run(
            make_job(WIDER, plate, str(tmp_path / f"{mode.value}/o.%d.exr"), output={"extras": mode}),
            tmp_path / mode.value / "run",
        )
        names[mode] = [(part.name, list(part.planes)) for part in read(done.path(1))]
        files = sorted(path.name for path in (tmp_path / mode.value).glob("*.exr"))
        sidecars = ["o.extras.1.exr", "o.extras.2.exr"] if mode is ExtrasMode.SIDECAR else []
        assert files == sorted(["o.1.exr", "o.2.exr", *sidecars])
    assert names[ExtrasMode.NONE] == names[ExtrasMode.SIDECAR] == [("", ["R", "G", "B"])]
    assert [name for name, _ in names[ExtrasMode.PART]] == ["rgba", "overscan"]
    assert names[ExtrasMode.PART][0][1] == ["R", "G", "B"]
    assert sorted(names[ExtrasMode.PART][1][1]) == sorted(EXTRAS)
    assert set(names[ExtrasMode.LAYERS][0][1]) == {"R", "G", "B", *EXTRAS}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/out.%04d.exr", "/a/out.extras.%04d.exr"),
        ("/a.b/out.####.exr", "/a.b/out.extras.####.exr"),
        ("/a/out_1001.exr", "/a/out.extras_1001.exr"),
        ("/a/out.exr", "/a/out.extras.exr"),
        ("/a/out.$F4.tif", "/a/out.extras.$F4.exr"),
        ("/a/out.%d.png", "/a/out.extras.%d.exr"),
    ],
)
def test_names_of_sidecars(path, expected):
    assert extras_pattern(path) == expected


@pytest.mark.parametrize(
    ("mode", "keeps"), [(ExtrasMode.PART, False), (ExtrasMode.LAYERS, False), (ExtrasMode.NONE, True)]
)
def test_the_aces_flag_stays_only_where_it_is_true(tmp_path, mode, keeps):
    aces = {"acesImageContainerFlag": 1, "compression": "none"}
    plate = pan(tmp_path / "p", size=(40, 30), frames=(1, 2), attributes=aces)
    done = run(make_job(WIDER, plate, str(tmp_path / "o/o.%d.exr"), output={"extras": mode}), tmp_path)
    assert done.plan.colour_space == "ACES2065-1"
    for part in read(done.path(1)):
        assert ("acesImageContainerFlag" in part.attributes) == keeps
        # The colours are what they were.
        assert "chromaticities" in part.attributes


def test_views_of_one_part_stay_with_it(tmp_path):
    left, right = rgb(scene(30, 40)), rgb(scene(30, 40, seed=8))
    views = right | {f"left.{name}": plane for name, plane in left.items()}
    plate = write(tmp_path / "p.exr", views, attributes={"multiView": ("string[2]", ("right", "left"))})
    run(make_job(WIDER, str(plate), str(tmp_path / "o.exr"), source={"view": "left"}), tmp_path)
    first, extras = read(tmp_path / "o.exr")
    assert first.attributes["multiView"] == read(plate)[0].attributes["multiView"]
    assert "multiView" not in extras.attributes
    assert changed(plate, tmp_path / "o.exr", offset=(6, 0)) == (6 * 30 * 40, 0)
    wide = np.stack([first.planes[f"left.{name}"] for name in "RGB"])
    assert (wide[:, :, :6] != 0).any()
    assert not any(first.planes[name][:, :6].any() for name in "RGB")
    assert first.attributes["overscan:channels"] == '["left.R", "left.G", "left.B"]'


def test_an_exr_of_an_encoded_plate_says_how_it_is_encoded(tmp_path):
    """Or the next program would take it for linear light."""
    for number in (1, 2):
        write(tmp_path / f"p/p.{number}.png", {name: (plane * 90).astype("u1") for name, plane in _codes().items()})
        write(tmp_path / f"d/d.{number}.tif", {name: (plane * 900).astype("u2") for name, plane in _codes().items()})
    png = run(make_job(WIDER, str(tmp_path / "p/p.%d.png"), str(tmp_path / "1/o.%d.exr")), tmp_path / "a")
    job = make_job(
        WIDER, str(tmp_path / "d/d.%d.tif"), str(tmp_path / "2/o.%d.exr"), source={"colour_space": "ACEScct"}
    )
    log = run(job, tmp_path / "b")
    assert png.result(1).attributes["colorInteropID"] == "srgb_rec709_scene"
    assert str(log.result(1).attributes["colorInteropID"]).endswith("acescct_ap1_scene")
    # A second job on it finds the space by itself.
    for done, space in ((png, "sRGB Encoded Rec.709 (sRGB)"), (log, "ACEScct")):
        again = run(make_job(WIDER, done.job.output.path, f"{done.job.output.path}.again.%d.exr"), done.work / "again")
        assert again.plan.colour_space == done.plan.colour_space
        assert space.split()[0] in again.plan.colour_space


def _codes():
    return rgb(scene(30, 40).clip(0, 2))


def test_a_premultiplied_alpha_is_solid_where_the_plate_was_not(tmp_path):
    for number in (1, 2):
        planes = rgb(scene(30, 40))
        planes["A"] = planes["R"] * 0 + planes["R"].dtype.type(0.25)
        write(tmp_path / f"p/p.{number}.exr", planes)
    done = run(make_job(WIDER, str(tmp_path / "p/p.%d.exr"), str(tmp_path / "o.%d.exr")), tmp_path)
    alpha = done.result(1).planes["A"]
    assert (alpha[:, :6] == 1).all()
    assert (alpha[:, 6:] == 0.25).all()
