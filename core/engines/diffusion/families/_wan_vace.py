"""Wan VACE: paints under a mask in every frame at once, steered by words, references and one control video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from overscan.core.engines.diffusion import runtime
from overscan.core.engines.diffusion._family import (
    Defaults,
    FamilyCard,
    Floats,
    Lattice,
    MatteUse,
    Painted,
    PaintRequest,
    PassKind,
    ReferenceKind,
    StepHook,
)
from overscan.core.engines.diffusion.families import _wan as wan
from overscan.core.engines.diffusion.families._words import require_read
from overscan.core.errors import ErrorRecord
from overscan.core.jobs import Job, ParameterValue, Task

if TYPE_CHECKING:
    from overscan.core.engines.diffusion import DiffusionEngine
    from overscan.core.models import ModelFolder

_GREY = np.float32(0.5)
"""What the model sees where it is to paint; it was trained with 127.5 of 255."""
_CARD = FamilyCard(
    name="wan-vace",
    title="Wan VACE: extends, repairs, continues and fills gaps, with references and one control pass.",
    version="1",
    pipelines=("WanVACEPipeline",),
    tasks=(Task.EXTEND, Task.INPAINT, Task.CONTINUE, Task.INTERPOLATE),
    controls=(
        "seed",
        "parameters",
        "prompt",
        "negative_prompt",
        "steps",
        "guidance",
        "strength",
        "keyframes",
        "references",
        "passes",
        "camera",
        "camera_moves",
        "motion_transfer",
        "pose_transfer",
    ),
    passes=frozenset({PassKind.DEPTH, PassKind.POSE, PassKind.EDGES, PassKind.MOTION, PassKind.CAMERA}),
    references=frozenset({ReferenceKind.SUBJECT, ReferenceKind.ENVIRONMENT}),
    lattice=Lattice(size=16, frames=4, offset=1, frames_max=81, pixels=wan.SMALL),
    defaults=Defaults(steps=30, guidance=5.0, negative_prompt=wan.NEGATIVE_PROMPT, overlap=13),
    matte=MatteUse.NATIVE,
    rights_card="wan-vace",
    parameters=(wan.SHIFT,),
)


def engine() -> DiffusionEngine:
    """The engine ``wan-vace``."""
    from overscan.core.engines.diffusion import DiffusionEngine

    return DiffusionEngine(family=WanVace())


class WanVace:
    """The family of `WanVACEPipeline`: Wan2.1-VACE, and Wan2.2-VACE with a second transformer for low noise."""

    @property
    def card(self) -> FamilyCard:
        """What it is and can do."""
        return _CARD

    def lattice(self, facts: runtime.ModelFacts | None) -> Lattice:
        """The sizes and lengths of one model."""
        scale, scale_time = _scales(facts)
        return wan.wan_lattice(_CARD.lattice, facts, scale=scale, scale_time=scale_time)

    def refusals(self, job: Job, folder: ModelFolder | None) -> list[ErrorRecord]:
        """Combinations that one control video and one scale for all conditions cannot express."""
        from overscan.core.engines.diffusion.guides import wanted_guides

        controls = job.controls
        found = wan.lora_refusals(folder) + wan.strength_refusals(job, steps=_CARD.defaults.steps)
        guides = wanted_guides(job, card=_CARD)
        if len(guides) > 1:
            found.append(
                _refusal(
                    "Wan VACE takes one control video, and the job has several of passes, transfers and camera paths.",
                    "Keep the one that matters most, or render them in jobs of their own.",
                    "controls.passes" if controls.passes else "controls",
                )
            )
        strengths = {one.strength for one in guides} | {one.strength for one in controls.references}
        if len(strengths) > 1:
            found.append(
                _refusal(
                    "Wan VACE has one strength for all it is steered by, and the job sets several "
                    f"({', '.join(f'{value:g}' for value in sorted(strengths))}).",
                    "Give passes, transfers, the camera and references the same strength.",
                    "controls.references" if controls.references else "controls.passes",
                )
            )
        if any(keyframe.strength != 1 for keyframe in controls.keyframes):
            found.append(
                _refusal(
                    "Wan VACE takes key frames as given frames, and cannot follow them half.",
                    "Set the strength of every key frame to 1.",
                    "controls.keyframes",
                )
            )
        return found

    def estimate(
        self, facts: runtime.ModelFacts, *, frames: int, width: int, height: int, steps: int, job: Job
    ) -> runtime.Need:
        """Seconds and bytes that one window takes."""
        scale, scale_time = _scales(facts)
        patch = wan.patch_of(facts)
        guidance = job.controls.guidance
        each = (width // scale // patch[2]) * (height // scale // patch[1])
        return runtime.video_need(
            facts,
            frames=frames,
            width=width,
            height=height,
            steps=steps,
            passes=1 if guidance is not None and guidance <= 1 else 2,
            scale=scale,
            scale_time=scale_time,
            patch=patch,
            extra_tokens=each * len(job.controls.references),
            encodes=2,
            frames_at_once=wan.FRAMES_AT_ONCE,
        )

    def load(self, folder: ModelFolder, device: runtime.Device, *, parameters: Mapping[str, ParameterValue]) -> Any:
        """The pipeline, ready to paint."""
        return runtime.load_pipeline(folder, classes=_CARD.pipelines, device=device, parameters=parameters)

    def paint(self, pipeline: Any, request: PaintRequest, hook: StepHook) -> Painted:
        """Paint one window."""
        frames, height, width = request.matte.shape
        require_read(pipeline, request, most=wan.PIECES_MAX)
        video, mask = _conditions(request)
        generator = runtime.noise(request.seed)
        references = tuple(_fitted(still.image, width=width, height=height) for still in request.references)
        painted = [index for index in range(frames) if mask[index].any()]
        with (
            runtime.painting(pipeline),
            wan.shifted(pipeline, float(request.parameters.get(wan.SHIFT.name, 0.0))),
            runtime.late_start(pipeline.scheduler, steps=request.steps, strength=request.strength) as steps,
        ):
            preview = wan.WanPreview(pipeline, request.video, painted=painted, before=len(references))
            latents = None
            if steps < request.steps:
                clean = wan.clean_latents(pipeline, request.video, stills=references)
                latents = wan.begun_latents(pipeline, clean, generator=generator, steps=request.steps)
            made = pipeline(
                prompt=request.prompt,
                negative_prompt=request.negative_prompt,
                video=runtime.video_tensor(video),
                mask=runtime.video_tensor(mask),
                reference_images=[_image(still) for still in references] or None,
                conditioning_scale=_scale(request),
                height=height,
                width=width,
                num_frames=frames,
                num_inference_steps=request.steps,
                guidance_scale=request.guidance,
                generator=generator,
                latents=latents,
                output_type="latent",
                callback_on_step_end=runtime.listen(hook, total=steps, preview=preview),
            ).frames
            video = wan.decoded(pipeline, made[:, :, len(references) :])
        return Painted(video=video)


def _conditions(request: PaintRequest) -> tuple[Floats, Floats]:
    """The video and the mask as the model knows them: grey, or a control video, where it is to paint.

    Plate that was moved along a camera path is no control the model knows, but a picture with holes is: what the path
    shows of the plate is given, and the rest is to be painted. A path that has to guess, or that is to be followed in
    part, shows it where it is painted.
    """
    paints = request.matte > 0
    video = request.video.copy()
    video[paints] = request.guides[0].video[paints] if request.guides else _GREY
    mask = paints.astype(np.float32)
    if request.guides and request.guides[0].certain and request.guides[0].strength == 1:
        mask[(request.guides[0].video != _GREY).any(axis=-1)] = 0  # the matte is 0 already where the plate is
    for still in request.keyframes:
        here = paints[still.index]
        video[still.index][here] = still.image[here]
        mask[still.index] = 0
    return video, mask


def _scale(request: PaintRequest) -> float:
    strengths = [guide.strength for guide in request.guides] + [still.strength for still in request.references]
    return min(strengths, default=1.0)


def _fitted(image: Floats, *, width: int, height: int) -> Floats:
    """A reference, whole and in the middle of a white frame: what the pipeline makes of one, in floats."""
    import cv2

    share = min(height / image.shape[0], width / image.shape[1])
    size = (max(1, int(image.shape[1] * share)), max(1, int(image.shape[0] * share)))
    how = cv2.INTER_AREA if share < 1 else cv2.INTER_LINEAR
    small = cv2.resize(np.ascontiguousarray(image), size, interpolation=how)
    canvas = np.ones((height, width, 3), np.float32)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = np.clip(small, 0, 1)
    return canvas


def _image(still: Floats) -> Any:
    """A picture as the pipeline insists on having references: 8 bits. No sample of the result is taken from one."""
    from PIL import Image

    return Image.fromarray(np.rint(still * 255).astype(np.uint8))


def _scales(facts: runtime.ModelFacts | None) -> tuple[int, int]:
    """The autoencoder's scale in samples and in frames, counted as the pipeline counts them."""
    down = (facts.config("vae") if facts is not None else {}).get("temperal_downsample") or (False, True, True)
    return 2 ** len(down), 2 ** sum(bool(one) for one in down)


def _refusal(message: str, next_step: str, field: str) -> ErrorRecord:
    return ErrorRecord(code="INVALID_JOB", message=message, next_step=next_step, field=field)
