"""Make the example plate, its truth and its matte out of one photograph.

    apt-get download lomiri-wallpapers-16.04 && dpkg -x lomiri-wallpapers-16.04_*.deb wallpapers
    python examples/make_plate.py wallpapers/usr/share/backgrounds/sunset_by_Aitzol_Berasategi.jpg OUTPUT_FOLDER

The photograph is brought to scene-linear light, and a virtual camera on a tripod pans over it: wide frames are the
truth, their centres the plate. Everything is seeded; the same libraries give the same files. `README.md` beside this
script describes each stage.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio
import PyOpenColorIO as ocio  # type: ignore[import-untyped]

Image = npt.NDArray[np.float32]

PHOTO_SHA256 = "474dab6a4b9f94dc76c29dfe30e9f5db4af0fd2e33fe5d695f8152b371efca18"
CREDIT = (
    "Photograph 'sunset' by Aitzol Berasategi, 2018, CC BY 4.0 (Debian package lomiri-wallpapers-16.04); "
    "linearised, highlights rebuilt, camera move, eagle and grain added by examples/make_plate.py of Overscan"
)

FIRST_FRAME, FRAMES, FPS = 1001, 32, 24
PLATE_SIZE, WIDE_SIZE = (1280, 720), (1728, 720)
SUPERSAMPLE = 2
SUB_FRAMES = 12
SHUTTER = 0.25  # of a frame: a 90 degree shutter, usual for bright exteriors
KNEE = 0.6
VEIL = 0.0042  # the haze that keeps the photograph's deepest shadows off black
EXPOSURE = 1.3
PHOTO_FOCAL = 1900.0  # pixels of the photograph; not recorded in it, so assumed: a 10 mm lens on APS-C
GRAIN_BLACK, GRAIN_SLOPE = 1.6e-3**2, 3e-5  # sigma^2 = a + b * light
PLATE_COMPRESSION, TRUTH_COMPRESSION = "dwaa:300", "dwaa:400"


@dataclass(frozen=True)
class Pose:
    """Where the virtual camera looks: radians, and its focal length in output pixels."""

    yaw: float
    pitch: float
    roll: float
    focal: float


def scene_linear(photo: npt.NDArray[np.uint8]) -> Image:
    """The photograph as scene-linear Rec. 709 light, with the highlights that its encoding cut off put back."""
    code = photo[..., ::-1].astype(np.float32) / 255.0
    light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32)
    # The camera's shoulder, undone by luminance from 0.6 up: 1.0 in the file becomes about 1.8.
    luminance = light @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
    above = np.clip((luminance - KNEE) / (1.0 - KNEE), 0.0, 1.0)
    gain = np.where(luminance > KNEE, (KNEE + (1.0 - KNEE) * above / (1.0 - 0.67 * above)) / luminance, 1.0)
    light = light * cv2.GaussianBlur(gain.astype(np.float32), (0, 0), 6.0)[..., None] - VEIL
    # The clipped area around the sun: a glow that grows inwards, and the sun's disc (half a degree) in its middle.
    clipped = (photo.min(axis=2) >= 254).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(clipped)
    sun = 1 + int(np.argmax(stats[1:count, cv2.CC_STAT_AREA]))
    depth = cv2.GaussianBlur(cv2.distanceTransform((labels == sun).astype(np.uint8), cv2.DIST_L2, 5), (0, 0), 6.0)
    y, x = np.unravel_index(int(np.argmax(depth)), depth.shape)
    rows, columns = np.ogrid[: photo.shape[0], : photo.shape[1]]
    radius = np.hypot(columns - x, rows - y)
    emitted = 14.0 * (depth / depth.max()) ** 2.5 + 60.0 / (1.0 + np.exp(np.minimum((radius - 12.0) / 1.5, 50.0)))
    light += emitted.astype(np.float32)[..., None] * np.array([1.0, 0.90, 0.74], dtype=np.float32)
    return (EXPOSURE * light).astype(np.float32)


def to_acescg(light: Image) -> Image:
    """Rec. 709 light on ACEScg primaries."""
    config = ocio.Config.CreateFromFile("ocio://cg-config-v1.0.0_aces-v1.3_ocio-v2.1")
    result = np.ascontiguousarray(light)
    config.getProcessor("lin_rec709", "ACEScg").getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS).applyRGB(result)
    return result


class Hand:
    """The operator's hand: a few slow sine waves of random phase, smooth in time and never on the pixel grid."""

    def __init__(self, seed: int) -> None:
        """The same seed moves the same way."""
        random = np.random.default_rng(seed)
        self._hertz = np.array([0.7, 1.6, 2.9, 5.3])
        self._weight = np.array([1.0, 0.55, 0.25, 0.10])
        self._phase = random.uniform(0.0, 2.0 * np.pi, (3, 4))

    def at(self, second: float) -> npt.NDArray[np.float64]:
        """Three independent offsets, each about -1 to 1."""
        waves = self._weight * np.sin(2.0 * np.pi * self._hertz * second + self._phase)
        return np.asarray(waves.sum(axis=1) / 1.5)


