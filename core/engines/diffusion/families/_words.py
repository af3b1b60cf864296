"""What a model's reader takes of a text."""

from __future__ import annotations

from typing import Any

from overscan.core.engines.diffusion._family import PaintRequest
from overscan.core.errors import InvalidJobError


def require_read(pipeline: Any, request: PaintRequest, *, most: int) -> None:
    """Raise `InvalidJobError` for words that the pipeline would leave out in silence: it reads `most` pieces only."""
    for field, words in (("prompt", request.prompt), ("negative_prompt", request.negative_prompt)):
        count = len(pipeline.tokenizer(words, truncation=False, padding=False).input_ids)
        if count > most:
            raise InvalidJobError(
                f"the text of {field} has {count} pieces, and the model reads {most}: the end would be left out.",
                next_step=f"Shorten it by about {100 * (count - most) / count:.0f} %.",
                field=f"controls.{field}",
                expected=f"at most {most}",
                actual=str(count),
            )
