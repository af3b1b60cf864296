"""Frame sequences: notations, padding, negative numbers, gaps, and what to do when nothing fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from overscan.core.errors import InvalidJobError, MissingFramesError
from overscan.core.plates import Sequence


@pytest.fixture
def folder(tmp_path):
    """A folder that has the given empty files."""

    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / name).touch()
        return tmp_path

    return make


@pytest.mark.parametrize("notation", ["%04d", "####", "@@@@", "$F4"])
def test_notations_of_four_digits(notation, folder):
    here = folder(
        "plate.1001.exr", "plate.1002.exr", "plate.1004.exr", "plate.10000.exr", "plate.101.exr", "x.1001.exr"
    )
    found = Sequence.find(pattern=f"{here}/plate.{notation}.exr")
    assert found.frames == (1001, 1002, 1004, 10000)
    assert found.path(10000) == here / "plate.10000.exr"
    assert not found.is_still


@pytest.mark.parametrize("notation", ["%d", "#", "@", "$F"])
def test_notations_without_padding(notation, folder):
    here = folder("plate.9.exr", "plate.10.exr", "plate.0011.exr", "plate.-3.exr")
    assert Sequence.find(pattern=f"{here}/plate.{notation}.exr").frames == (-3, 9, 10)


def test_negative_numbers_count_their_sign_or_not(folder):
    here = folder("a.-005.exr", "a.-0004.exr", "a.-003.exr", "a.-0003.exr", "a.0000.exr", "a.0001.exr", "a.-1.exr")
    found = Sequence.find(pattern=f"{here}/a.%04d.exr")
    assert found.frames == (-5, -4, -3, 0, 1)
    assert [found.path(frame).name for frame in (-5, -4, -3)] == ["a.-005.exr", "a.-0004.exr", "a.-003.exr"]


def test_asked_frames_only(folder):
    here = folder(*(f"a.{frame:04d}.exr" for frame in range(1001, 1020)))
    found = Sequence.find(pattern=f"{here}/a.####.exr", frames=(1009, 1001, 1005))
    assert found.frames == (1001, 1005, 1009)
    assert found.path(1010).name == "a.1010.exr"


def test_missing_frames_are_named_as_ranges(folder):
    here = folder("a.1001.exr", "a.1002.exr", "a.1006.exr")
    with pytest.raises(MissingFramesError) as error:
        Sequence.find(pattern=f"{here}/a.%04d.exr", frames=tuple(range(1001, 1010)))
    record = error.value.record
    assert "1003-1005,1007-1009" in record.message
    assert "1001-1002,1006" in record.next_step
    assert record.frame == 1003
    with pytest.raises(MissingFramesError, match="1003"):
        Sequence.find(pattern=f"{here}/a.%04d.exr").path(1003)


@pytest.mark.parametrize(
    "name",
    [
        "shot [v1] (final).%04d.exr",
        "a b.%04d.exr",
        "ünï✓.%04d.exr",
        "100%.%04d.exr",
        "take#2.%04d.exr",
        "a+b*.%04d.exr",
    ],
)
def test_special_characters(name, folder):
    here = folder(*(name.replace("%04d", number) for number in ("0001", "0002")))
    found = Sequence.find(pattern=f"{here}/{name}")
    assert found.frames == (1, 2)
    assert found.path(2).is_file()


def test_the_last_place_for_a_number_counts(folder):
    here = folder("s##_v2.0007.exr", "s01_v2.0007.exr")
    assert Sequence.find(pattern=f"{here}/s##_v2.####.exr").frames == (7,)


def test_special_characters_in_folders(tmp_path):
    here = tmp_path / "show [a] #1 %04d"
    here.mkdir()
    (here / "p.0003.exr").touch()
    assert Sequence.find(pattern=f"{here}/p.####.exr").frames == (3,)


def test_relative_patterns(folder, monkeypatch):
    monkeypatch.chdir(folder("p.0003.exr"))
    found = Sequence.find(pattern="p.####.exr")
    assert found.path(3) == Path("p.0003.exr")


def test_stills(folder):
    here = folder("plate.1001.exr", "plate.exr", "clean.-012.exr", "odd.####.png")
    still = Sequence.find(pattern=f"{here}/plate.1001.exr")
    assert (still.frames, still.is_still) == ((1001,), True)
    assert still.path(1001) == here / "plate.1001.exr"
    assert Sequence.find(pattern=f"{here}/plate.exr").frames == (1,)
    assert Sequence.find(pattern=f"{here}/plate.exr", frames=(1015,)).path(1015) == here / "plate.exr"
    assert Sequence.find(pattern=f"{here}/clean.-012.exr").frames == (-12,)
    assert Sequence.find(pattern=f"{here}/odd.####.png").path(1) == here / "odd.####.png"
    with pytest.raises(MissingFramesError, match="1002"):
        Sequence.find(pattern=f"{here}/plate.1001.exr", frames=(1001, 1002))


def test_nothing_fits_and_the_near_miss_is_shown(folder):
    here = folder(*(f"plate.{frame:05d}.exr" for frame in range(1, 9)), "unrelated.txt")
    with pytest.raises(MissingFramesError) as error:
        Sequence.find(pattern=f"{here}/plate.####.exr")
    assert "plate.#####.exr (1-8)" in error.value.record.next_step
    with pytest.raises(MissingFramesError) as error:
        Sequence.find(pattern=f"{here}/plaet.%05d.exr")
    assert "plate." in error.value.record.next_step
    with pytest.raises(MissingFramesError, match=r"no file fits 'plate\.exr'"):
        Sequence.find(pattern=f"{here}/plate.exr")


def test_no_folder_and_an_empty_one(tmp_path):
    with pytest.raises(MissingFramesError, match="cannot be listed"):
        Sequence.find(pattern=f"{tmp_path}/none/p.####.exr")
    with pytest.raises(MissingFramesError, match="empty"):
        Sequence.find(pattern=f"{tmp_path}/p.####.exr")


def test_folders_are_no_frames(folder):
    here = folder("p.0001.exr")
    (here / "p.0002.exr").mkdir()
    assert Sequence.find(pattern=f"{here}/p.####.exr").frames == (1,)


@pytest.mark.parametrize("notation", ["%04d", "####", "@@@@", "$F4"])
def test_planned_names(notation):
    planned = Sequence.planned(pattern=f"out/r.{notation}.exr", frames=(1001, -5, 123456))
    assert planned.frames == (-5, 1001, 123456)
    names = [planned.path(frame).as_posix() for frame in planned.frames]
    assert names == ["out/r.-005.exr", "out/r.1001.exr", "out/r.123456.exr"]


def test_a_planned_still_takes_one_frame():
    assert Sequence.planned(pattern="r.exr", frames=(7,)).path(7) == Path("r.exr")
    with pytest.raises(InvalidJobError, match="no place for the frame number"):
        Sequence.planned(pattern="r.exr", frames=(7, 8))


def test_what_is_planned_is_found(tmp_path):
    planned = Sequence.planned(pattern=f"{tmp_path}/r.%03d.exr", frames=range(-12, 1200, 13))
    for frame in planned.frames:
        planned.path(frame).touch()
    assert Sequence.find(pattern=f"{tmp_path}/r.###.exr").frames == planned.frames
