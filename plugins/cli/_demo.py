"""`overscan demo`: extends the example plate as any user would, checks it, and measures it against the truth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from overscan.cli._display import counter
from overscan.cli._exit import ExitCode
from overscan.cli._follow import follow
from overscan.cli._report import Outcome, Report
from overscan.cli._verify import verify_with
from overscan.cli._words import columns
from overscan.client import ServiceError, connect, load_job_file, make_problem
from overscan.v1.plan_pb2 import Problem


def demonstrate(out: str, *, report: Report) -> Outcome:
    """Run the demo into the folder `out`, replacing what an earlier demo wrote there."""
    from overscan.examples import folder as examples_folder

    examples = examples_folder()
    target = Path(os.path.abspath(out))  # noqa: PTH100 (resolve() would follow links)
    spec = load_job_file(examples / "extend.yaml")
    spec.output.path = str(target / "extended.%04d.exr")
    spec.output.overwrite = True
    report.note(f"Extending {spec.plate.path} to {spec.extend.format.size.width}x{spec.extend.format.size.height}.")
    with connect() as client:
        rendered = follow(client, lambda: client.create(spec=spec), report=report)
        if rendered.exit_code != ExitCode.OK:
            return rendered
        checked = verify_with(client, spec.output.path, plate=spec.plate.path, report=report)
        if checked.exit_code != ExitCode.OK:
            return checked
    measured = _measure(
        plate=spec.plate.path,
        result=spec.output.path,
        truth=str(examples / "truth" / "truth.####.exr"),
        out=target,
        report=report,
    )
    report.record("measure", measured)
    report.say(_table(rendered=rendered, checked=checked, measured=measured))
    return Outcome(
        facts={
            "seconds_per_frame": rendered.facts["seconds_per_frame"],
            "verification": checked.facts["verification"],
            "measured": measured,
            "frames": spec.output.path,
            "contact_sheet": measured["contact_sheet"],
            "movie": measured["movie"],
        }
    )


def _measure(*, plate: str, result: str, truth: str, out: Path, report: Report) -> dict[str, Any]:
    command = [sys.executable, "-m", "overscan.core.measure", "compare", "--plate", plate, "--result", result]
    command += ["--truth", truth, "--out", str(out), "--json"]
    problem: Problem | None = None
    said: list[str] = []
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    with (
        counter(report, "measuring against the truth") as show,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", env=environment
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        # Its one line of output fits into the pipe, so that reading the progress first cannot block it.
        for line in process.stderr:
            event = _json_object(line)
            if event.get("event") == "progress":
                show(int(event["done"]), int(event["total"]))
            elif event.get("event") == "error":
                known = {field.name for field in Problem.DESCRIPTOR.fields}
                problem = Problem(**{name: value for name, value in event.items() if name in known and value})
            else:
                said.append(line.rstrip())
        lines = process.stdout.read().strip().splitlines()
    measured = _json_object(lines[-1]) if lines else {}
    if process.returncode == 0 and measured:
        return measured
    problem = problem or make_problem(
        "INTERNAL",
        f"Measuring the result failed with exit code {process.returncode}: {' '.join(said[-3:])}",
        next_step="Run `overscan doctor`; the frames themselves are finished.",
        path=str(out),
    )
    raise ServiceError([problem])


def _json_object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _table(*, rendered: Outcome, checked: Outcome, measured: dict[str, Any]) -> str:
    ours, telea = measured["result"], measured["telea"]
    verification: Any = checked.facts["verification"]
    quality = [
        ("in the generated region", "Overscan", "OpenCV Telea, frame by frame"),
        ("PSNR", f"{ours['psnr_db']:.2f} dB", f"{telea['psnr_db']:.2f} dB"),
        ("PSNR, log light", f"{ours['log_psnr_db']:.2f} dB", f"{telea['log_psnr_db']:.2f} dB"),
        ("SSIM", f"{ours['ssim']:.3f}", f"{telea['ssim']:.3f}"),
    ]
    facts = [
        ("seconds per frame", f"{rendered.facts['seconds_per_frame']}"),
        ("plate samples changed", f"{verification['differing']:,} of {verification['samples']:,}"),
        ("generated", f"{measured['generated_share']:.1%} of the picture"),
        ("  copied from other frames", f"{measured['copied_share']:.1%} of that"),
        ("  synthesised", f"{measured['synthesised_share']:.1%} of that"),
    ]
    files = [
        ("frames", str(rendered.facts["output"])),
        ("contact sheet", measured["contact_sheet"]),
        ("movie", measured["movie"]),
    ]
    return "\n" + "\n\n".join(columns([*rows], indent="  ") for rows in (facts, quality, files)) + "\n"
