"""The service under test: stubs, how to call them, and what the checks have made there."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import grpc
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from overscan.service.conformance._connect import Way
from overscan.service.conformance._shot import Shot
from overscan.v1 import admin_service_pb2 as admin_pb
from overscan.v1 import frame_service_pb2 as frame_pb
from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.admin_service_pb2_grpc import AdminServiceStub
from overscan.v1.engine_service_pb2_grpc import EngineServiceStub
from overscan.v1.frame_service_pb2_grpc import FrameServiceStub
from overscan.v1.generation_service_pb2_grpc import GenerationServiceStub
from overscan.v1.job_pb2 import Job, JobEvent, JobSpec

CALL_SECONDS = 30.0
JOB_SECONDS = 300.0
CHUNK_BYTES = 1 << 20
_SHORT, _LONG = 3, 60
"""Frames of a job that is to end, and of one that is to be still there when the next call comes."""

_Response = TypeVar("_Response")


class Target:
    """A running service, and what the checks have made there.

    `shared` is a folder that both this process and the service can write; without, all frames go over FrameService.
    """

    def __init__(
        self,
        *,
        way: Way,
        shared: Path | None = None,
        intrusive: bool = False,
    ) -> None:
        options = [("grpc.max_receive_message_length", 64 << 20)]
        self.channel = (
            grpc.secure_channel(way.address, way.credentials, options=options)
            if way.credentials is not None
            else grpc.insecure_channel(way.address, options=options)
        )
        self.token = way.token
        self.intrusive = intrusive
        self.user, self.role = "", admin_pb.Role.ROLE_ADMIN
        """Who the service says that the caller is."""
        self.left = 0
        """Jobs that could not be taken away, for only admins may purge."""
        self.jobs = GenerationServiceStub(self.channel)
        self.engines = EngineServiceStub(self.channel)
        self.frames = FrameServiceStub(self.channel)
        self.admin = AdminServiceStub(self.channel)
        self.health: Any = HealthStub(self.channel)
        self.reflection: Any = ServerReflectionStub(self.channel)
        self.show = f"conformance-{uuid.uuid4().hex[:12]}"
        self.shared = Path(tempfile.mkdtemp(prefix="conformance-", dir=shared)).resolve() if shared else None
        self._shots: dict[int, Shot] = {}
        self._uploads: dict[int, str] = {}
        self._made: list[str] = []
        self._outputs = 0

    def __enter__(self) -> Target:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def meet(self) -> None:
        """Ask who the caller is, and let a service that does not say so properly be asked everything.

        Raises `grpc.RpcError` where the caller is nobody.
        """
        self.user, self.role = "", admin_pb.Role.ROLE_ADMIN
        try:
            found = self.ask(self.admin.GetCaller, admin_pb.GetCallerRequest())
        except grpc.RpcError as error:
            call: Any = error  # what stubs raise is a call as well
            if call.code() == grpc.StatusCode.UNAUTHENTICATED:
                raise
        else:
            if found.role != admin_pb.Role.ROLE_UNSPECIFIED:
                self.user, self.role = found.user, found.role

    def ask(self, method: Any, request: Any, *, seconds: float = CALL_SECONDS) -> Any:
        """One unary call."""
        return method(request, timeout=seconds, metadata=self.metadata)

    def stream(self, method: Any, request: Any, *, seconds: float = JOB_SECONDS) -> Any:
        """A call that answers in a stream, or that is asked in one."""
        return method(request, timeout=seconds, metadata=self.metadata)

    # ---- jobs

    def shot(self, frames: int) -> Shot:
        """A plate of so many frames."""
        if frames not in self._shots:
            self._shots[frames] = Shot(frames=frames)
        return self._shots[frames]

    def spec(self, *, frames: int = _SHORT) -> JobSpec:
        """A job that the embedded engine can do: a set extension of the suite's own plate."""
        shot = self.shot(frames)
        spec = JobSpec()
        if self.shared is not None:
            spec.plate.path = str(shot.write_to(self.shared / f"plate{frames}"))
            self._outputs += 1
            spec.output.path = str(self.shared / f"out{self._outputs}" / "out.%04d.exr")
            (self.shared / f"out{self._outputs}").mkdir()
        else:
            if frames not in self._uploads:
                self._uploads[frames] = self.upload(shot)
            spec.plate.upload_id = self._uploads[frames]
        spec.extend.margins.right = 8
        spec.labels.show = self.show
        return spec

    def create(self, spec: JobSpec, *, request_id: str = "") -> Job:
        """Create a job, to be taken away at the end."""
        request = pb.CreateJobRequest(spec=spec, request_id=request_id or str(uuid.uuid4()))
        job: Job = self.ask(self.jobs.CreateJob, request, seconds=CALL_SECONDS * 2).job
        if job.id not in self._made:
            self._made.append(job.id)
        return job

    def get(self, job_id: str) -> Job:
        """One job."""
        found: Job = self.ask(self.jobs.GetJob, pb.GetJobRequest(job_id=job_id)).job
        return found

    def watch(self, job_id: str, *, after: int = 0, seconds: float = JOB_SECONDS) -> Iterator[JobEvent]:
        """A job's events to its end."""
        request = pb.WatchJobRequest(job_id=job_id, after_number=after)
        for answer in self.stream(self.jobs.WatchJob, request, seconds=seconds):
            yield answer.event

    @contextlib.contextmanager
    def long_job(self) -> Iterator[Job]:
        """A job that takes its time, cancelled at the end."""
        job = self.create(self.spec(frames=_LONG))
        try:
            yield job
        finally:
            self._cancel(job.id)

    @cached_property
    def finished(self) -> tuple[Job, tuple[JobEvent, ...], JobSpec]:
        """A job that has run to its end, what its watcher saw live, and what had been asked for."""
        spec = self.spec()
        job = self.create(spec)
        events = tuple(self.watch(job.id))
        return self.get(job.id), events, spec

    # ---- frames

    def upload(self, shot: Shot) -> str:
        """Bring a plate to the service; returns the upload's id."""
        request = frame_pb.CreateUploadRequest(name="plate.%04d.exr", frames=shot.frame_set())
        upload_id: str = self.ask(self.frames.CreateUpload, request).upload_id
        self.stream(self.frames.UploadFrames, shot.chunks(upload_id=upload_id, chunk_bytes=CHUNK_BYTES))
        return upload_id

    def download(self, job_id: str, frame: int, *, offset: int = 0) -> list[frame_pb.DownloadFrameResponse]:
        """The chunks of a frame of a result."""
        request = frame_pb.DownloadFrameRequest(job_id=job_id, frame=frame, offset=offset)
        return list(self.stream(self.frames.DownloadFrame, request, seconds=CALL_SECONDS))

    def result(self, job: Job, frame: int) -> bytes:
        """The file of a frame of a result, from the shared folder or over the wire."""
        if self.shared is not None:
            return Path(job.spec.output.path % frame).read_bytes()
        return b"".join(chunk.data for chunk in self.download(job.id, frame))

    # ---- the end

    def close(self) -> None:
        """Take away all that the checks have made: jobs, results, uploads, files."""
        for job_id in self._made:
            self._cancel(job_id)
            self._quietly(self.frames.DeleteResult, frame_pb.DeleteResultRequest(job_id=job_id))
            self._quietly(self.admin.Purge, admin_pb.PurgeRequest(job_ids=[job_id], receipts=True))
            self.left += self._quietly(self.jobs.GetJob, pb.GetJobRequest(job_id=job_id))
        for upload_id in self._uploads.values():
            self._quietly(self.frames.DeleteUpload, frame_pb.DeleteUploadRequest(upload_id=upload_id))
        self.channel.close()
        if self.shared is not None:
            shutil.rmtree(self.shared, ignore_errors=True)

    def _cancel(self, job_id: str) -> None:
        self._quietly(self.jobs.CancelJob, pb.CancelJobRequest(job_id=job_id))

    def _quietly(self, method: Any, request: Any) -> bool:
        """Ask where a refusal is no news: the job has ended, the caller is no admin, the service is gone."""
        with contextlib.suppress(grpc.RpcError):
            self.ask(method, request)
            return True
        return False
