"""The web pages of a report, made of a real job: whole, offline, and looked at in a real browser."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import urllib.parse
from collections.abc import Iterator
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from delivering import Delivered, deliver
from filming import pan

from overscan.core.jobs import Extend, Labels, Margins
from overscan.core.receipts import Notary, SignatureReader
from overscan.core.report import Report, ReportError, build, write_pages, write_pdf

SHOW = '<script>alert("é")</script> & co'
NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None
)
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="needs Chromium or Chrome; on Debian: apt-get install chromium"
)
COPIED = (0, 114, 178)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    """A job with a margin that is copied on one side and synthesised on the other."""
    root = tmp_path_factory.mktemp("report")
    plate = pan(root / "p", size=(96, 64), frames=(1001, 1002, 1003, 1004))
    task = Extend(margins=Margins(left=24, right=24))
    return deliver(root, task, plate, labels=Labels(show=SHOW, shot="0/1.0"))


def report_on(made: Delivered) -> Report:
    return build(name=SHOW, home=made.root / "home", keys=made.keys, now=NOW, version="1")


@pytest.fixture(scope="module")
def folder(made: Delivered, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "a report"
    notary = Notary(source=made.keys, version="1")

    def sign(data: bytes, job: object, frame: int) -> bytes:
        return notary.embed(data, media_type="image/jpeg", title="t", facts={"frame": frame}, model=False)

    write_pages(report=report_on(made), folder=folder, sign=sign)
    return folder


class Links(HTMLParser):
    """Tags of a page, and all that they refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: set[str] = set()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.add(str(value))
            elif name in ("href", "src", "srcset", "action", "data", "poster"):
                self.targets.append(str(value))


def pages(folder: Path) -> Iterator[tuple[Path, Links]]:
    for page in sorted(folder.rglob("*.html")):
        links = Links()
        links.feed(page.read_text(encoding="utf-8"))
        yield page, links


def test_every_link_leads_to_a_file_of_the_report(folder: Path) -> None:
    assert len(list(pages(folder))) == 3
    reached = set()
    for page, links in pages(folder):
        assert links.targets
        assert not links.tags & {"script", "link", "iframe", "object", "embed", "form"}
        for target in links.targets:
            parts = urllib.parse.urlsplit(target)
            assert not parts.scheme and not parts.netloc and not parts.path.startswith("/"), target
            if parts.path:
                there = (page.parent / urllib.parse.unquote(parts.path)).resolve()
                assert there.is_file() and there.is_relative_to(folder.resolve()), target
                reached.add(there)
            else:
                assert parts.fragment in links.ids, target
        assert "url(" not in page.read_text(encoding="utf-8")
    unlinked = {path.resolve() for path in folder.rglob("*") if path.is_file()} - reached
    assert {path.suffix for path in unlinked} <= {".c2pa"}, "all but signatures can be reached"


def test_what_people_wrote_is_text_and_nothing_else(folder: Path) -> None:
    for page, links in pages(folder):
        text = page.read_text(encoding="utf-8")
        assert "<script" not in text
        assert html.escape(SHOW, quote=False).replace('"', "&#34;") in text.replace("&quot;", "&#34;")
        assert "script" not in links.tags
    (shot,) = (folder / "shots").iterdir()
    assert re.fullmatch(r"[A-Za-z0-9-]+\.html", shot.name)


def test_receipts_and_signatures_are_copied_as_they_are(folder: Path, made: Delivered) -> None:
    for source in (made.root / "home/receipts").iterdir():
        assert (folder / "receipts" / source.name).read_bytes() == source.read_bytes()


def test_pictures_show_what_came_from_where_and_are_signed(folder: Path, made: Delivered) -> None:
    looks = sorted((folder / "pictures").glob("*[0-9].jpg"))
    overlays = sorted((folder / "pictures").glob("*.sources.jpg"))
    assert len(looks) == len(overlays) == 3
    shares = made.receipt.frames[0].shares
    picture = cv2.imread(str(overlays[0]))[..., ::-1].astype(int)
    assert picture.shape == (64, 144, 3), "never larger than the frame"
    reddish, blueish = picture[..., 0] - picture[..., 2] > 40, picture[..., 2] - picture[..., 0] > 40
    assert reddish[:, 26:118].mean() < 0.02 and blueish[:, 26:118].mean() < 0.02, "the plate itself is grey"
    assert blueish.mean() == pytest.approx(shares.copied, abs=0.03)
    assert reddish.mean() == pytest.approx(shares.synthesised, abs=0.03)
    reader = SignatureReader(source=made.keys)
    signature = reader.read_embedded(overlays[0].read_bytes(), media_type="image/jpeg")
    assert signature is not None and signature.intact
    assert signature.facts["frame"] == 1001


