"""Decides, when a job is planned, how a model runs on a device; what was decided is kept, for the same bits later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from overscan.core.engines.diffusion.runtime._devices import Device, operations_per_second
from overscan.core.engines.diffusion.runtime._need import Need, PartNeed
from overscan.core.errors import ErrorRecord
from overscan.core.jobs import ParameterValue

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_RESERVE = 0.06
"""Part of a device's memory that is left to others and to fragments."""
_RUNTIME_BYTES = {"cuda": 700_000_000, "mps": 300_000_000, "cpu": 0}
"""What the device's own libraries take when they are first used."""
_BUS = 8e9
"""Bytes a second between the machine's memory and a device's."""
_GIB = 1024**3

OFFLOAD = ("none", "model", "sequential")
ATTENTION = {"native": "", "flash": "flash_attn", "sage": "sageattention", "xformers": "xformers"}
"""Backends of diffusers that may be asked for, and the package that each needs. Those that it would fetch from a hub
are not among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a model runs. Together with the device and the weights it decides the bits of the result."""

    precision: str
    """``float32``, ``bfloat16`` or ``float16``; autoencoders stay in float32."""
    offload: str = "none"
    """``none``, ``model`` (whole components wait in the machine's memory), ``sequential`` (single layers do)."""
    tiling: bool = False
    """Whether the autoencoder works in tiles: less memory, and faint seams in some."""
    attention: str = "native"
    compile: bool = False

    def parameters(self) -> dict[str, ParameterValue]:
        """The parameters of an engine that say just this."""
        return {
            "precision": self.precision,
            "offload": self.offload,
            "tiling": "on" if self.tiling else "off",
            "attention": self.attention,
            "compile": self.compile,
        }


def settings_of(parameters: Mapping[str, ParameterValue]) -> Settings:
    """The settings that decided `parameters` say; what is still ``auto`` or left out is the plainest there is."""

    def said(name: str, plain: str) -> str:
        value = str(parameters.get(name, "auto"))
        return plain if value == "auto" else value

    return Settings(
        precision=said("precision", "float32"),
        offload=said("offload", "none"),
        tiling=said("tiling", "off") == "on",
        attention=said("attention", "native"),
        compile=bool(parameters.get("compile", False)),
    )


