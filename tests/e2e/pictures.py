"""Plates and mattes for tests, and what came out of a job."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import OpenImageIO

Pixels = npt.NDArray[np.generic]


def write(path: Path, pixels: Pixels, *, names: Sequence[str], compression: str = "zip") -> None:
    """Write one image in its own sample type."""
    height, width, channels = pixels.shape
    assert channels == len(names)
    spec = OpenImageIO.ImageSpec(width, height, channels, pixels.dtype.name.replace("float16", "half"))
    spec.channelnames = tuple(names)
    if path.suffix == ".exr":
        spec["compression"] = compression
        spec["colorInteropID"] = "lin_ap1_scene"
    output = OpenImageIO.ImageOutput.create(str(path))
    assert output.open(str(path), spec), output.geterror()
    assert output.write_image(np.ascontiguousarray(pixels)), output.geterror()
    assert output.close()


def texture(*, width: int, height: int, seed: int) -> npt.NDArray[np.float32]:
    """Scene-linear light with detail of all sizes, ``(height, width, 3)``, about 0.02 to 30."""
    random = np.random.default_rng(seed)
    light = np.zeros((height, width, 3), np.float32)
    for size, weight in ((48, 0.7), (12, 0.4), (4, 0.2)):
        coarse = random.normal(0, weight, (-(-height // size) + 1, -(-width // size) + 1, 3)).astype(np.float32)
        light += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.exp(light)


def write_pan(folder: Path, *, frames: Sequence[int], width: int, height: int, step: int) -> str:
    """A camera that pans over one picture by `step` samples a frame, as half EXR; returns the pattern."""
    wide = texture(width=width + step * len(frames), height=height, seed=7).astype(np.float16)
    for position, frame in enumerate(frames):
        pixels = wide[:, position * step : position * step + width].copy()
        pixels[0, :4, 0] = np.nan, np.inf, -np.inf, -1.5
        write(folder / f"plate.{frame:04d}.exr", pixels, names="RGB")
    return str(folder / "plate.%04d.exr")


def samples(path: Path) -> dict[str, bytes]:
    """All samples of a file as they are stored, by part and channel."""
    found: dict[str, bytes] = {}
    image = OpenImageIO.ImageInput.open(str(path))
    assert image is not None, OpenImageIO.geterror()
    part = 0
    while image.seek_subimage(part, 0):
        spec = image.spec()
        for index, name in enumerate(spec.channelnames):
            plane = image.read_image(part, 0, index, index + 1, spec.channelformat(index))
            assert plane is not None, image.geterror()
            found[f"{part} {name}"] = np.ascontiguousarray(plane).tobytes()
        part += 1
    image.close()
    return found


def plane(path: Path, channel: str) -> npt.NDArray[np.float32]:
    """One channel of any part."""
    image = OpenImageIO.ImageInput.open(str(path))
    assert image is not None, OpenImageIO.geterror()
    part = 0
    while image.seek_subimage(part, 0):
        names = list(image.spec().channelnames)
        if channel in names:
            index = names.index(channel)
            pixels = np.asarray(image.read_image(part, 0, index, index + 1, "float"))
            image.close()
            return pixels.reshape(pixels.shape[:2])
        part += 1
    raise AssertionError(f"{path} has no channel {channel}")


def digests(folder: Path, pattern: str = "out.*.exr") -> dict[str, str]:
    """What the files of a folder are, byte for byte."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob(pattern))}


def assert_same(found: Path, wanted: Path, *, in_pieces: bool = False) -> None:
    """Both folders have the same frames: the same samples, and the same files.

    Files of a job that was ordered in pieces say in their headers which frames their own job rendered; nothing else
    differs.
    """
    frames = sorted(wanted.glob("out.*.exr"))
    assert [path.name for path in sorted(found.glob("out.*.exr"))] == [path.name for path in frames]
    for path in frames:
        ours, theirs = samples(found / path.name), samples(path)
        assert ours.keys() == theirs.keys(), path.name
        differing = [name for name in ours if ours[name] != theirs[name]]
        assert not differing, f"{path.name}: {differing} differ"
        if in_pieces:
            assert _headers(found / path.name) == _headers(path)
    if not in_pieces:
        assert digests(found) == digests(wanted)


def _headers(path: Path) -> list[dict[str, str]]:
    """Every attribute of every part but the frames of the job."""
    image = OpenImageIO.ImageInput.open(str(path))
    assert image is not None, OpenImageIO.geterror()
    found = []
    while image.seek_subimage(len(found), 0):
        found.append({entry.name: str(entry.value) for entry in image.spec().extra_attribs})
        assert found[-1].pop("overscan:frames")
    image.close()
    return found


def assert_tidy(folder: Path) -> None:
    """Nothing but frames, and all of them whole."""
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
    for path in folder.glob("out.*.exr"):
        assert samples(path)
