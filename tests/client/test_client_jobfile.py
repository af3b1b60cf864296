"""Job files: what people may write, what comes of it, and how mistakes are answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from overscan.client import JobFileError, dump_job, load_job_file, parse_job, to_plain
from overscan.v1.controls_pb2 import ControlPassKind
from overscan.v1.frames_pb2 import FrameRange
from overscan.v1.geometry_pb2 import Size
from overscan.v1.job_pb2 import JobSpec, Use
from overscan.v1.output_pb2 import ExtrasMode, SampleType

EXAMPLES = Path(__file__).parents[2] / "examples"

EVERYTHING = """
plate:
  path: plates/sh010/plate.%04d.exr
  frames: 1001-1100x2,1200
  layer: beauty
  view: left
  color_space: ACEScg
  pixel_aspect: 1.1
inpaint:
  matte:
    sequence: {path: mattes/m.####.exr, frames: "-5--1"}
    channel: key
frames: [1001, 1005-1007]
engine: plate
model: night
controls:
  prompt: "a wall: brick, 1920s"
  seed: 18446744073709551615
  steps: 0
  guidance: 1e-3
  keyframes:
    - {frame: -2, image: {sequence: keys/k.exr, frame: 3}, strength: 0.1}
  passes:
    - {kind: depth, sequence: depth.%04d.exr}
  camera:
    samples:
      - {frame: 1001, matrix: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], focal_length_mm: 35}
  trajectories:
    - name: 7
      points: [{frame: 1, position: {x: 0.5, y: -2}, occluded: true}]
  clean_plates: [clean.exr, {path: clean2.exr, layer: rgba}]
  source_frames: 1001
  parameters: {radius: 3, scale: 0.25, mode: fast, on: true}
output:
  path: out/o.%04d.exr
  sample_type: half
  compression: "dwaa:45"
  extras: sidecar
  overwrite: true
