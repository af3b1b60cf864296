"""Differences of light between the frames of a shot are found as they are, and none are invented."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from filming import scene

from overscan.core.colour import acescct_to_linear, analysis_proxy
from overscan.core.engines.plate._lattice import Lattice
from overscan.core.engines.plate.light._exposure import Exposure, PairSamples, sample_pair, solve_exposure
from overscan.core.geometry import Window

DISPLAY = Window(x=-64, y=32, width=1024, height=576)
SMALL = Lattice.over(DISPLAY, longest=256)
FRAMES = 26
WHOLE = scene(460, 700)


def fall(x: np.ndarray, y: np.ndarray, v2: float, v4: float) -> np.ndarray:
    away = ((x + 64 - 511.5) ** 2 + (y - 32 - 287.5) ** 2) / (512**2 + 288**2)
    return v2 * away + v4 * away**2


class Filmed:
    """Small pictures of a moving camera whose light changes."""

    def __init__(
        self,
        *,
        gains: np.ndarray,
        falloff: tuple[float, float] = (0.0, 0.0),
        step: tuple[float, float] | None = (9.0, 3.0),
        noise: float = 0.02,
        channels: int = 3,
        clip: float = np.inf,
    ) -> None:
        self.step = step
        rng = np.random.default_rng(2)
        x, y = SMALL.nodes()
        self.pictures = []
        for frame, gain in enumerate(gains):
            columns, rows = np.meshgrid(np.arange(256, dtype=np.float32), np.arange(144, dtype=np.float32))
            shift = self.offset(frame)
            seen = cv2.remap(WHOLE, columns + np.float32(shift[0]), rows + np.float32(shift[1]), cv2.INTER_CUBIC)
            seen = np.maximum(seen[..., :channels], 0.004).reshape(144, 256, channels)
            # A mover over a tenth of the picture, which goes its own way.
            seen[20:80, (frame * 17) % 200 : (frame * 17) % 200 + 60] *= 2.5
            light = seen * 2.0 ** (gain + fall(x, y, *falloff)[..., np.newaxis])
            light = np.minimum(light, clip) + noise * np.sqrt(np.abs(light)) * rng.standard_normal(light.shape)
            self.pictures.append(light.astype(np.float32))
        self.known = np.ones((144, 256), np.bool_)

    def offset(self, frame: int) -> tuple[float, float]:
        if self.step is None:
            return 40.0, 60.0
        return 20 + frame * self.step[0] + 0.37 * frame % 1, 90 + frame * self.step[1] + 25 * np.sin(frame / 4)

    def sample(self, one: int, two: int) -> PairSamples:
        rng = np.random.default_rng(100 * one + two)
        x, y = SMALL.nodes()
        (x1, y1), (x2, y2) = self.offset(one), self.offset(two)
        # Registration is never perfect.
        wrong = 0.1 * rng.standard_normal(2)
        there = np.stack([x + (x1 - x2 + wrong[0]) * SMALL.dx, y + (y1 - y2 + wrong[1]) * SMALL.dy], axis=-1)
        return sample_pair(
            first=self.pictures[one],
            second=self.pictures[two],
            known_first=self.known,
            known_second=self.known,
            addresses=there.astype(np.float32),
            lattice=SMALL,
        )

    def solved(self) -> Exposure:
        count = len(self.pictures)
        pairs = [(at, at + 1) for at in range(count - 1)]
        pairs += [(at, at + reach) for reach in (6, 12) for at in range(0, count - reach, 6)]
        return solve_exposure(
            {pair: self.sample(*pair) for pair in pairs},
            frames=count,
            channels=self.pictures[0].shape[-1],
            display=DISPLAY,
        )


def flicker(channels: int = 3, *, size: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng(4)
    stops = np.log2(1 + size * rng.uniform(-1, 1, (FRAMES, channels)))
    return stops - stops.mean(axis=0)


@pytest.mark.parametrize("channels", [3, 1])
def test_flicker_and_falloff_are_recovered(channels):
    truth = flicker(channels)
    found = Filmed(gains=truth, falloff=(-0.9, -0.3), channels=channels).solved()
    assert np.abs(found.gains - truth).max() < 0.01
    x, y = (picture.ravel() for picture in SMALL.nodes())
    centre = np.full_like(x, -64 + 511.5), np.full_like(y, 32 + 287.5)
    got = found.gain(source=3, target=9, x_source=x, y_source=y, x=centre[0], y=centre[1])
    wanted = truth[9] - truth[3] - fall(x, y, -0.9, -0.3)[:, np.newaxis]
    assert np.sqrt(((got - wanted) ** 2).mean()) < 0.01
    assert np.abs(got - wanted).max() < 0.03


def test_one_pair_is_compared_to_within_a_two_hundredth_of_a_stop():
    truth = flicker(size=0.3)
    filmed = Filmed(gains=truth)
    for one in range(0, 20, 5):
        found = solve_exposure({(0, 1): filmed.sample(one, one + 1)}, frames=2, channels=3, display=DISPLAY)
        assert np.abs((found.gains[1] - found.gains[0]) - (truth[one + 1] - truth[one])).max() < 0.005


def test_thumbnails_as_the_store_keeps_them_will_do():
    rng = np.random.default_rng(3)
    stops = np.array([0.062, -0.031, 0.004])
    kept = []
    for gain in (np.zeros(3), stops):
        frame = cv2.resize(WHOLE[50:194, 50:306], (1024, 576), interpolation=cv2.INTER_CUBIC) * 2.0**gain
        frame += 0.04 * np.sqrt(np.abs(frame)) * rng.standard_normal(frame.shape)
        small = cv2.resize(analysis_proxy(frame), (256, 144), interpolation=cv2.INTER_AREA)
        kept.append(acescct_to_linear(small.astype(np.float16).astype(np.float32)))
    known = np.ones((144, 256), np.bool_)
    found = sample_pair(
        first=kept[0],
        second=kept[1],
        known_first=known,
        known_second=known,
        addresses=np.stack(SMALL.nodes(), axis=-1),
        lattice=SMALL,
    )
    assert np.median(found.stops, axis=0) == pytest.approx(stops, abs=0.005)


def test_an_exposure_ramp_and_a_flash_are_recovered():
    truth = np.repeat(np.linspace(-0.5, 0.5, FRAMES)[:, np.newaxis], 3, axis=1)
    truth[10] += 1.0
    truth -= truth.mean(axis=0)
    assert np.abs(Filmed(gains=truth).solved().gains - truth).max() < 0.02


def test_nothing_is_invented_where_the_light_is_steady():
    found = Filmed(gains=np.zeros((FRAMES, 3)), noise=0.05).solved()
    assert found.falloff == (0.0, 0.0)
    assert np.abs(found.gains).max() < 0.002


def test_a_still_camera_shows_no_falloff():
    truth = flicker()
    still = Filmed(gains=truth, falloff=(-1.0, 0.0), step=None).solved()
    assert still.falloff == (0.0, 0.0)
    assert np.abs(still.gains - truth).max() < 0.01


def test_clipped_light_says_nothing():
    truth = np.repeat(np.linspace(0, 0.6, FRAMES)[:, np.newaxis], 3, axis=1)
    truth -= truth.mean(axis=0)
    found = Filmed(gains=truth, clip=0.6, noise=0.0).solved()
    assert np.abs(found.gains - truth).max() < 0.02


def test_not_numbers_and_mattes_are_left_out():
    truth = flicker()
    filmed = Filmed(gains=truth)
    for at, picture in enumerate(filmed.pictures):
        picture[100:110, 30:50] = np.nan
        picture[5, at] = np.inf
        picture[110:, 200:] = -3.0
    assert np.abs(filmed.solved().gains - truth).max() < 0.01


def test_frames_that_nothing_links_get_nothing():
    filmed = Filmed(gains=flicker())
    samples = {(0, 1): filmed.sample(0, 1), (1, 2): filmed.sample(1, 2), (5, 6): filmed.sample(5, 6)}
    found = solve_exposure(samples, frames=9, channels=3, display=DISPLAY)
    assert not found.gains[[3, 4, 7, 8]].any()
    for part in ([0, 1, 2], [5, 6]):
        assert found.gains[part].any()
        assert np.abs(found.gains[part].mean(axis=0)).max() < 1e-5
    nowhere = PairSamples(
        first=np.zeros((0, 2), np.float32),
        second=np.zeros((0, 2), np.float32),
        stops=np.zeros((0, 3), np.float32),
        weight=np.zeros((0, 3), np.float32),
    )
    assert not solve_exposure({(0, 1): nowhere}, frames=2, channels=3, display=DISPLAY).gains.any()


def test_it_is_kept_in_a_file(tmp_path):
    found = Filmed(gains=flicker(), falloff=(-0.9, -0.3)).solved()
    found.save(tmp_path / "exposure.npz")
    again = Exposure.load(tmp_path / "exposure.npz")
    assert (again.falloff, again.display) == (found.falloff, DISPLAY)
    assert np.array_equal(again.gains, found.gains)


def test_the_falloff_is_held_beyond_the_corner():
    found = Exposure(gains=np.zeros((2, 1), np.float32), falloff=(-1.0, -0.5), display=DISPLAY)
    at = np.array([-64.0 - 300, -64 + 511.5], np.float32), np.array([32.0 - 300, 32 + 287.5], np.float32)
    centre = np.full(2, 447.5, np.float32), np.full(2, 319.5, np.float32)
    gain = found.gain(source=0, target=1, x_source=centre[0], y_source=centre[1], x=at[0], y=at[1])
    assert gain[:, 0] == pytest.approx([-1.5, 0.0], abs=1e-4)
