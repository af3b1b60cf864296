"""A report from the command line: ``python -m overscan.core.report NAME [--html DIR] [--pdf FILE] [--csv FILE]``.

The home folder is ``$OVERSCAN_HOME``. Every line on stdout is one JSON object with a ``type``; `overscan report` shows
them to people. Returns 0, and 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from overscan.core.errors import OverscanError
from overscan.core.orders import KeySource
from overscan.core.receipts import Notary
from overscan.core.report import JobEntry, ReportError, build, csv_text, to_plain, write_pages, write_pdf
from overscan.core.report._pages import Sign
from overscan.core.temporaries import written_beside


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one report."""
    parser = argparse.ArgumentParser(prog="python -m overscan.core.report", description=__doc__)
    parser.add_argument("name", help="a show, SHOW/SHOT, a shot, or a job")
    for option, what in (("html", "folder for web pages"), ("pdf", "PDF file"), ("csv", "CSV file")):
        parser.add_argument(f"--{option}", default="", help=what)
    options = parser.parse_args(arguments)
    home = Path(os.environ["OVERSCAN_HOME"])
    keys = _keys(home)
    version = metadata.version("overscan")
    try:
        report = build(name=options.name, home=home, keys=keys, now=datetime.now(timezone.utc), version=version)
        sign = _signing(Notary(source=keys, version=version)) if options.html or options.pdf else None
        pages = Path(options.html).absolute() if options.html else None
        if pages:
            _say("written", {"path": str(write_pages(report=report, folder=pages, sign=sign))})
        if options.pdf:
            write_pdf(report=report, path=Path(options.pdf).absolute(), sign=sign, pages=pages)
            _say("written", {"path": str(Path(options.pdf).absolute())})
        if options.csv:
            _write_csv(Path(options.csv).absolute(), csv_text(report))
            _say("written", {"path": str(Path(options.csv).absolute())})
        _say("report", to_plain(report))
    except OverscanError as error:
        _say("error", error.record.to_dict())
        return 1
    return 0


def _keys(home: Path) -> KeySource:
    """The keys that the service of this home folder is told to use, by the same variables."""

    def named(name: str) -> Path | None:
        value = os.environ.get(f"OVERSCAN_{name}")
        return Path(value).expanduser().resolve() if value else None

    return KeySource(
        folder=home / "keys",
        certificate=named("SIGNING_CERTIFICATE"),
        private_key=named("SIGNING_KEY"),
        anchors=named("TRUST_ANCHORS"),
    )


def _signing(notary: Notary) -> Sign:
    def sign(data: bytes, job: JobEntry, frame: int) -> bytes:
        receipt = job.receipt
        facts = {"job": receipt.run.job_id, "frame": frame, "use": receipt.job.use, "engine": receipt.engine.name}
        model = receipt.model is not None or receipt.engine.card.get("training_data") != "none"
        title = f"{Path(receipt.result.pattern).name} {frame}"
        return notary.embed(data, media_type="image/jpeg", title=title, facts=facts, model=model)

    return sign


def _write_csv(path: Path, text: str) -> None:
    try:
        with written_beside(path) as temporary:
            # The mark at the beginning has spreadsheets read UTF-8.
            temporary.write_bytes(b"\xef\xbb\xbf" + text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise ReportError(
            f"the table cannot be written: {error.strerror}.",
            next_step="Check the folder and its disk, or choose another.",
            path=path,
            field="csv",
        ) from error


def _say(kind: str, facts: Mapping[str, object]) -> None:
    print(json.dumps({"type": kind, **facts}, allow_nan=False), flush=True)


if __name__ == "__main__":
    sys.exit(main())
