"""A worker process: engine code and pixels run here, and only here. Started by the service, never by hand."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import faulthandler
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from overscan.core.engines import Context, Plan, installed_engines
from overscan.core.errors import CancelledError, OverscanError, from_record
from overscan.core.rights import know_hashes, known_hashes
from overscan.core.storage import Places
from overscan.service.operations.logs import log_context, set_up_logging
from overscan.service.workers import messages
from overscan.service.workers.bounds import given_roots, let_use
from overscan.service.workers.engine_entries import entry_of
from overscan.service.workers.errors import WorkFolderGoneError, fault_record, record_of
from overscan.service.workers.locks import EXIT_HELD, FileLock
from overscan.service.workers.policy import cleared, cleared_plan
from overscan.service.workers.reporter import PipeReporter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from overscan.core.jobs import Job
    from overscan.core.orders import ReceiptOrder
    from overscan.core.receipts import Witness
    from overscan.core.results import FrameCheck
    from overscan.core.shots import InputWatch
    from overscan.service.workers.previews import Previews

_LOG = logging.getLogger(__name__)
_HEARTBEAT_SECONDS = 1.0
_LOCK_SECONDS_MAX = 5.0
_PR_SET_PDEATHSIG = 1
_PREFERRED_BY_OOM_KILLER = 500
_NICE = 5
"""Whoever renders gives way to the service, which answers calls in a moment, and to whoever plans."""
_HEADERS_MAX = 2000
"""Files of plates and mattes whose headers a planner remembers, some 5 KB each: a job is planned again and again."""


def main() -> None:
    """Answer requests until the service is gone."""
    parser = argparse.ArgumentParser(prog="overscan-worker")
    parser.add_argument("--lock", required=True, type=Path)
    parser.add_argument("--parent", required=True, type=int)
    parser.add_argument("--name", default="")
    arguments = parser.parse_args()
    faulthandler.enable()
    set_up_logging(
        level=os.environ.get("OVERSCAN_LOG_LEVEL", "INFO").upper(),
        form="json" if os.environ.get("OVERSCAN_LOG_FORMAT") == "json" else "text",
        worker=arguments.name,
    )
    _die_with(arguments.parent)
    if arguments.name.startswith("render") and hasattr(os, "nice"):
        os.nice(_NICE)
    lock = FileLock(path=arguments.lock)
    deadline = time.monotonic() + _LOCK_SECONDS_MAX
    while not lock.acquire(text=str(os.getpid())):
        if time.monotonic() > deadline:
            _LOG.error("another worker still holds %s", arguments.lock)
            sys.exit(EXIT_HELD)
        time.sleep(0.01)
    requests, answers = _take_pipes()
    Worker(requests=requests, answers=answers).serve()


def _die_with(parent: int) -> None:
    """Make sure that this process does not outlive the service; the end of its pipe says so everywhere else."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        with contextlib.suppress(OSError):  # where memory runs out, the kernel should take the worker, not the service
            Path("/proc/self/oom_score_adj").write_text(str(_PREFERRED_BY_OOM_KILLER))
        if os.getppid() != parent:
            os._exit(0)


def _take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes to the service, moved out of the way of engines that print or read."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


