"""Whether a model has vectors for all that its tokenizer gives it."""

from __future__ import annotations

import numpy as np

from rankgen.manifests.errors import UsageError
from rankgen.students.model.cross_encoder import CrossEncoder

_HINT = "restore tokenizer and config.json from one copy of the model"


def check_tokenizer(source: str, encoder: CrossEncoder) -> None:
    """Refuses a tokenizer that belongs to another model.

    PyTorch would end with an index error in the middle of the work, or on a GPU with a broken
    device. Tokens that were added to a vocabulary are left out: some models never use them.

    Args:
        source: The model, for the message.
        encoder: The model with its tokenizer.

    Raises:
        UsageError: Ids or token types are beyond the model's, or a pair has no room for its texts.
    """
    config, tokenizer = encoder.model.config, encoder.tokenizer
    rows = encoder.known_tokens
    words = int(tokenizer.vocab_size)
    if rows is not None and words > rows:
        raise UsageError(
            f"the tokenizer of {source} has {words:,} tokens, but its model knows {rows:,}", _HINT
        )
    _check_room(source, encoder)
    if rows is not None:
        _check_template(source, encoder, rows)
    types = getattr(config, "type_vocab_size", None)
    highest = max(encoder.template.types or (0,))
    if isinstance(types, int) and 0 < types <= highest:
        raise UsageError(
            f"the tokenizer of {source} marks passages with token type {highest}, but its model "
            f"knows {types} token type{'s' if types > 1 else ''}",
            _HINT,
        )


def _check_room(source: str, encoder: CrossEncoder) -> None:
    """Refuses a cut that leaves no token of a text, so that all pairs would score alike."""
    most, special = encoder.pair_tokens, encoder.template.special_tokens
    if encoder.whole is None and most is not None and most < special + 2:
        raise UsageError(
            f"the tokenizer of {source} cuts pairs after {most:,} tokens, of which {special} are "
            "special ones, so that no texts are left",
            "correct model_max_length in its tokenizer_config.json",
        )


def _check_template(source: str, encoder: CrossEncoder, rows: int) -> None:
    """Refuses special tokens and padding that were added without vectors."""
    template = encoder.template
    around = [template.prefix, template.middle, template.suffix]
    if encoder.whole is not None:
        # With its prompt, which every pair has.
        around = encoder.whole.ids(["which"], ["that"])
    added = (*np.concatenate(around), template.pad_id)
    if max(added) >= rows:
        token = encoder.tokenizer.convert_ids_to_tokens(int(max(added)))
        raise UsageError(
            f"the tokenizer of {source} adds '{token}' to pairs, but its model knows {rows:,} "
            f"tokens, and not this one ({max(added):,})",
            _HINT,
        )
