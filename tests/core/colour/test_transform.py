"""To linear light and back keeps what film plates have in them."""

from __future__ import annotations

import numpy as np
import pytest

from overscan.core.colour import (
    ColourConfig,
    LinearTransform,
    acescct,
    analysis_proxy,
    display_encode,
    gain_log2,
    load_config,
    resolve_space,
    to_display,
)
from overscan.core.errors import ColourSpaceError


@pytest.fixture(scope="module")
def config() -> ColourConfig:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OCIO", raising=False)
        return load_config()


def transform(config: ColourConfig, name: str) -> LinearTransform:
    space = resolve_space(config, name=name, attributes={}, path="plate.exr", format_name="openexr")
    return LinearTransform(config=config, space=space)


def ramp(low: float, high: float) -> np.ndarray:
    return np.stack([np.linspace(low, high, 4096, dtype=np.float32)] * 3, axis=-1)[None]


@pytest.mark.parametrize("name", ["ACEScg", "Linear ARRI Wide Gamut 4", ""])
def test_scene_linear_is_the_same_array(config: ColourConfig, name: str) -> None:
    pixels = ramp(-1.0, 1000.0)
    linear = transform(config, name)
    assert linear.is_identity
    assert linear.to_linear(pixels) is pixels
    assert linear.from_linear(pixels) is pixels


def test_into_another_plates_light(config: ColourConfig) -> None:
    def into(name: str, linear: str) -> LinearTransform:
        space = resolve_space(config, name=name, attributes={}, path="plate.exr", format_name="openexr")
        return LinearTransform(config=config, space=space, linear=linear)

    # Rec. 709 to AP1 with Bradford's adaptation, as the ACES documents print it; values beyond 0 and 1 as well.
    red = np.float32([[[1.0, 0.0, 0.0], [-2.0, 0.0, 0.0]]])
    expected = np.float32([[[0.613097, 0.070194, 0.020616], [-1.226195, -0.140388, -0.041231]]])
    for name in ("lin_rec709_scene", "srgb_tx"):
        linear = into(name, "ACEScg")
        assert not linear.is_identity
        assert linear.linear_name == "ACEScg"
        light = linear.to_linear(red)
        assert light[0, 0] == pytest.approx(expected[0, 0], abs=2e-5)
        assert linear.from_linear(light) == pytest.approx(red, abs=2e-5)
    assert into("lin_rec709_scene", "ACEScg").to_linear(red) == pytest.approx(expected, abs=2e-5)
    assert into("ACEScg", "ACEScg").is_identity
    assert into("", "ACEScg").is_identity, "nothing is known of its primaries"


@pytest.mark.parametrize(
    ("name", "linear_name", "low", "high"),
    [
        ("srgb_tx", "Linear Rec.709 (sRGB)", -0.5, 4.0),
        ("ACEScct", "ACEScg", -0.2, 1.46),
        ("ARRI LogC4", "Linear ARRI Wide Gamut 4", -0.1, 1.2),
        ("S-Log3 S-Gamut3.Cine", "Linear S-Gamut3.Cine", 0.0, 1.2),
    ],
)
def test_encoded_plates_round_trip_beyond_0_and_1(
    config: ColourConfig, name: str, linear_name: str, low: float, high: float
) -> None:
    pixels = ramp(low, high)
    linear = transform(config, name)
    assert linear.linear_name == linear_name
    light = linear.to_linear(pixels)
    assert light.max() > 1.0
    assert light.min() < 0.0
    assert np.abs(linear.from_linear(light) - pixels).max() < 2e-6
    assert np.array_equal(pixels, ramp(low, high)), "the input must not be written to"


def test_nan_stays_nan_in_its_own_sample(config: ColourConfig) -> None:
    pixels = np.array([[[np.nan, 0.5, 0.5]]], dtype=np.float32)
    light = transform(config, "srgb_tx").to_linear(pixels)
    assert np.isnan(light[0, 0, 0])
    assert light[0, 0, 1] == pytest.approx(0.21404, abs=1e-5)


def test_data_is_refused(config: ColourConfig) -> None:
    with pytest.raises(ColourSpaceError, match="data space"):
        transform(config, "Raw")


def test_wrong_arrays_are_refused(config: ColourConfig) -> None:
    with pytest.raises(ValueError, match=r"float64"):
        transform(config, "srgb_tx").to_linear(np.zeros((2, 2, 3)))  # type: ignore[arg-type]


def test_acescct_matches_the_configuration(config: ColourConfig) -> None:
    light = ramp(-0.006, 200.0)
    expected = transform(config, "ACEScct").from_linear(light)
    assert np.abs(acescct(light) - expected).max() < 2e-6
    assert acescct(np.float32(65504.0)) == pytest.approx(1.468, abs=1e-3)


def test_analysis_curves_are_finite_on_everything() -> None:
    values = np.array([np.nan, np.inf, -np.inf, -70000.0, -1e-3, 0.0, 0.18, 1e30], dtype=np.float32)
    kept = values.copy()
    proxy = analysis_proxy(values)
    assert np.isfinite(proxy).all()
    assert proxy.dtype == np.float32
    assert proxy.min() == 0.0
    assert proxy.max() == pytest.approx(1.468, abs=1e-3)
    stops = gain_log2(values)
    assert np.isfinite(stops).all()
    assert stops[0] == stops[2] == -10.0
    assert gain_log2(np.float32(0.5)) == -1.0
    assert np.array_equal(values, kept, equal_nan=True)


def test_display_encode_is_srgb() -> None:
    assert np.allclose(
        display_encode(np.array([0.0, 0.0031308, 0.18, 1.0, 7.0, np.nan])), [0, 0.04045, 0.46136, 1, 1, 0], atol=1e-5
    )


@pytest.mark.parametrize("name", ["", "ACEScg", "srgb_tx", "Raw"])
def test_pictures_are_0_to_1_and_grow_with_light(config: ColourConfig, name: str) -> None:
    space = resolve_space(config, name=name, attributes={}, path="plate.exr", format_name="openexr")
    pixels = ramp(-0.5, 2.0)
    pixels[0, 0, 0] = np.nan
    shown = to_display(config, pixels, space)
    assert shown.shape == pixels.shape
    assert np.isfinite(shown).all()
    assert shown.min() >= 0.0
    assert shown.max() <= 1.0
    assert shown[0, 3000, 1] > shown[0, 1200, 1] > shown[0, 900, 1] >= shown[0, 0, 1]