HAND = Hand(seed=7)


def pose(frame: float) -> Pose:
    """The camera at `frame` frames after the first (fractions are moments while the shutter is open)."""
    along = frame / (FRAMES - 1)
    eased = 0.45 * along + 0.55 * along * along * (3.0 - 2.0 * along)
    hand = HAND.at(frame / FPS)
    return Pose(
        yaw=np.deg2rad(-10.0 + 20.0 * eased + 0.07 * hand[0]),
        pitch=np.deg2rad(6.2 + 0.5 * along + 0.06 * hand[1]),
        roll=np.deg2rad(0.35 * np.sin(2.2 * along + 0.4) + 0.05 * hand[2]),
        focal=1400.0 * (1.0 + 0.025 * along),
    )


def photo_from_wide(camera: Pose, photo_shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """The homography from supersampled wide pixels to pixels of the photograph: a pure rotation of the camera."""
    width, height = (size * SUPERSAMPLE for size in WIDE_SIZE)
    focal = camera.focal * SUPERSAMPLE
    to_ray = np.linalg.inv(
        np.array([[focal, 0.0, (width - 1) / 2.0], [0.0, focal, (height - 1) / 2.0], [0.0, 0.0, 1.0]])
    )
    sy, cy = np.sin(camera.yaw), np.cos(camera.yaw)
    sp, cp = np.sin(camera.pitch), np.cos(camera.pitch)
    sr, cr = np.sin(camera.roll), np.cos(camera.roll)
    yaw = np.array([[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]])
    pitch = np.array([[1.0, 0.0, 0.0], [0.0, cp, sp], [0.0, -sp, cp]])
    roll = np.array([[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]])
    to_photo = np.array(
        [
            [PHOTO_FOCAL, 0.0, (photo_shape[1] - 1) / 2.0],
            [0.0, PHOTO_FOCAL, (photo_shape[0] - 1) / 2.0],
            [0.0, 0.0, 1.0],
        ]
    )
    return np.asarray(to_photo @ yaw @ pitch @ roll @ to_ray)


def eagle_centre(frame: float) -> tuple[float, float]:
    """Where the eagle glides, in plate pixels."""
    along = frame / (FRAMES - 1)
    return 430.0 + 420.0 * along, 250.0 - 60.0 * along + 14.0 * np.sin(3.0 * along)


def eagle(frame: float, plate_from_left: float) -> Image:
    """Coverage of a gliding eagle at one moment, 0..1, supersampled wide format: a silhouette against the light."""
    x, y = eagle_centre(frame)
    beat = 0.25 * np.sin(2.0 * np.pi * frame / 22.0)
    bank = np.deg2rad(-14.0 + 6.0 * np.sin(frame / 9.0))
    right = [(0, -3), (9, -6 - 8 * beat), (20, -8 - 20 * beat), (31, -5 - 34 * beat), (35, -2 - 38 * beat)]
    right += [(30, 0 - 32 * beat), (19, 1 - 18 * beat), (8, 3 - 6 * beat)]
    tail = [(3, 6), (4, 12), (0, 11), (-4, 12), (-3, 6)]
    outline = np.array(right + tail + [(-px, py) for px, py in reversed(right[1:])], dtype=np.float64)
    turn = np.array([[np.cos(bank), -np.sin(bank)], [np.sin(bank), np.cos(bank)]])
    placed = (outline @ turn.T + [x + plate_from_left, y]) * SUPERSAMPLE
    coverage = np.zeros((WIDE_SIZE[1] * SUPERSAMPLE, WIDE_SIZE[0] * SUPERSAMPLE), dtype=np.uint8)
    cv2.fillPoly(coverage, [np.round(placed * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    return coverage.astype(np.float32) / 255.0


def exposed(scene: Image, frame: int, *, with_eagle: bool) -> Image:
    """One wide frame, ``(720, 1728, 3)``: the light of all moments while the shutter is open, averaged."""
    size = (WIDE_SIZE[0] * SUPERSAMPLE, WIDE_SIZE[1] * SUPERSAMPLE)
    total = np.zeros((size[1], size[0], 3), dtype=np.float32)
    for index in range(SUB_FRAMES):
        moment = frame + SHUTTER * ((index + 0.5) / SUB_FRAMES - 0.5)
        view = cv2.warpPerspective(
            scene,
            photo_from_wide(pose(moment), scene.shape),
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(float("nan"),) * 3,
        )
        if with_eagle:
            coverage = eagle(moment, (WIDE_SIZE[0] - PLATE_SIZE[0]) / 2)[..., None]
            view = view * (1.0 - coverage) + np.array([0.006, 0.005, 0.0045], dtype=np.float32) * coverage
        total += view
    result = np.asarray(cv2.resize(total / SUB_FRAMES, WIDE_SIZE, interpolation=cv2.INTER_AREA), dtype=np.float32)
    if not np.isfinite(result).all():
        raise ValueError(f"frame {frame}: the camera looks past the edge of the photograph")
    return result


def grained(light: Image, frame: int) -> Image:
    """The frame with sensor noise: variance a + b * light, a little correlated as by debayering, seeded by frame."""
    noise = np.random.default_rng([2026, frame]).standard_normal(light.shape, dtype=np.float32)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.55), dtype=np.float32)
    noise /= noise.std()
    return light + noise * np.sqrt(GRAIN_BLACK + GRAIN_SLOPE * np.maximum(light, 0.0))


def soft_matte(frame: int) -> Image:
    """Where the eagle is during the frame, with room to spare: 1 inside an ellipse, 0 outside, soft between."""
    x, y = eagle_centre(frame)
    rows, columns = np.ogrid[: PLATE_SIZE[1], : PLATE_SIZE[0]]
    distance = np.hypot((columns - x) / 54.0, (rows - y) / 34.0)
    ramp = np.clip((1.12 - distance) / 0.24, 0.0, 1.0)
    return (ramp * ramp * (3.0 - 2.0 * ramp)).astype(np.float32)


def timecode(frame: int) -> tuple[int, int]:
    """SMPTE ST 12-1 time code as OpenEXR stores it: binary-coded decimals, one hour for the first frame."""
    seconds, frames = divmod(frame - FIRST_FRAME, FPS)
    digits = f"01{seconds // 60 % 60:02d}{seconds % 60:02d}{frames:02d}"
    return int(digits, 16), 0


def write(path: Path, pixels: Image, frame: int, *, compression: str, attributes: dict[str, object]) -> None:
    """Write one half EXR, complete with the header that a camera plate has."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else 3
    spec = oiio.ImageSpec(width, height, channels, "half")
    spec.channelnames = ("A",) if channels == 1 else ("R", "G", "B")
    spec.attribute("compression", compression)
    spec.attribute("DateTime", "2026:01:01 12:00:00")
    spec.attribute("smpte:TimeCode", oiio.TypeDesc("timecode"), timecode(frame))
    spec.attribute("FramesPerSecond", oiio.TypeDesc("rational"), (FPS, 1))
    for name, value in attributes.items():
        if name == "chromaticities":
            spec.attribute(name, oiio.TypeDesc("float[8]"), value)
        else:
            spec.attribute(name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    output = oiio.ImageOutput.create(str(path))
    if output is None:
        raise OSError(f"{path}: {oiio.geterror()}")
    written = output.open(str(path), spec) and output.write_image(pixels.reshape(height, width, channels))
    if not output.close() or not written:
        raise OSError(f"{path}: {output.geterror()}")


def camera_header(frame: int, reel: str) -> dict[str, object]:
    """What a camera writes beside the picture, and whose picture it is."""
    return {
        "colorInteropID": "lin_ap1_scene",
        "chromaticities": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767),
        "Make": "Overscan",
        "Model": "virtual tripod head",
        "reelName": reel,
        "imageCounter": frame,
        "ISOSpeedRatings": 800.0,
        "FNumber": 8.0,
        "ExposureTime": SHUTTER / FPS,
        "FocalLength": pose(frame - FIRST_FRAME).focal * 24.9 / WIDE_SIZE[0],
        "Copyright": CREDIT,
    }


def main() -> None:
    """Render the sequences named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photograph", type=Path)
    parser.add_argument("folder", type=Path, help="gets plate/, truth/ and matte/")
    parser.add_argument("--frames", type=int, default=FRAMES, help="only the first so many")
    parser.add_argument("--clean", action="store_true", help="only truth/, without the eagle: the truth for inpainting")
    options = parser.parse_args()
    if hashlib.sha256(options.photograph.read_bytes()).hexdigest() != PHOTO_SHA256:
        parser.error(f"{options.photograph} is not the photograph that the example was made from")
    photo = np.asarray(cv2.imread(str(options.photograph), cv2.IMREAD_COLOR), dtype=np.uint8)
    scene = to_acescg(scene_linear(photo))
    left = (WIDE_SIZE[0] - PLATE_SIZE[0]) // 2
    for index in range(options.frames):
        frame = FIRST_FRAME + index
        wide = grained(exposed(scene, index, with_eagle=not options.clean), frame)
        truth = options.folder / "truth" / f"truth.{frame}.exr"
        write(truth, wide, frame, compression=TRUTH_COMPRESSION, attributes=camera_header(frame, "A001_TRUTH"))
        if not options.clean:
            plate = np.ascontiguousarray(wide[:, left : left + PLATE_SIZE[0]])
            write(
                options.folder / "plate" / f"plate.{frame}.exr",
                plate,
                frame,
                compression=PLATE_COMPRESSION,
                attributes=camera_header(frame, "A001_C001"),
            )
            matte = options.folder / "matte" / f"matte.{frame}.exr"
            write(matte, soft_matte(index), frame, compression="zip", attributes={})
        print(f"frame {frame}: light {wide.min():.4f} to {wide.max():.1f}", flush=True)


if __name__ == "__main__":
    main()
