"""A plate's colour space is named, tagged, ruled or fixed by its format, and never guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest

from overscan.core.colour import ColourConfig, ColourSpace, Origin, load_config, resolve_space
from overscan.core.errors import ColourSpaceError

RULED_CONFIG = """\
ocio_profile_version: 2
roles: {default: house_log, scene_linear: house_lin, aces_interchange: house_lin}
file_rules:
  - !<Rule> {name: scans, pattern: "*_scan*", extension: "*", colorspace: house_log}
  - !<Rule> {name: Default, colorspace: house_log}
displays:
  monitor: [!<View> {name: plain, colorspace: house_lin}]
colorspaces:
  - !<ColorSpace> {name: house_lin, encoding: scene-linear}
  - !<ColorSpace> {name: house_log, encoding: log, from_scene_reference: !<LogTransform> {base: 2}}
"""


@pytest.fixture(scope="module")
def built_in() -> ColourConfig:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OCIO", raising=False)
        return load_config()


def write(path: Path, sample_type: str = "half", **attributes: Any) -> Path:
    spec = oiio.ImageSpec(4, 4, 3, sample_type)
    for name, value in attributes.items():
        if name == "chromaticities":
            spec.attribute(name, oiio.TypeDesc("float[8]"), value)
        elif name == "ICCProfile":
            spec.attribute(name, oiio.TypeDesc(f"uint8[{len(value)}]"), np.frombuffer(value, np.uint8))
        else:
            spec.attribute(name.replace("__", ":"), value)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec), output.geterror()
    assert output.write_image(np.full((4, 4, 3), 0.18, np.float32)), output.geterror()
    output.close()
    return path


def resolve(config: ColourConfig, path: Path, name: str = "") -> ColourSpace:
    source = oiio.ImageInput.open(str(path))
    assert source, oiio.geterror()
    attributes = {item.name: item.value for item in source.spec().extra_attribs}
    return resolve_space(config, name=name, attributes=attributes, path=str(path), format_name=source.format_name())


@pytest.mark.parametrize(
    ("given", "canonical", "linear"),
    [
        ("ACEScg", "ACEScg", True),
        ("lin_ap1_scene", "ACEScg", True),
        ("scene_linear", "ACEScg", True),
        ("compositing_log", "ACEScct", False),
        ("arri_logc4", "ARRI LogC4", False),
    ],
)
def test_name_alias_and_role_are_understood(
    built_in: ColourConfig, tmp_path: Path, given: str, canonical: str, linear: bool
) -> None:
    space = resolve(built_in, write(tmp_path / "plate.exr", colorInteropID="lin_rec709_scene"), name=given)
    assert (space.name, space.is_scene_linear, space.origin) == (canonical, linear, Origin.NAMED)


def test_unknown_name_offers_the_nearest(built_in: ColourConfig, tmp_path: Path) -> None:
    with pytest.raises(ColourSpaceError) as caught:
        resolve(built_in, write(tmp_path / "plate.exr"), name="ACEScgg")
    assert "'ACEScgg'" in caught.value.record.message
    assert "ACEScg," in caught.value.record.next_step
    assert "python -m overscan.core.colour" in caught.value.record.next_step


def test_untagged_exr_is_linear_of_unknown_primaries_and_says_so(built_in: ColourConfig, tmp_path: Path) -> None:
    # The built-in configuration's own rule would call it ACES2065-1: that is no knowledge about the file.
    space = resolve(built_in, write(tmp_path / "plate.exr"))
    assert (space.name, space.is_scene_linear, space.origin) == ("", True, Origin.FORMAT)
    assert "unknown primaries" in space.note


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"colorInteropID": "lin_p3d65_scene"}, "Linear P3-D65"),
        ({"colorInteropID": "ocio:arrilogc4_awg4_scene"}, "ARRI LogC4"),
        ({"chromaticities": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)}, "ACEScg"),
        ({"chromaticities": (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)}, "Linear Rec.709 (sRGB)"),
    ],
)
def test_exr_tags_are_believed(built_in: ColourConfig, tmp_path: Path, attributes: dict[str, Any], name: str) -> None:
    space = resolve(built_in, write(tmp_path / "plate.exr", **attributes))
    assert (space.name, space.origin, space.note) == (name, Origin.FILE, "")


def test_aces_container_is_ap0(built_in: ColourConfig) -> None:
    space = resolve_space(
        built_in, name="", attributes={"acesImageContainerFlag": 1}, path="a.exr", format_name="openexr"
    )
    assert (space.name, space.origin) == ("ACES2065-1", Origin.FILE)


def test_foreign_chromaticities_are_not_forced_into_a_known_space(built_in: ColourConfig, tmp_path: Path) -> None:
    xyz = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1 / 3, 1 / 3)
    space = resolve(built_in, write(tmp_path / "plate.exr", chromaticities=xyz))
    assert (space.name, space.is_scene_linear) == ("", True)
    assert "chromaticities" in space.note


def test_unknown_interop_id(built_in: ColourConfig, tmp_path: Path) -> None:
    linear = resolve(built_in, write(tmp_path / "linear.exr", colorInteropID="house:lin_stage_scene"))
    assert (linear.name, linear.is_scene_linear) == ("", True)
    assert "house:lin_stage_scene" in linear.note
    with pytest.raises(ColourSpaceError, match="house:log_stage_scene"):
        resolve(built_in, write(tmp_path / "log.exr", colorInteropID="house:log_stage_scene"))


@pytest.mark.parametrize("file_name", ["plate.png", "plate.jpg"])
def test_png_and_jpeg_are_srgb_by_their_standard(built_in: ColourConfig, tmp_path: Path, file_name: str) -> None:
    space = resolve(built_in, write(tmp_path / file_name, "uint8"))
    assert (space.name, space.origin) == ("sRGB Encoded Rec.709 (sRGB)", Origin.FORMAT)
    assert "sRGB" in space.note
    assert not space.is_scene_linear


def test_png_gamma_chunk_is_a_tag(built_in: ColourConfig, tmp_path: Path) -> None:
    space = resolve(built_in, write(tmp_path / "plate.png", "uint8", oiio__ColorSpace="g22_rec709_scene"))
    assert (space.name, space.origin) == ("Gamma 2.2 Encoded Rec.709", Origin.FILE)


def test_foreign_icc_profile_is_refused(built_in: ColourConfig) -> None:
    attributes = {"ICCProfile": b"profile", "ICCProfile:profile_description": "Adobe RGB (1998)"}
    with pytest.raises(ColourSpaceError, match=r"Adobe RGB \(1998\)"):
        resolve_space(built_in, name="", attributes=attributes, path="a.jpg", format_name="jpeg")


@pytest.mark.parametrize("file_name", ["plate.dpx", "plate.tif", "plate.tga"])
def test_unknowable_encoding_is_an_error_that_says_how_to_name_it(
    built_in: ColourConfig, tmp_path: Path, file_name: str
) -> None:
    path = write(tmp_path / file_name, "uint8" if file_name.endswith("tga") else "uint16")
    with pytest.raises(ColourSpaceError) as caught:
        resolve(built_in, path)
    assert str(path) in str(caught.value)
    assert "--colorspace NAME" in caught.value.record.next_step
    assert resolve(built_in, path, name="ACEScct").name == "ACEScct"


def test_rules_of_a_chosen_configuration_count_but_its_default_does_not(tmp_path: Path) -> None:
    (tmp_path / "house.ocio").write_text(RULED_CONFIG)
    config = load_config(path=str(tmp_path / "house.ocio"))
    ruled = resolve(config, write(tmp_path / "a_scan.0001.exr"))
    assert (ruled.name, ruled.origin, ruled.is_scene_linear) == ("house_log", Origin.FILE_RULE, False)
    assert "'scans'" in ruled.note
    assert resolve(config, write(tmp_path / "plate.0001.exr")).origin is Origin.FORMAT
    with pytest.raises(ColourSpaceError, match="sRGB"):
        resolve(config, write(tmp_path / "plate.png", "uint8"))


def test_configuration_comes_from_path_then_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = tmp_path / "house.ocio"
    house.write_text(RULED_CONFIG)
    monkeypatch.setenv("OCIO", str(house))
    assert load_config().source == str(house)
    assert load_config(path="ocio://cg-config-v1.0.0_aces-v1.3_ocio-v2.1").source.startswith("ocio://cg-config")
    monkeypatch.delenv("OCIO")
    assert load_config().chosen is False


def test_configuration_is_read_once_for_as_long_as_its_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "config.ocio"
    path.write_text(RULED_CONFIG)
    first = load_config(path=str(path))
    assert load_config(path=str(path)).handle is first.handle
    path.write_text(RULED_CONFIG.replace("house_log", "home_log"))
    again = load_config(path=str(path))
    assert again.canonical(name="home_log") == "home_log"
    assert first.canonical(name="home_log") == ""


@pytest.mark.parametrize("content", [None, "not: [a config", "ocio_profile_version: 99\n"])
def test_unloadable_configuration_names_file_and_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    path = tmp_path / "broken.ocio"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("OCIO", str(path))
    with pytest.raises(ColourSpaceError) as caught:
        load_config()
    assert caught.value.record.path == str(path)
    assert "$OCIO" in caught.value.record.message
    assert ("no such file" in caught.value.record.message) == (content is None)
