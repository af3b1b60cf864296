"""Model folders of the real diffusers classes with tiny random weights, written the way that published ones are.

Each family has a module here, with functions that save a folder of less than 1 MB: the architecture is the real one,
only its sizes are small. Nothing of it is downloaded, and every folder of the same name holds the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

WORDS = ("a", "wall", "street", "of", "stone", "with", "grass", "sky", "and", "clouds", "blurred", "text", "bright")
"""The words a tiny tokenizer knows; all others are the unknown word."""
SPECIAL = ("<pad>", "</s>", "<unk>")


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Random weights made inside are the same every time, and the world's randomness is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def tiny_tokenizer(*, length: int = 512) -> PreTrainedTokenizerFast:
    """A tokenizer by words, with the special tokens of T5 (``<pad>`` 0, ``</s>`` 1, ``<unk>`` 2).

    Saved by `save_pretrained` and by pipelines, it loads again offline, as any fast tokenizer does.
    """
    vocabulary = {word: at for at, word in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=length,
        padding_side="right",
    )


def vocabulary_size() -> int:
    """How many tokens `tiny_tokenizer` knows; text encoders need an embedding of this many."""
    return len(SPECIAL) + len(WORDS)


def folder_bytes(folder: Path) -> int:
    """How much a folder holds, to see that tiny is tiny."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
