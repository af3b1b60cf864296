"""The model of a job that goes on after a break: on the device it was begun on, or told."""

from __future__ import annotations

import pytest
from stub import LATTICE

from overscan.core.engines.diffusion import runtime
from overscan.core.engines.diffusion._model import Chosen, as_begun, surroundings_of
from overscan.core.engines.diffusion.runtime import Device

pytest.importorskip("torch", reason="needs the extra `models`")


def _device(name: str) -> Device:
    return Device(name=name, title=name, total_bytes=1 << 34, free_bytes=1 << 34, bfloat16=True, float16=True)


@pytest.fixture
def two_devices(monkeypatch) -> tuple[Device, ...]:
    """A machine that has a GPU."""
    found = (_device("cuda:0"), _device("cpu"))
    monkeypatch.setattr(runtime, "devices", lambda: found)
    return found


def _chosen(device: Device | None) -> Chosen:
    return Chosen(device=device, lattice=LATTICE)


def test_a_job_stays_on_the_kind_of_device_it_was_begun_on(two_devices):
    now = surroundings_of(_chosen(two_devices[0]))
    assert {"torch", "diffusers", "transformers"} <= set(now)
    chosen, notices = as_begun(_chosen(two_devices[0]), device="cpu", surroundings=now)
    assert chosen.device == two_devices[1]
    assert notices == []
    # Another one of the same kind gives the same bits.
    assert as_begun(_chosen(two_devices[0]), device="cuda:3", surroundings=now) == (_chosen(two_devices[0]), [])


def test_where_that_cannot_be_it_is_told(two_devices):
    now = surroundings_of(_chosen(two_devices[0]))
    chosen, (notice,) = as_begun(_chosen(two_devices[0]), device="mps", surroundings=now | {"torch": "1.0"})
    assert chosen.device == two_devices[0]
    assert notice.code == "OTHER_SURROUNDINGS"
    assert "device mps → cuda" in notice.message
    assert "torch 1.0 → " in notice.message
    assert "diffusers" not in notice.message


def test_what_loads_nothing_has_no_surroundings():
    assert surroundings_of(_chosen(None)) == {}
    assert as_begun(_chosen(None), device="", surroundings={}) == (_chosen(None), [])
