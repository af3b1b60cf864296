"""The preferences page on a screen, with a real file and a real cache."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    for name, age in (("new", 0), ("old", 30 * 86400)):
        entry = tmp_path / "cache" / "plates" / name
        entry.mkdir(parents=True)
        for file in ("overscan_cache.json", "frame.1001.exr"):
            (entry / file).write_bytes(b"x" * 500_000)
            os.utime(entry / file, (time.time() - age, time.time() - age))
    (tmp_path / "cache" / "theirs.exr").write_bytes(b"x")
    return tmp_path / "cache"


@pytest.fixture
def make_page(screen: Any, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    from overscan_nuke.panel._preferences_page import PreferencesPage

    pages = []

    def make() -> Any:
        page = PreferencesPage(path=tmp_path / "overscan.json")
        page.show()
        screen.settle()
        pages.append(page)
        return page

    yield make
    for page in pages:
        page.close()
        page.deleteLater()
    screen.settle()


def test_what_is_set_is_in_the_file_and_comes_back(make_page: Any, tmp_path: Path, screen: Any) -> None:
    page = make_page()
    page.output_template.setText("/show/{user}/{node}/{version}/{node}.%04d.exr")
    page.quality.setCurrentIndex(page.quality.findData("preview"))
    page.command.setText("/opt/overscan/bin/overscan bridge")
    assert "/show/" in page.example.text() and "Extend1" in page.example.text()
    saved: list[bool] = []
    page.saved.connect(lambda: saved.append(True))
    page.save.click()
    assert saved == [True]
    assert not page.isVisible()
    values = json.loads((tmp_path / "overscan.json").read_text())
    assert values["quality"] == "preview"
    again = make_page()
    assert again.edited().command == "/opt/overscan/bin/overscan bridge"
    assert again.quality.currentData() == "preview"


def test_what_cannot_be_is_said_at_once_and_not_saved(make_page: Any, tmp_path: Path, shots: Path | None) -> None:
    page = make_page()
    page.output_template.setText("/show/{node}.%04d.exr")
    assert "{version}" in page.problem.text()
    assert not page.save.isEnabled()
    page.grab().save(str((shots or tmp_path) / "preferences_wrong.png"))
    page.output_template.setText("/show/{node}_{version}.%04d.exr")
    assert page.save.isEnabled() and not page.problem.isVisible()
    assert not (tmp_path / "overscan.json").exists()


def test_a_damaged_file_is_said(make_page: Any, tmp_path: Path) -> None:
    (tmp_path / "overscan.json").write_text("{")
    assert "cannot be read" in make_page().problem.text()


def test_a_file_that_cannot_be_written_is_said(make_page: Any, tmp_path: Path) -> None:
    page = make_page()
    (tmp_path / "overscan.json").mkdir()
    page.save.click()
    assert page.isVisible()
    assert "cannot be written" in page.problem.text()


def test_the_cache_is_counted_and_purged_beside_the_screen(
    make_page: Any, screen: Any, cache: Path, shots: Path | None, tmp_path: Path
) -> None:
    page = make_page()
    page.cache_folder.setText(str(cache))
    page.count_cache()
    assert page.cache_size.text() == "Counting …"
    screen.until(lambda: page.cache_size.text().startswith("2 plates, 2.0 MB"))
    page.grab().save(str((shots or tmp_path) / "preferences.png"))
    page.purge_old.click()
    screen.until(lambda: page.cache_size.text().startswith("Removed 1.0 MB. 1 plate, 1.0 MB"))
    page.purge_all.click()
    screen.until(lambda: "0 plates" in page.cache_size.text())
    assert (cache / "theirs.exr").exists()
    assert not page.purge_all.isEnabled()
