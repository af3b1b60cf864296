"""How fast frames travel, against a bare grpcio stream of 1 MiB chunks over the same kind of socket.

A bare server, in a process of its own, hands out and takes the same number of bytes in chunks of 1 MiB, of no meaning
and without any check. Overscan's own service moves frames of 4096x2160 half RGBA in one stream: read from its disk and
handed over with their hashes ("down"), the same with the client checking them ("checked"), and taken, checked and
written ("up"), which the service flushes to its disk later; "kept" waits for that. "fetch" and "upload" are what
`overscan` does: from disk to disk, four streams, hashed on both sides. Rounds alternate, so that a noisy machine hurts
all; the figures are medians.

The bar: "down" and "up" reach 70 % of the bare stream; where one does not, the exit code is 1.

    python benchmarks/transport.py --frames 8
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from frame_files import write_exr

from overscan.chunks import UploadBuffer
from overscan.client import Client, parse_job
from overscan.v1 import frame_service_pb2 as pb

BAR = 0.70
"""Least part of the bare stream's speed that one stream of Overscan's reaches, each way."""
CHUNK = 1 << 20
WIDTH, HEIGHT = 4096, 2160


def serve_bare(address: str, ready: threading.Event) -> None:
    """A server that does nothing but move bytes."""
    chunk = os.urandom(CHUNK)

    def down(request: bytes, _context: grpc.ServicerContext) -> Iterator[bytes]:
        for _ in range(int(request)):
            yield chunk

    def up(requests: Iterator[bytes], _context: grpc.ServicerContext) -> bytes:
        return str(sum(map(len, requests))).encode()

    server = grpc.server(ThreadPoolExecutor(8))
    handlers = {"down": grpc.unary_stream_rpc_method_handler(down), "up": grpc.stream_unary_rpc_method_handler(up)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bare", handlers),))
    server.add_insecure_port(address)
    server.start()
    ready.set()
    server.wait_for_termination()


def timed(move: Callable[[], int]) -> float:
    """Megabytes a second of what `move` says it moved."""
    begin = time.perf_counter()
    count = move()
    return count / (time.perf_counter() - begin) / 1e6


def main() -> int:
    """Print the figures, and fail where the bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="for all files; default: the system's temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="ot-") as place:
        figures = measure(Path(place), frames=arguments.frames, rounds=arguments.rounds)
    medians = {name: round(statistics.median(values)) for name, values in figures.items()}
    ratios = {
        name: round(medians[name] / medians[f"bare {way}"], 3)
        for name, way in (
            *(("down", "down"), ("checked", "down"), ("fetch", "down")),
            *(("up", "up"), ("kept", "up"), ("upload", "up")),
        )
    }
    missed = [name for name in ("down", "up") if ratios[name] < BAR]
    found = {"megabytes_per_second": medians, "of_bare": ratios, "rounds": figures, "cpus": os.cpu_count()}
    sys.stdout.write(json.dumps(found | {"bar": BAR, "missed": missed}, indent=1) + "\n")
    return 1 if missed else 0


def measure(folder: Path, *, frames: int, rounds: int) -> dict[str, list[float]]:
    """Megabytes a second of each way to move frames, round by round."""
    plate = folder / "plate.%04d.exr"
    random = np.random.default_rng(1)
    for number in range(frames):
        pixels = random.normal(0.5, 0.2, (HEIGHT, WIDTH, 4)).astype(np.float16)
        write_exr(Path(str(plate) % (1001 + number)), pixels, names=("R", "G", "B", "A"), compression="none")
        matte = np.zeros((HEIGHT, WIDTH, 1), np.float16)
        write_exr(folder / f"matte.{1001 + number}.exr", matte, names=("A",))
    context = multiprocessing.get_context("spawn")
    address, ready = f"unix:{folder}/b.sock", context.Event()
    bare = context.Process(target=serve_bare, args=(address, ready), daemon=True)
    bare.start()
    ready.wait()
    try:
        with grpc.insecure_channel(address) as channel, Client(home=folder / "home") as client:
            return _rounds(_Bare(channel), _Service(client, folder, plate, frames), rounds=rounds)
    finally:
        bare.kill()


