"""Where the plate comes to lie, and what is generated round it."""

from __future__ import annotations

import numpy as np
import pytest
from filming import changed, make_job, pan, read, run

from overscan.core.engines import load_engine
from overscan.core.geometry import Window
from overscan.core.jobs import Extend, Margins


def _window(text: str) -> Window:
    size, x, y = text.split(",")
    width, height = size.split("x")
    return Window(x=int(x), y=int(y), width=int(width), height=int(height))


# The plate's display window is 80x60 at 10, 20; its data window 80x60 at 12, 17.
@pytest.mark.parametrize(
    ("task", "display", "data", "offset"),
    [
        (Extend(size=(100, 70)), "100x70,0,0", "100x70,0,0", (0, -15)),
        (Extend(size=(100, 70), place=(0, 0)), "100x70,0,0", "100x73,0,-3", (-10, -20)),
        (Extend(size=(80, 60), place=(-30, 5)), "80x60,0,0", "108x62,-28,0", (-40, -15)),
        (Extend(size=(40, 30)), "40x30,0,0", "80x60,-18,-18", (-30, -35)),
        (Extend(margins=Margins(right=9)), "89x60,10,20", "89x63,10,17", (0, 0)),
        (Extend(margins=Margins(left=9, top=-6)), "89x54,10,20", "91x63,10,11", (9, -6)),
        (Extend(overscan=Margins(left=3, right=4, top=5, bottom=6)), "80x60,10,20", "87x71,9,12", (0, 0)),
        (Extend(overscan=Margins(bottom=6)), "80x60,10,20", "80x66,12,17", (0, 0)),
    ],
)
def test_windows(tmp_path, task, display, data, offset):
    plate = pan(tmp_path / "p", size=(80, 60), frames=(1, 2, 3), origin=(12, 17), display=(10, 20, 80, 60))
    job = make_job(task, plate, str(tmp_path / "o.%d.exr"))
    plan = load_engine("plate").plan(job)
    assert (plan.display_window, plan.plate_offset) == (_window(display), offset)
    done = run(job, tmp_path)
    image = done.result(2)
    written = Window(x=image.origin[0], y=image.origin[1], width=image.shape[1], height=image.shape[0])
    assert written == plan.data_window
    assert image.display == (*_xy(display), *_size(display))
    # Everything that is plate or was asked for, and nothing else.
    plate_window = Window(x=12 + offset[0], y=17 + offset[1], width=80, height=60)
    assert written.contains(plate_window)
    if task.overscan is None:
        assert written == plate_window.union(_window(display))
    assert written == _window(data)
    assert changed(tmp_path / "p/plate.0002.exr", done.path(2), offset=offset) == (3 * 4800, 0)
    made = done.extras(2)["A"] == 1
    assert made.sum() == written.width * written.height - 4800
    assert np.isfinite(done.light(2)).all()


def _xy(text: str) -> tuple[int, int]:
    window = _window(text)
    return window.x, window.y


def _size(text: str) -> tuple[int, int]:
    window = _window(text)
    return window.width, window.height


def test_a_data_window_that_moves(tmp_path):
    for number in range(1, 6):
        pan(
            tmp_path / "p",
            size=(70, 50),
            frames=(number,),
            start=(40 + 5 * number, 30 + 2 * number),
            origin=(5 * number, 2 * number),
            display=(0, 0, 80, 60),
        )
    job = make_job(Extend(size=(80, 60)), str(tmp_path / "p/plate.%04d.exr"), str(tmp_path / "o.%d.exr"))
    done = run(job, tmp_path)
    assert "DATA_WINDOW_SMALLER" in {notice.code for notice in done.plan.warnings}
    copied = 0
    for number in range(1, 6):
        assert changed(tmp_path / f"p/plate.{number:04d}.exr", done.path(number)) == (3 * 3500, 0)
        extras = done.extras(number)
        copied += int((extras["kind"] == 1).sum())
    assert copied > 500  # a still picture behind a moving window: other frames show what this one does not


def test_a_crop_generates_nothing_and_measures_nothing(tmp_path):
    plate = pan(tmp_path / "p", size=(80, 60), frames=(1, 2, 3))
    done = run(make_job(Extend(size=(40, 30)), plate, str(tmp_path / "o.%d.exr")), tmp_path)
    for number in (1, 2, 3):
        assert not done.extras(number)["A"].any()
        assert done.result(number).display == (0, 0, 40, 30)
        assert changed(tmp_path / f"p/plate.{number:04d}.exr", done.path(number), offset=(-20, -15))[1] == 0
    assert not list((tmp_path / "cache").rglob("*.npz"))


def test_pixel_aspect_is_the_plates_unless_it_is_named(tmp_path):
    plate = pan(tmp_path / "p", size=(40, 30), frames=(1, 2), attributes={"PixelAspectRatio": 2.0})
    for aspect, expected in ((None, 2.0), (1.5, 1.5)):
        done = run(
            make_job(
                Extend(margins=Margins(top=4)),
                plate,
                str(tmp_path / f"{expected}/o.%d.exr"),
                source={"pixel_aspect": aspect},
            ),
            tmp_path / str(expected),
        )
        assert [part.attributes["PixelAspectRatio"] for part in read(done.path(1))] == [expected, expected]
