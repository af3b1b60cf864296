"""A report as a PDF, printed by a browser that is there (decision 0014)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from overscan.core.report._facts import Report
from overscan.core.report._pages import WHOLE, Sign, write_pages
from overscan.core.report._select import ReportError
from overscan.core.temporaries import written_beside

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge", "microsoft-edge")
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
_LIMIT_SECONDS = 300.0


def write_pdf(*, report: Report, path: Path, sign: Sign | None = None, pages: Path | None = None) -> None:
    """Print `report` into the PDF file `path`, in place of any that is there.

    `pages` is a folder with its web pages, where they have been written already.

    Needs Chromium, Chrome or Edge; ``$OVERSCAN_BROWSER`` names one elsewhere. It runs without a network and with a
    profile of its own. Raises `ReportError`.
    """
    browser = _browser()
    with tempfile.TemporaryDirectory(prefix="overscan-report-") as scratch:
        printed = Path(scratch) / "report.pdf"
        if pages is None:
            pages = Path(scratch) / "pages"
            write_pages(report=report, folder=pages, sign=sign)
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={Path(scratch) / 'profile'}",
            *_as_root(),
            "--no-pdf-header-footer",
            f"--print-to-pdf={printed}",
            (pages / WHOLE).as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_LIMIT_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failed(browser, str(error)) from error
        if not printed.exists() or not printed.read_bytes().startswith(b"%PDF-"):
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise _failed(browser, said[-1] if said else f"it ended with {done.returncode}")
        try:
            with written_beside(path) as temporary:
                shutil.copyfile(printed, temporary)
        except OSError as error:
            raise ReportError(
                f"the PDF cannot be written: {error.strerror}.",
                next_step="Check the folder and its disk, or choose another.",
                path=path,
                field="pdf",
            ) from error


def _browser() -> str:
    for place in _candidates():
        if found := shutil.which(place):
            return found
    raise ReportError(
        "a PDF needs a browser to print it, and neither Chromium nor Chrome nor Edge is there.",
        next_step="Install one (Debian: apt-get install chromium), name one in OVERSCAN_BROWSER, or write --html and "
        "print the page print.html from any browser.",
        field="pdf",
    )


def _candidates() -> Iterator[str]:
    named = os.environ.get("OVERSCAN_BROWSER")
    if named:
        yield named
    else:
        yield from (*_NAMES, *_PLACES)


def _as_root() -> list[str]:
    """Chromium refuses to sandbox what runs as root, as in containers; the only page it opens is our own."""
    return ["--no-sandbox"] if sys.platform != "win32" and os.geteuid() == 0 else []


def _failed(browser: str, why: str) -> ReportError:
    return ReportError(
        f"the browser '{browser}' did not print the report: {why}.",
        next_step="Write --html, and print the page print.html from any browser.",
        field="pdf",
    )
