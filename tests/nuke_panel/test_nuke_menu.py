"""Menus and the panel in the double: what Nuke is told, and that it works when it is clicked."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BLOCK_SECONDS_MAX = 0.05


@pytest.fixture
def nuke(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Nuke with a window that has just started."""
    from tests.hosts.nuke_double import double

    monkeypatch.setenv("OVERSCAN_COMMAND", f"{sys.executable} -m overscan.cli bridge")
    monkeypatch.setenv("OVERSCAN_HOME", environment["OVERSCAN_HOME"])
    monkeypatch.setenv("OVERSCAN_IDLE_EXIT", "60")
    monkeypatch.setenv("OVERSCAN_NUKE_PREFERENCES", str(tmp_path / "overscan.json"))
    module = double.install(version="16.0v4", gui=True)
    yield module
    ours = [name for name in sys.modules if name.startswith("overscan_nuke") and "panel" not in name]
    if "overscan_nuke._session" in sys.modules:
        sys.modules["overscan_nuke._session"].close()
    for name in ours:  # they hold the `nuke` of this test
        del sys.modules[name]
    double.uninstall()


def labels(menus: Any, name: str) -> list[str]:
    return [label for label in menus if label.startswith(name)]


def test_every_kind_is_in_the_menus_and_makes_its_node(nuke: Any) -> None:
    import overscan_nuke
    from overscan_nuke import _menu

    _menu.start()
    _menu.add_menus()
    for bar in ("Nodes", "Nuke"):
        menu = nuke.menu(bar).findItem("Overscan")
        for kind in overscan_nuke.KINDS:
            item = menu.findItem(f"Overscan {kind.capitalize()}")
            assert item is not None, (bar, kind)
            item.invoke()
    made = sorted(node.name() for node in nuke.allNodes("Group"))
    assert len(made) == 2 * len(overscan_nuke.KINDS)
    assert {"Extend1", "Extend2", "Generate2"} <= set(made)
    queue = nuke.menu("Nuke").findItem("Overscan").findItem("Queue")
    assert queue is not None


def test_without_a_bridge_the_panel_says_why(
    nuke: Any, qt: Any, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from overscan_nuke import panel as panels

    monkeypatch.delenv("OVERSCAN_COMMAND")  # and the sources have no overscan_install.json
    panel = panels.queue_panel()
    panel.show()
    assert panel.board.service == "unreachable"
    assert "overscan_install.json" in panel.empty.text.text()
    assert "OVERSCAN_COMMAND" in panel.empty.text.text(), "what to do"
    panel.shut_down()
    panel.close()


def test_the_panel_lives_in_nuke(nuke: Any, qt: Any, platform: str) -> None:
    from overscan_nuke import _menu
    from tests.hosts.nuke_double import double

    _menu.add_menus()
    registered = double.session().panels[_menu.PANEL_ID]
    assert registered.name == "Overscan"
    panel = eval(registered.widget)()
    panel.show()
    double.pump(until=lambda: panel.board.service in ("up", "down"), limit_seconds=60, also=qt.processEvents)
    if panel.board.service == "down":
        panel.empty.button.click()
        double.pump(until=lambda: panel.board.service == "up", limit_seconds=60, also=qt.processEvents)
    panel.shut_down()
    panel.close()
    qt.processEvents()
    assert double.longest_block().own_seconds < BLOCK_SECONDS_MAX
    assert os.environ["OVERSCAN_COMMAND"]
