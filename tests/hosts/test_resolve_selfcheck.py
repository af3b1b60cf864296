"""The self-check, run in the double as it runs beside Resolve; and the double held against traces of real Resolves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selfchecks import TRACES, Checked, Runs, selfcheck, short_home

PYTHONS = ("3.7", "3.11")
"""The oldest that Resolve takes, and a newer one."""
OTHERS: dict[str, dict[str, Any]] = {
    "18 without a window": {
        "version": [18, 6, 6], "gui": False, "options": {"append_end": "inclusive", "take_end": "inclusive"},
    },
    "Japanese, no export, other reads": {
        "language": "ja",
        "options": {"export_otio": False, "source_end": "inclusive", "overlap_returns": "short", "conform": "floor"},
    },
    "20 with Loaders at the global start": {"version": [20, 1, 0], "options": {"loader_starts": None}},
}  # fmt: skip
"""Resolves that do things otherwise, where sources contradict each other."""

FIELDS = {
    "versions": {"resolve", "product", "window", "python", "system", "overscan", "protocol"},
    "names": {"names"},
    "clip_properties": {"properties"},
    "behaviour": set(),
    "tool": {"inputs"},
}


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Checked]]:
    """The self-check of an installed plugin, in each of `PYTHONS` that is there, and in `OTHERS`."""

    def run(name: str) -> Checked:
        folder = tmp_path_factory.mktemp("selfcheck")
        return selfcheck(
            "resolve",
            version=name if name in PYTHONS else "3.11",
            script="selfcheck_resolve_host.py",
            words=[str(folder), json.dumps(OTHERS.get(name, {}))],
            home=home,
            folder=folder,
            options=["--scripts", "scripts"],
        )

    with short_home() as home:
        yield Runs(run)


@pytest.mark.parametrize("version", PYTHONS)
def test_the_selfcheck_passes_and_leaves_nothing(checked: dict[str, Checked], version: str) -> None:
    run = checked[version]
    assert [check for check in run.report["checks"] if check["verdict"] != "ok"] == [], run.said
    assert run.code == 0, run.said
    assert run.state == {"changed": [], "violations": []}
    assert run.report["versions"]["python"].startswith(version)
    assert run.report["seconds"] < 120


@pytest.mark.parametrize("name", OTHERS)
def test_the_selfcheck_passes_in_resolves_that_do_things_otherwise(checked: dict[str, Checked], name: str) -> None:
    run = checked[name]
    wrong = {check["name"]: check["message"] for check in run.report["checks"] if check["verdict"] != "ok"}
    assert set(wrong) <= {"windows"}, run.said
    assert ("windows" in wrong) == (OTHERS[name].get("gui") is False)
    assert run.state == {"changed": [], "violations": []}
    assert run.code == 0


@pytest.mark.parametrize("version", PYTHONS)
def test_the_report_names_neither_people_nor_folders_nor_shows(checked: dict[str, Checked], version: str) -> None:
    run = checked[version]
    for name in ("report.txt", "report.json", "traces.jsonl"):
        text = (run.folder / name).read_text(encoding="utf-8")
        assert text.strip(), name
        assert str(run.folder.parent) not in text, name
        assert "Secret" not in text, name


def check_form(traces: list[dict[str, Any]]) -> None:
    """Every line is of a kind that is known, with its fields."""
    assert [line["type"] for line in traces].count("versions") == 1
    for line in traces:
        assert line["name"]
        assert FIELDS[line["type"]] <= set(line)
        if line["type"] == "behaviour":
            assert ("gives" in line) != ("raises" in line)


def test_traces_have_their_form(checked: dict[str, Checked]) -> None:
    traces = checked["3.11"].traces
    check_form(traces)
    assert {line["type"] for line in traces} == set(FIELDS)
    names = [(line["type"], line["name"]) for line in traces]
    assert len(names) == len(set(names)), "each trace can be found by its name"


def test_oldest_and_newest_python_see_the_same(checked: dict[str, Checked]) -> None:
    old, new = (
        {(line["type"], line["name"]): line for line in checked[version].traces if line["type"] != "versions"}
        for version in PYTHONS
    )
    assert old == new


def differences(real: list[dict[str, Any]], mine: list[dict[str, Any]]) -> list[str]:
    """Where the double does not do what Resolve did, in words. Resolve may have more names than the double."""
    ours = {(line["type"], line["name"]): line for line in mine}
    found = []
    for line in real:
        own = ours.get((line["type"], line["name"]))
        if own is None:
            continue
        if line["type"] == "behaviour" and line != own:
            found.append(f"{line['name']}: Resolve {line}, the double {own}")
        for field in FIELDS[line["type"]] & {"names", "properties", "inputs"}:
            missing = sorted(set(own[field]) - set(line[field]))
            if line[field] and missing:
                found.append(f"{line['name']}: only the double has {', '.join(missing)}")
    return found


@pytest.mark.parametrize(
    "path", sorted(TRACES.glob("resolve-*.jsonl")) or [None], ids=lambda path: getattr(path, "stem", "")
)
def test_the_double_does_what_resolve_did(checked: dict[str, Checked], path: Path | None) -> None:
    if path is None:
        pytest.skip("no trace of a real Resolve has been sent in yet, see tests/hosts/traces/README.md")
    real = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    check_form(real)
    assert differences(real, checked["3.11"].traces) == []


def test_what_a_trace_tells_of_the_double_is_noticed(checked: dict[str, Checked]) -> None:
    real = json.loads(json.dumps(checked["3.11"].traces))
    assert differences(real, checked["3.11"].traces) == []
    by_name = {(line["type"], line["name"]): line for line in real}
    by_name["behaviour", "an append of source frames 2 to 6"]["gives"][1] += 1
    by_name["names", "Timeline"]["names"].remove("DeleteClips")
    by_name["tool", "Loader"]["inputs"]["AnInputMore"] = "Number"
    assert [line.split(":")[0] for line in differences(real, checked["3.11"].traces)] == [
        "Timeline",
        "an append of source frames 2 to 6",
    ]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What checks get, in a Resolve with a project, on a machine where no helper starts."""
    monkeypatch.setenv("OVERSCAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OVERSCAN_COMMAND", json.dumps([str(tmp_path / "nothing"), "bridge"]))
    from tests.hosts.resolve_double import double, user

    resolve = double.start()
    user.new_project("Show")
    from overscan_host.selfcheck import Bench

    made = Bench(tmp_path)
    made.kept["resolve"] = resolve
    yield made
    double.stop()


