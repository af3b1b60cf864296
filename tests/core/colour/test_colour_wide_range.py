"""The curves that models see plates through."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from overscan.core.colour import EXPOSURE_LIMIT, Curve, WideRange, acescct, fitting_exposure

HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
FINITE = HALVES[np.isfinite(HALVES)]
EXPOSURES = (-EXPOSURE_LIMIT, -3.125, 0.0, 2.5, EXPOSURE_LIMIT)


def _order(values: np.ndarray) -> np.ndarray:
    """Halves as whole numbers of which neighbours differ by 1; both zeros are 0."""
    bits = values.astype(np.float16).view(np.uint16).astype(np.int64)
    return np.where(bits < 1 << 15, bits, (1 << 15) - bits)


@pytest.mark.parametrize(("curve", "exposure"), list(itertools.product(Curve, EXPOSURES)))
def test_every_finite_half_comes_back_within_one_unit(curve, exposure):
    wide = WideRange(curve=curve, exposure=exposure)
    codes = wide.encode(FINITE)
    assert codes.dtype == np.float32
    back = wide.decode(codes)
    assert back.dtype == np.float32
    with np.errstate(over="ignore"):
        away = np.abs(_order(back.astype(np.float16)) - _order(FINITE))
    assert away.max() <= 1
    if exposure == 0.0:
        assert away[np.abs(FINITE) > 1e-4].max() == 0


@pytest.mark.parametrize("curve", Curve)
def test_codes_rise_with_light_and_reach_1_where_they_say(curve):
    wide = WideRange(curve=curve, exposure=-2.0)
    light = np.sort(FINITE.astype(np.float32))
    assert (np.diff(wide.encode(light)) >= 0).all()
    assert wide.encode(wide.highest) == pytest.approx(1.0, abs=1e-6)
    assert wide.encode(wide.lowest) == pytest.approx(0.0, abs=1e-6)
    assert wide.lowest < 0 < wide.highest


def test_published_values():
    aces, arri = WideRange(curve=Curve.ACESCCT), WideRange(curve=Curve.LOGC3)
    assert aces.encode([0.0, 0.18, 1.0]) == pytest.approx([0.0729055, 0.4135884, 0.5547945], abs=1e-6)
    assert aces.encode([-0.1, 0.001, 5.0]) == pytest.approx(acescct([-0.1, 0.001, 5.0]), abs=1e-6)
    # ARRI: code values of grey 0.18 and of black at EI 800.
    assert arri.encode([0.0, 0.18]) == pytest.approx([0.092809, 0.391007], abs=1e-5)
    assert aces.highest == pytest.approx(222.86, abs=0.01)
    assert arri.highest == pytest.approx(55.08, abs=0.01)


def test_a_stop_is_a_step_of_the_code():
    wide = WideRange(curve=Curve.ACESCCT)
    one, two = wide.encode([0.5, 1.0])
    assert two - one == pytest.approx(wide.stop, abs=1e-6)


def test_what_is_no_number_stays_none():
    wide = WideRange(curve=Curve.LOGC3)
    codes = wide.encode([np.nan, np.inf])
    assert np.isnan(codes[0])
    assert np.isposinf(codes[1])


@pytest.mark.parametrize(("curve", "brightest"), list(itertools.product(Curve, (0.2, 100.0, 1000.0, 3000.0))))
def test_exposure_makes_room_and_no_more(curve, brightest):
    exposure = fitting_exposure(curve=curve, brightest=brightest)
    assert exposure <= 0
    assert float(WideRange(curve=curve, exposure=exposure).encode(brightest)) <= 1
    if exposure < 0:
        assert float(WideRange(curve=curve, exposure=exposure + 0.125).encode(brightest)) > 1
    assert (exposure * 8).is_integer()


def test_exposure_has_an_end():
    assert fitting_exposure(curve=Curve.ACESCCT, brightest=65504.0) == -EXPOSURE_LIMIT
    assert fitting_exposure(curve=Curve.ACESCCT, brightest=float("inf")) == -EXPOSURE_LIMIT
    assert fitting_exposure(curve=Curve.ACESCCT, brightest=float("nan")) == 0.0
