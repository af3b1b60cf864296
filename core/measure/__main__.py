"""Measure results from the command line: ``python -m overscan.core.measure compare …``.

The last line on stdout is one JSON object with ``--json``, a small table without. Progress goes to stderr, with
``--json`` as JSON lines.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from overscan.core.errors import OverscanError
from overscan.core.measure._compare import Comparison, compare
from overscan.core.measure._measured import Scores


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, or 1 after an error that is shown on stderr."""
    parser = argparse.ArgumentParser(prog="python -m overscan.core.measure", description=__doc__)
    command = parser.add_subparsers(dest="command", required=True).add_parser(
        "compare", help="a result against the truth and against per-frame OpenCV inpainting"
    )
    command.add_argument("--plate", required=True, help="path pattern of the plate")
    command.add_argument("--result", required=True, help="path pattern of the result, extras in the file")
    command.add_argument("--truth", required=True, help="path pattern of what the result should be")
    command.add_argument("--out", required=True, type=Path, help="folder for the contact sheet and the movie")
    command.add_argument("--colorspace", default="", help="of all three; default: what the files say")
    command.add_argument("--config", default="", help="OpenColorIO configuration; default: $OCIO, else built in")
    command.add_argument("--json", action="store_true", help="one JSON object on stdout, JSON lines on stderr")
    options = parser.parse_args(arguments)

    def show(done: int, total: int) -> None:
        line = json.dumps({"event": "progress", "done": done, "total": total}) if options.json else f"{done}/{total}"
        print(line, file=sys.stderr, flush=True)

    try:
        found = compare(
            plate=options.plate,
            result=options.result,
            truth=options.truth,
            out=options.out,
            colour_space=options.colorspace,
            config=options.config,
            progress=show,
        )
    except OverscanError as error:
        record = {"event": "error", **error.record.to_dict()}
        print(json.dumps(record) if options.json else f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(found)) if options.json else _table(found))
    return 0


def _table(found: Comparison) -> str:
    lines = [
        f"frames {found.frames}: {found.generated_share:.1%} generated, of which {found.copied_share:.1%} copied from "
        f"other frames, {found.synthesised_share:.1%} synthesised",
        f"plate samples changed: {found.plate_differing_samples}",
        f"{'':24}{'PSNR':>9}{'log-PSNR':>11}{'SSIM':>8}{'detail':>8}",
        _line("result", found.result),
        *([_line("  where seen elsewhere", found.result_where_seen)] if found.result_where_seen else []),
        _line("OpenCV Telea per frame", found.telea),
        f"contact sheet: {found.contact_sheet}",
        f"movie: {found.movie}",
    ]
    return "\n".join(lines)


def _line(name: str, scores: Scores) -> str:
    decibels = f"{scores.psnr_db:6.2f} dB{scores.log_psnr_db:8.2f} dB"
    detail = "      --" if scores.high_frequency_ratio is None else f"{scores.high_frequency_ratio:8.2f}"
    return f"{name:24}{decibels}{scores.ssim:8.3f}{detail}"


if __name__ == "__main__":
    raise SystemExit(main())
