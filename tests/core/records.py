"""Receipts as jobs leave them, for tests of what is read from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from overscan.core.orders import KeySource
from overscan.core.receipts import (
    EngineFacts,
    FrameFacts,
    Input,
    InputFile,
    JobFacts,
    JobReceipt,
    Machine,
    ModelFacts,
    Notary,
    PolicyFacts,
    ResultFacts,
    Run,
    Shares,
    Times,
    write_receipt_file,
)

PLATE_CARD = {"maker": "Overscan", "licence": "LicenseRef-Overscan", "training_data": "none", "commercial_use": True}
COPIED = Shares(plate=0.75, copied=0.2, synthesised=0.05, model=0.0, empty=0.0)
UNTOUCHED = Shares(plate=1.0, copied=0.0, synthesised=0.0, model=0.0, empty=0.0)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files(folder: Path, names: Sequence[str], *, content: str = "") -> list[Path]:
    """Files whose contents all differ, unless their names are the same."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(f"{content or folder.name}/{name}".encode())
    return [folder / name for name in names]


def source(role: str, paths: Mapping[int | None, Path]) -> Input:
    """An input of a receipt."""
    first = next(iter(paths.values()))
    found = tuple(InputFile(frame=frame, path=str(path), sha256=digest(path)) for frame, path in paths.items())
    return Input(role=role, pattern=str(first), frames=found)


def receipt(
    job: str,
    outputs: Mapping[int, Path],
    *,
    inputs: Sequence[Input] = (),
    shares: Shares | Mapping[int, Shares | None] | None = COPIED,
    show: str = "alpha",
    shot: str = "010",
    use: str = "temp",
    ended: str = "2026-11-20T10:00:00.000+00:00",
    card: Mapping[str, object] = PLATE_CARD,
    model: ModelFacts | None = None,
    approvals: Sequence[str] = (),
) -> JobReceipt:
    """The receipt of a job that wrote `outputs`."""
    folder = next(iter(outputs.values())).parent
    labels = {name: label for name, label in (("show", show), ("shot", shot)) if label}
    frames = tuple(
        FrameFacts(
            frame=number,
            plate_frame=number,
            path=path.name,
            bytes=path.stat().st_size,
            sha256=digest(path),
            pixels_sha256="0" * 64,
            parts=(),
            shares=shares.get(number) if isinstance(shares, Mapping) else shares,
        )
        for number, path in outputs.items()
    )
    return JobReceipt(
        job=JobFacts(task="extend", labels=labels, use=use, spec={"output": {"path": str(folder / "out.%04d.exr")}}),
        inputs=tuple(inputs),
        engine=EngineFacts(name="plate", version="1", card=card, card_sha256="a" * 64),
        model=model,
        policy=PolicyFacts(
            name="default", sha256="", decision="allowed", reason="It is allowed.", approvals=tuple(approvals)
        ),
        seed=0,
        parameters={},
        software={"overscan": "1"},
        result=ResultFacts(pattern="out.%04d.exr", offset=(0, 0), part=0, channels=("R", "G", "B")),
        frames=frames,
        run=Run(
            job_id=job,
            machine=Machine(kind="Linux x86_64, 8 cores", cpu="", gpu="", os="Linux"),
            times=Times(created=ended, started=ended, ended=ended),
        ),
    )


def archive(home: Path, made: JobReceipt, *, signed: bool = False) -> Path:
    """Put a receipt where the service keeps it."""
    path = home / "receipts" / f"{made.run.job_id}.json"
    write_receipt_file(made, path)
    if signed:
        keys = KeySource(folder=home / "keys")
        Notary(source=keys, version="1").sign_beside(path, facts={}, model=False)
    return path


def later(made: JobReceipt, *, job: str, ended: str) -> JobReceipt:
    """The same job, run again."""
    return replace(made, run=replace(made.run, job_id=job, times=replace(made.run.times, ended=ended)))