def test_the_selfcheck_notices_what_is_wrong(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import contextlib

    from overscan_host import exr
    from overscan_resolve import _run, _selfcheck_checks
    from overscan_resolve import _selfcheck_scene as scenes
    from tests.hosts.resolve_double import user

    pattern = scenes.write_plate(bench.folder / "plate")
    picture = exr.read(Path(pattern % 1006))
    assert scenes.frame_shown(picture) == 1006
    assert scenes.compare_with_plate(picture, frame=1006, at=(0, 0)) == 3 * 192 * 108
    kind, samples = picture.channels["G"]
    picture.channels["G"] = (kind, [*samples[:100], samples[100] ^ 1, *samples[101:]])
    with pytest.raises(AssertionError, match="G at 100,0"):
        scenes.compare_with_plate(picture, frame=1006, at=(0, 0))
    bench.run("clean", _selfcheck_checks.nothing_foreign)
    monkeypatch.setattr(_run, "helper", json.JSONDecoder, raising=False)
    monkeypatch.setattr(_selfcheck_checks, "_FOREIGN", ("json",))
    bench.run("foreign", _selfcheck_checks.nothing_foreign)
    bench.run("nothing before it", _selfcheck_checks.generates)
    with contextlib.ExitStack() as undo:
        bench.kept["undo"] = undo
        bench.run("opens", _selfcheck_checks.opens)
        user.new_timeline("another that came meanwhile")
        bench.run("put back", _selfcheck_checks.put_back)
    assert [result["verdict"] for result in bench.results] == ["ok", "fail", "skipped", "ok", "fail"], bench.results
    assert "_run uses json" in bench.results[1]["message"]
    assert "the number of timelines" in bench.results[-1]["message"]


def test_a_locked_project_is_said_and_left_alone(bench: Any) -> None:
    from overscan_resolve import _selfcheck
    from tests.hosts.resolve_double import double, user

    user.lock_project()
    before = double.snapshot()
    assert _selfcheck.run(bench.folder, bench.kept["resolve"]) == 1
    report = json.loads((bench.folder / "report.json").read_text())
    verdicts = {check["name"]: check for check in report["checks"]}
    assert "locked" in verdicts["bin, timeline and sequence"]["message"]
    assert verdicts["bridge and service"]["verdict"] == "fail"
    assert verdicts["generate, back as a take"]["verdict"] == "skipped"
    assert double.difference(before, double.snapshot()) == []
