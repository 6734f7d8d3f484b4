"""Packs pairs of different lengths end to end into one row, without padding."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rankgen.students.model.hardware import moved
from rankgen.students.model.pair_template import Pair, PairTemplate


@dataclass(frozen=True)
class PackedPairs:
    """Pairs whose tokens are concatenated.

    Attributes:
        ids: Token ids, shape (tokens,).
        types: Token types, shape (tokens,); None if the model has none.
        places: Place of each token in its pair, from 0, shape (tokens,).
        starts: The start of each pair, then the number of tokens, shape (pairs + 1,), int32.
        groups: (number of pairs, tokens per pair) of each run of equal lengths, in order.
    """

    ids: Tensor
    types: Tensor | None
    places: Tensor
    starts: Tensor
    groups: tuple[tuple[int, int], ...]

    @property
    def longest(self) -> int:
        """Number of tokens of the longest pair."""
        return max(length for _, length in self.groups)

    def to(self, device: torch.device) -> PackedPairs:
        """Returns the pairs on a device."""
        types = None if self.types is None else moved(self.types, device)
        ids, places = moved(self.ids, device), moved(self.places, device)
        return PackedPairs(ids, types, places, moved(self.starts, device), self.groups)


def pack(template: PairTemplate, pairs: Sequence[Pair]) -> PackedPairs:
    """Assembles pairs as the tokenizer would and puts them end to end.

    Args:
        template: The template of a pair.
        pairs: At least one pair; attention is fastest if equal lengths are neighbours.
    """
    parts = [
        part
        for query, passage in pairs
        for part in (template.prefix, query, template.middle, passage, template.suffix)
    ]
    lengths = [template.length(query, passage) for query, passage in pairs]
    types = None
    if template.types is not None:
        sizes = [len(part) for part in parts]
        types = torch.from_numpy(np.repeat(np.tile(template.types, len(pairs)), sizes))
    places = np.concatenate([np.arange(length) for length in lengths])
    groups = tuple((len(list(same)), length) for length, same in itertools.groupby(lengths))
    return PackedPairs(
        ids=torch.from_numpy(np.concatenate(parts).astype(np.int64)),
        types=types,
        places=torch.from_numpy(places),
        starts=torch.from_numpy(np.cumsum([0, *lengths], dtype=np.int32)),
        groups=groups,
    )