def moved_out(parameters: Mapping[str, ParameterValue], *, device: Device, frugal: int) -> Mapping[str, ParameterValue]:
    """Decided `parameters` with so many steps further down the ladder of `OFFLOAD`, where the device has a memory of
    its own. Only where weights wait differs, and no bit of the result."""
    if not device.separate:
        return parameters
    rung = OFFLOAD.index(settings_of(parameters).offload) + frugal
    return {**parameters, "offload": OFFLOAD[min(rung, len(OFFLOAD) - 1)]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was decided for a job on a device."""

    settings: Settings
    peak_bytes: int
    """On the device, while a window is painted."""
    seconds: float
    """For one window."""
    refusal: ErrorRecord | None = None
    """Why it cannot run like that, and what could."""
    fits: float = 1.0
    """Part of the window's pixels that would fit, where this is refused for want of memory; 0 where none would."""


def choose(
    need: Need,
    *,
    device: Device,
    parameters: Mapping[str, ParameterValue],
    speed: Callable[[str, str], float] = operations_per_second,
) -> Choice:
    """Decide what `parameters` leave to be decided, the best that fits first; a refusal says what would.

    The order: all on the device; whole components moved in and out; an autoencoder in tiles, which changes the bits;
    single layers moved, which is slow. `speed` gives a device's operations a second by its name and the precision.
    """
    wrong = _impossible(device, parameters)
    room = round(device.free_bytes * (1 - _RESERVE)) - _RUNTIME_BYTES.get(device.kind, 0)
    candidates = list(_candidates(device, parameters))
    possible = [settings for settings in candidates if _waits_somewhere(need, settings, device)]
    tried = [(settings, _peak(need, settings)) for settings in possible or candidates]
    fitting = [(settings, peak) for settings, peak in tried if peak <= room]
    shares = [_share_that_fits(need, one, room) for one, _ in tried] if not fitting else [1.0]
    best = max(range(len(shares)), key=lambda at: (shares[at], -tried[at][1]))
    settings, peak = fitting[0] if fitting else tried[best]
    choice = Choice(settings=settings, peak_bytes=peak, seconds=_seconds(need, settings, device, speed))
    if wrong is not None:
        return _refused(choice, wrong)
    if not possible:
        return _refused(choice, _no_place(need, settings, device), 0.0)
    if fitting:
        return choice
    cramped = len(possible) < len(candidates)
    refusal = _too_big(need, device, peak=peak, room=room, share=shares[best], parameters=parameters, cramped=cramped)
    return _refused(choice, refusal, shares[best])


def _waits_somewhere(need: Need, settings: Settings, device: Device) -> bool:
    """Whether the machine's own memory holds what is moved out of the device's."""
    if settings.offload == "none" or device.host_bytes is None:
        return True
    return _weights(need, settings) <= device.host_bytes * (1 - _RESERVE)


def _weights(need: Need, settings: Settings) -> int:
    return sum(part.parameters * _width(part, settings) for part in need.parts)


def _refused(choice: Choice, refusal: ErrorRecord, share: float = 1.0) -> Choice:
    return Choice(
        settings=choice.settings,
        peak_bytes=choice.peak_bytes,
        seconds=choice.seconds,
        refusal=refusal,
        fits=share,
    )


def _candidates(device: Device, parameters: Mapping[str, ParameterValue]) -> Iterator[Settings]:
    asked = settings_of(parameters)

    def free(name: str) -> bool:
        return parameters.get(name, "auto") == "auto"

    precisions = _precisions(device) if free("precision") else [asked.precision]
    offloads = [asked.offload] if not free("offload") else list(OFFLOAD) if device.separate else ["none"]
    tilings = [False, True] if free("tiling") else [asked.tiling]
    for precision in precisions:
        for tiling in tilings:
            for offload in offloads:
                if offload != "sequential":
                    yield _settings(asked, precision, offload, tiling=tiling)
        for tiling in tilings:
            if "sequential" in offloads:
                yield _settings(asked, precision, "sequential", tiling=tiling)


def _settings(asked: Settings, precision: str, offload: str, *, tiling: bool) -> Settings:
    return Settings(
        precision=precision, offload=offload, tiling=tiling, attention=asked.attention, compile=asked.compile
    )


def _precisions(device: Device) -> list[str]:
    """What to try, the best first: half where it is as good and faster, float32 where half would be slower."""
    if device.bfloat16:
        return ["bfloat16"]
    return ["float16"] if device.float16 else ["float32", "bfloat16"]


def _peak(need: Need, settings: Settings, *, share: float = 1.0) -> int:
    """Bytes on the device; `share` is the part of the window's pixels that is painted at once."""

    def held(part: PartNeed) -> int:
        return part.parameters * _width(part, settings)

    def flying(part: PartNeed) -> int:
        tiled = settings.tiling and part.tiled_activation is not None
        count = part.tiled_activation if tiled and part.tiled_activation is not None else part.activation
        return round(count * share) * _width(part, settings)

    if settings.offload == "none":
        return sum(map(held, need.parts)) + max(map(flying, need.parts), default=0)
    if settings.offload == "model":
        # The autoencoder stays on the device beside whatever runs: pipelines call it before the transformer and after.
        beside = sum(held(part) for part in need.parts if part.tiled_activation is not None)
        return max(
            (
                flying(part) + (beside if part.tiled_activation is not None else held(part) + beside)
                for part in need.parts
            ),
            default=0,
        )
    largest = max(map(held, need.parts), default=0)
    return largest // 8 + max(map(flying, need.parts), default=0)


def _width(part: PartNeed, settings: Settings) -> int:
    return 4 if part.float32 else _BYTES[settings.precision]


def _seconds(need: Need, settings: Settings, device: Device, speed: Callable[[str, str], float]) -> float:
    total = 0.0
    for part in need.parts:
        precision = "float32" if part.float32 else settings.precision
        total += part.operations / speed(device.name, precision)
        weights = part.parameters * _width(part, settings)
        if settings.offload == "model":
            total += 2 * weights / _BUS
        elif settings.offload == "sequential":
            total += part.calls * weights / _BUS
    return total


def _share_that_fits(need: Need, settings: Settings, room: int) -> float:
    """The largest part of the window's pixels that fits, by halves."""
    if _peak(need, settings, share=0.0) > room:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if _peak(need, settings, share=middle) <= room else (low, middle)
    return low


def _impossible(device: Device, parameters: Mapping[str, ParameterValue]) -> ErrorRecord | None:
    offload = str(parameters.get("offload", "auto"))
    if offload in ("model", "sequential") and not device.separate:
        return ErrorRecord(
            code="INVALID_JOB",
            message=f"offload is '{offload}', and {device.title} has no memory of its own to move the model out of.",
            next_step="Leave offload at auto, or run on a machine with an NVIDIA or AMD GPU.",
            field="parameters.offload",
            actual=offload,
        )
    attention = str(parameters.get("attention", "auto"))
    package = ATTENTION.get(attention, "")
    if attention not in ("auto", *ATTENTION) or (package and find_spec(package) is None):
        lacking = f"needs the package {package}, which is not installed" if package else "is none that may be asked for"
        return ErrorRecord(
            code="INVALID_JOB",
            message=f"the attention backend '{attention}' {lacking}.",
            next_step=f"Leave attention at auto, or set it to {', '.join(ATTENTION)} with its package installed.",
            field="parameters.attention",
            expected=f"auto, {', '.join(ATTENTION)}",
            actual=attention,
        )
    precision = str(parameters.get("precision", "auto"))
    if package and (device.kind != "cuda" or (precision == "float32" and attention != "xformers")):
        why = "in half precision only" if device.kind == "cuda" else f"on an NVIDIA GPU only, and not on {device.title}"
        return ErrorRecord(
            code="INVALID_JOB",
            message=f"the attention backend '{attention}' works {why}.",
            next_step="Leave attention at auto" + (", or precision." if device.kind == "cuda" else "."),
            field="parameters.attention",
            actual=attention,
        )
    if precision == "float16" and not device.float16:
        return ErrorRecord(
            code="INVALID_JOB",
            message=f"precision is 'float16', which {device.title} does not compute in at a useful speed.",
            next_step="Leave precision at auto, or set it to float32 or bfloat16.",
            field="parameters.precision",
            actual=precision,
        )
    return None


def _no_place(need: Need, settings: Settings, device: Device) -> ErrorRecord:
    wanted, free = _weights(need, settings) / _GIB, (device.host_bytes or 0) / _GIB
    return ErrorRecord(
        code="OUT_OF_MEMORY",
        message=f"offload keeps {wanted:.1f} GiB of the model in the machine's memory, which has {free:.1f} GiB free.",
        next_step="Leave offload at auto, close other programs, or use a smaller model.",
        field="parameters.offload",
        expected=f"at most {free:.1f} GiB",
        actual=f"{wanted:.1f} GiB",
    )


def _too_big(
    need: Need,
    device: Device,
    *,
    peak: int,
    room: int,
    share: float,
    parameters: Mapping[str, ParameterValue],
    cramped: bool,
) -> ErrorRecord:
    """`cramped`: whether offload was left out because the machine's memory is too small for it."""
    wanted = f"{peak / _GIB:.1f} GiB"
    free = f"{max(room, 0) / _GIB:.1f} GiB"
    ways = []
    if share >= 0.05:
        ways.append(
            f"lower work_pixels or window: about {share * need.pixels / 1e6:.3g} of a window's"
            f" {need.pixels / 1e6:.3g} million pixels would fit"
        )
    for name in ("offload", "tiling", "precision"):
        if parameters.get(name, "auto") != "auto" and not (name == "offload" and not device.separate):
            ways.append(f"leave {name} at auto")
    if cramped and device.host_bytes is not None:
        ways.append(f"free more than {device.host_bytes / _GIB:.1f} GiB of the machine's memory, for offload")
    if device.free_bytes < 0.8 * device.total_bytes:
        ways.append(f"close what else uses {device.title} ({device.total_bytes / _GIB:.1f} GiB in all)")
    ways.append("use a smaller model or another device")
    text = "; ".join(ways)
    return ErrorRecord(
        code="OUT_OF_MEMORY",
        message=f"painting one window takes about {wanted} of memory, and {device.title} has {free} to give.",
        next_step=f"{text[0].upper()}{text[1:]}.",
        field="parameters.work_pixels",
        expected=f"at most {free}",
        actual=wanted,
    )
