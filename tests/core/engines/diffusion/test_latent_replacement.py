"""Which latents are painted, what becomes of the others at each step, and which given frames a pipeline is shown."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra `models`")

import torch

from overscan.core.engines.diffusion.families._given_frames import further_runs, leading_clip, telling_frames
from overscan.core.engines.diffusion.families._latent_replacement import KnownLatents, latent_matte, next_sigma


def test_a_latent_is_painted_where_any_sample_of_it_is() -> None:
    matte = np.zeros((17, 64, 96), np.float32)
    matte[0, 31, 31] = 1
    matte[9, 32, 32] = 1
    paint = latent_matte(matte, time=8, size=32)
    assert paint.shape == (3, 2, 3)
    assert {tuple(int(at) for at in place) for place in np.argwhere(paint)} == {(0, 0, 0), (2, 1, 1)}, "causal in time"
    matte[:] = 0
    matte[8, 0, 0] = 1
    assert np.argwhere(latent_matte(matte, time=8, size=32)).tolist() == [[1, 0, 0]]
    with pytest.raises(ValueError, match="16 frames"):
        latent_matte(matte[:16], time=8, size=32)


def test_known_latents_have_the_noise_of_the_next_step_and_none_after_the_last() -> None:
    keep = torch.tensor([True, False, True]).reshape(1, 3, 1)
    clean, grain = torch.full((1, 3, 2), 2.0), torch.full((1, 3, 2), -1.0)
    known = KnownLatents(clean=clean, keep=keep, noise=grain)
    sequence = torch.arange(10.0).reshape(1, 5, 2)
    mended = known.put_back(sequence, sigma=0.25, first=1)
    assert mended[0, 1].tolist() == mended[0, 3].tolist() == [1.25, 1.25]
    for untouched in (0, 2, 4):
        assert mended[0, untouched].tolist() == sequence[0, untouched].tolist()
    assert known.put_back(sequence, sigma=0.0, first=1)[0, 1].tolist() == [2.0, 2.0]

    class Scheduler:
        config = type("Config", (), {"num_train_timesteps": 1000})
        sigmas = torch.tensor([1.0, 0.9, 0.3, 0.0])

    assert [round(next_sigma(Scheduler, time), 3) for time in (1000.0, 900.0, 300.0)] == [0.9, 0.3, 0.0]


def test_given_frames_are_chosen_to_tell_most() -> None:
    clip = leading_clip((True,) * 11 + (False,) * 6, time=8)
    assert clip is not None
    assert (clip.start, clip.stop) == (0, 9)
    assert leading_clip((False, True), time=8) is None
    (run,) = further_runs((True,) * 11 + (False,) * 6, after=9)
    assert (run.start, run.stop) == (9, 11)
    (tail,) = further_runs((False,) * 12 + (True,) * 5, after=0)
    assert telling_frames(tail, last=16) == [12, 13, 16], "movement needs two frames, and the last holds the end"
    middle, end = further_runs((True, False, True, True, False, True), after=1)
    assert telling_frames(middle, last=5) == [2, 3]
    assert telling_frames(end, last=5) == [5]