def test_a_frame_that_was_changed_or_lost_is_said_to_be(made: Delivered, tmp_path: Path) -> None:
    first, last = made.frame(1001), made.frame(1004)
    kept = first.read_bytes(), last.read_bytes()
    try:
        first.write_bytes(made.frame(1002).read_bytes())
        last.unlink()
        write_pages(report=report_on(made), folder=tmp_path / "r")
    finally:
        first.write_bytes(kept[0])
        last.write_bytes(kept[1])
    (shot,) = (tmp_path / "r/shots").iterdir()
    text = shot.read_text(encoding="utf-8")
    assert "Frame 1001: this file is not the one that the receipt speaks of" in text
    assert "No picture:" in text
    assert "are gone or have another size" in (tmp_path / "r/index.html").read_text(encoding="utf-8")


def test_a_newer_report_takes_the_place_of_an_older_one_and_of_nothing_else(made: Delivered, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    write_pages(report=report_on(made), folder=folder)
    stale = folder / "shots" / "gone.html"
    stale.write_text("older")
    data = json.loads((folder / "report.json").read_text())
    data["files"] += ["shots/gone.html", "../outside.txt"]
    (folder / "report.json").write_text(json.dumps(data))
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    write_pages(report=report_on(made), folder=folder)
    assert not stale.exists()
    assert outside.read_text() == "mine"
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "notes.txt").write_text("mine")
    with pytest.raises(ReportError, match="not empty"):
        write_pages(report=report_on(made), folder=tmp_path / "b")
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["notes.txt"]


PROBE = """<!doctype html><meta charset="utf-8"><title>probe</title><body><pre id="out"></pre><script>
const pages = %s, sizes = [1200, 420], found = [];
function next(index) {
  if (index === pages.length * sizes.length) {
    document.getElementById("out").textContent = JSON.stringify(found); return;
  }
  const frame = document.createElement("iframe");
  frame.style.width = sizes[index %% sizes.length] + "px"; frame.style.height = "900px";
  frame.onload = () => {
    const page = frame.contentDocument, root = page.documentElement;
    const wrap = page.querySelector("main").getBoundingClientRect();
    const texts = [...page.querySelectorAll("h1, h2, h3, p, dd, dt, .badge, figcaption, .answers td")];
    found.push({
      page: pages[Math.floor(index / sizes.length)], width: root.clientWidth, scroll: root.scrollWidth,
      pictures: [...page.images].length, missing: [...page.images].filter(item => !item.naturalWidth).length,
      outside: texts.filter(item => item.getBoundingClientRect().right > wrap.right + 1).length,
      styled: frame.contentWindow.getComputedStyle(page.querySelector("h1")).fontSize,
      heading: page.querySelector("h1").textContent });
    frame.remove(); next(index + 1);
  };
  frame.src = pages[Math.floor(index / sizes.length)];
  document.body.append(frame);
}
next(0);
</script>"""


def browse(*arguments: str, scratch: Path) -> str:
    """What headless Chromium says, without a network."""
    command = [
        str(BROWSER),
        "--headless",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={scratch / 'profile'}",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@needs_browser
def test_pages_hold_together_in_chromium(folder: Path, tmp_path: Path) -> None:
    """At the width of a desk and of a telephone; all pictures there; every page reached by its link."""
    probe = tmp_path / "probe.html"
    wanted = [page.as_uri() for page, _ in pages(folder)]
    probe.write_text(PROBE % json.dumps(wanted), encoding="utf-8")
    dom = browse(
        "--allow-file-access-from-files", "--virtual-time-budget=20000", "--dump-dom", probe.as_uri(), scratch=tmp_path
    )
    found = json.loads(html.unescape(dom.partition('<pre id="out">')[2].partition("</pre>")[0]))
    assert [item["page"] for item in found] == [page for page in wanted for _ in range(2)]
    for item in found:
        assert item["scroll"] <= item["width"], f"{item} scrolls sideways"
        assert item["pictures"] >= 1
        assert (item["missing"], item["outside"]) == (0, 0), item
        assert item["styled"] == "28px", "its style sheet is in it"
        assert "<script>" in item["heading"]


@needs_browser
def test_the_pdf_is_printed_without_a_network(made: Delivered, tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    write_pdf(report=report_on(made), path=path)
    data = path.read_bytes()
    assert data.startswith(b"%PDF-")
    assert len(re.findall(rb"/Subtype\s*/Image", data)) >= 6


@pytest.mark.parametrize("says", ["nothing", "a browser that fails"])
def test_without_a_browser_there_is_no_pdf_and_it_is_said(
    says: str, made: Delivered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = tmp_path / "browser"
    if says != "nothing":
        browser.write_text("#!/bin/sh\necho no display >&2\nexit 3\n")
        browser.chmod(0o755)
    monkeypatch.setenv("OVERSCAN_BROWSER", str(browser))
    with pytest.raises(ReportError) as caught:
        write_pdf(report=report_on(made), path=tmp_path / "report.pdf")
    assert ("apt-get install chromium" if says == "nothing" else "no display") in str(caught.value)
    assert "print.html" in caught.value.record.next_step
    assert not (tmp_path / "report.pdf").exists()


def test_pictures_are_of_the_frame_itself(folder: Path) -> None:
    looks = [cv2.imread(str(path)).astype(np.float32) for path in sorted((folder / "pictures").glob("*[0-9].jpg"))]
    assert all(look.std() > 10 for look in looks)
    assert np.abs(looks[0] - looks[-1]).mean() > 1, "the camera moves"
