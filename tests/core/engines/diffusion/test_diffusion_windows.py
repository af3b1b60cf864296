"""How frames are cut into windows, and pictures into work areas."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from overscan.core.engines.diffusion import Lattice
from overscan.core.engines.diffusion._area import area_of, areas_round, boxes_of, cropped
from overscan.core.engines.diffusion._windows import (
    PaintWindow,
    fitting,
    largest,
    window_between,
    windows_beyond,
    windows_over,
)
from overscan.core.errors import InvalidJobError
from overscan.core.geometry import Window

WAN = Lattice(size=16, frames=4, offset=1, frames_max=81, pixels=832 * 480)
LTX = Lattice(size=32, frames=8, offset=1, frames_max=121, pixels=768 * 512)
STILL = Lattice(size=8, frames_max=1, pixels=1024 * 1024)


def _check(windows: list[PaintWindow], lattice: Lattice, frames: list[int], given: set[int]) -> None:
    """What holds of any windows: on the lattice, every frame in one, all but the first known from the one before."""
    seen: set[int] = set()
    for index, window in enumerate(windows):
        assert (len(window.slots) - lattice.offset) % lattice.frames == 0
        assert len(window.slots) <= lattice.frames_max
        own = [slot.frame for slot in window.slots if slot.frame is not None]
        assert len(set(own)) == len(own)
        taken = [slot.frame if slot.frame is not None else slot.plate for slot in window.slots[: window.taken]]
        assert {frame for frame in taken if frame not in given} == set(own) & seen
        if index:
            assert window.taken > 0
            assert window.before == window.index - 1
            assert set(own) - seen, "a window that paints nothing new"
        seen |= set(own)
        for at, slot in enumerate(window.slots):
            assert slot.copies is None or slot.copies < at
        shares = [window.share(at) for at in range(len(window.slots))]
        assert shares == sorted(shares)
        assert shares[-1] == 1
    assert seen == set(frames)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 23, 81, 82, 90, 300, 900])
@pytest.mark.parametrize("lattice", [WAN, LTX, STILL], ids=["wan", "ltx", "still"])
@pytest.mark.parametrize("may_repeat", [True, False])
def test_windows_over_a_shot(count, lattice, may_repeat):
    frames = list(range(1001, 1001 + count))
    overlap = 0 if lattice is STILL else 9
    windows = windows_over(frames, lattice=lattice, length=lattice.frames_max, overlap=overlap, may_repeat=may_repeat)
    _check([*windows] if overlap else windows[:1], lattice, frames if overlap else frames[:1], set())
    # Every frame's shares add up to one when the second window fades in over the first.
    for frame in frames:
        weight = 0.0
        for window in windows:
            slot = window.slot(frame)
            if slot is not None:
                weight = weight * (1 - window.share(slot)) + window.share(slot)
        assert weight == pytest.approx(1)


def test_the_last_window_is_moved_back_and_not_filled_up():
    windows = windows_over(range(100), lattice=WAN, length=81, overlap=8, may_repeat=True)
    assert [len(window.slots) for window in windows] == [81, 29]
    assert windows[1].taken == 10
    assert windows[1].fade == 8
    assert all(slot.copies is None for slot in windows[1].slots)
    kept = windows_over(range(100), lattice=WAN, length=81, overlap=8, may_repeat=False)
    assert [slot.copies for slot in kept[1].slots][-2:] == [25, 24]


@pytest.mark.parametrize(("given", "new"), [(9, 1), (9, 200), (1, 30), (4, 77)])
@pytest.mark.parametrize("backwards", [True, False])
def test_windows_beyond_an_end(given, new, backwards):
    known, frames = list(range(given)), list(range(given, given + new))
    windows = windows_beyond(
        known, frames, lattice=WAN, length=81, overlap=given, may_repeat=given > 1, backwards=backwards
    )
    _check(windows, WAN, frames, set(known))
    assert [slot.plate for slot in windows[0].slots[:given]] == known
    assert all(window.backwards is backwards for window in windows)


@pytest.mark.parametrize(
    ("times", "lattice", "length", "at"),
    [
        ([0.5], WAN, 5, [2]),
        ([1 / 3, 2 / 3], WAN, 13, [4, 8]),
        ([0.25, 0.5, 0.75], LTX, 9, [2, 4, 6]),
        ([0.2], WAN, 21, [4]),
        ([0.125], LTX, 9, [1]),
    ],
)
def test_a_window_between_two_frames(times, lattice, length, at):
    named = [(2000 + index, 1001 + time) for index, time in enumerate(times)]
    window = window_between((1001, 1002), named, lattice=lattice, length=lattice.frames_max, index=3)
    assert len(window.slots) == length
    assert (window.slots[0].plate, window.slots[-1].plate) == (1001, 1002)
    assert [window.slot(frame) for frame, _ in named] == at
    assert all(slot.thrown_away for slot in window.slots if slot.frame is None)


def test_times_that_no_window_has_are_refused():
    with pytest.raises(InvalidJobError, match="no grid") as refused:
        window_between((1, 2), [(2, 1.01234567)], lattice=WAN, length=81, index=0)
    assert "fewer" in refused.value.record.next_step


def test_lengths_on_the_lattice():
    assert [fitting(count, WAN) for count in (1, 2, 5, 6, 81)] == [1, 5, 5, 9, 81]
    assert [largest(count, WAN) for count in (1, 4, 5, 8, 81)] == [1, 1, 5, 5, 81]
    assert [fitting(count, STILL) for count in (1, 7)] == [1, 7]


FULL = Window(x=-9, y=4, width=617, height=333)


@pytest.mark.parametrize("size", [(617, 333), (4096, 2160), (64, 2000), (31, 17)])
@pytest.mark.parametrize("lattice", [WAN, LTX], ids=["wan", "ltx"])
def test_an_area_is_about_as_large_as_the_model_knows(size, lattice):
    window = Window(x=3, y=-5, width=size[0], height=size[1])
    area = area_of(window, lattice=lattice, pixels=lattice.pixels)
    assert area.padded_width % lattice.size == 0
    assert area.padded_height % lattice.size == 0
    assert 0 <= area.padded_width - area.width < lattice.size
    assert 0 <= area.padded_height - area.height < lattice.size
    across, down = area.width / size[0], area.height / size[1]
    assert across / down == pytest.approx(1, abs=0.05)
    assert area.scale <= 2.05
    if min(size) > 100:
        assert area.padded_width * area.padded_height == pytest.approx(lattice.pixels, rel=0.25)


def test_pictures_go_to_an_area_and_back():
    area = area_of(FULL, lattice=WAN, pixels=WAN.pixels)
    rows, columns = np.meshgrid(np.arange(333), np.arange(617), indexing="ij")
    picture = np.stack([np.sin(rows / 9), np.cos(columns / 11), rows * columns / 2e5], -1).astype(np.float32)
    seen = area.seen(picture, FULL)
    filled = area.filled_up(seen)
    assert filled.shape == (area.padded_height, area.padded_width, 3)
    back = area.at_plate(np.ascontiguousarray(filled[: area.height, : area.width]))
    assert np.abs(back - picture).max() < 0.02


def test_filling_up_mirrors_and_a_crop_repeats_its_edge():
    area = area_of(Window(x=0, y=0, width=5, height=3), lattice=LTX, pixels=15)
    assert area.filled_up(np.ones((area.height, area.width), np.float32)).shape == (32, 32)
    picture = np.arange(12, dtype=np.float32).reshape(3, 4)
    wider = cropped(picture, Window(x=0, y=0, width=4, height=3), Window(x=-2, y=1, width=4, height=4))
    assert wider[:, :3].tolist() == [[4, 4, 4], [8, 8, 8], [8, 8, 8], [8, 8, 8]]


def test_areas_have_context_and_do_not_meet():
    within = Window(x=0, y=0, width=4096, height=2160)
    boxes = [
        Window(x=100, y=100, width=120, height=80),
        Window(x=3500, y=1800, width=60, height=60),
        Window(x=3400, y=1700, width=60, height=60),
    ]
    areas = areas_round(boxes, within=within, lattice=WAN, pixels=WAN.pixels)
    assert len(areas) == 2
    for one, other in itertools.combinations(areas, 2):
        assert one.window.intersection(other.window) is None
    for box in boxes:
        own = next(area for area in areas if area.window.contains(box))
        assert within.contains(own.window)
        # As much of the plate as the model's picture holds, sample by sample.
        assert own.scale == pytest.approx(1, abs=0.1)
        margin = min(box.x - own.window.x, own.window.right - box.right)
        assert margin >= 0.25 * box.width or own.window.x == 0 or own.window.right == within.right


def test_a_slim_box_gets_a_stout_area():
    within = Window(x=0, y=0, width=4096, height=2160)
    (area,) = areas_round([Window(x=0, y=1000, width=4096, height=40)], within=within, lattice=WAN, pixels=WAN.pixels)
    assert area.window.width / area.window.height < 2.6


def test_boxes_of_what_hangs_together():
    mask = np.zeros((30, 60), np.bool_)
    mask[2:5, 3:6] = mask[3, 8] = mask[20:25, 50:] = True
    canvas = Window(x=10, y=20, width=950, height=470)
    found = boxes_of(mask, cell=16, canvas=canvas)
    assert found == [
        Window(x=10 + 48, y=20 + 32, width=96, height=48),
        Window(x=10 + 800, y=20 + 320, width=150, height=80),
    ]
