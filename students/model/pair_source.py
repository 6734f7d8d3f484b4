"""Renders named pairs of texts into token ids, for scoring and for training alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rankgen.manifests.models.pair_ids import cut_text
from rankgen.students.model.families.loaded import WholePairs
from rankgen.students.model.pair_template import Ids, Pair
from rankgen.students.model.tokens import BATCH_TEXTS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Returns the token ids, cut, of pairs that are named by query id and document id.
PairSource = Callable[[Sequence[tuple[str, str]]], list[Pair]]
_NO_IDS = np.zeros(0, dtype=np.int32)


def whole_pairs(
    whole: WholePairs,
    queries: Mapping[str, str],
    passages: Mapping[str, str],
    refuse_unknown: Callable[[Ids], None],
) -> PairSource:
    """Returns the source of pairs that are rendered as one text.

    Args:
        whole: Renders them.
        queries: Text by query id.
        passages: Text by document id.
        refuse_unknown: Raises for token ids that the model has no vector for.
    """

    def pairs(named: Sequence[tuple[str, str]]) -> list[Pair]:
        texts = [queries[query_id] for query_id, _ in named], [passages[d] for _, d in named]
        rendered = whole.ids(*texts)
        for ids in rendered:
            refuse_unknown(ids)
        return [(ids, _NO_IDS) for ids in rendered]

    return pairs


def cut_texts(
    tokenizer: PreTrainedTokenizerBase, texts: Mapping[str, str], most: int
) -> dict[str, str]:
    """Returns texts without what follows their first `most` tokens, by the same keys.

    A pair that is rendered as one text is cut before, since its prompt and the text around a place
    decide together what a token is.
    """
    cut: dict[str, str] = {}
    named = list(texts.items())
    for start in range(0, len(named), BATCH_TEXTS):
        batch = named[start : start + BATCH_TEXTS]
        whole = tokenizer([text for _, text in batch], add_special_tokens=False, verbose=False)
        for (key, text), ids in zip(batch, whole["input_ids"], strict=True):
            cut[key] = cut_text(tokenizer, text, most) if len(ids) > most else text
    return cut