class Worker:
    """Carries out one request at a time; a thread of its own listens for the order to stop."""

    def __init__(self, *, requests: IO[bytes], answers: IO[bytes]) -> None:
        self._requests = requests
        self._answers = answers
        self._writing = threading.Lock()
        self._waiting: queue.SimpleQueue[messages.Request] = queue.SimpleQueue()
        self._stopped: set[int] = set()
        self._busy = 0
        """Number of the request in hand; 0 for none."""
        self._inputs: tuple[str, InputWatch] | None = None
        """Work folder of the job worked on last, and what watches its inputs."""
        self._previews: Previews | None = None
        self._witness: Witness | None = None

    def serve(self) -> None:
        """Answer requests; never returns, since the end of the service ends the process."""
        threading.Thread(target=self._listen, name="requests", daemon=True).start()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        while True:
            request = self._waiting.get()
            self._busy = request.number
            know_hashes({file.signature: file.sha256 for file in request.hashes})
            before = known_hashes()
            with log_context(**_ids(request)):
                ending = self._carry_out(request)
            self._tell_hashes(request.number, before)
            self._busy = 0
            self._stopped.discard(request.number)
            try:
                self.send(request.number, ending)
            except (TypeError, ValueError) as error:
                _LOG.exception("an answer cannot be sent")
                self.send(request.number, messages.Failed(record=fault_record(request, error)))

    def send(self, number: int, message: messages.Report | messages.Ending) -> None:
        """Tell the service something about request `number`."""
        body = (number, messages.plain(message))
        with self._writing:
            messages.write(self._answers, body)

    def stopped(self, number: int) -> bool:
        """Whether request `number` should stop."""
        return number in self._stopped

    def _listen(self) -> None:
        while True:
            message = messages.read_request(self._requests)
            if message is None:
                os._exit(0)  # at once: nobody wants this work any more, and outputs are atomic
            if isinstance(message, messages.StopRequest):
                self._stopped.add(message.number)
            else:
                self._waiting.put(message)

    def _beat(self) -> None:
        """Say that this process lives, while it has work. Silent where a thread holds Python's lock for good."""
        while True:
            time.sleep(_HEARTBEAT_SECONDS)
            number = self._busy
            if number:
                beat = messages.Heartbeat(cpu_seconds=time.process_time(), resident_bytes=_resident_bytes())
                with contextlib.suppress(OSError, ValueError):  # the service is gone, and `_listen` sees it
                    self.send(number, beat)

    def _tell_hashes(self, number: int, before: Mapping[tuple[int, ...], str]) -> None:
        """Tell the service what was hashed of models that was not known `before`."""
        new = [(signature, sha256) for signature, sha256 in known_hashes().items() if signature not in before]
        if new:
            files = tuple(messages.FileHash(signature=signature, sha256=sha256) for signature, sha256 in new)
            self.send(number, messages.Hashed(files=files))

    def _carry_out(self, request: messages.Request) -> messages.Ending:
        try:
            return messages.Finished(value=self._answer(request))
        except CancelledError as error:
            return messages.Failed(record=error.record)
        except (Exception, SystemExit) as error:  # an engine is third-party code
            if not isinstance(error, OverscanError):
                _LOG.exception("what was asked for failed")
            return messages.Failed(record=record_of(error, request))

    def _answer(self, request: messages.Request) -> Plan | tuple[messages.EngineEntry, ...] | None:
        body = request.body
        if isinstance(body, (messages.MakePlan, messages.RunStep, messages.VerifyJob)):
            let_use((*_folders(body.job), getattr(body, "work_folder", "")))
        if isinstance(body, messages.ListEngines):
            return tuple(entry_of(found.name, found) for found in installed_engines())
        if isinstance(body, messages.MakePlan):
            from overscan.core.plates import remember_headers

            remember_headers(files_max=_HEADERS_MAX)
            outside = given_roots().problems(body.paths)
            return Plan(problems=outside) if outside else cleared_plan(job=body.job, decide_only=body.decide_only)
        if isinstance(body, messages.RunStep):
            self._run_step(request.number, body)
        else:
            self._verify(request.number, body)
        return None

    def _run_step(self, number: int, body: messages.RunStep) -> None:
        step = next(step for step in body.plan.steps if step.id == body.step_id)
        if step.needs and not Path(body.work_folder).is_dir():
            raise WorkFolderGoneError(
                "the job's work folder, with what its earlier steps made, is gone.",
                next_step="Retry the job, which begins anew; leave the folders in Overscan's home alone.",
                path=body.work_folder,
            )
        for folder in (body.work_folder, body.cache_folder):
            Path(folder).mkdir(parents=True, exist_ok=True)
        context = Context(
            job=body.job,
            plan=body.plan,
            work_folder=Path(body.work_folder),
            cache_folder=Path(body.cache_folder),
            frugal=body.frugal,
            reporter=PipeReporter(worker=self, number=number, step=body),
        )
        context.reporter.check_cancelled()
        reporter = context.reporter
        Places.remember(_folders(body.job), work_folder=context.work_folder).check()
        inputs = self._watched_inputs(body, reporter.check_cancelled)
        with cleared(job=body.job, plan=body.plan, warn=lambda notice: reporter.warn(notice=notice)) as engine:
            engine.run(step, context)
        inputs.finish()

    def _watched_inputs(self, body: messages.RunStep | messages.VerifyJob, tick: Callable[[], None]) -> InputWatch:
        """See to it that all inputs of the job are, and stay, what they were when it first read them."""
        from overscan.core.plates import watch_reads
        from overscan.core.shots import InputWatch

        found = self._inputs
        if found is None or found[0] != body.work_folder or not found[1].is_there:
            inputs = InputWatch(job=body.job, work_folder=Path(body.work_folder), cache_folder=Path(body.cache_folder))
            inputs.begin()
            inputs.check(tick=tick)  # others may have worked on the job before, even before the machine went down
            found = self._inputs = (body.work_folder, inputs)
        watch_reads(found[1])
        return found[1]

    def take_down(self, body: messages.RunStep, *, frame: int, path: Path) -> None:
        """Have a finished frame hashed and signed, beside the making of the next."""
        witness = self._witness_of(body)
        if witness is None:
            return
        witness.offer(
            job=body.job,
            decision=body.plan.decision,
            work_folder=Path(body.work_folder),
            cache_folder=Path(body.cache_folder),
            frame=frame,
            path=path,
        )

    def _witness_of(self, body: messages.RunStep) -> Witness | None:
        """Who signs; None where nothing is signed."""
        if self._witness is None and body.keys is not None:
            from overscan.core.receipts import Witness

            self._witness = Witness(keys=body.keys)
        return self._witness

    def preview(self, number: int, body: messages.RunStep, *, frame: int, shown: Path | NDArray[np.float32]) -> None:
        """Send a picture of a frame where one is due: of its file, just written, or of what it is to be so far."""
        from overscan.service.workers.previews import PREVIEW_BYTES_MAX, Previews

        if self._previews is None:
            self._previews = Previews()
        if isinstance(shown, Path):
            picture = self._previews.offer(job=body.job, frame=frame, path=shown)
        else:
            picture = self._previews.draw(job=body.job, frame=frame, picture=shown)
        if picture is not None:
            media_type, data = picture.media_type, picture.data
            witness = self._witness_of(body)
            if witness is not None:
                data = witness.signed(
                    data,
                    media_type=media_type,
                    job=body.job,
                    decision=body.plan.decision,
                    frame=frame,
                    bytes_max=PREVIEW_BYTES_MAX,
                )
            self.send(number, messages.PreviewMade(frame=frame, media_type=media_type, data=data))

    def _verify(self, number: int, body: messages.VerifyJob | messages.VerifyResult) -> None:
        from overscan.core.plates import watch_reads
        from overscan.core.results import verify_job, verify_result

        reporter = PipeReporter(worker=self, number=number)
        if isinstance(body, messages.VerifyJob):
            for folder in (body.work_folder, body.cache_folder):
                Path(folder).mkdir(parents=True, exist_ok=True)
            Places.of(Path(body.work_folder)).check()
            inputs = self._watched_inputs(body, reporter.check_cancelled)
            inputs.check(tick=reporter.check_cancelled)
            intact = self._compare(number, verify_job(body.job, work_folder=Path(body.work_folder)), reporter)
            inputs.check(tick=reporter.check_cancelled)
            if body.receipt is not None and intact:
                self._make_receipt(body, body.receipt, reporter)
        else:
            watch_reads(None)
            for problem in given_roots().problems(body.paths):
                raise from_record(problem)
            from overscan.core.receipts import audit, header_receipts

            for found in audit(result=body.result, plate=body.plate, keys=body.keys, archive=Path(body.archive)):
                reporter.check_cancelled()
                self.send(
                    number,
                    messages.Found(
                        subject=found.subject.value,
                        state=found.state.value,
                        detail=found.detail,
                        path=found.path,
                        frame=found.frame,
                        count=found.count,
                    ),
                )
            known = header_receipts(body.result)
            self._compare(number, verify_result(result=body.result, plate=body.plate, known=known), reporter)

    def _compare(self, number: int, checks: Iterable[FrameCheck], reporter: PipeReporter) -> bool:
        """Tell of each frame that is compared; returns whether all of them are intact."""
        intact = True
        for check in checks:
            reporter.check_cancelled()
            intact = intact and not check.differing
            self.send(
                number,
                messages.FrameChecked(
                    frame=check.frame,
                    samples=check.samples,
                    differing=check.differing,
                    first_difference=check.first_difference,
                    total=check.total,
                ),
            )
        return intact

    def _make_receipt(self, body: messages.VerifyJob, order: ReceiptOrder, reporter: PipeReporter) -> None:
        from overscan.core.receipts import deliver_receipt

        if self._witness is not None:
            self._witness.wait()
        deliver_receipt(
            job=body.job,
            order=order,
            work_folder=Path(body.work_folder),
            cache_folder=Path(body.cache_folder),
            tick=reporter.check_cancelled,
        )


def _folders(job: Job) -> list[str]:
    """The folders that a job reads from and writes to."""
    return [os.path.dirname(path) for path in (job.output.path, *(source.path for source in job.sources()))]  # noqa: PTH120


def _ids(request: messages.Request) -> dict[str, str]:
    """What the log says that records belong to."""
    body = request.body
    job_id = os.path.basename(getattr(body, "work_folder", ""))  # noqa: PTH119
    return {"job_id": job_id, "step_id": getattr(body, "step_id", "")}


def _resident_bytes() -> int:
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0


if __name__ == "__main__":
    main()
