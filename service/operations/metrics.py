"""What the service counts and times. Costs nothing until `turn_on` gives it somewhere to go.

Called from wherever something happens, as logging is; `operations.prometheus` keeps the numbers.
"""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """Keeps the numbers; safe to call from any thread."""

    def count(self, name: str, amount: float, labels: dict[str, str]) -> None:
        """Add to a counter."""

    def time(self, name: str, seconds: float, labels: dict[str, str]) -> None:
        """Add to a histogram of seconds."""


_sink: Sink | None = None


def turn_on(sink: Sink | None) -> None:
    """Have numbers kept by `sink` from now on; None keeps none."""
    global _sink
    _sink = sink


def rpc_ended(*, method: str, code: str, seconds: float) -> None:
    """A call has been answered: ``GenerationService/GetJob``, ``OK`` or another name of a gRPC status."""
    if _sink is not None:
        _sink.time("rpc", seconds, {"method": method, "code": code})


def step_ended(*, engine: str, kind: str, outcome: str, seconds: float) -> None:
    """A worker has been on a step; `outcome` is ``done``, ``failed``, ``died`` or ``stopped``."""
    if _sink is not None:
        _sink.time("step", seconds, {"engine": engine, "kind": kind, "outcome": outcome})


def queue_waited(*, seconds: float) -> None:
    """A job has begun, so long after it was created."""
    if _sink is not None:
        _sink.time("queue_wait", seconds, {})


def frame_finished(*, engine: str) -> None:
    """A frame is in its output folder, checked."""
    if _sink is not None:
        _sink.count("frames", 1, {"engine": engine})


def bytes_moved(*, direction: str, count: int) -> None:
    """Frames' bytes came over the wire (``in``) or went (``out``)."""
    if _sink is not None:
        _sink.count("bytes", count, {"direction": direction})


def worker_started(*, worker: str) -> None:
    """A worker process was started."""
    if _sink is not None:
        _sink.count("worker_starts", 1, {"worker": worker})


def worker_died(*, worker: str) -> None:
    """A worker process ended in the middle of its work."""
    if _sink is not None:
        _sink.count("worker_deaths", 1, {"worker": worker})


def store_wrote(*, seconds: float) -> None:
    """A write transaction of the job store is done, waiting for its turn included."""
    if _sink is not None:
        _sink.time("store_write", seconds, {})
