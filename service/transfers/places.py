"""Where what a spec names lies for the service: shared paths, uploads, and results that the service keeps."""

from __future__ import annotations

import os
from pathlib import Path

from overscan.service._errors import InvalidRequestError
from overscan.service._settings import Settings
from overscan.service.security.roots import Roots, make_roots
from overscan.service.transfers.uploads import Upload, Uploads, check_name, file_name
from overscan.v1.job_pb2 import JobSpec

_PLANNED = "planned"
"""Folder, which is never made, of the result of a job that is only planned."""
_WRITABLE = (".exr", ".png", ".tif", ".tiff", ".dpx")


class Places:
    """The places of one home. Safe to use from any thread."""

    def __init__(self, *, uploads: Uploads, results: Path, roots: Roots | None = None) -> None:
        self.uploads = uploads
        self.roots = roots or Roots()
        """What jobs may read and write besides."""
        self._results = results
        self._results_real = Path(os.path.realpath(results))

    def upload(self, *, upload_id: str, frames: tuple[int, ...] | None, user: str | None, field: str) -> Upload:
        """An upload that a job of `user` may read now (anybody's for None); raises as `Uploads.whole` does."""
        return self.uploads.whole(upload_id=upload_id, frames=frames, user=user, field=field)

    def kept(self, *, job_id: str) -> Path:
        """The folder of a result that the service keeps."""
        return self._results / (job_id or _PLANNED)

    def kept_job(self, path: str) -> str | None:
        """The id of the job whose result, which the service keeps, a path names; None for any other path."""
        named = Path(os.path.normpath(path))
        for results in (self._results, self._results_real):
            if results in named.parents:
                return named.relative_to(results).parts[0]
        return None

    def may_send(self, real: Path, *, job_id: str) -> bool:
        """Whether a file that really lies there may go to a client as one of a job's result: inside the roots, or kept
        for that job."""
        return self.roots.may_read_at(real) or self._results_real / job_id in real.parents

    def make_kept(self, spec: JobSpec, *, job_id: str) -> None:
        """Make the folder of a result that the service keeps; nothing for one that goes elsewhere."""
        if not spec.output.path:
            self.kept(job_id=job_id).mkdir(mode=0o700, parents=True, exist_ok=True)

    def output(self, spec: JobSpec, *, job_id: str) -> str:
        """The path pattern that a job's frames are written to, wherever that is.

        Raises `InvalidRequestError` and `InvalidJobError` for a name that is none.
        """
        if spec.output.path:
            return spec.output.path
        name = spec.output.name or self._plate_name(spec)
        if name != file_name(name):
            raise InvalidRequestError(
                f"'{name}' is a path, and the service chooses the folder.",
                next_step="Give a file name pattern, e.g. out.%04d.exr, or an absolute output path.",
                field="output.name",
            )
        check_name(name, frames=(), field="output.name")
        return str(self.kept(job_id=job_id) / name)

    def _plate_name(self, spec: JobSpec) -> str:
        if not spec.HasField("plate"):
            return "generated.%04d.exr"
        plate = spec.plate.path
        if spec.plate.WhichOneof("location") == "upload_id":
            plate = self.uploads.find(upload_id=spec.plate.upload_id, user=None, field="plate.upload_id").name
        name = Path(file_name(plate) or "out.%04d.exr")
        return name.name if name.suffix.lower() in _WRITABLE else f"{name.stem}.exr"


def make_places(settings: Settings) -> Places:
    """The places of a service's home."""
    uploads = Uploads(folder=settings.uploads, bytes_max=settings.quota_upload_bytes_per_user)
    return Places(uploads=uploads, results=settings.results, roots=make_roots(settings))
