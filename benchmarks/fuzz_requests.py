"""Requests that no client would send: random messages of every method, mutated jobs, mutated bytes. Each has a number,
and a seed and a number always give the same request."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from overscan.v1 import admin_service_pb2, engine_service_pb2, frame_service_pb2, generation_service_pb2
from overscan.v1.job_pb2 import JobSpec

SERVICES: tuple[ServiceDescriptor, ...] = tuple(
    service
    for module in (admin_service_pb2, engine_service_pb2, frame_service_pb2, generation_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
)
METHODS: tuple[MethodDescriptor, ...] = tuple(method for service in SERVICES for method in service.methods)
_DEPTH_MAX = 6
_SPECS = ("PlanJob", "CreateJob")
_GRAVE = ("Drain", "Purge")
"""Methods whose requests are changed in no bytes, for an empty one would end the run."""
_DOUBLES = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-320, 1e308, -1e308, float("nan"), float("inf"), float("-inf"), 24.0, 2.0**53)
_TEXTS = (
    "",
    " ",
    "x",
    "0",
    "-1",
    "null",
    "plate",
    "grey",
    "ACEScg",
    "R",
    "zip",
    "dwaa:45",
    "dwaa:nan",
    "\n",
    "a\nb",
    "'; DROP TABLE jobs; --",
    "%",
    "%s",
    "%n",
    "%04d",
    "####",
    "@@@",
    "{}",
    "{0}",
    "${HOME}",
    "$(id)",
    "`id`",
    "../..",
    "\u202e",
    "\ufeff",
    "\x00",
    "é" * 300,
    "\u65e5\u672c\u8a9e",
    "\U0001f600" * 50,
    "\u0301" * 200,
    "A" * 5000,
    "a" * 70000,
    "\uff46\uff55\uff4c\uff4c",
    "CON",
    "nul:",
    "-",
    "--help",
    "*",
    "?",
    "[a]",
    "/",
    "\\",
    "C:\\x",
    "//x/y",
    "__class__",
    "__import__('os')",
    "!!python/object:os.system",
    "\x1b[31m",
    "\ud7ff",
    "1e400",
    "NaN",
    "0x41",
    "1001-1100x2",
    "5--1",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What requests may name."""

    inside: tuple[str, ...]
    """Patterns of sequences that may be read."""
    outside: tuple[str, ...]
    """Patterns that lead out of the roots, one way or another."""
    outputs: tuple[str, ...]
    """Patterns of results that may be written."""
    jobs: tuple[str, ...]
    uploads: tuple[str, ...]
    spec: JobSpec
    """A job that can run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call to be made."""

    number: int
    method: MethodDescriptor
    kind: str
    """How it was made."""
    requests: tuple[bytes, ...]

    @property
    def path(self) -> str:
        """What gRPC calls the method."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"


def outside_paths(*, canary: Path, inside: Path) -> tuple[str, ...]:
    """Ways out of the roots; makes the links inside that lead there."""
    (inside / "link").symlink_to(canary)
    (inside / "linked.0001.exr").symlink_to(canary / "secret.0001.exr")
    (inside / "loop").symlink_to(inside / "loop")
    up = "../" * 12
    name = "secret.%04d.exr"
    return (
        f"{canary}/{name}",
        f"{canary}/secret.0001.exr",
        f"{inside}/link/{name}",
        f"{inside}/link/../{canary.name}/{name}",
        f"{inside}/linked.%04d.exr",
        f"{inside}/../{canary.name}/{name}",
        f"{inside}/{up}{str(canary).lstrip('/')}/{name}",
        f"{inside}/./link/./{name}",
        f"{inside}//link//{name}",
        f"{inside}/loop/{name}",
        f"/proc/self/root{canary}/{name}",
        f"/dev/fd/../..{canary}/{name}",
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/zero",
        "/dev/stdin",
        f"{canary}/new/out.%04d.exr",
        f"{inside}/link/out.%04d.exr",
        f"{inside}/link/new/out.%04d.exr",
    )


class Maker:
    """Makes requests."""

    def __init__(self, *, seed: int, world: World) -> None:
        self._seed = seed
        self._world = world

    def make(self, number: int) -> Asked:
        """The request of a number."""
        dice = random.Random(f"{self._seed}:{number}")
        method = dice.choice(METHODS) if dice.random() < 0.5 else self._of_a_job(dice)
        kind = dice.choice(("random", "random", "mutated", "mutated", "mutated", "bytes", "raw"))
        count = dice.choice((1, 1, 2, 5)) if method.client_streaming else 1
        return Asked(
            number=number,
            method=method,
            kind=kind,
            requests=tuple(self._bytes(dice, method, kind) for _ in range(count)),
        )

    @staticmethod
    def _of_a_job(dice: random.Random) -> MethodDescriptor:
        name = dice.choice((*_SPECS, "VerifyOutput"))
        return next(method for method in METHODS if method.name == name)

    def _bytes(self, dice: random.Random, method: MethodDescriptor, kind: str) -> bytes:
        if kind == "raw" and method.name not in _GRAVE:
            return _mutated_bytes(dice, dice.randbytes(dice.choice((0, 1, 2, 10, 100, 5000))))
        message = GetMessageClass(method.input_type)()
        if kind == "random" or method.name not in _SPECS:
            self._fill(dice, message, depth=0)
        else:
            message.spec.CopyFrom(self._world.spec)
            message.spec.output.path = dice.choice(self._world.outputs)
            for _ in range(dice.choice((1, 1, 2, 4, 10))):
                self._mutate(dice, message)
        _harmless(method, message)
        data: bytes = message.SerializeToString()
        return _mutated_bytes(dice, data) if kind == "bytes" and method.name not in _GRAVE else data

    def _fill(self, dice: random.Random, message: Message, *, depth: int) -> None:
        """Set some of the fields."""
        for field in message.DESCRIPTOR.fields:
            if dice.random() < (0.6 if depth < 2 else 0.3):
                self._set(dice, message, field, depth=depth)

    def _mutate(self, dice: random.Random, message: Message) -> None:
        """Change one field anywhere in what is there, or beside it."""
        while True:
            field = dice.choice(message.DESCRIPTOR.fields)
            inner = field.type == FieldDescriptor.TYPE_MESSAGE and not field.is_repeated
            if inner and message.HasField(field.name) and dice.random() < 0.85:
                message = getattr(message, field.name)
                if message.DESCRIPTOR.fields:
                    continue
            if dice.random() < 0.1:
                message.ClearField(field.name)
            else:
                self._set(dice, message, field, depth=1)
            return

    def _set(self, dice: random.Random, message: Any, field: FieldDescriptor, *, depth: int) -> None:
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            if depth >= _DEPTH_MAX:
                return
            if field.message_type.GetOptions().map_entry:
                self._set_map(dice, message, field, depth=depth)
            elif field.is_repeated:
                for _ in range(dice.choice((1, 1, 2, 3, 40))):
                    self._fill(dice, getattr(message, field.name).add(), depth=depth + 1)
            else:
                inner = getattr(message, field.name)
                inner.SetInParent()
                self._fill(dice, inner, depth=depth + 1)
            return
        make = self._scalar(dice, field)
        try:
            if field.is_repeated:
                getattr(message, field.name).extend([make() for _ in range(dice.choice((1, 1, 2, 5, 300)))])
            else:
                setattr(message, field.name, make())
        except (ValueError, TypeError):
            message.ClearField(field.name)

    def _set_map(self, dice: random.Random, message: Any, field: FieldDescriptor, *, depth: int) -> None:
        entries = getattr(message, field.name)
        for _ in range(dice.choice((1, 2, 20))):
            key = dice.choice(("seed", "steps", "ledger", *_TEXTS[:40]))
            self._fill(dice, entries[key], depth=depth + 1)

    def _scalar(self, dice: random.Random, field: FieldDescriptor) -> Callable[[], Any]:
        kind = field.cpp_type
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return lambda: dice.random() < 0.5
        if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
            return lambda: dice.choice((*_DOUBLES, dice.uniform(-10, 10)))
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            known = [value.number for value in field.enum_type.values]
            return lambda: dice.choice((*known, *known, -1, 99, 2**31 - 1, -(2**31)))
        if kind == FieldDescriptor.CPPTYPE_STRING:
            if field.type == FieldDescriptor.TYPE_BYTES:
                return lambda: dice.randbytes(dice.choice((0, 1, 31, 32, 33, 1000)))
            return lambda: self._text(dice, field.name)
        bits = 64 if kind in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64) else 32
        signed = kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64)
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        pool = (0, 1, 2, 3, 10, 64, 1001, 1003, 65536, low, low + 1, high, high - 1, dice.randint(low, high))
        return lambda: dice.choice(pool)

    def _text(self, dice: random.Random, name: str) -> str:
        world = self._world
        if name == "job_id" or name.endswith("_job_id") or name in ("job_ids", "depends_on"):
            pool = (*world.jobs, *(one[:8] for one in world.jobs), "f" * 32, "")
        elif name == "upload_id":
            pool = (*world.uploads, "f" * 32, "", "..", "../../etc")
        elif name in ("path", "plate_path", "name"):
            pool = (*world.inside, *world.outside, *world.outputs)
        else:
            pool = _TEXTS
        text = dice.choice(pool if dice.random() < 0.75 else _TEXTS)
        return _mutated_text(dice, text) if dice.random() < 0.15 else text


def _harmless(method: MethodDescriptor, message: Any) -> None:
    """Leave out what would rightly end the run: closing the service, and holding up all work."""
    if method.name == "Drain":
        message.undo = True  # whatever else it says
    if method.name == "Purge":
        message.dry_run = True


def _mutated_text(dice: random.Random, text: str) -> str:
    at = dice.randrange(len(text) + 1)
    more = dice.choice(("\0", "/", "/../", "%04d", "%d", "#", "\\", ".", "\n", "é", "%", " ", "%99999999d", "@"))
    return dice.choice((text[:at] + more + text[at:], text[:at], text[at:], text + text[-200:]))


def _mutated_bytes(dice: random.Random, data: bytes) -> bytes:
    """Bytes that may be a message no more."""
    for _ in range(dice.choice((1, 1, 2, 8))):
        at = dice.randrange(len(data) + 1)
        what = dice.randrange(8)
        if what == 0:
            data = data[:at]
        elif what == 1 and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]
        elif what == 2:
            data = data[:at] + dice.randbytes(dice.choice((1, 4, 64))) + data[at:]
        elif what == 3:  # fields of another wire type, or of none
            tag = dice.randrange(1, 40) << 3 | dice.randrange(8)
            data = bytes([tag & 0x7F]) + dice.randbytes(3) + data
        elif what == 4:  # a length beyond the end
            data = data + bytes([dice.randrange(1, 16) << 3 | 2]) + b"\xff\xff\xff\xff\x0f"
        elif what == 5:  # nested far deeper than any message
            for _ in range(dice.choice((10, 90, 150))):
                data = b"\x32" + _varint(len(data)) + data
                if len(data) > 100_000:
                    break
        elif what == 6:  # a field nobody knows
            data = data + _varint(dice.randrange(100, 2**28) << 3) + _varint(dice.getrandbits(63))
        else:
            data = data + data[-dice.randrange(1, 50) :] + struct.pack("<d", dice.choice(_DOUBLES))
    return data[: 3 << 20]


def _varint(number: int) -> bytes:
    out = bytearray()
    while True:
        out.append(number & 0x7F | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(out)
