"""A worker process: engine code and pixels run here, and only here. Started by the service, never by hand."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import faulthandler
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from overscan.core.engines import Context, EngineCard, Notice, Plan, installed_engines
from overscan.core.errors import CancelledError, ErrorRecord, OverscanError
from overscan.service import _messages as messages
from overscan.service._locks import FileLock
from overscan.service._policy import cleared, cleared_plan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from overscan.core.orders import ReceiptOrder
    from overscan.core.receipts import Witness
    from overscan.service._previews import Previews

_PROGRESS_SECONDS_MIN = 0.1
_LOCK_SECONDS_MAX = 5.0
_PR_SET_PDEATHSIG = 1
_PREFERRED_BY_OOM_KILLER = 500
_DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


def main() -> None:
    """Answer requests until the service is gone."""
    parser = argparse.ArgumentParser(prog="overscan-worker")
    parser.add_argument("--lock", required=True, type=Path)
    parser.add_argument("--parent", required=True, type=int)
    arguments = parser.parse_args()
    faulthandler.enable()
    _die_with(arguments.parent)
    lock = FileLock(path=arguments.lock)
    deadline = time.monotonic() + _LOCK_SECONDS_MAX
    while not lock.acquire(text=str(os.getpid())):
        if time.monotonic() > deadline:
            sys.exit(f"another worker still holds {arguments.lock}")
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
        self._previews: Previews | None = None
        self._witness: Witness | None = None

    def serve(self) -> None:
        """Answer requests; never returns, since the end of the service ends the process."""
        threading.Thread(target=self._listen, name="requests", daemon=True).start()
        while True:
            request = self._waiting.get()
            ending = self._carry_out(request)
            self._stopped.discard(request.number)
            try:
                self.send(request.number, ending)
            except (TypeError, ValueError) as error:
                traceback.print_exc()
                self.send(request.number, messages.Failed(record=_fault(request, error)))

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

    def _carry_out(self, request: messages.Request) -> messages.Ending:
        try:
            return messages.Finished(value=self._answer(request))
        except OverscanError as error:
            return messages.Failed(record=error.record)
        except MemoryError:
            traceback.print_exc()
            return messages.Failed(record=_OUT_OF_MEMORY)
        except Exception as error:  # an engine is third-party code
            traceback.print_exc()
            if isinstance(error, OSError) and error.errno in _DISK_FULL:
                return messages.Failed(record=_disk_full(error))
            return messages.Failed(record=_fault(request, error))

    def _answer(self, request: messages.Request) -> Plan | tuple[messages.EngineEntry, ...] | None:
        body = request.body
        if isinstance(body, messages.ListEngines):
            return tuple(_entry(found.name, found) for found in installed_engines())
        if isinstance(body, messages.MakePlan):
            return cleared_plan(job=body.job)
        if isinstance(body, messages.RunStep):
            self._run_step(request.number, body)
        else:
            self._verify(request.number, body)
        return None

    def _run_step(self, number: int, body: messages.RunStep) -> None:
        step = next(step for step in body.plan.steps if step.id == body.step_id)
        if step.needs and not Path(body.work_folder).is_dir():
            raise _WorkFolderGoneError(
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
            reporter=PipeReporter(worker=self, number=number, step=body),
        )
        context.reporter.check_cancelled()
        reporter = context.reporter
        with cleared(job=body.job, plan=body.plan, warn=lambda notice: reporter.warn(notice=notice)) as engine:
            engine.run(step, context)

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
        from overscan.service._previews import PREVIEW_BYTES_MAX, Previews

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
        from overscan.core.results import FrameCheck, verify_job, verify_result

        reporter = PipeReporter(worker=self, number=number)
        checks: Iterable[FrameCheck]
        if isinstance(body, messages.VerifyJob):
            checks = verify_job(body.job, work_folder=Path(body.work_folder))
        else:
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
            checks = verify_result(result=body.result, plate=body.plate, known=header_receipts(body.result))
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
        if isinstance(body, messages.VerifyJob) and body.receipt is not None and intact:
            self._make_receipt(body, body.receipt, reporter)

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


class PipeReporter:
    """The engines' `Reporter`, at the worker's end of the pipe."""

    def __init__(self, *, worker: Worker, number: int, step: messages.RunStep | None = None) -> None:
        self._worker = worker
        self._number = number
        self._step = step
        self._next_progress = 0.0
        self._said: set[Notice] = set()

    def progress(self, *, fraction: float, message: str) -> None:
        """Pass progress on, at most ten times a second."""
        now = time.monotonic()
        if now >= self._next_progress:
            self._next_progress = now + _PROGRESS_SECONDS_MIN
            fraction = float(fraction)
            clean = min(max(fraction, 0.0), 1.0) if fraction == fraction else 0.0
            self._worker.send(self._number, messages.Progress(fraction=clean, message=message))

    def frame_finished(self, *, frame: int, path: Path, seconds: float) -> None:
        """Pass a finished frame on, and now and then a picture of it."""
        self._worker.send(self._number, messages.FrameFinished(frame=frame, path=str(path), seconds=seconds))
        if self._step is not None:
            self._worker.take_down(self._step, frame=frame, path=Path(path))
            self._worker.preview(self._number, self._step, frame=frame, shown=Path(path))

    def warn(self, *, notice: Notice) -> None:
        """Pass a warning on, once."""
        if notice not in self._said:
            self._said.add(notice)
            self._worker.send(self._number, messages.Warned(notice=notice))

    def preview(self, *, frame: int, picture: NDArray[np.float32]) -> None:
        """Pass on a picture of a frame in the making, where one is due: `(h, w, 3)`, display-referred 0 to 1."""
        if self._step is not None:
            self._worker.preview(self._number, self._step, frame=frame, shown=picture)

    def check_cancelled(self) -> None:
        """Raise `CancelledError` where the step should stop."""
        if self._worker.stopped(self._number):
            raise CancelledError("the step was asked to stop.")


def _entry(name: str, found: object) -> messages.EngineEntry:
    """An engine's card, or why there is none: a card is third-party code too."""
    engine = getattr(found, "engine", None)
    if engine is None:
        return messages.EngineEntry(name=name, card=None, reason=str(getattr(found, "reason", "")))
    try:
        card = messages.plain(engine.card)
    except Exception as error:
        traceback.print_exc()
        return messages.EngineEntry(name=name, card=None, reason=f"{type(error).__name__}: {error}")
    if not isinstance(card, EngineCard):
        return messages.EngineEntry(name=name, card=None, reason=f"its card is a {type(card).__name__}")
    return messages.EngineEntry(name=name, card=card, reason=_unavailable(engine))


