"""Reads what a spec names on disk: sequences, mattes and single images. Collects what is wrong with it."""

from __future__ import annotations

import math
from pathlib import Path

from overscan.core import jobs
from overscan.core.errors import ErrorRecord, FrameRangeError, InvalidJobError, OverscanError
from overscan.core.media import ImageSource
from overscan.service._errors import UnsupportedError
from overscan.service.security.roots import NamedPath
from overscan.service.transfers.places import Places
from overscan.service.wire.frame_sets import read_frames
from overscan.v1.frames_pb2 import FrameSet
from overscan.v1.media_pb2 import ImageRef, MatteRef, SequenceRef


class MediaReader:
    """Reads parts of a spec that name pictures or frames."""

    def __init__(self, *, places: Places | None = None, user: str | None = None) -> None:
        """`places` say where uploads of `user` (anybody's for None) lie; without them, uploads are a problem."""
        self.problems: list[ErrorRecord] = []
        self.paths: list[NamedPath] = []
        """What is named and no upload: where it leads is not looked at here."""
        self.places = places
        self._user = user

    def matte(self, matte: MatteRef, field: str) -> jobs.MatteSource:
        """A matte, whatever is wrong with it."""
        return jobs.MatteSource(sequence=self.sequence(matte.sequence, f"{field}.sequence"), channel=matte.channel)

    def image(self, image: ImageRef, field: str) -> ImageSource:
        """One image, whatever is wrong with it."""
        return ImageSource(
            sequence=self.sequence(image.sequence, f"{field}.sequence"),
            frame=image.frame if image.HasField("frame") else None,
        )

    def sequence(self, sequence: SequenceRef, field: str) -> jobs.SequenceSource:
        """A sequence, whatever is wrong with it."""
        frames = self.frames(sequence.frames, f"{field}.frames")
        path, shown = sequence.path, ""
        if sequence.WhichOneof("location") == "upload_id":
            path, shown = self.upload(sequence.upload_id, frames, f"{field}.upload_id")
        else:
            self.path(path, f"{field}.path", "Give the path pattern of the frames.")
        return jobs.SequenceSource(
            path=path,
            shown=shown,
            frames=frames,
            part=sequence.part,
            layer=sequence.layer,
            view=sequence.view,
            colour_space=sequence.color_space,
            pixel_aspect=self.pixel_aspect(sequence.pixel_aspect, f"{field}.pixel_aspect"),
        )

    def upload(self, upload_id: str, frames: tuple[int, ...] | None, field: str) -> tuple[str, str]:
        """Where an upload's frames lie here, and the path pattern they had at the client."""
        if self.places is None:
            self.add(UnsupportedError("uploaded frames cannot be read here.", next_step="Give a path.", field=field))
            return "", ""
        try:
            upload = self.places.upload(upload_id=upload_id, frames=frames, user=self._user, field=field)
        except OverscanError as error:
            self.add(error)
            return "", ""
        return str(upload.pattern), upload.name

    def path(self, path: str, field: str, next_step: str, *, writes: bool = False) -> None:
        """Look at a path that is read, or with `writes` written; `next_step` is for where there is none."""
        if not path:
            self.bad(field, "the path is missing.", next_step)
        elif "\0" in path:
            self.bad(field, "the path has a zero byte in it.", "Give a plain path.")
        elif not Path(path).is_absolute():
            self.bad(
                field,
                f"the path '{path}' is relative, and the service's folder is not yours.",
                "Give an absolute path.",
                actual=path,
            )
        else:
            self.paths.append(NamedPath(path=path, field=field, writes=writes))

    def frames(self, frame_set: FrameSet, field: str) -> tuple[int, ...] | None:
        """Frame numbers, ascending; None where none are named, or where they make no sense."""
        try:
            return read_frames(frame_set, field=field)
        except FrameRangeError as error:
            self.add(error)
            return None

    def pixel_aspect(self, value: float, field: str) -> float | None:
        """A pixel aspect; None where the file's is meant."""
        if value < 0 or not math.isfinite(value):
            self.bad(field, f"the pixel aspect {value} is not above 0.", "Give width over height, e.g. 2.0.")
        return value or None

    def bad(self, field: str, message: str, next_step: str, *, actual: str = "") -> None:
        """Note a value that makes no job."""
        self.add(InvalidJobError(message, next_step=next_step, field=field, actual=actual))

    def add(self, error: OverscanError) -> None:
        """Note a problem."""
        self.problems.append(error.record)
