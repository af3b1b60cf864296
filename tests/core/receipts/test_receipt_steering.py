"""What steers a model is in a job's receipt and in the header of each frame."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from delivering import FRAMES, deliver
from filming import pan, read, write

from overscan.core.controls import (
    CameraMove,
    CameraMoveKind,
    ControlPass,
    ControlPassKind,
    Controls,
    Keyframe,
    Reference,
    ReferenceKind,
    Transfer,
)
from overscan.core.jobs import Extend, Margins
from overscan.core.media import ImageSource, SequenceSource
from overscan.core.receipts import Subject


def _films(folder: Path, name: str, numbers: tuple[int, ...]) -> str:
    for number in numbers:
        write(folder / f"{name}.{number:04d}.exr", {"Y": np.full((64, 96), number, np.float16)})
    return str(folder / f"{name}.%04d.exr")


def test_inputs_by_role_and_what_was_said(tmp_path: Path) -> None:
    plate = pan(tmp_path / "p", size=(96, 64), frames=FRAMES)
    stock = tmp_path / "stock"
    key = ImageSource(sequence=SequenceSource(path=_films(stock, "key", (3, 4))), frame=4)
    controls = Controls(
        prompt="a wall",
        negative_prompt="people",
        steps=20,
        keyframes=(Keyframe(frame=1002, image=key),),
        references=(Reference(image=key, kind=ReferenceKind.STYLE),),
        passes=(ControlPass(kind=ControlPassKind.DEPTH, sequence=SequenceSource(path=_films(stock, "z", FRAMES))),),
        camera_moves=(CameraMove(kind=CameraMoveKind.PAN, amount=5.0),),
        motion_transfer=Transfer(source=SequenceSource(path=_films(stock, "run", (1, 2, 3)))),
    )
    made = deliver(tmp_path, Extend(margins=Margins(left=8)), plate, controls=controls)
    inputs = {source.role: source for source in made.receipt.inputs}
    assert {role: [file.frame for file in source.frames] for role, source in inputs.items()} == {
        "plate": [1001, 1002, 1003, 1004],
        "keyframe": [4],
        "reference": [4],
        "depth_pass": [1001, 1002, 1003, 1004],
        "motion_source": [1, 2, 3],
    }
    said = json.loads(read(made.frame(1001))[0].attributes["overscan:controls"])
    assert said == {
        "prompt": "a wall",
        "negative_prompt": "people",
        "steps": 20,
        "keyframe": [key.sequence.path],
        "reference": [key.sequence.path],
        "depth_pass": [str(stock / "z.%04d.exr")],
        "motion_source": [str(stock / "run.%04d.exr")],
        "camera_moves": ["pan 5 in-out"],
    }
    assert not [state for subject, state, _ in made.not_intact() if subject == Subject.INPUT.value]
    write(stock / "z.1003.exr", {"Y": np.zeros((64, 96), np.float16)})
    (stock / "key.0004.exr").unlink()
    told = [found.detail for found in made.audit() if found.subject is Subject.INPUT and found.state.value != "intact"]
    assert any("depth pass" in text and "1003" in text for text in told), told
    assert any("keyframe" in text for text in told), told


def test_zero_and_no_words_are_said_too(tmp_path: Path) -> None:
    plate = pan(tmp_path / "p", size=(96, 64), frames=FRAMES)
    controls = Controls(negative_prompt="", guidance=0.0, strength=0.0)
    made = deliver(tmp_path, Extend(margins=Margins(left=8)), plate, controls=controls)
    said = json.loads(read(made.frame(1001))[0].attributes["overscan:controls"])
    assert said == {"negative_prompt": "", "guidance": 0.0, "strength": 0.0}
