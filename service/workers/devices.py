"""Which devices render: one worker for each, that sees no other."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess

from overscan.service._errors import UnsupportedError

_LOG = logging.getLogger(__name__)
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_LIST_SECONDS_MAX = 10.0
AUTO, CPU = "auto", "cpu"


def render_devices(wanted: str) -> tuple[str | None, ...]:
    """What ``CUDA_VISIBLE_DEVICES`` is for each render worker; None leaves it alone. Never empty.

    `wanted` is ``auto``: every CUDA device that this process may see, else whatever the machine has instead; ``cpu``;
    or CUDA devices by number or UUID, with commas between. Raises `UnsupportedError` for one that this machine has
    not: a worker would see none, and render on the CPU without a word.
    """
    if wanted.strip().lower() == CPU:
        return ("",)
    if wanted.strip().lower() != AUTO:
        return _there(tuple(part.strip() for part in wanted.split(",") if part.strip())) or ("",)
    given = os.environ.get(_VISIBLE)
    if given is not None:
        # As CUDA reads it: what comes after something that is no device does not count.
        listed = [part.strip() for part in given.split(",")]
        ends = next((index for index, part in enumerate(listed) if part in ("", "-1")), len(listed))
        return tuple(listed[:ends]) or (None,)
    return _cuda_devices() or (None,)


def _there(named: tuple[str, ...]) -> tuple[str, ...]:
    """What was `named`, where nothing says that one of it is not there."""
    known = _cuda_devices()
    for device in named:
        numbered = device.isdecimal() and int(device) < len(known)
        # CUDA takes the beginning of a UUID; parts of a card (MIG) are not listed.
        if known and not (numbered or device.startswith("MIG-") or any(uuid.startswith(device) for uuid in known)):
            raise UnsupportedError(
                f"this machine has no CUDA device '{device}'.",
                next_step=f"Name devices by number, 0 to {len(known) - 1}, or by UUID; or leave devices at auto.",
                field="devices",
                expected=", ".join(known),
                actual=device,
            )
    return named


def device_environment(device: str | None) -> dict[str, str]:
    """Variables by which a worker sees `device` alone."""
    return {} if device is None else {_VISIBLE: device}


def _cuda_devices() -> tuple[str, ...]:
    """UUIDs of all CUDA devices: unlike their numbers, they mean the same to all of NVIDIA's programs."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        done = subprocess.run(
            [program, "--query-gpu=uuid", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=_LIST_SECONDS_MAX,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        _LOG.warning("nvidia-smi does not say which devices there are, so one worker gets them all: %s", error)
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip().startswith("GPU-"))
