"""What the tests of the double share; it runs under every Python that Nuke has."""

from __future__ import annotations

import unittest
from typing import Any

from tests.hosts.nuke_double import double


class DoubleCase(unittest.TestCase):
    """A fresh double for every test, as `self.nuke`; rules that were broken fail the test at its end."""

    VERSION, GUI = "15.1v3", True

    def setUp(self) -> None:
        self.nuke: Any = double.install(version=self.VERSION, gui=self.GUI)
        self.addCleanup(double.uninstall)
