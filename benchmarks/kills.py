"""Kills workers, services and whole machines at random while real jobs run, and checks that nothing was lost.

    python benchmarks/kills.py [--kills 200] [--seed 1] [--workers 2] [--round N] [--keep DIR] [--json FILE]

A round is a fresh home, a service in a process of its own with several workers, and five jobs at once over one small
plate with HDR values, NaN and odd windows: set extension, inpainting with sidecars, a passthrough, a shot extension,
and overscan on every other frame. Some of the kills come at any time, uniformly over the jobs' life; the others are
aimed: right after a frame got its name, while a file is being written, in verification, at the receipt, while a job is
being created, at the start, at the opening of the store. Between them, processes are stopped (SIGSTOP) for a while.

A front end watches every job through all of it. When a round's kills are spent, its jobs end in peace, and then: every
job succeeded; every frame and sidecar is, byte for byte, what a run without kills wrote; receipts are the same but for
`run` (id, machine, times); audits find the same, signatures included; nothing temporary is left; no frame that once had
its name ever lacked it or held anything else; no step that was done was begun again; no watcher missed an event, and
numbers only grew.

Processes are killed, not the machine's power: what the system's cache holds survives. The blows follow from seed and
round; when exactly they fall, from the machine. `--round N` does that round of that seed again.

A job that failed because too many workers were killed under one of its steps (WORKER_LOST) is retried, and counted.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from kill_blows import choose_blows
from kill_checks import Wanted, answered, findings
from kill_jobs import JOBS, make_plates, specs
from kill_round import Round, Tally
from service_process import ServiceProcess, short_folder
from suite import say

from overscan.v1 import generation_service_pb2 as pb
from overscan.v1.job_pb2 import JobSpec

KILLS_A_ROUND = 10
GAP_SECONDS = 2.5


def run(
    *,
    kills: int,
    seed: int,
    workers: int,
    kernels: Path,
    engine: str = "plate",
    names: Sequence[str] = JOBS,
    only: int | None = None,
    keep: Path | None = None,
) -> Tally:
    """Do rounds until so many kills are done, or the one round `only`, with the jobs `names`.

    Rounds with faults are kept in `keep`.
    """
    tally = Tally()
    with short_folder() as place:
        (place / "plates").mkdir()
        plates = make_plates(place / "plates")
        began = time.monotonic()

        def jobs(folder: Path) -> Mapping[str, JobSpec]:
            return specs(plates, folder / "out", names=names, engine=engine)

        wanted = _undisturbed(place / "whole", jobs(place / "whole"), kernels=kernels, workers=workers)
        say(f"a round without kills took {time.monotonic() - began:.1f} s")
        number = 0 if only is None else only
        while sum(tally.kills.values()) < kills:
            folder = place / str(number)
            left = kills - sum(tally.kills.values())
            before = len(tally.faults)
            Round(
                number=number,
                folder=folder,
                jobs=jobs(folder),
                wanted=wanted,
                blows=choose_blows(seed=seed, number=number, kills=KILLS_A_ROUND, gap_seconds=GAP_SECONDS)[
                    : max(left, 1)
                ],
                kernels=kernels,
                workers=workers,
                tally=tally,
            ).run()
            if len(tally.faults) > before and keep is not None:
                kept = keep / f"seed-{seed}-round-{number}"
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(folder, kept, symlinks=True, ignore=_no_sockets)
            shutil.rmtree(folder)
            if only is not None:
                break
            number += 1
    return tally


def _undisturbed(folder: Path, jobs: Mapping[str, JobSpec], *, kernels: Path, workers: int) -> dict[str, Wanted]:
    """What the jobs write when nobody is killed."""
    service = ServiceProcess(home=folder / "home", kernels=kernels, flags=("--workers", str(workers)))
    service.spawn()
    try:
        service.wait_ready()
        calls = service.calls()
        ids = {name: calls.CreateJob(pb.CreateJobRequest(spec=spec), timeout=60).job.id for name, spec in jobs.items()}
        for name, job_id in ids.items():
            for _ in calls.WatchJob(pb.WatchJobRequest(job_id=job_id), timeout=600):
                pass
            found = answered(name, calls.GetJob(pb.GetJobRequest(job_id=job_id), timeout=30).job, {})
            if found:
                raise SystemExit(f"without any kill: {found}")
        wanted = {
            name: Wanted.of(folder / "out" / name, findings=findings(service, spec.output.path))
            for name, spec in jobs.items()
        }
    finally:
        service.end()
    return wanted


def _no_sockets(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_socket()]


def main(words: list[str] | None = None) -> int:
    """Kill, print, and fail where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", default="plate", help="an engine that can do the jobs")
    parser.add_argument("--jobs", default=",".join(JOBS), help="which of them, with commas between")
    parser.add_argument("--round", type=int, help="this round only")
    parser.add_argument("--kernels", type=Path, help="folder of compiled kernels, kept for the next run")
    parser.add_argument("--keep", type=Path, help="folder for the homes and outputs of rounds with faults")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    arguments = parser.parse_args(words)
    kernels = arguments.kernels or Path(tempfile.gettempdir()) / "overscan-benchmark-kernels"
    began = time.monotonic()
    say(f"seed {arguments.seed}")
    tally = run(
        kills=arguments.kills,
        seed=arguments.seed,
        workers=arguments.workers,
        kernels=kernels.resolve(),
        engine=arguments.engine,
        names=arguments.jobs.split(","),
        only=arguments.round,
        keep=arguments.keep,
    )
    figures = {
        "seed": arguments.seed,
        "kills": dict(tally.kills),
        "moments": dict(tally.moments),
        "stops": tally.stops,
        "missed": tally.missed,
        "jobs": tally.jobs,
        "frames": tally.frames,
        "retried": tally.retried,
        "reconnects": tally.reconnects,
        "faults": tally.faults,
        "seconds": round(time.monotonic() - began, 1),
    }
    text = json.dumps(figures, indent=1)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
