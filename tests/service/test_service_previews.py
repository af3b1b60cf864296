"""Small pictures of finished frames: from any plate, small enough, rarely enough, and only the last one kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import OpenImageIO
import pytest
from serving import Service, wait_for

from overscan.core.jobs import Extend, Job, OutputSpec, SequenceSource
from overscan.service.workers.previews import PREVIEW_BYTES_MAX, Previews
from overscan.v1.job_pb2 import JobSpec, JobState


def job(path: Path, **plate: Any) -> Job:
    return Job(
        engine="plate",
        task=Extend(size=(8, 8)),
        plate=SequenceSource(path=str(path), **plate),
        output=OutputSpec(path=str(path)),
    )


def write(path: Path, pixels: npt.NDArray[Any], *, names: tuple[str, ...] = (), **attributes: Any) -> Path:
    spec = OpenImageIO.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], pixels.dtype.name)
    if names:
        spec.channelnames = names
    for name, value in attributes.items():
        if name in ("x", "y", "full_x", "full_y", "full_width", "full_height"):
            setattr(spec, name, value)
        else:
            spec.attribute(name.replace("__", ":"), value)
    output = OpenImageIO.ImageOutput.create(str(path))
    assert output.open(str(path), spec), output.geterror()
    assert output.write_image(pixels)
    output.close()
    return path


def picture(path: Path, **plate: Any) -> npt.NDArray[np.uint8]:
    """The preview of a file, decoded: ``(height, width, 3)``, red first."""
    made = Previews().offer(job=job(path, **plate), frame=1001, path=path)
    assert made is not None
    assert made.frame == 1001
    assert made.media_type == "image/jpeg"
    assert made.data.startswith(b"\xff\xd8\xff")
    assert len(made.data) <= PREVIEW_BYTES_MAX
    decoded = cv2.imdecode(np.frombuffer(made.data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(decoded[..., ::-1])


def test_light_is_shown_for_a_display_and_colours_in_their_places(tmp_path: Path) -> None:
    pixels = np.full((90, 160, 3), 0.18, np.float16)
    pixels[:30, :40] = 0.8, 0.0, 0.0
    pixels[60:, 120:] = 0.0, 0.0, 0.8
    pixels[30:60, 60:100] = 900.0
    pixels[0:8, 100:108] = np.nan, -5.0, -np.inf
    shown = picture(write(tmp_path / "a.exr", pixels))
    assert shown.shape == (180, 320, 3)
    middle = shown[150, 40].astype(int)
    assert 80 < middle.min() <= middle.max() < 160, "middle grey is neither dark nor bright on a display"
    red, blue, white = shown[20, 30].astype(int), shown[160, 300].astype(int), shown[90, 160].astype(int)
    assert red[0] > red[1] + 60
    assert red[0] > red[2] + 60
    assert blue[2] > blue[0] + 60
    assert white.min() > 230
    assert shown[8, 208].max() < 40


@pytest.mark.parametrize(("width", "height", "aspect", "size"), [
    (4000, 500, 1.0, (320, 40)),
    (500, 4000, 1.0, (40, 320)),
    (400, 400, 2.0, (320, 160)),
    (3, 2, 1.0, (320, 213)),
    (5000, 1, 1.0, (320, 1)),
])  # fmt: skip
def test_sizes(width: int, height: int, aspect: float, size: tuple[int, int], tmp_path: Path) -> None:
    path = write(tmp_path / "a.exr", np.full((height, width, 3), 0.2, np.float16), PixelAspectRatio=aspect)
    shown = picture(path)
    assert (shown.shape[1], shown.shape[0]) == size


def test_all_that_is_there_is_shown_overscan_included(tmp_path: Path) -> None:
    pixels = np.zeros((40, 80, 3), np.float16)
    pixels[:, :20] = 1.0
    path = write(tmp_path / "a.exr", pixels, x=-20, y=-10, full_x=0, full_y=0, full_width=40, full_height=20)
    shown = picture(path)
    assert shown.shape == (160, 320, 3)
    assert shown[80, 40].min() > 150
    assert shown[80, 160].max() < 40


def test_layers_luminance_and_integers(tmp_path: Path) -> None:
    names = ("R", "G", "B", "beauty.R", "beauty.G", "beauty.B")
    pixels = np.zeros((16, 16, 6), np.float16)
    pixels[..., 4] = 0.5
    path = write(tmp_path / "a.exr", pixels, names=names)
    assert picture(path).max() < 30
    green = picture(path, layer="beauty")[100, 100].astype(int)
    assert green[1] > green[0] + 60
    grey = picture(write(tmp_path / "y.exr", np.full((16, 16, 1), 0.18, np.float32), names=("Y",)))[100, 100]
    assert grey.max() - grey.min() <= 4
    assert grey.max() > 60
    code = np.full((16, 16, 3), 30000, np.uint16)
    # 16-bit sRGB comes out of the way to the display as it went in, but for the view's look.
    assert 60 < picture(write(tmp_path / "a.png", code))[100, 100].mean() < 180
    log = np.full((16, 16, 3), 470 << 6, np.uint16)
    assert picture(write(tmp_path / "a.dpx", log, oiio__BitsPerSample=10), colour_space="ADX10").shape == (320, 320, 3)


def test_noise_is_squeezed_into_the_limit(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).uniform(0.0, 1.0, (320, 320, 3)).astype(np.float16)
    assert picture(write(tmp_path / "a.exr", noise)).shape == (320, 320, 3)


def test_what_cannot_be_read_has_no_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.exr").write_bytes(b"v/1\x01 and no more")
    for name in ("a.exr", "none.exr"):
        assert Previews().offer(job=job(tmp_path / name), frame=1, path=tmp_path / name) is None
    path = write(tmp_path / "b.exr", np.zeros((8, 8, 3), np.float16))
    assert Previews().offer(job=job(path, colour_space="no such space"), frame=1, path=path) is None
    assert "no such space" in capsys.readouterr().err


def test_not_more_than_one_a_second_and_less_where_they_cost_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.exr", np.zeros((8, 8, 3), np.float16))
    clock = [100.0]
    monkeypatch.setattr("overscan.service.workers.previews.time.monotonic", lambda: clock[0])
    previews = Previews()
    cost = 0.001

    def encode(_: object) -> bytes:
        clock[0] += cost
        return b"x"

    monkeypatch.setattr("overscan.service.workers.previews._encode", encode)
    times = []
    for _ in range(100):
        clock[0] += 0.1
        if previews.offer(job=job(path), frame=1, path=path) is not None:
            times.append(clock[0])
    assert len(times) == 10
    cost = 0.5
    begun, spent = clock[0], 0.0
    for _ in range(2000):
        clock[0] += 0.1
        if previews.offer(job=job(path), frame=1, path=path) is not None:
            spent += cost
    assert spent >= 2 * cost
    assert spent < 0.02 * (clock[0] - begun)
    other = write(tmp_path / "b.exr", np.zeros((8, 8, 3), np.float16))
    assert previews.offer(job=job(other), frame=1, path=other) is not None, "another job has its own"


def test_watchers_get_previews_and_the_store_keeps_one(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    job_id = service.create(make_spec(last=1010, seconds=0.3)).id
    events = [response.event for response in service.watch(job_id)]
    previews = [event for event in events if event.HasField("preview")]
    frames = [event for event in events if event.HasField("frame_finished")]
    assert 1 <= len(previews) < len(frames)
    assert [event.number for event in events] == sorted({event.number for event in events})
    finished = {event.frame_finished.frame: event.number for event in frames}
    for event in previews:
        assert event.preview.media_type == "image/jpeg"
        assert 0 < len(event.preview.data) <= PREVIEW_BYTES_MAX
        assert finished[event.preview.frame] < event.number
    late = [response.event for response in service.watch(job_id)]
    assert [event for event in late if event.HasField("preview")] == previews[-1:]
    assert service.get(job_id).preview == previews[-1].preview
    with sqlite3.connect(service.home / "jobs.sqlite") as store:
        assert store.execute("SELECT count(*) FROM events WHERE kind = 'preview'").fetchone() == (1,)


def test_who_comes_while_the_job_runs_gets_the_last(service: Service, make_spec: Callable[..., JobSpec]) -> None:
    job_id = service.create(make_spec(last=1012, seconds=0.4)).id
    wait_for(lambda: service.get(job_id).HasField("preview"))
    for response in service.watch(job_id):
        if response.event.HasField("preview"):
            break
    else:
        pytest.fail("no preview came")
    assert service.get(job_id).state == JobState.JOB_STATE_RUNNING