def _unavailable(engine: object) -> str:
    """Why an engine that loads cannot run here; empty where it can."""
    ask = getattr(engine, "unavailable", None)
    try:
        return str(ask()) if callable(ask) else ""
    except Exception as error:
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"


class _WorkFolderGoneError(OverscanError):
    """Somebody removed the work folder of a job that has not ended."""

    code = "STEP_FAILED"


_OUT_OF_MEMORY = ErrorRecord(
    code="OUT_OF_MEMORY",
    message="the worker could not get the memory it needs.",
    next_step="Close other programs, use fewer workers, or work on a smaller format; then retry the job.",
)


def _disk_full(error: OSError) -> ErrorRecord:
    return ErrorRecord(
        code="DISK_FULL",
        message=f"no room left on the disk: {error}.",
        next_step="Free some space and retry the job; finished frames stay.",
        path=str(error.filename or ""),
    )


def _fault(request: messages.Request, error: BaseException) -> ErrorRecord:
    runs = isinstance(request.body, messages.RunStep)
    return ErrorRecord(
        code="STEP_FAILED" if runs else "ENGINE_FAULT",
        message=f"the engine failed: {type(error).__name__}: {error}",
        next_step="This is a fault in the engine; the worker's log has the traceback.",
    )


if __name__ == "__main__":
    main()
