"""The self-check, run in the double as it runs in Nuke; and the double held against traces of real Nukes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selfchecks import TRACES, Checked, Runs, selfcheck, short_home

HOSTS = {"3.7": "13.2v9", "3.11": "16.0v4"}
"""The oldest Python and the newest, and a Nuke that has it."""

FIELDS = {
    "versions": {"nuke", "gui", "python", "system", "overscan", "protocol"},
    "stock_node": {"inputs", "knobs"},
    "behaviour": set(),
    "overscan_node": {"inside", "knobs"},
    "layers": {"layers"},
}


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Checked]]:
    """The self-check of an installed plugin, in each of `HOSTS` for which there is a Python."""

    def run(version: str) -> Checked:
        folder = tmp_path_factory.mktemp("selfcheck")
        return selfcheck(
            "nuke",
            version=version,
            script="selfcheck_host.py",
            words=[HOSTS[version]],
            home=home,
            folder=folder,
            environment={"NUKE_PATH": str(folder / "plugin"), "OVERSCAN_NUKE_CACHE": str(folder / "cache")},
        )

    with short_home() as home:
        yield Runs(run)


@pytest.mark.parametrize("version", HOSTS)
def test_the_selfcheck_passes(checked: dict[str, Checked], version: str) -> None:
    run = checked[version]
    failed = [check for check in run.report["checks"] if check["verdict"] != "ok"]
    assert failed == [], run.said
    assert run.code == 0
    assert run.report["versions"]["nuke"] == HOSTS[version]
    assert run.report["versions"]["python"].startswith(version)
    assert run.report["seconds"] < 120


@pytest.mark.parametrize("version", HOSTS)
def test_the_report_names_neither_people_nor_folders(checked: dict[str, Checked], version: str) -> None:
    run = checked[version]
    for name in ("report.txt", "report.json", "traces.jsonl", "golden.nk"):
        text = (run.folder / name).read_text(encoding="utf-8")
        assert text.strip(), name
        assert str(run.folder.parent) not in text, name


def check_form(traces: list[dict]) -> None:
    """Every line is of a kind that is known, with its fields."""
    assert [line["type"] for line in traces].count("versions") == 1
    for line in traces:
        assert line["name"]
        assert FIELDS[line["type"]] <= set(line)
        if line["type"] == "behaviour":
            assert ("gives" in line) != ("raises" in line)
        if line["type"] == "stock_node":
            assert all(set(knob) == {"class", "script"} for knob in line["knobs"].values())


def test_traces_have_their_form(checked: dict[str, Checked]) -> None:
    traces = checked["3.11"].traces
    check_form(traces)
    assert {line["type"] for line in traces} == set(FIELDS)


def test_oldest_and_newest_host_do_the_same(checked: dict[str, Checked]) -> None:
    old, new = (
        {line["name"]: line for line in checked[version].traces if line["type"] in ("behaviour", "overscan_node")}
        for version in HOSTS
    )
    assert old == new


@pytest.mark.parametrize(
    "path", sorted(TRACES.glob("nuke-*.jsonl")) or [None], ids=lambda path: getattr(path, "stem", "")
)
def test_the_double_does_what_nuke_did(checked: dict[str, Checked], path: Path | None) -> None:
    if path is None:
        pytest.skip("no trace of a real Nuke has been sent in yet, see tests/hosts/traces/README.md")
    real = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    check_form(real)
    ours = {(line["type"], line["name"]): line for line in checked["3.11"].traces}
    different = []
    for line in real:
        mine = ours.get((line["type"], line["name"]))
        if mine is None:
            continue
        if line["type"] == "behaviour" and line != mine:
            different.append(f"{line['name']}: Nuke {line}, the double {mine}")
        if line["type"] == "stock_node":
            for name, knob in mine["knobs"].items():
                if line["knobs"].get(name, {}).get("class") != knob["class"]:
                    different.append(f"{line['name']}.{name}: Nuke {line['knobs'].get(name)}, the double {knob}")
    assert different == []


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[object]:
    """What checks get, in a Nuke without a window."""
    from tests.hosts.nuke_double import double

    double.install(version="15.1v3", gui=False)
    from overscan_nuke._selfcheck_bench import Bench

    yield Bench(tmp_path)
    for name in [name for name in sys.modules if name.startswith("overscan_nuke")]:  # they hold the `nuke` of this test
        del sys.modules[name]
    double.uninstall()


def test_the_selfcheck_notices_what_is_wrong(bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from overscan_nuke import _knobs, _selfcheck_checks
    from overscan_nuke import _selfcheck_bench as benches
    from overscan_nuke import _selfcheck_exr as exr

    benches.write_plate(tmp_path / "plate")
    picture = exr.read(tmp_path / "plate" / "plate.1002.exr")
    assert benches.compare_with_plate(picture, frame=1002, at=(0, 0)) == 3 * 96 * 64
    kind, samples = picture.channels["G"]
    picture.channels["G"] = (kind, [*samples[:100], samples[100] ^ 1, *samples[101:]])
    with pytest.raises(AssertionError, match="G at 4,1"):
        benches.compare_with_plate(picture, frame=1002, at=(0, 0))
    bench.run("clean", _selfcheck_checks.nothing_foreign)
    monkeypatch.setattr(_knobs, "helper", json.JSONDecoder, raising=False)
    monkeypatch.setattr(_selfcheck_checks, "_FOREIGN", ("json",))
    bench.run("foreign", _selfcheck_checks.nothing_foreign)
    bench.run("nothing before it", _selfcheck_checks.generates)
    assert [result["verdict"] for result in bench.results] == ["ok", "fail", "skipped"]
    assert "_knobs uses json" in bench.results[1]["message"]