class _Bare:
    def __init__(self, channel: grpc.Channel) -> None:
        self._down = channel.unary_stream("/bare/down")
        self._up = channel.stream_unary("/bare/up")

    def down(self, count: int) -> int:
        return sum(len(chunk) for chunk in self._down(str(count // CHUNK).encode()))

    def up(self, count: int) -> int:
        chunk = os.urandom(CHUNK)
        return int(self._up(chunk for _ in range(count // CHUNK)))


class _Service:
    """Overscan's service with a job whose result it keeps."""

    def __init__(self, client: Client, folder: Path, plate: Path, frames: int) -> None:
        self._client, self._folder, self._plate, self._frames = client, folder, plate, frames
        self.count = sum(file.stat().st_size for file in folder.glob("plate.*.exr"))
        spec = parse_job(
            {
                "plate": str(plate),
                "inpaint": {"matte": {"sequence": {"path": str(folder / "matte.%04d.exr")}}},
                "output": {"path": str(folder / "out.%04d.exr"), "extras": "none"},
            }
        )
        spec.output.path = ""
        self.job_id = client.create(spec=spec).id
        for _ in client.watch(job_id=self.job_id):
            pass
        self._number = 0
        self._hashes: dict[Path, bytes] = {}
        self._sent: list[str] = []
        """Uploads that are to be deleted."""
        client.open()

    def down(self) -> int:
        """One stream to nowhere."""
        link = self._client._connected()
        count = 0
        for number in range(self._frames):
            request = pb.DownloadFrameRequest(job_id=self.job_id, frame=1001 + number)
            count += sum(len(chunk.data) for chunk in link.download(request, metadata=link.metadata))
        return count

    def checked(self) -> int:
        """One stream to nowhere, hashed beside its coming."""
        link = self._client._connected()
        count = 0
        with ThreadPoolExecutor(1) as hasher:
            for number in range(self._frames):
                request = pb.DownloadFrameRequest(job_id=self.job_id, frame=1001 + number)
                digest, busy, sha256 = hashlib.sha256(), None, b""
                for chunk in link.download(request, metadata=link.metadata):
                    if busy is not None:
                        busy.result()
                    busy = hasher.submit(digest.update, chunk.data)
                    count += len(chunk.data)
                    sha256 = chunk.sha256
                busy.result()
                if digest.digest() != sha256:
                    raise SystemExit("a frame arrived damaged")
        return count

    def fetch(self) -> int:
        """To the client's disk, as `overscan` does it."""
        self._number += 1
        folder = self._folder / f"fetched{self._number}"
        files = [file for file in self._client.frames.files(job_id=self.job_id) if file.HasField("frame")]
        for path in self._client.frames.fetch(job_id=self.job_id, folder=folder, files=files):
            path.unlink()
        return sum(file.size for file in files)

    def up(self) -> int:
        """One stream to files of the service, checked by it."""
        link = self._client._connected()
        upload_id = self._announce(link)
        messages = (message for number in range(self._frames) for message in self._pieces(upload_id, 1001 + number))
        if link.upload(messages, metadata=link.metadata).frames != self._frames:
            raise SystemExit("a frame did not arrive")
        self._sent.append(upload_id)
        return self.count

    def kept(self) -> int:
        """The same, until it is on the disk itself."""
        count = self.up()
        os.sync()
        return count

    def prepare(self) -> None:
        """Take the hashes of what will be sent, and leave nothing of earlier rounds for the disk to do."""
        while self._sent:
            self._client.frames.delete_upload(upload_id=self._sent.pop())
        os.sync()
        paths = [Path(str(self._plate) % (1001 + number)) for number in range(self._frames)]
        self._hashes = {path: hashlib.sha256(path.read_bytes()).digest() for path in paths}

    def upload(self) -> int:
        """From the client's disk, as `overscan` does it; the files are new to the service each time."""
        for file in self._folder.glob("plate.*.exr"):
            with file.open("r+b") as changed:
                changed.seek(-64, os.SEEK_END)
                changed.write(os.urandom(64))
        self._sent.append(self._client.frames.upload(path=str(self._plate)))
        return self.count

    def _announce(self, link: Any) -> str:
        request = pb.CreateUploadRequest(name=str(self._plate))
        request.frames.ranges.add(first=1001, last=1000 + self._frames, step=1)
        return str(link.frames.CreateUpload(request).upload_id)

    def _pieces(self, upload_id: str, frame: int) -> Iterator[bytes]:
        path = Path(str(self._plate) % frame)
        offset, size = 0, path.stat().st_size
        buffer = UploadBuffer(size=CHUNK)
        with path.open("rb", buffering=0) as file:
            while offset < size:
                data = buffer.fill(file.readinto, most=CHUNK)
                message = pb.UploadFramesRequest(upload_id=upload_id, frame=frame, offset=offset)
                offset += len(data)
                if offset == size:
                    message.total_size, message.sha256 = size, self._hashes[path]
                yield buffer.message(message)


def _rounds(bare: _Bare, service: _Service, *, rounds: int) -> dict[str, list[float]]:
    moves: dict[str, Callable[[], int]] = {
        "bare down": lambda: bare.down(service.count),
        "down": service.down,
        "checked": service.checked,
        "fetch": service.fetch,
        "bare up": lambda: bare.up(service.count),
        "up": service.up,
        "kept": service.kept,
        "upload": service.upload,
    }
    for move in moves.values():  # once for nothing: whoever comes first pays for the system's caches
        service.prepare()
        move()
    figures: dict[str, list[float]] = {name: [] for name in moves}
    for _ in range(rounds):
        for name, move in moves.items():
            service.prepare()  # the files change with each upload
            figures[name].append(round(timed(move), 1))
    return figures


if __name__ == "__main__":
    sys.exit(main())
