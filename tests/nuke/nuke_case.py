"""A test case with a fresh double of Nuke and a fresh plugin. Standard library, Python 3.7."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from tests.hosts.nuke_double import double


def forget_plugin() -> None:
    """Have the plugin imported anew: its modules hold the `nuke` that was there when they were loaded."""
    for name in [name for name in sys.modules if name.split(".")[0] == "overscan_nuke"]:
        del sys.modules[name]


class NukeCase(unittest.TestCase):
    """`self.nuke` is the double; at the end every broken rule of Nuke's fails the test."""

    gui = True
    version = "13.2v1"
    nuke: Any

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="overscan-nuke-test-"))
        self.addCleanup(shutil.rmtree, str(self.folder), ignore_errors=True)
        changes = {
            "OVERSCAN_NUKE_PREFERENCES": str(self.folder / "preferences.json"),
            "OVERSCAN_NUKE_CACHE": str(self.folder / "cache"),
            "OVERSCAN_COMMAND": str(self.folder / "no-such-command"),
        }
        patch = mock.patch.dict(os.environ, changes)
        patch.start()
        self.addCleanup(patch.stop)
        os.environ.pop("OCIO", None)
        forget_plugin()
        self.nuke = double.install(version=self.version, gui=self.gui)
        self.addCleanup(forget_plugin)
        self.addCleanup(double.uninstall)
        self.addCleanup(self._close)

    def _close(self) -> None:
        if "overscan_nuke._session" in sys.modules:
            sys.modules["overscan_nuke._session"].close()

    def save(self, name: str = "shot_v003.nk") -> Path:
        """Save the script under a name in the test's folder."""
        path = self.folder / name
        self.nuke.scriptSaveAs(str(path), overwrite=1)
        return path

    def read(self, pattern: str = "/plates/a.%04d.exr", first: int = 1001, last: int = 1010, **knobs: Any) -> Any:
        """A Read of some files, which need not be there."""
        node = self.nuke.nodes.Read()
        node["file"].setValue(pattern)
        for name, value in (("first", first), ("last", last), ("origfirst", first), ("origlast", last)):
            node[name].setValue(value)
        for name, value in knobs.items():
            node[name].setValue(value)
        return node

    def make(self, kind: str = "extend", plate: Any = None) -> Any:
        """An Overscan node."""
        import overscan_nuke

        for node in self.nuke.selectedNodes():
            node.setSelected(False)
        node = overscan_nuke.create(kind)
        if plate is not None:
            node.setInput(0, plate)
        return node
