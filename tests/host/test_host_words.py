"""Frames, versions, jobs, digests, the environment and the record of the installation."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

from overscan_host import (
    BridgeError,
    Problem,
    at_version,
    build_job,
    clean_environment,
    digest,
    frames_from_text,
    frames_to_text,
    give_back_version,
    installation,
    reserve_version,
    stable_text,
    version_number,
    version_text,
)


class Frames(unittest.TestCase):
    def test_texts_and_numbers(self) -> None:
        for text, numbers in (
            ("", []),
            ("1001", [1001]),
            ("1001-1004", [1001, 1002, 1003, 1004]),
            ("1001-1009x4,1200", [1001, 1005, 1009, 1200]),
            ("-5--3", [-5, -4, -3]),
            ("-2-1", [-2, -1, 0, 1]),
            ("1,2", [1, 2]),
        ):
            self.assertEqual(frames_from_text(text), numbers, text)
            self.assertEqual(frames_from_text(frames_to_text(numbers)), numbers, text)
        self.assertEqual(frames_from_text("10-1x3"), [1, 4, 7, 10])
        self.assertEqual(frames_from_text(" 5, 3 4,4 "), [3, 4, 5])
        self.assertEqual(frames_to_text([1005, 1001, 1009, 1009]), "1001-1009x4")
        self.assertEqual(frames_to_text([1, 10]), "1,10")

    def test_what_is_no_range_says_so(self) -> None:
        for text in ("all", "1-", "1..5", "1-5x0", "1.5", "99999999999", "1-2147483647x1", "--"):
            with self.assertRaises(ValueError, msg=text) as caught:
                frames_from_text(text)
            self.assertTrue(str(caught.exception), text)


class Versions(unittest.TestCase):
    def test_are_counted_on_disk_and_off_it_and_reserved(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            template = f"{Path(folder).as_posix()}/{{show}}/extend1/{{version}}/extend1_{{version}}.%04d.exr"
            first = reserve_version(template)
            self.assertEqual(first.path, at_version(template, "v001"))
            self.assertTrue(Path(first.folder).is_dir())
            for name in ("v003", "v0012", "notes", "v", "v2a"):
                (Path(first.folder).parent / name).mkdir()
            self.assertEqual(reserve_version(template).name, "v013")
            self.assertEqual(reserve_version(template, taken=(40,)).name, "v041")
            (Path(first.folder).parent / "v042").write_text("a file, which is in the way all the same")
            last = reserve_version(template)
            self.assertEqual(last.name, "v043")
            give_back_version(last)
            self.assertFalse(Path(last.folder).exists())
            (Path(first.folder) / "extend1_v001.1001.exr").write_text("a frame")
            give_back_version(first)
            self.assertTrue(Path(first.folder).exists())

    def test_two_at_once_get_different_ones(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            template = f"{Path(folder).as_posix()}/{{version}}/a.%04d.exr"
            found: list[str] = []
            threads = [threading.Thread(target=lambda: found.append(reserve_version(template).name)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(sorted(found), [version_text(number) for number in range(1, 9)])

    def test_a_version_in_the_files_name_is_seen_as_well(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "Extend1_v007.1001.exr").write_bytes(b"x")
            (Path(folder) / "Extend12_v019.1001.exr").write_bytes(b"x")
            place = reserve_version(f"{Path(folder).as_posix()}/Extend1_{{version}}.%04d.exr")
        self.assertEqual((place.name, place.folder), ("v008", ""))

    def test_a_folder_that_cannot_be_made_is_named(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "here").write_text("a file")
            with self.assertRaises(BridgeError) as caught:
                reserve_version(f"{Path(folder).as_posix()}/here/{{version}}/a.%04d.exr")
        self.assertEqual(caught.exception.code, "OUTPUT_NOT_WRITABLE")
        self.assertIn("/here/v001", caught.exception.problems[0].path)

    def test_in_paths(self) -> None:
        self.assertEqual(version_text(7), "v007")
        self.assertEqual(version_number("/a/v002/b_v013.%04d.exr"), 13)
        self.assertIsNone(version_number("/a/nov002/level12.exr"))
        self.assertRaises(ValueError, version_text, 0)


class Texts(unittest.TestCase):
    def test_are_the_same_for_equal_data(self) -> None:
        self.assertEqual(stable_text({"b": [1, 2.5, None], "a": "ü"}), '{"a":"\\u00fc","b":[1,2.5,null]}')
        # The same in every Python and on every machine: caches are named by it.
        self.assertEqual(digest({"a": 1}), digest({"a": 1}))
        self.assertEqual(digest({"a": 1, "b": "x"}), "4f8faf70fb2dd1fe8d01e513c30c69ae")
        self.assertNotEqual(digest([1]), digest(["1"]))
        self.assertRaises(ValueError, stable_text, float("nan"))

    def test_jobs_say_only_what_was_said(self) -> None:
        job = build_job(
            task="extend",
            settings={"format": {"size": "48x24", "place": None}},
            plate={"path": "/p.%04d.exr", "frames": "", "color_space": None},
            output={"path": "/o.%04d.exr", "extras": "layers", "overwrite": False},
            controls={"parameters": {"seed": 0}, "prompt": ""},
            labels={"show": "", "shot": ""},
        )
        self.assertEqual(
            job,
            {
                "plate": {"path": "/p.%04d.exr"},
                "extend": {"format": {"size": "48x24"}},
                "controls": {"parameters": {"seed": 0}},
                "output": {"path": "/o.%04d.exr", "extras": "layers", "overwrite": False},
            },
        )
        self.assertEqual(build_job(task="continue", settings={}, output={"path": "/o"})["continue"], {})
        self.assertRaises(ValueError, build_job, task="extnd", settings={}, output={})

    def test_errors_have_words_for_the_artist(self) -> None:
        plain = {"code": "MISSING_FRAMES", "message": "Frames are missing.", "next_step": "Add them.", "new": 1}
        error = BridgeError([Problem.from_plain(plain), Problem("X", "Other.", "Add them.", path="/p")])
        self.assertEqual(error.code, "MISSING_FRAMES")
        self.assertEqual(error.message, "Frames are missing.\nOther.")
        self.assertEqual(error.next_step, "Add them.")
        self.assertEqual(str(error), "Frames are missing. Add them.\n/p: Other. Add them.")
        self.assertEqual(Problem.from_plain({}).code, "INTERNAL")


class Environment(unittest.TestCase):
    def test_what_is_the_hosts_goes_and_what_is_the_users_stays(self) -> None:
        goes = [
            "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH",
            "QT_PLUGIN_PATH", "NUKE_PATH", "NUKE_TEMP_DIR", "FN_DISABLE_LOG", "VIRTUAL_ENV", "CONDA_PREFIX",
            "pythonpath",
        ]  # fmt: skip
        stays = ["HOME", "PATH", "TMPDIR", "OCIO", "HTTPS_PROXY", "LANG", "OVERSCAN_HOME", "OVERSCAN_COMMAND", "SHOW"]
        cleaned = clean_environment(dict.fromkeys((*goes, *stays), "x"))
        self.assertEqual(sorted(cleaned), sorted(stays))


class TheRecord(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        without = {name: value for name, value in os.environ.items() if name != "OVERSCAN_COMMAND"}
        patch = mock.patch.dict(os.environ, without, clear=True)
        patch.start()
        self.addCleanup(patch.stop)

    def write(self, text: str) -> None:
        (self.folder / "overscan_install.json").write_text(text, encoding="utf-8")

    def test_says_how_to_start_the_bridge(self) -> None:
        record = {
            "schema": 1,
            "version": "0.1.0",
            "command": ["/x/python", "-m", "overscan.cli", "bridge"],
            "files": [],
        }
        self.write(json.dumps(record))
        found = installation(self.folder)
        self.assertEqual((found.folder, found.version), (self.folder, "0.1.0"))
        self.assertEqual(found.command, ("/x/python", "-m", "overscan.cli", "bridge"))

    def test_the_environment_comes_first(self) -> None:
        os.environ["OVERSCAN_COMMAND"] = "'/a b/overscan' bridge"
        self.assertEqual(installation(self.folder).command, ("/a b/overscan", "bridge"))
        self.assertEqual(installation(self.folder, preferred="/mine bridge").command, ("/a b/overscan", "bridge"))
        os.environ["OVERSCAN_COMMAND"] = '["/c d/overscan", "bridge"]'
        self.write("{}")
        self.assertEqual(installation(self.folder).command, ("/c d/overscan", "bridge"))
        for wrong in ("'unclosed", "[1]", "[]"):
            os.environ["OVERSCAN_COMMAND"] = wrong
            with self.assertRaises(BridgeError) as caught:
                installation(self.folder)
            self.assertIn("OVERSCAN_COMMAND", caught.exception.next_step)
        del os.environ["OVERSCAN_COMMAND"]
        self.assertEqual(installation(self.folder, preferred="/mine bridge").command, ("/mine", "bridge"))

    def test_missing_or_damaged_it_says_what_to_do(self) -> None:
        for text in (None, "", "[]", "{}", '{"schema": 2, "command": ["x"]}', '{"schema": 1, "command": "x"}'):
            if text is not None:
                self.write(text)
            with self.assertRaises(BridgeError, msg=repr(text)) as caught:
                installation(self.folder)
            self.assertEqual(caught.exception.code, "BRIDGE_NOT_INSTALLED")
            self.assertIn("overscan install", caught.exception.next_step)
            self.assertIn("overscan_install.json", caught.exception.message)


if __name__ == "__main__":
    unittest.main()