labels: {show: 1917, sequence: no, shot: 010, artist: "x"}
use: final
priority: -3
"""


def write(folder: Path, text: str, name: str = "job.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(text: str, folder: Path) -> list:
    with pytest.raises(JobFileError) as caught:
        load_job_file(write(folder, text))
    return list(caught.value.problems)


def test_everything_a_job_can_say(tmp_path: Path) -> None:
    spec = load_job_file(write(tmp_path, EVERYTHING))
    assert spec.plate.path == str(tmp_path / "plates/sh010/plate.%04d.exr")
    assert list(spec.plate.frames.ranges) == [
        FrameRange(first=1001, last=1099, step=2),
        FrameRange(first=1200, last=1200, step=1),
    ]
    assert spec.inpaint.matte.sequence.path == str(tmp_path / "mattes/m.####.exr")
    assert spec.inpaint.matte.sequence.frames.ranges[0] == FrameRange(first=-5, last=-1, step=1)
    assert [(r.first, r.last) for r in spec.frames.ranges] == [(1001, 1001), (1005, 1007)]
    controls = spec.controls
    assert controls.seed == 2**64 - 1
    assert controls.HasField("steps")
    assert controls.steps == 0
    assert controls.guidance == pytest.approx(1e-3)
    assert controls.keyframes[0].frame == -2
    assert controls.keyframes[0].image.sequence.path == str(tmp_path / "keys/k.exr")
    assert controls.keyframes[0].image.frame == 3
    assert controls.passes[0].kind == ControlPassKind.CONTROL_PASS_KIND_DEPTH
    assert controls.passes[0].sequence.path == str(tmp_path / "depth.%04d.exr")
    assert len(controls.camera.samples[0].matrix) == 16
    assert controls.trajectories[0].name == "7"
    assert controls.trajectories[0].points[0].occluded
    assert [plate.path for plate in controls.clean_plates] == [
        str(tmp_path / "clean.exr"),
        str(tmp_path / "clean2.exr"),
    ]
    assert to_plain(controls)["parameters"] == {"radius": 3, "scale": 0.25, "mode": "fast", "on": True}
    assert spec.output.sample_type == SampleType.SAMPLE_TYPE_HALF
    assert spec.output.extras == ExtrasMode.EXTRAS_MODE_SIDECAR
    assert (spec.labels.show, spec.labels.sequence, spec.labels.shot) == ("1917", "no", "010")
    assert spec.use == Use.USE_FINAL
    assert spec.priority == -3


def test_a_dumped_job_is_the_same_job(tmp_path: Path) -> None:
    spec = load_job_file(write(tmp_path, EVERYTHING))
    text = dump_job(spec)
    assert "frames: 1001-1099x2,1200" in text
    assert "extras: sidecar" in text
    assert load_job_file(write(tmp_path, text, "again.yaml")) == spec
    as_json = json.dumps(to_plain(spec))
    assert load_job_file(write(tmp_path, as_json, "again.json")) == spec


@pytest.mark.parametrize(
    ("task", "check"),
    [
        ("extend: {format: 2880x1080}", lambda s: s.extend.format.size == Size(width=2880, height=1080)),
        ("extend: {format: {size: 2880x1080}}", lambda s: not s.extend.format.HasField("place")),
        ("extend: {format: {size: {width: 64, height: 48}, place: '-4,0'}}", lambda s: s.extend.format.place.x == -4),
        ("extend: {format: {size: 64 x 48, place: [0, 0]}}", lambda s: s.extend.format.HasField("place")),
        ("extend: {margins: '480,-2,0,3'}", lambda s: (s.extend.margins.right, s.extend.margins.bottom) == (-2, 3)),
        ("extend: {margins: {left: 480}}", lambda s: (s.extend.margins.left, s.extend.margins.right) == (480, 0)),
        ("extend: {overscan: 64}", lambda s: (s.extend.overscan.left, s.extend.overscan.bottom) == (64, 64)),
        ("inpaint: {matte: m.%04d.exr}", lambda s: s.inpaint.matte.sequence.path == "/shot/m.%04d.exr"),
        ("continue: {head: 8, tail: 0}", lambda s: getattr(s, "continue").head == 8),
        ("interpolate: {times: {frames: [1.5, 2]}}", lambda s: list(s.interpolate.times.frames) == [1.5, 2.0]),
        ("interpolate: {times: [1.5, 2]}", lambda s: list(s.interpolate.times.frames) == [1.5, 2.0]),
        ("interpolate: {times: '-1.5, 2'}", lambda s: list(s.interpolate.times.frames) == [-1.5, 2.0]),
        ("generate: {size: 64x48, frames: 1-24, frameRate: 23.976}", lambda s: s.generate.frame_rate == 23.976),
    ],
)  # fmt: skip
def test_tasks(task: str, check) -> None:
    import yaml

    assert check(parse_job(yaml.safe_load(task), folder="/shot"))


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/artist")
    job = {"extend": {"overscan": 8}, "plate": "../p.%04d.exr", "output": {"path": Path("o.%04d.exr")}}
    assert parse_job(job).output.path == str(tmp_path / "o.%04d.exr")
    assert parse_job(job).plate.path == str(tmp_path.parent / "p.%04d.exr")
    assert parse_job(job, folder="/shot/a").plate.path == "/shot/p.%04d.exr"
    assert parse_job({**job, "plate": "~/p.exr"}).plate.path == "/home/artist/p.exr"
    assert parse_job({**job, "plate": "~nobody-of-that-name/p.exr"}, folder="/shots").plate.path == (
        "/shots/~nobody-of-that-name/p.exr"
    )
    assert parse_job({**job, "plate": "/abs/p.exr"}).plate.path == "/abs/p.exr"


@pytest.mark.parametrize("word", ["layers", "LAYERS", "EXTRAS_MODE_LAYERS", "extras-mode-layers"])
def test_enums_are_read_however_they_are_spelt(word: str) -> None:
    spec = parse_job({"extend": {"overscan": 8}, "output": {"extras": word}})
    assert spec.output.extras == ExtrasMode.EXTRAS_MODE_LAYERS


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("extend: {overscan: 8}\nextned: 1\n", 2, "extned", "Did you mean extend"),
        ("extend: {overscan: 8}\nplate:\n  path: p\n  colour_space: x\n", 4, "plate.colour_space", "color_space"),
        ("extend: {overscan: 8}\noutput: {extras: parts}\n", 2, "output.extras", "Did you mean part?"),
        ("extend: {overscan: 8}\noutput: {extras: 7}\n", 2, "output.extras", "part, layers, sidecar, none"),
        ("extend: {overscan: 8}\nengine: plate\nengine: shot\n", 3, "engine", "twice"),
        ("extend: {overscan: 8}\ninpaint: {matte: m}\n", 2, "", "extend and inpaint exclude each other"),
        ("extend: {overscan: 8, margins: 8}\n", 1, "extend", "exclude each other"),
        ("extend: {format: 2880*1080}\n", 1, "extend.format.size", "2880x1080"),
        ("extend: {format: {size: 64x48, place: 1}}\n", 1, "extend.format.place", "480,0"),
        ("extend: {margins: '1,2'}\n", 1, "extend.margins", "left,right,top,bottom"),
        ("extend: {margins: {left: 1.5}}\n", 1, "extend.margins.left", "whole number"),
        ("extend: {overscan: 8}\npriority: high\n", 2, "priority", "number is expected"),
        ("extend: {overscan: 8}\npriority: 3000000000\n", 2, "priority", "2147483647"),
        ("extend: {overscan: 8}\ncontrols: {seed: -1}\n", 2, "controls.seed", "from 0"),
        ("extend: {overscan: 8}\ncontrols: {guidance: .nan}\n", 2, "controls.guidance", "number is expected"),
        ("extend: {overscan: 8}\ncontrols: {guidance: 1e60}\n", 2, "controls.guidance", "too large"),
        ("extend: {overscan: 8}\noutput: {overwrite: maybe}\n", 2, "output.overwrite", "true or false"),
        ("extend: {overscan: 8}\nengine: [a]\n", 2, "engine", "single value"),
        ("extend: {overscan: 8}\nengine:\n", 2, "engine", "no value"),
        ("extend: {overscan: 8}\nlabels: shot\n", 2, "labels", "names and values"),
        ("extend: {overscan: 8}\ncontrols:\n  keyframes: {frame: 1}\n", 3, "controls.keyframes", "list"),
        ("extend: {overscan: 8}\ncontrols:\n  parameters: {a: [1]}\n", 3, "controls.parameters.a", "number"),
        ("extend: {overscan: 8}\ncontrols:\n parameters: {a: 9007199254740993}\n", 3, "controls.parameters.a", "hold"),
        ("extend: {overscan: 8}\nplate: {path: p, upload_id: u}\n", 2, "plate", "exclude each other"),
    ],
)  # fmt: skip
def test_mistakes_are_named_by_line_and_field(tmp_path: Path, text: str, line: int, field: str, words: str) -> None:
    found = problems(text, tmp_path)
    assert len(found) == 1, found
    problem = found[0]
    assert problem.code == "INVALID_JOB"
    assert problem.field == field
    assert problem.path == str(tmp_path / "job.yaml")
    assert f"line {line}" in problem.message
    assert words in f"{problem.message} {problem.next_step}"


@pytest.mark.parametrize("frames", ["''", "ten", "1-", "1001-1010x0", "1.5-3", "[]", "[1, x]", "true", "1-99999999999"])
def test_ranges_that_are_none(tmp_path: Path, frames: str) -> None:
    (problem,) = problems(f"extend: {{overscan: 8}}\nframes: {frames}\n", tmp_path)
    assert (problem.code, problem.field) == ("FRAME_RANGE", "frames")
    assert "1001-1100" in problem.next_step


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    found = problems("extned: 1\noutput: {extras: parts}\nframes: ten\n", tmp_path)
    assert [problem.field for problem in found] == ["extned", "output.extras", "frames"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("extend: [\n", "not YAML"),
        ("a: 1\n b: 2\n", "line 2"),
        ("? [a]\n: 1\n", "a name is expected"),
        ("extend: &a\n  format: *a\n", "contains itself"),
        ("--- {}\n--- {}\n", "not YAML"),
    ],
)
def test_files_that_are_no_yaml(tmp_path: Path, text: str, words: str) -> None:
    (problem,) = problems(text, tmp_path)
    assert problem.code == "JOB_FILE"
    assert words in problem.message


def test_nested_aliases_do_not_grow(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert len(problems("\n".join(rows), tmp_path)) == 30


def test_files_that_are_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(JobFileError, match="cannot be read"):
        load_job_file(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"engine: caf\xe9\n")
    with pytest.raises(JobFileError, match="UTF-8"):
        load_job_file(tmp_path / "latin.yaml")
    (tmp_path / "cut.json").write_text('{"extend": {"overscan": 8},\n "frames": ')
    with pytest.raises(JobFileError, match=r"line 2.*JSON"):
        load_job_file(tmp_path / "cut.json")


def test_a_job_that_says_nothing_to_do() -> None:
    with pytest.raises(JobFileError, match="what to do"):
        parse_job({"plate": "p.%04d.exr"})


def test_an_empty_spec_dumps() -> None:
    assert dump_job(JobSpec()) == "{}\n"


@pytest.mark.parametrize("name", ["extend.yaml", "inpaint.yaml"])
def test_the_examples_are_jobs(name: str) -> None:
    spec = load_job_file(EXAMPLES / name)
    assert Path(spec.plate.path).parent == EXAMPLES / "plate"
    assert list(Path(spec.plate.path).parent.glob("plate.*.exr"))
    assert spec.WhichOneof("task") == name.removesuffix(".yaml")
