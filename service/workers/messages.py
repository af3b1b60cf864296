"""What the service and its workers say to each other over a pair of pipes.

A message is a length (8 bytes, big-endian) and a pickle. The service reads with `read_report`, which builds nothing
but core's own plain types: a worker's answer can neither import a library into the service nor run code there.
"""

from __future__ import annotations

import io
import numbers
import pickle
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import IO

from overscan.core.engines import EngineCard, Notice, Plan
from overscan.core.errors import ErrorRecord
from overscan.core.jobs import Job
from overscan.core.orders import KeySource, ReceiptOrder
from overscan.service.security.roots import NamedPath

_LENGTH = struct.Struct(">Q")
_MESSAGE_BYTES_MAX = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHash:
    """What a file of a model holds."""

    signature: tuple[int, ...]
    """What tells this state of it from any other: device, inode, size, times of modification and of change in ns."""
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEngines:
    """Which engines are there? Finishes with a tuple of `EngineEntry`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MakePlan:
    """Plan a job. Finishes with a `Plan`."""

    job: Job
    paths: tuple[NamedPath, ...] = ()
    """What the request names; where one leads out of the roots, the plan says so, and no engine is asked."""
    decide_only: bool = False
    """Only ask the policies, and no engine: the job's files are not there yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """Carry out a step. Finishes with None."""

    job: Job
    plan: Plan
    step_id: str
    work_folder: str
    cache_folder: str
    keys: KeySource | None = None
    """What finished frames are signed with; None signs nothing."""
    frugal: int = 0
    """See `core.engines.Context.frugal`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyJob:
    """Check promise 1 for a job's result, and make its receipt where all is well.

    Reports `FrameChecked`, finishes with None.
    """

    job: Job
    work_folder: str
    cache_folder: str
    receipt: ReceiptOrder | None
    """None makes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """Check any result against its receipts, then promise 1. Reports `Found` and `FrameChecked`, finishes with None."""

    result: str
    plate: str
    paths: tuple[NamedPath, ...]
    """Where one of them leads out of the roots, nothing is read."""
    keys: KeySource
    archive: str


Body = ListEngines | MakePlan | RunStep | VerifyJob | VerifyResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Do something."""

    number: int
    body: Body
    hashes: tuple[FileHash, ...] = ()
    """What other workers of this service have hashed of models, for one that has just been started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """Stop doing it."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEntry:
    """An installed engine. `card` is None where it does not load; `reason` says why it cannot run here."""

    name: str
    card: EngineCard | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The worker lives; sent every second while it has a request."""

    cpu_seconds: float
    """Computed so far, by all its threads."""
    resident_bytes: int
    """Memory that it holds; 0 where the system does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """The worker has hashed files of a model: no other worker of this service has to, while they stay as they are."""

    files: tuple[FileHash, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the step is, 0 to 1."""

    fraction: float
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFinished:
    """A frame is in the output folder."""

    frame: int
    path: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewMade:
    """A small picture of a frame, finished or in the making."""

    frame: int
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something the artist should know."""

    notice: Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameChecked:
    """A frame was compared with its plate."""

    frame: int
    samples: int
    differing: int
    first_difference: str
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What became of one item of a result: fields of core's `Finding`, as words."""

    subject: str
    state: str
    detail: str
    path: str
    frame: int | None
    count: int


Report = Heartbeat | Hashed | Progress | FrameFinished | PreviewMade | Warned | FrameChecked | Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The request is done."""

    value: Plan | tuple[EngineEntry, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The request could not be done."""

    record: ErrorRecord


Ending = Finished | Failed


def plain(value: object) -> object:
    """`value` rebuilt from Python's own numbers, texts and tuples, in case an engine put numpy's into its plan."""
    if value is None or type(value) in (bool, int, float, bytes) or isinstance(value, Enum):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{entry.name: plain(getattr(value, entry.name)) for entry in fields(value)})
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, range, set, frozenset)):
        return tuple(plain(item) for item in value)
    if isinstance(value, (str, PurePath)):  # a file's name need not be Unicode; protobuf's strings must
        return str(value).encode(errors="backslashreplace").decode()
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    item = getattr(value, "item", None)
    if callable(item):  # numpy's bool and zero-dimensional arrays
        return plain(item())
    raise TypeError(f"{type(value).__name__} cannot leave a worker")


def write(stream: IO[bytes], message: object) -> None:
    """Send one message."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def read_request(stream: IO[bytes]) -> Request | StopRequest | None:
    """The next message of the service, or None where it is gone."""
    body = _read(stream)
    if body is None:
        return None
    message = pickle.loads(body)
    if not isinstance(message, (Request, StopRequest)):
        raise TypeError(f"the service sent a {type(message).__name__}")
    return message


def read_report(stream: IO[bytes]) -> tuple[int, Report | Ending] | None:
    """The next message of a worker with the number of its request, or None where the worker is gone.

    Raises `pickle.UnpicklingError` for anything but core's plain types.
    """
    body = _read(stream)
    if body is None:
        return None
    number, message = _CoreUnpickler(io.BytesIO(body)).load()
    return number, message


def _read(stream: IO[bytes]) -> bytes | None:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > _MESSAGE_BYTES_MAX:
        raise pickle.UnpicklingError(f"a message of {length} bytes")
    body = stream.read(length)
    return body if len(body) == length else None


class _CoreUnpickler(pickle.Unpickler):
    """Builds dataclasses and enumerations of core and of this module, nothing else."""

    def find_class(self, module: str, name: str) -> Callable[..., object]:
        """The class to build; raises `pickle.UnpicklingError` where it is not one of ours."""
        if (module, name) == ("builtins", "getattr"):
            return _member
        if module == __name__ or module.startswith("overscan.core."):
            found = super().find_class(module, name)
            if isinstance(found, type) and (is_dataclass(found) or issubclass(found, Enum)):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} has no business in a worker's answer")


def _member(kind: object, name: str) -> Enum:
    """A member of an enumeration, which Python 3.11.0 to 3.11.3 pickle as ``getattr(kind, name)``."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind[name]
    raise pickle.UnpicklingError(f"an attribute of {kind!r} has no business in a worker's answer")
