"""Runs that go wrong, are stopped, closed over, copied or side by side."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from conftest import Nuke

from tests.hosts.nuke_double import double


def versions(node: Any) -> list[dict[str, Any]]:
    return json.loads(node["overscan_versions"].value())


def slow(nuke: Nuke, seconds: float = 1.0, **knobs: Any) -> Any:
    return nuke.make("extend", nuke.read(nuke.write_plate()), parameters=f"pause={seconds}", **knobs)


def start(nuke: Nuke, node: Any) -> str:
    """Press Generate and wait until frames come."""
    before = len(versions(node))
    nuke.press(node, "generate")
    nuke.until(lambda: len(versions(node)) > before and "frame there" in nuke.progress(node).replace("frames", "frame"))
    return str(node["overscan_version"].value())


def test_frames_are_shown_while_others_are_still_made_and_cancel_keeps_them(nuke: Nuke) -> None:
    node = slow(nuke)
    start(nuke, node)
    assert node.node("Shown")["which"].value() == 1
    assert "%" in nuke.progress(node)
    nuke.press(node, "cancel")
    nuke.until(lambda: "Cancelled" in nuke.progress(node))
    kept = {path.name: path.stat().st_mtime_ns for path in Path(node["overscan_result"].value()).parent.glob("*.exr")}
    assert 0 < len(kept) < 4

    nuke.press(node, "retry")
    nuke.until(lambda: ": Done" in nuke.progress(node))
    after = {path.name: path.stat().st_mtime_ns for path in Path(node["overscan_result"].value()).parent.glob("*.exr")}
    assert len(after) == 4
    assert {name: after[name] for name in kept} == kept
    assert [version["name"] for version in versions(node)] == ["v001"]


def test_a_run_that_fails_says_why_and_retry_goes_on(nuke: Nuke) -> None:
    node = nuke.make("extend", nuke.read(nuke.write_plate()), parameters="fail_at=1003")
    nuke.generate(node, ending="Failed")
    assert "this frame was made to fail" in nuke.progress(node)
    assert "Mend it." in nuke.progress(node)
    assert "Press Retry" in nuke.progress(node)
    mended = Path(os.environ["GREY_MENDED"])
    mended.touch()
    try:
        nuke.press(node, "retry")
        nuke.until(lambda: ": Done" in nuke.progress(node))
    finally:
        mended.unlink()
    assert versions(node)[0]["jobs"][0]["done"] == "1001-1004"


def test_the_problems_of_a_job_that_cannot_run_are_all_told_before_anything_is_written(nuke: Nuke) -> None:
    pattern = nuke.write_plate()
    Path(pattern % 1002).unlink()
    node = nuke.make("extend", nuke.read(pattern))
    nuke.press(node, "plan")
    nuke.until(lambda: "cannot run" in node["overscan_plan"].value())
    assert "1002" in node["overscan_plan"].value()
    nuke.press(node, "generate")
    nuke.until(lambda: "Not started" in nuke.progress(node))
    assert "1002" in nuke.progress(node)
    assert versions(node) == []
    assert not (nuke.folder / "overscan/Extend1/v001").exists()


def test_only_one_run_of_a_node_at_a_time_but_two_nodes_side_by_side(nuke: Nuke) -> None:
    read = nuke.read(nuke.write_plate())
    first, second = (nuke.make("extend", read, parameters="pause=0.3") for _ in range(2))
    nuke.press(first, "generate")
    nuke.press(second, "generate")
    nuke.until(lambda: versions(first) and versions(second))
    nuke.press(first, "generate")
    nuke.until(lambda: "still running" in nuke.progress(first))
    nuke.until(lambda: ": Done" in nuke.progress(first) and ": Done" in nuke.progress(second))
    assert (nuke.folder / "overscan/Extend1/v001").is_dir()
    assert (nuke.folder / "overscan/Extend2/v001").is_dir()


def test_versions_are_switched_also_while_the_next_one_runs(nuke: Nuke) -> None:
    node = slow(nuke, 0)
    nuke.generate(node)
    node["overscan_parameters"].setValue("pause=0.7")
    assert start(nuke, node) == "v002"
    node["overscan_version"].setValue("v001")
    assert "/v001/" in node.node("Result")["file"].value()
    nuke.until(lambda: "v002: Done" in nuke.progress(node))
    assert "/v001/" in node.node("Result")["file"].value()
    node["overscan_version"].setValue("v002")
    assert "/v002/" in node.node("Result")["file"].value()


def test_a_script_that_was_closed_while_running_picks_its_job_up(nuke: Nuke) -> None:
    node = slow(nuke, 0.7)
    start(nuke, node)
    path = nuke.folder / "running.nk"
    nuke.nuke.scriptSaveAs(str(path), overwrite=1)
    nuke.nuke.scriptClear()
    nuke.nuke.scriptOpen(str(path))
    again = nuke.nuke.toNode("Extend1")
    nuke.until(lambda: "v001: Done" in nuke.progress(again))
    assert versions(again)[0]["jobs"][0]["done"] == "1001-1004"
    assert len({job["job_id"] for version in versions(again) for job in version["jobs"]}) == 1


def test_a_copy_in_another_script_shows_the_result_and_overwrites_nothing(nuke: Nuke) -> None:
    node = slow(nuke, 0)
    nuke.generate(node)
    old = node["overscan_result"].value()
    node.selectOnly()
    nuke.nuke.nodeCopy("%clipboard%")
    other = nuke.folder / "other"
    other.mkdir()
    nuke.nuke.scriptClear()
    nuke.nuke.scriptSaveAs(str(other / "shot020_v001.nk"), overwrite=1)
    pasted = nuke.nuke.nodePaste("%clipboard%")
    nuke.until(lambda: True)
    assert pasted["overscan_result"].value() == old
    assert pasted.node("Result")["file"].value() == old

    pasted.setInput(0, nuke.read(str(nuke.folder / "plates/plate.%04d.exr")))
    pasted.setName("Wider")
    assert nuke.generate(pasted) == "v002"
    assert pasted["overscan_result"].value() == str(other / "overscan/Wider/v002/Wider.%04d.exr")
    assert Path(old % 1001).is_file()


def test_rendering_the_plate_can_be_cancelled_and_keeps_what_it_has(nuke: Nuke) -> None:
    grade = nuke.nuke.nodes.Grade()
    grade.setInput(0, nuke.read(nuke.write_plate()))
    grade["white"].setValue(3)
    node = nuke.make("extend", grade)
    double.session().cancel_after = 3
    nuke.press(node, "generate")
    nuke.until(lambda: "Stopped before" in nuke.progress(node))
    kept = list((nuke.folder / "cache").glob("plates/*/frame.*.exr"))
    assert len(kept) == 2
    assert list((nuke.folder / "cache").glob("plates/*/incoming*")) == []
    assert [one for one in node.nodes() if one.Class() == "Write"] == []
    double.session().cancel_after = None
    assert nuke.generate(node) == "v001"


def test_a_deleted_node_leaves_its_job_alone_and_breaks_nothing(nuke: Nuke) -> None:
    node = slow(nuke, 0.3)
    start(nuke, node)
    job_id = versions(node)[0]["jobs"][0]["job_id"]
    nuke.nuke.delete(node)

    from overscan_nuke import _session

    answers: list[str] = []

    def ask() -> None:
        _session.bridge().call(
            "job.get", {"job_id": job_id}, on_result=lambda job: answers.append(job["state"]) or again()
        )

    def again() -> None:
        if answers[-1] not in ("succeeded", "failed", "cancelled"):
            ask()

    ask()
    nuke.until(lambda: answers and answers[-1] == "succeeded")


def test_the_helper_may_be_killed_in_the_middle(nuke: Nuke) -> None:
    from overscan_nuke import _session

    node = slow(nuke, 0.7)
    start(nuke, node)
    os.kill(_session.bridge().process_id or 0, signal.SIGKILL)
    nuke.until(lambda: "v001: Done" in nuke.progress(node))
    assert versions(node)[0]["jobs"][0]["done"] == "1001-1004"


def test_the_service_may_be_killed_in_the_middle(nuke: Nuke) -> None:
    node = slow(nuke, 0.7)
    start(nuke, node)
    service = json.loads((Path(os.environ["OVERSCAN_HOME"]) / "service.json").read_text())["pid"]
    os.kill(service, signal.SIGKILL)
    nuke.until(lambda: "v001: Done" in nuke.progress(node))
    assert len(list(Path(node["overscan_result"].value()).parent.glob("*.exr"))) == 4


def test_a_job_that_went_out_of_sight_is_found_again_by_retry(nuke: Nuke) -> None:
    from overscan_host import Problem
    from overscan_nuke import _follow

    node = slow(nuke, 0.5)
    start(nuke, node)
    follower = next(one for one in _follow._followers if one.node == node)
    follower._watch.stop()
    follower._on_state("failed", (Problem("SERVICE_UNREACHABLE", "No service answers.", "Start it."),))
    assert "Out of sight" in nuke.progress(node)
    assert "Start it." in nuke.progress(node)
    nuke.press(node, "retry")
    nuke.until(lambda: "v001: Done" in nuke.progress(node))


def test_an_unsaved_script_is_asked_to_be_saved(nuke: Nuke) -> None:
    node = slow(nuke, 0)
    nuke.nuke.root()["name"].setValue("")
    nuke.press(node, "generate")
    nuke.until(lambda: "Not started" in nuke.progress(node))
    assert "never saved" in nuke.progress(node)
    node["overscan_output"].setValue(f"{nuke.folder}/here/{{node}}/{{version}}/{{node}}.%04d.exr")
    assert nuke.generate(node) == "v001"


def test_a_result_is_opened_in_the_graph(nuke: Nuke) -> None:
    node = slow(nuke, 0)
    nuke.generate(node)
    nuke.generate(node)

    from overscan_nuke import _session
    from overscan_nuke._results import open_result

    job_id = versions(node)[0]["jobs"][0]["job_id"]
    found: list[dict[str, Any]] = []
    _session.bridge().call("job.get", {"job_id": job_id}, on_result=found.append)
    nuke.until(lambda: found)
    assert open_result(found[0]) == "Extend1"
    assert node["overscan_version"].value() == "v001"
    nuke.nuke.delete(node)
    name = open_result(found[0])
    assert nuke.nuke.toNode(name)["file"].value() == found[0]["spec"]["output"]["path"]
    assert nuke.nuke.toNode(name)["last"].value() == 1004


def test_no_callback_keeps_the_window_waiting_for_something_slow(nuke: Nuke) -> None:
    """Not a measurement: a blocking call to the bridge or the service would show as a tenth of a second and more."""
    node = slow(nuke, 0)
    nuke.press(node, "plan")
    nuke.until(lambda: "makes frames" in node["overscan_plan"].value())
    nuke.generate(node)
    longest = max(block.own_seconds for block in double.session().blocks)
    assert longest < 0.5
