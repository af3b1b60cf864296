"""A small H.264 movie that plays anywhere."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from overscan.core.errors import OutputNotWritableError

_ENCODERS = ("libx264", "h264", "mpeg4")


class MovieWriter:
    """Writes frames of one size to an MP4; the file appears under its name only when it is whole."""

    def __init__(self, path: Path, *, rate: Fraction) -> None:
        """`rate`: frames per second."""
        self._path = path
        self._beside = path.with_name(f".{path.stem}.tmp{path.suffix}")
        self._rate = rate
        self._container: Any = None
        self._stream: Any = None

    def add(self, picture: npt.NDArray[np.uint8]) -> None:
        """Append one frame: ``(height, width, 3)`` uint8, sRGB-encoded, even sides, the same for all frames.

        Raises `OutputNotWritableError` where the movie cannot be written.
        """
        try:
            if self._container is None:
                self._open(height=picture.shape[0], width=picture.shape[1])
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
            self._container.mux(self._stream.encode(frame))
        except (OSError, av.FFmpegError) as error:
            raise self._failed(error) from error

    def __enter__(self) -> MovieWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Give the movie its name, or leave nothing behind where there was an error or no frame."""
        if kind is not None or self._container is None:
            self._discard()
            return
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._beside.replace(self._path)
        except (OSError, av.FFmpegError) as failure:
            raise self._failed(failure) from failure

    def _discard(self) -> None:
        if self._container is not None:
            with contextlib.suppress(OSError, av.FFmpegError):
                self._container.close()
        self._beside.unlink(missing_ok=True)

    def _open(self, *, height: int, width: int) -> None:
        self._container = av.open(str(self._beside), "w", options={"movflags": "+faststart"})
        encoder = next(name for name in _ENCODERS if name == _ENCODERS[-1] or name in av.codecs_available)
        options = {"crf": "16", "preset": "medium"} if encoder == "libx264" else {"qscale": "3"}
        self._stream = self._container.add_stream(encoder, rate=self._rate, options=options)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        # ITU-T H.273: 1 is BT.709, for the matrix, the primaries and the transfer alike.
        context = self._stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = 1

    def _failed(self, error: Exception) -> OutputNotWritableError:
        self._discard()
        return OutputNotWritableError(
            f"the movie cannot be written: {' '.join(str(error).split())}.",
            next_step="Choose a folder that can be written, on a disk with room.",
            path=self._path,
        )
