"""Jobs on a service that shares no disk with this machine: what they read goes up, their results come down."""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from overscan.cli._report import Outcome, Report
from overscan.cli._words import plural
from overscan.client import Client, FrameFiles, JobFileError, ServiceError, connect, frames_of, make_problem
from overscan.v1.frame_service_pb2 import ResultFile
from overscan.v1.job_pb2 import Job, JobSpec, JobState

MODES = ("auto", "always", "never")
_LOOPBACK = ("127.", "localhost:", "[::1]:")
_SAY_SECONDS = 2.0
_RECEIPT = ".receipt.json"


def carries(client: Client, mode: str) -> bool:
    """Whether frames travel with jobs: as told, or, for ``auto``, where the service is on another machine."""
    if mode not in MODES:
        problem = make_problem(
            "USAGE",
            f"'{mode}' is no way to transfer frames.",
            next_step="Give --transfer auto, always or never, or set OVERSCAN_TRANSFER to one of these.",
        )
        raise JobFileError([problem])
    if mode != "auto":
        return mode == "always"
    address = client.open().address.removeprefix("dns:///")
    return not address.startswith(("unix:", *_LOOPBACK))


class Carrier:
    """Takes one job's frames there and back. Frames come down as soon as they are finished."""

    def __init__(self, client: Client, spec: JobSpec, *, report: Report) -> None:
        self._client = client
        self._spec = spec
        self._report = report
        self._said = 0.0
        self._finished: queue.SimpleQueue[ResultFile | None] = queue.SimpleQueue()
        self._there: set[str] = set()
        self._job_id = ""
        self._fetcher: threading.Thread | None = None
        self._fault: ServiceError | None = None

    @property
    def output(self) -> str:
        """Where the result comes to lie on this machine."""
        return self._spec.output.path

    def begin(self) -> Job:
        """Bring what the job reads, and create it. Raises `ServiceError` where its frames are in the way here."""
        brought = self.bring()
        self._check_free(brought)
        job = self._client.create(spec=brought)
        self._job_id = job.id
        self._fetcher = threading.Thread(target=self._fetch_finished, name="fetch", daemon=True)
        self._fetcher.start()
        return job

    def bring(self) -> JobSpec:
        """The job as the service can plan and run it, with all that it reads brought there."""
        return self._client.frames.bring(self._spec, progress=self._tell)

    def finished(self, frame: int, path: str) -> None:
        """A frame of the job is finished."""
        self._finished.put(ResultFile(name=os.path.basename(path), frame=frame))  # noqa: PTH119

    def arrive(self, job: Job) -> None:
        """Fetch what is not here yet of a job that has ended, and have the service drop what it kept of it."""
        self._finished.put(None)
        if self._fetcher is not None:
            self._fetcher.join()
        if self._fault is not None:
            raise self._fault
        files = [file for file in self._client.frames.files(job_id=job.id) if file.name not in self._there]
        self._report.note(f"Fetching {plural(len(files), 'file')}.")
        fetch_into(
            self._client,
            job_id=job.id,
            folder=os.path.dirname(self.output),  # noqa: PTH120
            files=files,
            overwrite=self._spec.output.overwrite,
        )
        if job.state == JobState.JOB_STATE_SUCCEEDED:
            self._client.frames.delete_result(job_id=job.id)

    def _fetch_finished(self) -> None:
        while (file := self._finished.get()) is not None:
            try:
                self._client.frames.fetch(
                    job_id=self._job_id,
                    folder=os.path.dirname(self.output),  # noqa: PTH120
                    files=[file],
                    overwrite=self._spec.output.overwrite,
                )
                self._there.add(file.name)
            except ServiceError as error:
                if error.code in ("OUTPUT_EXISTS", "OUTPUT_NOT_WRITABLE", "DISK_FULL"):
                    self._fault = error
                    return
            except RuntimeError:  # the command has left and closed the client
                return

    def _check_free(self, brought: JobSpec) -> None:
        files = FrameFiles.of(self.output)
        there = {} if self._spec.output.overwrite else files.found() if files.folder.is_dir() else {}
        if there:
            taken = sorted(there.keys() & frames_of(self._client.plan(spec=brought).frames))
            if taken:
                problem = make_problem(
                    "OUTPUT_EXISTS",
                    f"{len(taken)} output frames are already there.",
                    next_step="Choose another output, or allow replacing them with --overwrite.",
                    path=str(there[taken[0]]),
                    field="output.path",
                )
                raise ServiceError([problem])

    def _tell(self, path: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._said >= _SAY_SECONDS or done == total:
            self._said = now
            self._report.record("transfer", {"path": path, "bytes_done": done, "bytes_total": total})
            self._report.note(f"Sending {path}: {done / 1e6:.0f} of {total / 1e6:.0f} MB.")


def fetch_into(
    client: Client,
    *,
    job_id: str,
    folder: str,
    files: list[ResultFile],
    overwrite: bool,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, ...]:
    """Fetch files of a result, frames first. Receipts and signatures of other jobs make way for theirs."""
    frames = [file for file in files if file.HasField("frame")]
    others = [file for file in files if not file.HasField("frame")]
    paths = client.frames.fetch(job_id=job_id, folder=folder, files=frames, overwrite=overwrite, progress=progress)
    for file in others:
        if file.name.endswith(_RECEIPT):
            _make_way(Path(folder) / file.name, job_id=job_id)
    return paths + client.frames.fetch(job_id=job_id, folder=folder, files=others, overwrite=True)


def fetch_job(job_id: str, *, into: str, overwrite: bool, keep: bool, report: Report) -> Outcome:
    """Fetch the result of a job into a folder."""
    with connect() as client:
        job = client.get(job_id=job_id)
        files = list(client.frames.files(job_id=job.id))
        paths = fetch_into(client, job_id=job.id, folder=into, files=files, overwrite=overwrite)
        if not keep and not job.spec.output.path and job.state == JobState.JOB_STATE_SUCCEEDED:
            client.frames.delete_result(job_id=job.id)
    for path in paths:
        report.record("file", {"path": str(path)})
    report.say(f"Fetched {plural(len(paths), 'file')} into {into}." if paths else "There is nothing to fetch yet.")
    return Outcome(facts={"job_id": job.id, "files": len(paths), "folder": into})


def _make_way(path: Path, *, job_id: str) -> None:
    """Move the receipt of another job aside, as the service does where it writes them itself."""
    try:
        other = str(json.loads(path.read_text(encoding="utf-8"))["run"]["job_id"])
    except (OSError, ValueError, KeyError, TypeError):  # none, or one that nobody can read
        return
    if other != job_id and other.isalnum():
        aside = path.with_name(f"{path.name.removesuffix(_RECEIPT)}.{other[:8]}{_RECEIPT}")
        for suffix in (".c2pa", ""):
            source = path.with_name(path.name + suffix)
            if source.exists():
                source.replace(aside.with_name(aside.name + suffix))
