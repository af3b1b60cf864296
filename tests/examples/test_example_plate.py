"""The example plate is what its README says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from overscan.core.colour import Origin, load_config, resolve_space
from overscan.core.plates import PlateFrame, Sequence, read_frame

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LEFT = 224


@pytest.fixture(scope="module")
def sequences() -> dict[str, Sequence]:
    return {
        name: Sequence.find(pattern=str(EXAMPLES / name / f"{name}.####.exr")) for name in ("plate", "truth", "matte")
    }


def frame(sequence: Sequence, number: int) -> PlateFrame:
    return read_frame(sequence.path(number), number=number)


def rgb(image: PlateFrame) -> np.ndarray:
    return np.stack([image.parts[0].planes[name].astype(np.float32) for name in "RGB"], axis=-1)


def test_all_three_have_the_same_frames(sequences: dict[str, Sequence]) -> None:
    assert {sequence.frames for sequence in sequences.values()} == {tuple(range(1001, 1033))}


def test_headers_say_camera_colour_and_credit(sequences: dict[str, Sequence], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)
    for number in (1001, 1026):
        image = frame(sequences["plate"], number)
        header = image.parts[0].header
        assert (header.display_window.width, header.display_window.height) == (1280, 720)
        assert {channel.dtype for channel in header.channels} == {np.dtype(np.float16)}
        assert "Aitzol Berasategi" in header.attributes["Copyright"]
        assert "CC BY 4.0" in header.attributes["Copyright"]
        assert tuple(header.attributes["FramesPerSecond"]) == (24, 1)
        space = resolve_space(
            load_config(), name="", attributes=header.attributes, path=str(image.path), format_name=image.format_name
        )
        assert (space.name, space.origin) == ("ACEScg", Origin.FILE)
    # 01:00:00:00 is frame 1001, so frame 1026 is one second and one frame later.
    assert header.attributes["smpte:TimeCode"][0] == 0x01000101


def test_light_is_scene_linear_with_real_peaks(sequences: dict[str, Sequence]) -> None:
    light = rgb(frame(sequences["plate"], 1016))
    assert np.isfinite(light).all()
    assert light.max() > 50.0
    assert 0.05 < (light > 1.0).mean() < 0.3
    assert any((rgb(frame(sequences["plate"], number)) < 0.0).any() for number in (1001, 1011, 1021))


@pytest.mark.parametrize("number", [1001, 1032])
def test_plate_is_the_centre_of_the_truth(sequences: dict[str, Sequence], number: int) -> None:
    plate, truth = rgb(frame(sequences["plate"], number)), rgb(frame(sequences["truth"], number))
    assert truth.shape == (720, 1728, 3)
    centre = truth[:, LEFT : LEFT + plate.shape[1]]
    # Both went through DWAA on their own; what is left apart is compression, not content.
    assert np.median(np.abs(plate - centre) / (np.abs(centre) + 0.01)) < 0.05
    shifted = truth[:, LEFT + 1 : LEFT + 1 + plate.shape[1]]
    assert np.abs(plate - centre).mean() < 0.6 * np.abs(plate - shifted).mean()


def test_matte_is_soft_and_covers_what_moves(sequences: dict[str, Sequence]) -> None:
    for number in (1001, 1020):
        image = frame(sequences["matte"], number)
        assert [channel.name for channel in image.parts[0].header.channels] == ["A"]
        matte = image.parts[0].planes["A"].astype(np.float32)
        light = rgb(frame(sequences["plate"], number))
        assert (matte.min(), matte.max()) == (0.0, 1.0)
        assert ((matte > 0.0) & (matte < 1.0)).sum() > 1000
        # The eagle is a silhouette: the darkest pixels around are well inside.
        rows, columns = np.nonzero(matte == 1.0)
        inside = light[matte == 1.0].max(axis=1)
        assert (inside < 0.3 * np.median(inside)).sum() > 150
        assert columns.min() > 300
        assert columns.max() < 1000
        assert rows.max() < 400


def test_package_knows_its_folder() -> None:
    spec = importlib.util.spec_from_file_location("example_package", EXAMPLES / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    assert (package.folder() / "plate" / "plate.1001.exr").is_file()


def test_the_folder_stays_small_and_credited() -> None:
    assert sum(path.stat().st_size for path in EXAMPLES.rglob("*.exr")) < 25_000_000
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for fact in ("Aitzol Berasategi", "CC BY 4.0", "lomiri-wallpapers-16.04"):
        assert fact in readme
