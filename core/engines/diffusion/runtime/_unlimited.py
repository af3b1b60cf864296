"""Decodes without the limits that some autoencoders put on what they give."""

from __future__ import annotations

from typing import Any

_SPAN = 16.0
"""Limits are this many times further out. A power of two: it changes no bit of what lies between them."""


def decode_unlimited(vae: Any, latents: Any) -> Any:
    """What ``vae.decode`` gives for `latents`, with values beyond -1 to 1 where the decoder makes some.

    Wan's autoencoders limit them, in each way that they decode: light above white would be white. So their decoder's
    output is made smaller before, and larger again after.
    """

    def smaller(_module: Any, _arguments: Any, made: Any) -> Any:
        return made / _SPAN

    hook = vae.decoder.register_forward_hook(smaller)
    try:
        return vae.decode(latents.to(vae.dtype), return_dict=False)[0] * _SPAN
    finally:
        hook.remove()
