"""What an artist steers with is opened and checked before anything runs: mattes, clean plates, camera, tracks …"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from filming import inpaint, make_job, pan, problems, read, rgb, run, scene, write

from overscan.core.colour import LinearTransform, load_config, resolve_space
from overscan.core.controls import Camera, CameraSample, Controls, PointTrajectory, TrajectoryPoint
from overscan.core.errors import ErrorRecord, FrameRangeError
from overscan.core.jobs import Extend, Job, Margins, MatteSource, SequenceSource
from overscan.core.shots import Shot, camera_at, survey

WIDER = Extend(margins=Margins(left=8))
FRAMES = range(1001, 1005)
SIZE = (40, 24)


def _matte(folder: Path, *, name: str = "m", frames: Sequence[int] = FRAMES, size=SIZE, value: float = 1.0) -> str:
    for frame in frames:
        write(folder / f"{name}.{frame:04d}.exr", {"A": np.full((size[1], size[0]), value, np.float16)})
    return str(folder / f"{name}.%04d.exr")


def _source(pattern: str, **fields: str) -> MatteSource:
    return MatteSource(sequence=SequenceSource(path=pattern), **fields)


def _job(folder: Path, *, plate: str | None = None, **controls: object) -> Job:
    plate = plate or pan(folder / "p", size=SIZE, frames=FRAMES)
    return make_job(WIDER, plate, str(folder / "o.%04d.exr"), controls=Controls(**controls))


def _open(job: Job) -> Shot:
    found = survey(job)
    assert found.shot is not None, found.problems
    return found.shot


def _only(job: Job) -> ErrorRecord:
    """The one thing that is wrong with a job."""
    found = survey(job)
    assert len(found.problems) == 1, found.problems
    assert found.problems[0].next_step, "it must say what to do"
    return found.problems[0]


def test_without_controls_every_frame_is_a_source(tmp_path):
    shot = _open(_job(tmp_path))
    assert shot.sources == frozenset(FRAMES)
    assert (shot.movers, shot.never_copy, shot.clean_plates) == (None, None, ())


def test_source_frames(tmp_path):
    plate = pan(tmp_path / "p", size=SIZE, frames=FRAMES)
    assert _open(_job(tmp_path, plate=plate, source_frames=(1002, 1004))).sources == {1002, 1004}
    problem = _only(_job(tmp_path, plate=plate, source_frames=(1000, 1002, 1010)))
    assert (problem.code, problem.field, problem.frame) == ("FRAME_RANGE", "controls.source_frames", 1000)
    assert "1000,1010 are not in the plate, which has 1001-1004" in problem.message
    assert problem.path == plate
    assert "--source-frames" in problem.next_step
    assert _only(_job(tmp_path, plate=plate, source_frames=())).code == "FRAME_RANGE"


@pytest.mark.parametrize(("name", "spoken"), [("movers", "movers matte"), ("never_copy", "never-copy matte")])
def test_mattes_are_held_to_the_rules_of_the_inpaint_matte(tmp_path, name, spoken):
    plate = pan(tmp_path / "p", size=SIZE, frames=FRAMES)
    shot = _open(_job(tmp_path, plate=plate, **{name: _source(_matte(tmp_path / "good", value=0.25))}))
    opened = getattr(shot, name)
    assert opened.read(1003, window=shot.data_window(1003)) == pytest.approx(0.25)
    still = write(tmp_path / "still.exr", {"A": np.ones((SIZE[1], SIZE[0]), np.float16)})
    shot = _open(_job(tmp_path, plate=plate, **{name: _source(str(still))}))
    assert getattr(shot, name).covers(1004)

    def refused(pattern: str, **fields: str) -> ErrorRecord:
        return _only(_job(tmp_path, plate=plate, **{name: _source(pattern, **fields)}))

    larger = refused(_matte(tmp_path / "large", size=(44, 24)))
    assert (larger.code, larger.field) == ("MISMATCH", f"controls.{name}")
    assert larger.message == f"the {spoken}'s format is 44x24, the plate's is 40x24."
    assert larger.path.endswith("m.1001.exr")
    short = refused(_matte(tmp_path / "short", frames=(1001, 1002)))
    assert (short.code, short.field, short.frame) == ("MISMATCH", f"controls.{name}", 1003)
    assert spoken in short.message
    assert "1003-1004" in short.message
    gone = refused(str(tmp_path / "none.%04d.exr"))
    assert (gone.code, gone.field) == ("MISSING_FRAMES", f"controls.{name}")
    other = refused(_matte(tmp_path / "channel"), channel="roto.R")
    assert (other.code, other.field) == ("INVALID_JOB", f"controls.{name}.channel")
    assert f"controls.{name}.channel" in other.next_step
    _matte(tmp_path / "good", frames=(1004,), size=(41, 24))
    late = refused(str(tmp_path / "good/m.%04d.exr"))
    assert (late.code, late.frame) == ("MISMATCH", 1004)
    assert spoken in late.message


def test_the_inpaint_matte_keeps_its_own_name_beside_others(tmp_path):
    plate = pan(tmp_path / "p", size=SIZE, frames=FRAMES)
    controls = Controls(movers=_source(_matte(tmp_path / "a", size=(10, 10))))
    job = make_job(
        inpaint(_matte(tmp_path / "b", size=(12, 12))), plate, str(tmp_path / "o.%04d.exr"), controls=controls
    )
    assert [problem.field for problem in survey(job).problems] == ["inpaint.matte", "controls.movers"]


def test_a_clean_plate_still_and_a_sequence(tmp_path):
    still, first, second = scene(30, 50, seed=1), scene(20, 64, seed=2), scene(20, 64, seed=3)
    write(tmp_path / "still.exr", rgb(still, np.float32), origin=(-5, 3), display=(0, 0, 50, 30))
    write(tmp_path / "c/c.0007.exr", rgb(first, np.float32))
    write(tmp_path / "c/c.0009.exr", rgb(second, np.float32))
    sources = (SequenceSource(path=str(tmp_path / "still.exr")), SequenceSource(path=str(tmp_path / "c/c.%04d.exr")))
    one, two, three = _open(_job(tmp_path, clean_plates=sources)).clean_plates
    assert [(clean.name, clean.number) for clean in (one, two, three)] == [
        ("still.exr", None),
        ("c.0007.exr", 7),
        ("c.0009.exr", 9),
    ]
    assert (one.data_window.x, one.data_window.y, one.data_window.width, one.data_window.height) == (-5, 3, 50, 30)
    for clean, truth in ((one, still), (two, first), (three, second)):
        light = clean.read_light()
        assert light.dtype == np.float32
        assert np.array_equal(light, truth), "scene-linear float comes through bit for bit, below 0 and above 1 too"


def test_a_clean_plate_in_another_colour_space_comes_in_the_plates_light(tmp_path):
    encoded = np.clip(scene(16, 20), 0, 1)
    write(tmp_path / "wall.tif", rgb(encoded, np.float32))
    plate = pan(tmp_path / "p", size=SIZE, frames=FRAMES)
    source = SequenceSource(path=str(tmp_path / "wall.tif"), colour_space="srgb_tx")
    job = make_job(
        WIDER,
        plate,
        str(tmp_path / "o.%04d.exr"),
        source={"colour_space": "ACEScg"},
        controls=Controls(clean_plates=(source,)),
    )
    (clean,) = _open(job).clean_plates
    config = load_config()

    def linear(name: str) -> LinearTransform:
        space = resolve_space(config, name=name, attributes={}, path="", format_name="openexr")
        return LinearTransform(config=config, space=space)

    # IEC 61966-2-1, then the matrix from Rec. 709 to AP1 with Bradford's adaptation, as the ACES documents print it.
    decoded = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    matrix = [
        [0.61309732, 0.33952285, 0.04737928],
        [0.07019422, 0.91635557, 0.01345259],
        [0.02061560, 0.10956983, 0.86981512],
    ]
    assert clean.read_light() == pytest.approx(decoded @ np.transpose(matrix), abs=2e-4)
    # The same file for a plate with sRGB's own primaries is decoded and no more.
    other = make_job(
        WIDER,
        plate,
        str(tmp_path / "o.%04d.exr"),
        source={"colour_space": "lin_rec709_scene"},
        controls=Controls(clean_plates=(source,)),
    )
    assert _open(other).clean_plates[0].read_light() == pytest.approx(linear("srgb_tx").to_linear(encoded), abs=1e-6)


def test_a_clean_plate_of_unknown_primaries_is_told(tmp_path):
    write(tmp_path / "still.exr", rgb(scene(20, 30)))
    plate = pan(tmp_path / "p", size=SIZE, frames=FRAMES)
    controls = Controls(clean_plates=(SequenceSource(path=str(tmp_path / "still.exr")),))
    out = str(tmp_path / "o.%04d.exr")
    known = survey(make_job(WIDER, plate, out, source={"colour_space": "ACEScg"}, controls=controls))
    assert ["still.exr" in notice.message for notice in known.warnings] == [True]
    assert known.warnings[0].code == "COLOUR_SPACE_ASSUMED"
    unknown = survey(make_job(WIDER, plate, out, controls=controls))
    assert not any("still.exr" in notice.message for notice in unknown.warnings), "the plate's own warning is enough"


def test_nothing_is_copied_where_a_clean_plate_is_transparent(tmp_path):
    light = scene(20, 30)
    alpha = np.ones((20, 30), np.float16)
    alpha[:5], alpha[5] = 0, 0.5
    write(tmp_path / "patch.exr", rgb(light, np.float16) | {"A": alpha})
    write(tmp_path / "scan.exr", rgb(light, np.float16) | {"A": np.zeros((20, 30), np.float16)})
    sources = tuple(SequenceSource(path=str(tmp_path / name)) for name in ("patch.exr", "scan.exr"))
    patch, scan = _open(_job(tmp_path, clean_plates=sources)).clean_plates
    assert np.isnan(patch.read_light()[:6]).all()
    assert np.isfinite(patch.read_light()[6:]).all()
    assert np.isfinite(scan.read_light()).all(), "an alpha that is 0 everywhere says nothing"


def test_clean_plates_of_a_luminance_plate(tmp_path):
    for frame in FRAMES:
        write(tmp_path / f"p/p.{frame}.exr", {"Y": scene(24, 40)[..., 0].astype(np.float16)})
    write(tmp_path / "grey.exr", {"Y": scene(24, 40)[..., 1]})
    write(tmp_path / "colour.exr", rgb(scene(24, 40)))
    plate = str(tmp_path / "p/p.%d.exr")
    grey = SequenceSource(path=str(tmp_path / "grey.exr"))
    (clean,) = _open(_job(tmp_path, plate=plate, clean_plates=(grey,))).clean_plates
    assert clean.read_light().shape == (24, 40, 1)
    colour = SequenceSource(path=str(tmp_path / "colour.exr"))
    problem = _only(_job(tmp_path, plate=plate, clean_plates=(grey, colour)))
    assert (problem.code, problem.field) == ("MISMATCH", "controls.clean_plates[1]")
    assert problem.path.endswith("colour.exr")


def test_clean_plates_that_cannot_be_read(tmp_path):
    plate = pan(tmp_path / "p", size=SIZE, frames=FRAMES)
    (tmp_path / "broken.exr").write_bytes(b"\x76\x2f\x31\x01 no more")
    write(tmp_path / "wall.tif", rgb(scene(20, 30), np.float32))
    write(tmp_path / "ids.exr", {"id": np.arange(600, dtype=np.uint32).reshape(20, 30)})
    write(tmp_path / "good.exr", rgb(scene(20, 30)))

    def named(name: str, **fields: str) -> SequenceSource:
        return SequenceSource(path=str(tmp_path / name), **fields)

    sources = (
        named("gone.exr"),
        named("broken.exr"),
        named("wall.tif"),
        named("good.exr", layer="fog"),
        named("ids.exr"),
    )
    found = survey(_job(tmp_path, plate=plate, clean_plates=sources)).problems
    field = "controls.clean_plates"
    assert [(problem.code, problem.field) for problem in found] == [
        ("MISSING_FRAMES", f"{field}[0]"),
        ("UNREADABLE_IMAGE", f"{field}[1]"),
        ("COLOUR_SPACE", f"{field}[2].color_space"),
        ("INVALID_JOB", f"{field}[3].layer"),
        ("UNSUPPORTED_IMAGE", f"{field}[4]"),
    ]
    assert all(problem.next_step for problem in found)
    assert "gone.exr" in found[0].path
    assert f"{field}[2].color_space" in found[2].next_step


def test_a_change_of_any_file_is_seen(tmp_path):
    clean = write(tmp_path / "clean.exr", rgb(scene(20, 30)))
    shot = _open(
        _job(
            tmp_path,
            movers=_source(_matte(tmp_path / "a")),
            never_copy=_source(_matte(tmp_path / "b")),
            clean_plates=(SequenceSource(path=str(clean)),),
        )
    )
    assert all(shot.unchanged(frame) for frame in FRAMES)
    os.utime(tmp_path / "a/m.1002.exr", (1, 1))
    (tmp_path / "b/m.1003.exr").unlink()
    assert [shot.unchanged(frame) for frame in FRAMES] == [True, False, False, True]
    os.utime(clean, (1, 1))
    assert not any(shot.unchanged(frame) for frame in FRAMES), "a clean plate may have gone into every frame"


def test_what_a_job_reads_is_never_overwritten(tmp_path):
    plate = pan(tmp_path / "p", size=SIZE, frames=FRAMES)
    movers = _matte(tmp_path / "a")
    write(tmp_path / "c/c.1004.exr", rgb(scene(20, 30)))
    clean = str(tmp_path / "c/c.%04d.exr")
    controls = Controls(movers=_source(movers), clean_plates=(SequenceSource(path=clean),))
    for out in (movers, clean):
        found = problems(make_job(WIDER, plate, out, output={"overwrite": True}, controls=controls))
        assert found["INVALID_JOB"].field == "output.path", out


def _sample(frame: int, *, turn: float = 0.0, **fields: object) -> CameraSample:
    """A camera turned by `turn` degrees to the left, 2 up and `frame` along x."""
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    known: dict[str, object] = {
        "matrix": (c, 0.0, s, float(frame), 0.0, 1.0, 0.0, 2.0, -s, 0.0, c, 0.0, 0.0, 0.0, 0.0, 1.0),
        "focal_length_mm": 35.0,
        "horizontal_aperture_mm": 24.0,
        "vertical_aperture_mm": 14.4,
    }
    return CameraSample(frame=frame, **(known | fields))


def test_a_camera_between_its_samples():
    camera = Camera(samples=(_sample(1001), _sample(1005, turn=40, focal_length_mm=55.0), _sample(1009, turn=40)))
    between = camera_at(camera, frame=1002)
    assert between.matrix == pytest.approx(_sample(1002, turn=10).matrix, abs=1e-9)
    assert between.focal_length_mm == pytest.approx(40)
    assert camera_at(camera, frame=1001.5).matrix == pytest.approx(
        (*_sample(1001, turn=5).matrix[:3], 1001.5, *_sample(1001, turn=5).matrix[4:]), abs=1e-9
    )
    assert camera_at(camera, frame=1009).matrix == pytest.approx(_sample(1009, turn=40).matrix, abs=1e-9)
    scaled = tuple(value * 100 if at % 4 < 3 and at < 12 else value for at, value in enumerate(_sample(1001).matrix))
    assert camera_at(Camera(samples=(_sample(1001, matrix=scaled),)), frame=1001).matrix == pytest.approx(
        _sample(1001).matrix
    ), "a uniform scale shows in no picture"
    with pytest.raises(FrameRangeError, match="1001 to 1009, and not to 1010"):
        camera_at(camera, frame=1010)


def test_a_camera_without_the_shots_frames(tmp_path):
    plate = pan(tmp_path / "p", size=SIZE, frames=FRAMES)
    assert _open(_job(tmp_path, plate=plate, camera=Camera(samples=(_sample(1000), _sample(1004)))))
    problem = _only(_job(tmp_path, plate=plate, camera=Camera(samples=(_sample(1), _sample(1002)))))
    assert (problem.code, problem.field, problem.frame) == ("MISMATCH", "controls.camera.samples", 1003)
    assert "no samples for frames 1003-1004" in problem.message
    assert _only(_job(tmp_path, plate=plate, camera=Camera(samples=()))).code == "INVALID_JOB"


def _with(values: dict[int, float]) -> tuple[float, ...]:
    return tuple(values.get(at, value) for at, value in enumerate(_sample(0).matrix))


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"matrix": (1.0, 0.0, 0.0)}, "3 values"),
        ({"matrix": _with({3: 0.0, 7: 0.0, 13: 2.0})}, "0, 2, 0, 1"),
        ({"matrix": _with({0: math.nan})}, "no numbers"),
        ({"matrix": _with({0: 2.0})}, "2, 1, 1 long"),
        ({"matrix": _with({0: 0.0})}, "0, 1, 1 long"),
        ({"matrix": _with({0: -1.0})}, "mirrored"),
        ({"matrix": _with({0: math.cos(0.1), 4: math.sin(0.1)})}, "sheared"),
        ({"focal_length_mm": 0.0}, "focal length is 0 mm"),
        ({"horizontal_aperture_mm": math.inf}, "width is inf mm"),
        ({"vertical_aperture_mm": -1.0}, "height is -1 mm"),
    ],
)
def test_a_degenerate_camera_is_refused_by_frame(tmp_path, fields, word):
    samples = (_sample(1001), _sample(1002, **fields), _sample(1004))
    problem = _only(_job(tmp_path, camera=Camera(samples=samples)))
    assert (problem.code, problem.frame) == ("INVALID_JOB", 1002)
    assert word in problem.message


def test_a_film_back_of_another_shape_is_told(tmp_path):
    plate = pan(tmp_path / "p", size=SIZE, frames=FRAMES, attributes={"PixelAspectRatio": 2.0})

    def told(height: float) -> list[str]:
        samples = tuple(_sample(frame, vertical_aperture_mm=height) for frame in (1001, 1004))
        found = survey(_job(tmp_path, plate=plate, camera=Camera(samples=samples)))
        assert found.shot is not None
        return [notice.message for notice in found.warnings if notice.code == "CAMERA_FILM_BACK"]

    assert told(14.4) == told(14.45) == told(7.2) == []  # 40x24, its pixels taken as square or as squeezed
    (message,) = told(13.5)
    assert "24 x 13.5 mm" in message
    assert "40x24" in message


def test_two_samples_at_one_frame(tmp_path):
    samples = (_sample(1001), _sample(1002), _sample(1002, turn=1), _sample(1004))
    assert "more than one sample at 1002" in _only(_job(tmp_path, camera=Camera(samples=samples))).message


def _track(name: str, frames: Sequence[int], *, hidden: Sequence[int] = (), x: float = 3.0) -> PointTrajectory:
    points = (TrajectoryPoint(frame=frame, x=x, y=4.0, occluded=frame in hidden) for frame in frames)
    return PointTrajectory(name=name, points=tuple(points))


def test_tracks_that_cover_the_shot_between_them(tmp_path):
    tracks = (_track("a", (999, 1000, 1001, 1002)), _track("b", (1002, 1003, 1004)))
    found = survey(_job(tmp_path, trajectories=tracks))
    assert found.shot is not None
    assert "TRACKS_INCOMPLETE" not in {notice.code for notice in found.warnings}


def test_tracks_that_leave_frames_alone_are_told(tmp_path):
    tracks = (_track("a", (1001, 1002)), _track("b", (1003, 1004), hidden=(1004,)))
    found = survey(_job(tmp_path, trajectories=tracks))
    assert found.shot is not None
    (notice,) = (notice for notice in found.warnings if notice.code == "TRACKS_INCOMPLETE")
    assert "1002-1003" in notice.message
    assert notice.frame == 1002


def test_tracks_that_are_none(tmp_path):
    tracks = (
        _track("early", range(1, 5)),
        _track("", ()),
        _track("twice", (1001, 1001)),
        _track("lost", (1001, 1002), x=math.nan),
    )
    found = survey(_job(tmp_path, trajectories=tracks)).problems
    assert [(problem.code, problem.field) for problem in found] == [
        (code, f"controls.trajectories[{index}]")
        for index, code in enumerate(("MISMATCH", "MISMATCH", "INVALID_JOB", "INVALID_JOB"))
    ]
    assert "'early'" in found[0].message
    assert "track number 2" in found[1].message
    assert "1001-1002" in found[3].message


def test_a_camera_and_tracks_exclude_each_other(tmp_path):
    camera = Camera(samples=(_sample(1001), _sample(1004)))
    problem = _only(_job(tmp_path, camera=camera, trajectories=(_track("a", FRAMES),)))
    assert (problem.code, problem.field) == ("INVALID_JOB", "controls.camera")


def test_the_header_says_what_steered_a_frame(tmp_path):
    plate = pan(tmp_path / "p", size=SIZE, frames=FRAMES)
    controls = Controls(source_frames=(1001, 1002, 1004), never_copy=_source(_matte(tmp_path / "n", value=0.0)))
    job = make_job(
        WIDER,
        plate,
        str(tmp_path / "o.%04d.exr"),
        frames=(1002,),
        controls=controls,
        parameters={"copy": "never"},
    )
    attributes = read(run(job, tmp_path).path(1002))[0].attributes
    assert json.loads(str(attributes["overscan:controls"])) == {
        "source_frames": "1001-1002,1004",
        "never_copy": str(tmp_path / "n/m.%04d.exr"),
    }
    assert json.loads(str(attributes["overscan:parameters"])) == {"copy": "never"}
    plain = run(make_job(WIDER, plate, str(tmp_path / "q.%04d.exr"), frames=(1002,)), tmp_path / "plain")
    assert not {"overscan:controls", "overscan:parameters"} & set(read(plain.path(1002))[0].attributes)
