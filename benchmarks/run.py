"""All quality and speed tables, by one command: Markdown on stdout, JSON in a file.

    python benchmarks/run.py                                     # everything, for hours
    python benchmarks/run.py outpainting --clips libby --quick   # does it run at all?
    python benchmarks/run.py hdr --clips pan grain --sheets /tmp/sheets --set quality=preview

Columns: PSNR and SSIM (11 px) of display-encoded pictures, log-PSNR in ACEScct-shaped codes; detail, flicker and grain
are multiples of the truth's, 1 being right; FLIP is 0 for equal pictures, JOD (ColorVideoVDP) 10; seam is the step of
exposure across the border beyond the truth's; drift is how far a fill lies from its place; changed counts samples of
the plate that are not what they were. Baselines fill each frame on its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import clean_plate
import davis
import hdr
import speed
from gates import gates
from perceptual import PACKAGES, has
from record import Row, gate_table, means, new_record, table, with_rows, write_json
from suite import Settings, say

from overscan.core.jobs import ParameterValue

SUITES: Mapping[str, Callable[[Settings], list[Row]]] = {
    davis.OUTPAINTING: davis.run_outpainting,
    davis.INPAINTING: davis.run_inpainting,
    davis.REMOVAL: davis.run_removal,
    hdr.SUITE: hdr.run,
    clean_plate.SUITE: clean_plate.run,
    speed.SUITE: speed.run,
}
_BY_DEFAULT = [name for name in SUITES if name != davis.REMOVAL]


def main() -> int:
    """Run the suites, print and store what they measured; 0, also where a gate is not met: the table says so."""
    options = _options()
    settings = Settings(
        data=options.data,
        davis=options.davis or options.data / "davis-dev",
        clips=tuple(options.clips or ()),
        quick=options.quick,
        processes=options.processes,
        perceptual=not options.no_perceptual,
        baselines=not options.no_baselines,
        sheets=options.sheets,
        parameters=dict(options.set or ()),
    )
    for module, package in PACKAGES.items():
        if not has(module):
            say(f"{package} is not installed, its column or rows stay empty: pip install 'overscan[benchmarks]'")
    record = new_record(command=sys.argv, quick=options.quick)
    rows: list[Row] = []
    for name in options.suites or _BY_DEFAULT:
        own = SUITES[name](settings)
        if not own:
            say(f"{name}: no case is called {' or '.join(settings.clips)}")
            continue
        rows += own
        average = means(own) if name in (davis.OUTPAINTING, davis.INPAINTING) else []
        sys.stdout.write(f"\n## {name}\n\n{table([*own, *average])}\n")
        sys.stdout.flush()
        # After each suite, so that an interrupted run keeps what it has.
        found = [] if options.quick else gates(rows)
        write_json(with_rows(record, rows, found), options.json)
    if not rows:
        return 1
    if not options.quick:
        sys.stdout.write(f"\n## What must be shown\n\n{gate_table(gates(rows))}\n")
    say(f"stored in {options.json}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "suites", nargs="*", metavar="suite", help=f"of {', '.join(SUITES)}; default: all but {davis.REMOVAL}"
    )
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder with davis-dev, hdr-stills, intel"
    )
    parser.add_argument("--davis", type=Path, help="folder with JPEGImages/<clip>/*.jpg; default: davis-dev in --data")
    parser.add_argument("--clips", nargs="+", metavar="NAME", help="only these cases")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/benchmarks.json"))
    parser.add_argument("--sheets", type=Path, metavar="FOLDER", help="write a contact sheet for each case")
    parser.add_argument("--processes", type=int, default=2, help="cases at a time, which share the cores")
    parser.add_argument("--set", nargs="+", type=_parameter, metavar="NAME=VALUE", help="parameters of the engine")
    parser.add_argument(
        "--quick", action="store_true", help="few small frames: shows that it runs, proves nothing else"
    )
    parser.add_argument("--no-perceptual", action="store_true", help="leave out FLIP and ColorVideoVDP")
    parser.add_argument("--no-baselines", action="store_true", help="the engine alone")
    options = parser.parse_args()
    unknown = [name for name in options.suites if name not in SUITES]
    if unknown:
        parser.error(f"there is no suite {', '.join(unknown)}; there are {', '.join(SUITES)}")
    return options


def _parameter(text: str) -> tuple[str, ParameterValue]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text}")
    if value in ("true", "false"):
        return name, value == "true"
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


if __name__ == "__main__":
    sys.exit(main())
