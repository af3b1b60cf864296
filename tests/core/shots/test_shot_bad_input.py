"""Bad input is answered before anything runs: the right code, the place, the numbers, and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from filming import inpaint, make_job, pan, problems, rgb, scene, write

from overscan.core.errors import CancelledError, OverscanError
from overscan.core.jobs import Continue, Extend, ExtrasMode, Margins
from overscan.core.shots import survey

WIDER = Extend(margins=Margins(left=8))


def _one(job) -> tuple[str, str]:
    """The only problem of a job: its code, and all that the artist is told."""
    found = problems(job)
    assert len(found) == 1, found
    ((code, record),) = found.items()
    assert record.next_step, "it must say what to do"
    return code, f"{record.path} frame={record.frame} field={record.field} {record.message} {record.next_step}"


def _expect(job, code: str, *words: str) -> None:
    found, text = _one(job)
    assert found == code, text
    for word in words:
        assert word in text, (word, text)


def test_frames_missing_in_the_middle(tmp_path):
    plate = pan(tmp_path / "p", frames=(1, 2, 3, 5, 6, 9))
    out = str(tmp_path / "o.%d.exr")
    _expect(make_job(WIDER, plate, out), "MISSING_FRAMES", "4,7-8", "frame=4", "field=plate", plate, "--plate-frames")
    # Who says that the hole belongs there gets what was asked for.
    assert not problems(make_job(WIDER, plate, out, source={"frames": (1, 2, 3, 5, 6, 9)}))
    _expect(
        make_job(WIDER, plate, out, source={"frames": (1, 2, 3, 4)}), "MISSING_FRAMES", "missing frames: 4", "frame=4"
    )


def test_a_step_in_the_numbers_is_no_hole(tmp_path):
    plate = pan(tmp_path / "p", frames=(-5, -3, -1, 1))
    assert survey(make_job(WIDER, plate, str(tmp_path / "o.%d.exr"))).shot.frames == (-5, -3, -1, 1)
    pan(tmp_path / "p", frames=(7,))
    _expect(make_job(WIDER, plate, str(tmp_path / "o.%d.exr")), "MISSING_FRAMES", "3,5")


def test_no_plate_at_all(tmp_path):
    _expect(make_job(WIDER, str(tmp_path / "p.%04d.exr"), str(tmp_path / "o.%d.exr")), "MISSING_FRAMES", "p.%04d.exr")
    _expect(make_job(WIDER, str(tmp_path / "no/p.exr"), str(tmp_path / "o.exr")), "MISSING_FRAMES", "no")


@pytest.mark.parametrize(
    ("frames", "words"),
    [((), ("no frame",)), ((1, 7, 12), ("frames 7,12", "1-4", "frame=7", "continue")), ((0,), ("frames 0", "frame=0"))],
)
def test_an_empty_range_and_frames_outside(tmp_path, frames, words):
    plate = pan(tmp_path / "p", frames=(1, 2, 3, 4))
    _expect(make_job(WIDER, plate, str(tmp_path / "o.%d.exr"), frames=frames), "FRAME_RANGE", "field=frames", *words)


def test_mixed_sizes(tmp_path):
    plate = pan(tmp_path / "p", frames=(1, 2, 3))
    pan(tmp_path / "p", frames=(4,), size=(161, 96))
    job = make_job(WIDER, plate, str(tmp_path / "o.%d.exr"))
    _expect(job, "MISMATCH", "161x96", "160x96", "frame=4", "plate.0004.exr")


def test_mixed_channels_and_sample_types(tmp_path):
    plate = pan(tmp_path / "p", frames=(1, 2))
    pan(tmp_path / "p", frames=(3,), dtype=np.float32)
    _expect(make_job(WIDER, plate, str(tmp_path / "o.%d.exr")), "MISMATCH", "float32", "float16", "frame=3")


def _matte(folder: Path, frames, size=(160, 96), **fields) -> str:
    for frame in frames:
        write(folder / f"m.{frame}.exr", {"A": np.ones((size[1], size[0]), np.float16)}, **fields)
    return str(folder / "m.%d.exr")


def test_a_matte_of_another_size(tmp_path):
    plate = pan(tmp_path / "p", frames=(1, 2, 3))
    matte = _matte(tmp_path / "m", (1, 2, 3), size=(80, 48))
    words = ("80x48", "160x96", "frame=1", "field=inpaint.matte", "m.1.exr")
    _expect(make_job(inpaint(matte), plate, str(tmp_path / "o.%d.exr")), "MISMATCH", *words)


def test_a_matte_that_changes_its_size_or_channels_on_the_way(tmp_path):
    plate = pan(tmp_path / "p", frames=(1, 2, 3))
    matte = _matte(tmp_path / "m", (1, 2))
    _matte(tmp_path / "m", (3,), size=(161, 96))
    job = make_job(inpaint(matte), plate, str(tmp_path / "o.%d.exr"))
    _expect(job, "MISMATCH", "161x96", "160x96", "frame=3")
    write(tmp_path / "m/m.3.exr", {"Z": np.ones((96, 160), np.float16)})
    _expect(job, "MISMATCH", "no channel 'A'", "frame=3", "m.3.exr")


def test_a_matte_of_a_shorter_range(tmp_path):
    plate = pan(tmp_path / "p", frames=range(1, 9))
    matte = _matte(tmp_path / "m", (1, 2, 3, 6))
    job = make_job(inpaint(matte), plate, str(tmp_path / "o.%d.exr"))
    _expect(job, "MISMATCH", "lacks 4 of the plate's 8 frames", "4-5,7-8", "frame=4", "field=inpaint.matte")


def test_a_matte_without_a_fitting_channel_or_file(tmp_path):
    plate = pan(tmp_path / "p", frames=(1, 2))
    path = write(tmp_path / "m.exr", {name: np.ones((96, 160), np.float16) for name in ("u", "v")})
    out = str(tmp_path / "o.%d.exr")
    _expect(make_job(inpaint(str(path)), plate, out), "INVALID_JOB", "A, R or Y", "u, v", "field=inpaint.matte.channel")
    _expect(make_job(inpaint(str(path), channel="w"), plate, out), "INVALID_JOB", "'w'", "u, v", "--matte-channel")
    _expect(make_job(inpaint(str(tmp_path / "x.%d.exr")), plate, out), "MISSING_FRAMES", "x.%d.exr")


def test_colour_spaces(tmp_path):
    plate = pan(tmp_path / "p", frames=(1, 2))
    out = str(tmp_path / "o.%d.exr")
    job = make_job(WIDER, plate, out, source={"colour_space": "ACES-cg"})
    _expect(job, "COLOUR_SPACE", "'ACES-cg'", "ACEScg", "field=colour.space")
    for number in (1, 2):
        write(tmp_path / f"t/t.{number}.tif", rgb(scene(20, 30), np.float32))
    _expect(make_job(WIDER, str(tmp_path / "t/t.%d.tif"), out), "COLOUR_SPACE", "cannot be known", "t.1.tif")
    _expect(make_job(WIDER, plate, out, source={"colour_space": "Raw"}), "COLOUR_SPACE", "Raw")


def test_whole_numbers_are_no_light(tmp_path):
    write(tmp_path / "p.exr", {"id": np.arange(400, dtype=np.uint32).reshape(20, 20)})
    _expect(make_job(WIDER, str(tmp_path / "p.exr"), str(tmp_path / "o.exr")), "UNSUPPORTED_IMAGE", "id", "ids")


def test_layers_parts_and_views_that_are_not_there(tmp_path):
    plate = pan(tmp_path / "p", frames=(1, 2))
    out = str(tmp_path / "o.%d.exr")
    for name in ("layer", "part", "view"):
        _expect(make_job(WIDER, plate, out, source={name: "fog"}), "INVALID_JOB", f"no {name} 'fog'", f"plate.{name}")


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (Extend(), ("exactly one",)),
        (Extend(size=(200, 100), margins=Margins(left=1)), ("exactly one",)),
        (Extend(size=(0, 100)), ("0x100", "extend.format.size")),
        (Extend(margins=Margins(left=-100, right=-60)), ("0x96", "extend.margins")),
        (Extend(overscan=Margins()), ("(0, 0, 0, 0)", "extend.overscan")),
        (Extend(overscan=Margins(left=4, top=-1)), ("(4, 0, -1, 0)",)),
        (Extend(size=(100, 96), place=(100, 0)), ("wholly outside", "100x96-100+0")),
        (Extend(size=(3_000_000, 96)), ("3000000x96",)),
        (Extend(margins=Margins(left=60_000, top=60_000)), ("60160x60096",)),
        (Continue(), ("continue", "adds nothing")),
    ],
)
def test_targets_that_make_no_sense(tmp_path, task, words):
    plate = pan(tmp_path / "p", frames=(1, 2))
    found = problems(make_job(task, plate, str(tmp_path / "o.%d.exr")))
    assert list(found) == ["INVALID_JOB"]
    record = found["INVALID_JOB"]
    assert all(word in f"{record.message} {record.field}" for word in words), record
    assert record.next_step


def test_existing_output(tmp_path):
    plate = pan(tmp_path / "p", frames=(1, 2, 3))
    out = str(tmp_path / "o/o.%d.exr")
    there = write(tmp_path / "o/o.2.exr", rgb(scene(8, 8)))
    before = there.read_bytes()
    _expect(make_job(WIDER, plate, out), "OUTPUT_EXISTS", "1 of 3", "there: 2", "frame=2", "--overwrite")
    assert not problems(make_job(WIDER, plate, out, output={"overwrite": True}))
    assert not problems(make_job(WIDER, plate, out, frames=(1, 3)))
    assert there.read_bytes() == before
    # A sidecar counts as well.
    beside = str(tmp_path / "b/o.%d.exr")
    write(tmp_path / "b/o.extras.3.exr", rgb(scene(8, 8)))
    _expect(make_job(WIDER, plate, beside, output={"extras": ExtrasMode.SIDECAR}), "OUTPUT_EXISTS", "there: 3")
    assert not problems(make_job(WIDER, plate, beside))


def test_the_plate_and_the_matte_are_never_overwritten(tmp_path):
    plate = pan(tmp_path / "p", frames=(1, 2))
    matte = _matte(tmp_path / "m", (1, 2))
    (tmp_path / "link").symlink_to(tmp_path / "p", target_is_directory=True)
    (tmp_path / "innocent.2.exr").symlink_to(tmp_path / "p/plate.0002.exr")
    outputs = (plate, str(tmp_path / "link/plate.####.exr"), str(tmp_path / "x/../p/plate.%04d.exr"), matte)
    for out in (*outputs, str(tmp_path / "innocent.%d.exr")):
        job = make_job(inpaint(matte), plate, out, output={"overwrite": True, "extras": ExtrasMode.NONE})
        _expect(job, "INVALID_JOB", "overwrite the plate, a matte", "field=output.path")
    extras = pan(tmp_path / "e", frames=(1, 2), name="a.extras")
    job = make_job(WIDER, extras, str(tmp_path / "e/a.%04d.exr"), output={"extras": ExtrasMode.SIDECAR})
    _expect(job, "INVALID_JOB", "overwrite the plate")


@pytest.mark.parametrize(
    ("out", "output", "code", "word"),
    [
        ("o.%d.jpg", {}, "UNSUPPORTED_IMAGE", "lossy"),
        ("o.%d.mov", {}, "UNSUPPORTED_IMAGE", ".mov"),
        ("o", {}, "UNSUPPORTED_IMAGE", "'o'"),
        ("o.%d.png", {"extras": ExtrasMode.NONE}, "UNSUPPORTED_IMAGE", "float samples"),
        ("o.%d.tif", {"extras": ExtrasMode.NONE}, "UNSUPPORTED_IMAGE", "float16"),
        ("o.exr", {}, "INVALID_JOB", "no place for the frame number"),
        ("o.%d.exr", {"compression": "zap"}, "INVALID_JOB", "'zap'"),
    ],
)
def test_outputs_that_cannot_hold_the_result(tmp_path, out, output, code, word):
    plate = pan(tmp_path / "p", frames=(1, 2))
    found = problems(make_job(WIDER, plate, str(tmp_path / out), output=output))
    assert code in found
    assert word in found[code].message


def test_flat_formats_hold_the_format_only(tmp_path):
    """What would be left out is refused, not dropped."""
    for number in (1, 2):
        write(tmp_path / f"p/p.{number}.tif", rgb(scene(40, 60), np.float32))
        write(tmp_path / f"e/e.{number}.exr", rgb(scene(40, 60), np.float32), origin=(2, 3), display=(0, 0, 60, 40))
    source, bare = {"colour_space": "ACEScg"}, {"extras": ExtrasMode.NONE}
    out = str(tmp_path / "o.%d.tif")
    job = make_job(Extend(overscan=Margins(left=4)), str(tmp_path / "p/p.%d.tif"), out, source=source, output=bare)
    _expect(job, "UNSUPPORTED_IMAGE", "64x40-4+0", "60x40+0+0")
    matte = _matte(tmp_path / "m", (1, 2), size=(60, 40))
    job = make_job(inpaint(matte), str(tmp_path / "e/e.%d.exr"), out, source=source, output=bare)
    _expect(job, "UNSUPPORTED_IMAGE", "60x40+2+3", "60x40+0+0")
    job = make_job(inpaint(matte), str(tmp_path / "p/p.%d.tif"), out, source=source)
    _expect(job, "INVALID_JOB", "extra layers")
    job = make_job(
        inpaint(matte), str(tmp_path / "p/p.%d.tif"), out, source=source, output=bare | {"compression": "zip"}
    )
    _expect(job, "INVALID_JOB", "'zip'")


def test_an_output_folder_below_a_file(tmp_path):
    plate = pan(tmp_path / "p", frames=(1, 2))
    (tmp_path / "file").write_text("")
    job = make_job(WIDER, plate, str(tmp_path / "file/deeper/o.%d.exr"))
    _expect(job, "OUTPUT_NOT_WRITABLE", str(tmp_path / "file"), "field=output.path")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_without_permission(tmp_path):
    plate = pan(tmp_path / "p", frames=(1, 2))
    (tmp_path / "locked").mkdir(mode=0o500)
    job = make_job(WIDER, plate, str(tmp_path / "locked/o.%d.exr"))
    _expect(job, "OUTPUT_NOT_WRITABLE", str(tmp_path / "locked"))


def test_layers_that_the_plate_uses_for_something_else(tmp_path):
    plain = rgb(scene(20, 30))
    write(tmp_path / "l.exr", plain | {"source.X": plain["R"]})
    write(tmp_path / "p.exr", plain, attributes={"oiio:subimagename": "overscan"})
    job = make_job(WIDER, str(tmp_path / "l.exr"), str(tmp_path / "o.exr"), output={"extras": ExtrasMode.LAYERS})
    _expect(job, "INVALID_JOB", "source.X", "sidecar", "field=output.extras")
    _expect(make_job(WIDER, str(tmp_path / "p.exr"), str(tmp_path / "o.exr")), "INVALID_JOB", "part named 'overscan'")


def test_all_problems_are_listed_at_once(tmp_path):
    plate = pan(tmp_path / "p", frames=(1, 2, 3))
    pan(tmp_path / "p", frames=(3,), size=(150, 96))
    (tmp_path / "p/plate.0002.exr").write_bytes(b"\x76\x2f\x31\x01 no more")
    job = make_job(
        Extend(size=(200, 96), overscan=Margins(left=1)),
        plate,
        str(tmp_path / "o.%d.exr"),
        frames=(1, 9),
        source={"colour_space": "nonsense"},
    )
    assert set(problems(job)) == {"UNREADABLE_IMAGE", "MISMATCH", "FRAME_RANGE", "INVALID_JOB", "COLOUR_SPACE"}
    # And where the shot itself is sound, all that is wrong with the output.
    plate = pan(tmp_path / "q", frames=(1, 2))
    (tmp_path / "file").write_text("")
    found = problems(
        make_job(WIDER, plate, str(tmp_path / "file/o.jpg"), output={"compression": "zap", "extras": ExtrasMode.NONE})
    )
    assert set(found) == {"UNSUPPORTED_IMAGE", "INVALID_JOB", "OUTPUT_NOT_WRITABLE"}


def test_what_is_wrong_throughout_does_not_drown_the_rest(tmp_path):
    plate = pan(tmp_path / "p", frames=(1,), size=(20, 10))
    pan(tmp_path / "p", frames=range(2, 60), size=(21, 10))
    job = make_job(WIDER, plate, str(tmp_path / "o.%d.exr"))
    found = survey(job).problems
    assert 1 < len(found) <= 20


def test_errors_survive_the_way_to_another_process():
    import pickle

    error = CancelledError("stopped", frame=7, path="/a", next_step="Go on.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is CancelledError
    assert isinstance(again, OverscanError)
    assert again.record == error.record
