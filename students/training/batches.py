"""The lists of each step, a pure function of seed and step, so that resuming needs no state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rankgen.students.choices import SampleMode
from rankgen.students.model.pair_source import PairSource
from rankgen.students.model.pair_template import Pair, PairTemplate
from rankgen.students.training.lists import RankedList, sample_positions


class TokenList(NamedTuple):
    """One list of a step, in teacher order: rank = position + 1.

    Attributes:
        pairs: (query token ids, passage token ids) of each passage, or of each chunk.
        tokens: Number of tokens of all pairs, special tokens included.
        positions: Places of the passages in the teacher's whole list, from 0, increasing.
        scores: The teacher's scores of the passages, shape (n,); None if they are not learned.
        chunks: Pairs of each passage, side by side; None if each is one pair.
    """

    query_id: str
    pairs: list[Pair]
    tokens: int
    positions: NDArray[np.int64]
    scores: NDArray[np.float32] | None = None
    chunks: tuple[int, ...] | None = None

    @property
    def passages(self) -> int:
        """The number of passages."""
        return len(self.pairs) if self.chunks is None else len(self.chunks)


@dataclass
class StepLists:
    """Draws the lists of a step from all training lists.

    Attributes:
        source: Renders pairs.
        template: The pair template, for its number of special tokens.
        queries_per_step: Lists per step; a step may run over the end of an epoch.
        sample_size: Number of passages drawn from each list; None takes all.
        sample_mode: See `sample_positions`.
        seed: Random seed for the order and the samples.
        chunks: Keys that `source` knows of a document's chunks, by document id; None if documents
            are not read in chunks.
    """

    lists: Sequence[RankedList]
    source: PairSource
    template: PairTemplate
    _: KW_ONLY
    queries_per_step: int
    sample_size: int | None
    sample_mode: SampleMode
    seed: int
    chunks: Mapping[str, Sequence[str]] | None = None

    def __post_init__(self) -> None:
        self._epoch, self._order = -1, np.zeros(0, dtype=np.int64)

    def of_step(self, step: int) -> list[TokenList]:
        """Returns the lists of step number `step`, counted from 0."""
        first = step * self.queries_per_step
        return [self._draw(place) for place in range(first, first + self.queries_per_step)]

    def _draw(self, place: int) -> TokenList:
        epoch, within = divmod(place, len(self.lists))
        if epoch != self._epoch:
            generator = np.random.default_rng([self.seed, epoch])
            self._epoch, self._order = epoch, generator.permutation(len(self.lists))
        number = int(self._order[within])
        ranked, generator = self.lists[number], np.random.default_rng([self.seed, epoch, number])
        length = len(ranked.doc_ids)
        positions = sample_positions(length, self.sample_size, self.sample_mode, generator)
        read = [self._keys(ranked.doc_ids[position]) for position in positions]
        pairs = self.source([(ranked.query_id, key) for keys in read for key in keys])
        tokens = sum(self.template.length(*pair) for pair in pairs)
        scores = None if ranked.scores is None else ranked.scores[positions]
        sizes = None if self.chunks is None else tuple(map(len, read))
        return TokenList(ranked.query_id, pairs, tokens, positions, scores, sizes)

    def _keys(self, doc_id: str) -> Sequence[str]:
        return (doc_id,) if self.chunks is None else self.chunks[doc_id]


def split_by_tokens(lists: Sequence[TokenList], step_tokens: int) -> Iterator[list[TokenList]]:
    """Splits a step into parts whose activations fit into memory, without splitting lists.

    Args:
        lists: The lists of one step.
        step_tokens: Maximum tokens of a part; a longer list is a part of its own, which is
            computed by `chunked_backward`.
    """
    part: list[TokenList] = []
    held = 0
    for ranked in lists:
        if part and held + ranked.tokens > step_tokens:
            yield part
            part, held = [], 0
        part.append(ranked)
        held += ranked.tokens
    if part:
        yield part
