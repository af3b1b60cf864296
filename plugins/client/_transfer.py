"""Frames to and from a service that shares no disk with this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from google.protobuf.message import Message

from overscan.client._fetch import fetch, result_files
from overscan.client._link import Link
from overscan.client._upload import PATIENCE_SECONDS, Progress, upload
from overscan.v1 import frame_service_pb2 as pb
from overscan.v1.frames_pb2 import FrameSet
from overscan.v1.job_pb2 import JobSpec
from overscan.v1.media_pb2 import SequenceRef

_Answer = TypeVar("_Answer")
_Call = Callable[[Callable[[Link], object]], object]
_QUICK_SECONDS = 60.0


class Frames:
    """Frames over the wire. Made by `Client.frames`; every method raises `ServiceError`.

    Whatever was cut off is taken up where it stopped, also after the service was started anew. What has arrived is
    checked against its hash.
    """

    def __init__(self, *, call: _Call, call_once: _Call) -> None:
        self._call_client = call
        self._call_client_once = call_once

    def upload(
        self,
        *,
        path: str | os.PathLike[str],
        frames: FrameSet | None = None,
        progress: Progress | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> str:
        """Bring the frames of a path pattern (all that are on disk, or just `frames`); the id is for
        `SequenceRef.upload_id`.

        What the service has from an earlier upload is not sent again. `progress` is told of bytes done and in all,
        from several threads. Gives up when nothing has moved for `patience_seconds`.
        """
        return upload(self, path=os.fspath(path), frames=frames, progress=progress, patience_seconds=patience_seconds)

    def files(self, *, job_id: str) -> Iterator[pb.ResultFile]:
        """The files of a job's result that are there, frames first; a running job's grow."""
        return result_files(self, job_id=job_id)

    def fetch(
        self,
        *,
        job_id: str,
        folder: str | os.PathLike[str],
        files: Iterable[pb.ResultFile] | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> tuple[Path, ...]:
        """Fetch the files of a job's result (all that are there, or just `files`) into a folder, by their own names.

        A file appears whole or not at all. One with the same content that is there already is left alone, another one
        is replaced only with `overwrite`. Returns where they are.
        """
        return fetch(
            self,
            job_id=job_id,
            folder=folder,
            files=files,
            overwrite=overwrite,
            progress=progress,
            patience_seconds=patience_seconds,
        )

    def delete_result(self, *, job_id: str) -> None:
        """Have the service drop the result that it keeps for a job that has ended."""
        request = pb.DeleteResultRequest(job_id=job_id)
        self.call(lambda link: link.frames.DeleteResult(request, timeout=_QUICK_SECONDS, metadata=link.metadata))

    def delete_upload(self, *, upload_id: str) -> None:
        """Have the service drop an upload that no job needs any more."""
        request = pb.DeleteUploadRequest(upload_id=upload_id)
        self.call(lambda link: link.frames.DeleteUpload(request, timeout=_QUICK_SECONDS, metadata=link.metadata))

    def bring(self, spec: JobSpec, *, progress: Callable[[str, int, int], None] | None = None) -> JobSpec:
        """`spec` with everything that it reads uploaded, and its result kept by the service under its own name.

        `progress` is told of the path pattern, bytes done and bytes in all. `fetch` the result into the folder of
        ``spec.output.path`` afterwards.
        """
        brought = JobSpec()
        brought.CopyFrom(spec)
        known: dict[tuple[str, bytes], str] = {}
        for sequence in _sequences(brought):
            if sequence.WhichOneof("location") != "path" or not sequence.path:
                continue
            path = sequence.path
            key = (path, sequence.frames.SerializeToString(deterministic=True))
            if key not in known:

                def tell(done: int, total: int, path: str = path) -> None:
                    if progress is not None:
                        progress(path, done, total)

                known[key] = self.upload(path=path, frames=sequence.frames, progress=tell)
            sequence.upload_id = known[key]
        brought.output.name = os.path.basename(spec.output.path)  # noqa: PTH119
        brought.output.path = ""
        return brought

    def call(self, method: Callable[[Link], _Answer]) -> _Answer:
        """Make a call, with a few new tries where the connection breaks."""
        return self._call_client(method)  # type: ignore[return-value]

    def call_once(self, method: Callable[[Link], _Answer]) -> _Answer:
        """Make a call, whatever comes of it."""
        return self._call_client_once(method)  # type: ignore[return-value]


def _sequences(message: Message) -> Iterator[SequenceRef]:
    """Every sequence that a message names, at any depth."""
    if isinstance(message, SequenceRef):
        yield message
        return
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is None or kind.GetOptions().map_entry:
            continue
        for item in value if field.is_repeated else (value,):
            yield from _sequences(item)
