"""The tiny ladder's tokenizer: one token for each character, one for the end of a text, one for padding."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
ALPHABET = "\n abcdefghijklmnopqrstuvwxyz0123456789.,:?+=|()[]{}<>"
VOCABULARY: dict[str, int] = {token: number for number, token in enumerate([PAD, EOS, UNKNOWN, *ALPHABET])}
PAD_ID, EOS_ID = VOCABULARY[PAD], VOCABULARY[EOS]


def build_tokenizer(longest: int) -> PreTrainedTokenizerFast:
    """Return the tokenizer for models that read at most `longest` tokens.

    Text over `ALPHABET` comes back exactly from decode(encode(text)); any other character becomes <unk>.
    """
    # A byte-pair model without merges is a character model that the library can save and load by itself.
    backend = Tokenizer(BPE(vocab=VOCABULARY, merges=[], unk_token=UNKNOWN))
    backend.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        model_max_length=longest,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def save_tokenizer(folder: Path, longest: int) -> None:
    """Write tokenizer.json and tokenizer_config.json into `folder`."""
    build_tokenizer(longest).save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    # Version 5 of transformers writes a class name that version 4 does not know; both know this one.
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
