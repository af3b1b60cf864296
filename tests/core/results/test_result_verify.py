"""`verify` finds every way in which a result may not be its plate any more, and nothing else."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filming import Run, ellipse, inpaint, make_job, pan, read, rgb, run, scene, write, write_parts

from overscan.core.errors import InvalidJobError, MismatchError, MissingFramesError, OverscanError, PlateChangedError
from overscan.core.jobs import Extend, ExtrasMode, Margins
from overscan.core.results import FrameCheck, verify_job, verify_result

SIZE = (80, 60)
MATTE = ellipse(SIZE, centre=(40, 30), radii=(14, 10), soft=6)
FRAMES = (3, 4, 5, 6)


@pytest.fixture(params=["inpaint", "extend"])
def done(request, tmp_path) -> Run:
    plate = pan(tmp_path / "p", size=SIZE, frames=FRAMES)
    write(tmp_path / "m.exr", {"A": MATTE})
    task = inpaint(str(tmp_path / "m.exr")) if request.param == "inpaint" else Extend(margins=Margins(left=9, top=2))
    return run(make_job(task, plate, str(tmp_path / "o/o.%d.exr")), tmp_path)


def _edit(path: Path, x: int, y: int, *, channel: str = "G") -> None:
    """Change the lowest bit of one half sample of an uncompressed copy of a file, keeping all else."""
    import OpenImageIO as oiio

    parts = []
    source = oiio.ImageInput.open(str(path))
    while source.seek_subimage(len(parts), 0):
        spec = source.spec()
        parts.append((oiio.ImageSpec(spec), source.read_image(len(parts), 0, 0, spec.nchannels, spec.format)))
    source.close()
    spec, samples = parts[0]
    at = list(spec.channelnames).index(channel)
    samples.view("u2")[y - spec.y, x - spec.x, at] ^= 1
    output = oiio.ImageOutput.create(str(path))
    specs = tuple(spec for spec, _ in parts)
    assert output.open(str(path), specs) if len(specs) > 1 else output.open(str(path), spec)
    for index, (spec, samples) in enumerate(parts):
        if index:
            assert output.open(str(path), spec, "AppendSubimage")
        assert output.write_image(samples)
    assert output.close()


def _all(done: Run, *, records: bool = False) -> list[FrameCheck]:
    return list(verify_job(done.job, work_folder=done.work if records else None))


def test_a_sound_result(done):
    replaced = int((MATTE > 0).sum()) if done.plan.plate_offset == (0, 0) else 0
    for checks in (_all(done), _all(done, records=True), list(verify_result(result=done.job.output.path))):
        assert [check.frame for check in checks] == list(FRAMES)
        assert [check.path for check in checks] == [done.path(frame) for frame in FRAMES]
        assert {check.total for check in checks} == {4}
        for check in checks:
            assert (check.samples, check.differing) == (3 * (4800 - replaced), 0)
            assert not check.first_difference


def test_one_changed_sample(done):
    x, y = done.plan.plate_offset
    _edit(done.path(5), 7 + x, 50 + y)
    for checks in (_all(done), _all(done, records=True), list(verify_result(result=done.job.output.path))):
        assert [check.differing for check in checks] == [0, 0, 1, 0]
        assert checks[2].first_difference == "frame 5, part 0, channel G at 7, 50 of the plate"


def test_a_sample_changed_where_it_was_generated_is_nothing_wrong(done):
    if done.plan.plate_offset == (0, 0):
        assert 0 < MATTE[30, 25] < 1, "in the soft edge"
        _edit(done.path(4), 25, 30)
    else:
        _edit(done.path(4), 3, 40)
    for checks in (_all(done), list(verify_result(result=done.job.output.path))):
        assert [check.differing for check in checks] == [0, 0, 0, 0]


@pytest.mark.parametrize("frame", [3, 5, 6])
def test_a_frame_that_is_gone(done, frame):
    done.path(frame).unlink()
    with pytest.raises(MissingFramesError) as raised:
        list(verify_result(result=done.job.output.path))
    assert raised.value.record.frame == frame
    assert f"missing frames: {frame}" in str(raised.value)
    for records in (False, True):
        with pytest.raises(MissingFramesError) as raised:
            _all(done, records=records)
        assert raised.value.record.path == str(done.path(frame))


def test_a_channel_or_part_that_is_gone(tmp_path):
    light = scene(60, 80)
    for number in FRAMES:
        write(tmp_path / f"p/p.{number}.exr", rgb(light) | {"Z": light[..., 0].astype(np.float16)})
    plate = str(tmp_path / "p/p.%d.exr")
    done = run(make_job(Extend(margins=Margins(left=4)), plate, str(tmp_path / "o/o.%d.exr")), tmp_path)
    image = done.result(4)
    receipt = {name: value for name, value in image.attributes.items() if name.startswith("overscan:")}
    less = {name: plane for name, plane in image.planes.items() if name != "Z"}
    write(done.path(4), less, display=image.display, attributes=receipt)
    for check in (lambda: _all(done), lambda: list(verify_result(result=done.job.output.path))):
        with pytest.raises(PlateChangedError, match="channel Z"):
            check()
    # Cropping it is no better.
    cut = {name: np.ascontiguousarray(plane[:, :-1]) for name, plane in image.planes.items()}
    write(done.path(4), cut, display=image.display, attributes=receipt)
    with pytest.raises(PlateChangedError, match="data window"):
        _all(done)


def _parts(path: Path) -> Path:
    """A file of three parts: a picture for each eye, and a depth."""
    parts = {"right": rgb(scene(30, 40)), "left": rgb(scene(30, 40, seed=8)), "depth": {"Z": scene(30, 40)[..., 0]}}
    return write_parts(path, parts)


def test_parts_of_the_plate_must_all_be_there(tmp_path):
    plate = _parts(tmp_path / "p.exr")
    done = run(make_job(Extend(margins=Margins(left=4)), str(plate), str(tmp_path / "o.exr")), tmp_path)
    (check,) = verify_result(result=str(tmp_path / "o.exr"))
    assert check.differing == 0
    parts = read(done.path(1))
    assert [part.name for part in parts] == ["right", "left", "depth", "overscan"]
    first = parts[0]
    receipt = {name: value for name, value in first.attributes.items() if name.startswith("overscan:")}
    write(tmp_path / "o.exr", first.planes, origin=first.origin, display=first.display, attributes=receipt)
    with pytest.raises(PlateChangedError, match="part 1"):
        list(verify_result(result=str(tmp_path / "o.exr")))


def test_files_of_others(tmp_path):
    plate = pan(tmp_path / "p", size=SIZE, frames=FRAMES)
    with pytest.raises(InvalidJobError, match="does not say that Overscan made it"):
        list(verify_result(result=plate))
    write(tmp_path / "f.exr", rgb(scene(9, 9)), attributes={"overscan:plate": plate, "overscan:part": "x"})
    with pytest.raises(InvalidJobError, match="Overscan"):
        list(verify_result(result=str(tmp_path / "f.exr")))
    with pytest.raises(MissingFramesError):
        list(verify_result(result=str(tmp_path / "none.%d.exr")))


def test_a_changed_plate_or_matte_makes_the_records_worthless(done, tmp_path):
    x, y = 7, 50
    _edit(tmp_path / "p/plate.0004.exr", x, y)
    assert [check.differing for check in _all(done, records=True)] == [0, 1, 0, 0]
    if done.plan.plate_offset == (0, 0):
        write(tmp_path / "m.exr", {"A": np.zeros(SIZE[::-1], np.float16)})
        assert all(check.differing > 100 for check in _all(done, records=True))


def test_records_are_used_while_nothing_changed(done, monkeypatch):
    from overscan.core.results import _verify

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr(_verify, "read_frame", never)
    assert len(_all(done, records=True)) == 4
    os.utime(done.path(5), ns=(1, 1))
    with pytest.raises(AssertionError, match="read again"):
        _all(done, records=True)


def test_a_result_that_moved_with_its_plate(done, tmp_path):
    shutil.move(tmp_path / "p", tmp_path / "elsewhere")
    with pytest.raises(OverscanError):
        list(verify_result(result=done.job.output.path))
    plate = str(tmp_path / "elsewhere/plate.%04d.exr")
    assert sum(check.differing for check in verify_result(result=done.job.output.path, plate=plate)) == 0
    # Renamed and renumbered, each file still knows its frame.
    for frame in FRAMES:
        done.path(frame).rename(tmp_path / f"delivery_{frame + 100}.exr")
    checks = list(verify_result(result=str(tmp_path / "delivery_%d.exr"), plate=plate))
    assert [(check.frame, check.differing) for check in checks] == [(frame, 0) for frame in FRAMES]


def test_the_wrong_plate(done, tmp_path):
    other = pan(tmp_path / "q", size=SIZE, frames=FRAMES, start=(100, 100))
    assert all(check.differing > 1000 for check in verify_result(result=done.job.output.path, plate=other))


def test_a_part_number_that_the_plate_does_not_have(tmp_path):
    plate = _parts(tmp_path / "p.exr")
    job = make_job(Extend(margins=Margins(left=4)), str(plate), str(tmp_path / "o.exr"), source={"part": "left"})
    run(job, tmp_path)
    single = write(tmp_path / "single.exr", rgb(scene(20, 20)))
    with pytest.raises(MismatchError, match="painted on part"):
        list(verify_result(result=str(tmp_path / "o.exr"), plate=str(single)))


def test_one_frame_into_a_name_without_a_number(tmp_path):
    plate = pan(tmp_path / "p", size=SIZE, frames=FRAMES)
    done = run(make_job(Extend(margins=Margins(left=4)), plate, str(tmp_path / "o.exr"), frames=(5,)), tmp_path)
    for checks in (_all(done), list(verify_result(result=str(tmp_path / "o.exr")))):
        assert [(check.frame, check.differing) for check in checks] == [(5, 0)]


def test_names_with_spaces(tmp_path):
    for number in FRAMES:
        view = rgb(scene(80, 120)[:60, number : number + 80])
        write(tmp_path / f"p p/p.{number}.exr", {f"View Layer.{name}": plane for name, plane in view.items()})
    write(tmp_path / "m m.exr", {"roto mask.A": MATTE})
    job = make_job(
        inpaint(str(tmp_path / "m m.exr"), channel="roto mask.A"),
        str(tmp_path / "p p/p.%d.exr"),
        str(tmp_path / "o o/o.%d.exr"),
        source={"layer": "View Layer"},
    )
    run(job, tmp_path)
    for checks in (list(verify_job(job)), list(verify_result(result=job.output.path))):
        assert [check.differing for check in checks] == [0, 0, 0, 0]


def test_the_second_job_on_a_result(tmp_path):
    """A result is a plate like any other; its extra layers make way for the new ones."""
    plate = pan(tmp_path / "p", size=SIZE, frames=FRAMES)
    write(tmp_path / "m.exr", {"A": MATTE})
    for mode in ExtrasMode:
        first = make_job(inpaint(str(tmp_path / "m.exr")), plate, str(tmp_path / f"{mode.value}/1.%d.exr"))
        first = replace(first, output=replace(first.output, extras=mode))
        one = run(first, tmp_path / f"{mode.value}1")
        second = make_job(
            Extend(margins=Margins(left=6)), first.output.path, str(tmp_path / f"{mode.value}/2.%d.exr"),
            output={"extras": mode},
        )  # fmt: skip
        two = run(second, tmp_path / f"{mode.value}2")
        for frame in FRAMES:
            before, after = read(one.path(frame)), read(two.path(frame))
            assert [list(part.planes) for part in before] == [list(part.planes) for part in after]
            for name in "RGB":
                assert np.array_equal(before[0].planes[name], after[0].planes[name][:, 6:])
        assert sum(check.differing for check in verify_result(result=second.output.path)) == 0
        replaced = {notice.code for notice in two.plan.warnings} & {"EXTRAS_REPLACED"}
        assert bool(replaced) == (mode in (ExtrasMode.PART, ExtrasMode.LAYERS))
        if mode is ExtrasMode.PART:
            assert np.array_equal(two.extras(4)["A"].sum(axis=0) > 0, np.arange(86) < 6)
