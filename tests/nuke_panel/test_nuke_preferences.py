"""The preferences file: defaults, what is wrong with it, and that nothing in it is lost. Standard library only."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path

from overscan_nuke._preferences import (
    OUTPUT_TEMPLATE,
    Preferences,
    PreferencesError,
    default_cache_folder,
    load_preferences,
    preferences_path,
    save_preferences,
    template_problem,
)


class PreferencesFile(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / ".nuke" / "overscan.json"

    def write(self, text: str) -> None:
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(text, encoding="utf-8")

    def test_without_a_file_the_defaults_hold(self) -> None:
        found = load_preferences(self.file)
        self.assertEqual((found.output_template, found.extras, found.quality), (OUTPUT_TEMPLATE, "layers", "final"))
        self.assertEqual((found.note, found.problems()), ("", {}))

    def test_what_is_saved_comes_back(self) -> None:
        kept = Preferences(
            output_template="/show/{user}/{node}_{version}/{node}.####.exr", extras="none", quality="preview",
            cache_folder=str(self.file.parent / "cache é"), command="/opt/overscan/bin/overscan bridge",
        )  # fmt: skip
        save_preferences(kept, self.file)
        back = load_preferences(self.file)
        for name in ("output_template", "extras", "quality", "cache_folder", "command"):
            self.assertEqual(getattr(back, name), getattr(kept, name))
        self.assertEqual(list(self.file.parent.iterdir()), [self.file], "nothing is left beside it")

    def test_keys_of_a_newer_version_stay(self) -> None:
        self.write('{"schema": 1, "quality": "preview", "shelf": {"colour": [1, 2]}}')
        found = load_preferences(self.file)
        found.quality = "final"
        self.write('{"quality": "preview", "shelf": {"colour": [1, 3]}, "added meanwhile": true}')
        save_preferences(found, self.file)
        values = json.loads(self.file.read_text(encoding="utf-8"))
        self.assertEqual(values["shelf"], {"colour": [1, 3]})
        self.assertIs(values["added meanwhile"], True)
        self.assertEqual(values["quality"], "final")

    def test_a_damaged_file_stops_nothing_and_is_said(self) -> None:
        for text in ("", "{", "[1]", '"text"', '{"quality": 3, "extras": "sidecar"}', "\ufeff{}x"):
            self.write(text)
            found = load_preferences(self.file)
            self.assertEqual((found.quality, found.extras), ("final", "layers"), text)
            self.assertIn(str(self.file), found.note, text)

    def test_what_cannot_be_is_not_written(self) -> None:
        save_preferences(Preferences(), self.file)
        before = self.file.read_bytes()
        for wrong in (
            Preferences(output_template="/x.exr"), Preferences(extras="sidecar"), Preferences(quality="best"),
            Preferences(cache_folder="not/whole"),
        ):  # fmt: skip
            with self.assertRaises(PreferencesError):
                save_preferences(wrong, self.file)
        self.assertEqual(self.file.read_bytes(), before)

    def test_a_folder_that_cannot_be_is_said(self) -> None:
        self.file.parent.write_text("a file")
        with self.assertRaises(PreferencesError) as caught:
            save_preferences(Preferences(), self.file)
        self.assertIn("OVERSCAN_NUKE_PREFERENCES", str(caught.exception))

    def test_templates_that_would_overwrite_are_refused(self) -> None:
        for template, word in (
            ("/out/{node}.%04d.exr", "{version}"),
            ("/out/{version}.%04d.exr", "{node}"),
            ("/out/{node}/{version}/x.exr", "frame number"),
            ("/out/%04d/{node}{version}.exr", "frame number"),
            ("/out/{node}{version}.%04d.tif", ".exr"),
            ("/out/{nodes}{version}.%04d.exr", "Known are"),
            ("/out/{node{version}.%04d.exr", "braces"),
            ("/out/{}{version}.%04d.exr", "Known are"),
        ):
            self.assertIn(word, template_problem(template), template)
        for template in (OUTPUT_TEMPLATE, r"C:\out\{node}\{version}\{node}.%04d.exr", "{version}{node}.####.EXR"):
            self.assertEqual(template_problem(template), "", template)

    def test_where_things_are(self) -> None:
        self.assertEqual(preferences_path({"OVERSCAN_NUKE_PREFERENCES": "/a/b.json"}), Path("/a/b.json"))
        self.assertEqual(preferences_path({}), Path.home() / ".nuke" / "overscan.json")
        self.assertEqual(default_cache_folder({"OVERSCAN_NUKE_CACHE": "/c", "NUKE_TEMP_DIR": "/t"}), Path("/c"))
        self.assertEqual(default_cache_folder({"NUKE_TEMP_DIR": "/t"}), Path("/t/overscan"))
        self.assertTrue(default_cache_folder({}).is_absolute())


if __name__ == "__main__":
    unittest.main()
