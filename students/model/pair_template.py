"""Assembles pairs from token ids exactly as the tokenizer's own pair encoding would."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rankgen.manifests.errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ids = NDArray[np.int32]
Pair = tuple[Ids, Ids]


@dataclass(frozen=True)
class PairTemplate:
    """The special tokens around a query and a passage, such as [CLS] query [SEP] passage [SEP].

    Attributes:
        prefix: Ids before the query.
        middle: Ids between query and passage; RoBERTa has two.
        suffix: Ids after the passage.
        types: Token type of prefix, query, middle, passage and suffix, each of a single type; None
            if the model has no token types.
        pad_id: The id of padding.
        pads_left: Whether padding comes before a pair, so that all pairs end in the last column.
    """

    prefix: Ids
    middle: Ids
    suffix: Ids
    types: tuple[int, int, int, int, int] | None
    pad_id: int
    pads_left: bool = False

    @property
    def special_tokens(self) -> int:
        """The number of special tokens in every pair."""
        return len(self.prefix) + len(self.middle) + len(self.suffix)

    def length(self, query: Ids, passage: Ids) -> int:
        """Returns the number of tokens of one assembled pair."""
        return self.special_tokens + len(query) + len(passage)

    def collate(self, pairs: Sequence[Pair]) -> dict[str, Tensor]:
        """Assembles pairs into model inputs, each padded to the longest.

        Returns:
            `input_ids`, `attention_mask` and, if the model has them, `token_type_ids`: int64
            tensors of shape (pairs, longest).
        """
        longest = max(self.length(query, passage) for query, passage in pairs)
        shape = (len(pairs), longest)
        ids = np.full(shape, self.pad_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        types = np.zeros(shape, dtype=np.int64)
        for row, (query, passage) in enumerate(pairs):
            parts = (self.prefix, query, self.middle, passage, self.suffix)
            whole = np.concatenate(parts)
            start = longest - len(whole) if self.pads_left else 0
            place = slice(start, start + len(whole))
            ids[row, place] = whole
            mask[row, place] = 1
            if self.types is not None:
                types[row, place] = np.repeat(self.types, [len(part) for part in parts])
        inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        if self.types is not None:
            inputs["token_type_ids"] = torch.from_numpy(types)
        return inputs


def whole_template(tokenizer: PreTrainedTokenizerBase, *, pads_left: bool) -> PairTemplate:
    """Returns the template of pairs that are rendered as a whole, held as the query of a `Pair`."""
    nothing = np.zeros(0, dtype=np.int32)
    # Where the mask is 0, the id does not matter.
    pad_id = int(tokenizer.pad_token_id or 0)
    return PairTemplate(nothing, nothing, nothing, None, pad_id, pads_left)


def pair_template(tokenizer: PreTrainedTokenizerBase) -> PairTemplate:
    """Derives the template from the tokenizer's encoding of a short pair.

    Raises:
        UsageError: The tokenizer has no pair encoding that can be assembled here.
    """
    encoded = tokenizer("first words", "second text")
    if not hasattr(encoded, "sequence_ids") or not encoded.is_fast:
        raise UsageError(
            f"the tokenizer {type(tokenizer).__name__} does not tell queries from passages",
            "choose a backbone with a fast tokenizer (tokenizer.json)",
        )
    owner = list(encoded.sequence_ids(0))
    if 0 not in owner or 1 not in owner or tokenizer.pad_token_id is None:
        raise UsageError(
            f"the tokenizer {type(tokenizer).__name__} cannot encode pairs with padding",
            "choose a backbone made for text pairs, such as BERT or ELECTRA",
        )
    ids = np.asarray(encoded["input_ids"], dtype=np.int32)
    query_start, passage_start = owner.index(0), owner.index(1)
    query_end = query_start + owner.count(0)
    passage_end = passage_start + owner.count(1)
    bounds = (0, query_start, query_end, passage_start, passage_end, len(ids))
    return PairTemplate(
        prefix=ids[:query_start],
        middle=ids[query_end:passage_start],
        suffix=ids[passage_end:],
        types=_types(encoded.get("token_type_ids"), bounds),
        pad_id=int(tokenizer.pad_token_id),
    )


def _types(
    type_ids: list[int] | None, bounds: tuple[int, ...]
) -> tuple[int, int, int, int, int] | None:
    if type_ids is None:
        return None
    parts = [type_ids[start:end] for start, end in itertools.pairwise(bounds)]
    if any(len(set(part)) > 1 for part in parts):
        raise UsageError(
            "the tokenizer mixes token types within the special tokens of a pair",
            "choose another backbone",
        )
    prefix, query, middle, passage, suffix = (part[0] if part else 0 for part in parts)
    return prefix, query, middle, passage, suffix
