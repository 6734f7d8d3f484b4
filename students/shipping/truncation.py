"""Where rankgen's cuts, one for each text, agree with one maximal length of both texts together.

Both read a pair whole whose query and passage are within their own cuts. Beyond them they differ:
one maximal length takes from the longer text until both fit, and leaves to a passage what a short
query did not use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from rankgen.students.model.cuts import Cuts
from rankgen.students.model.tokens import TokenStore, tokenise
from rankgen.students.reranking.candidates import CandidateTexts

if TYPE_CHECKING:
    from rankgen.students.model.cross_encoder import CrossEncoder


class Truncation(BaseModel):
    """How many pairs of a validation set both rules read the same of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pairs: int
    whole_pairs: int


def own_cuts(encoder: CrossEncoder) -> Cuts | None:
    """Returns the cuts of query and passage; None if pairs are cut as one, as servers do."""
    if encoder.pair_tokens is not None:
        return None
    return Cuts(encoder.query_tokens, encoder.passage_tokens)


def truncation_of(encoder: CrossEncoder, texts: CandidateTexts) -> Truncation:
    """Counts the pairs within both cuts, or all if the student cuts as servers do."""
    cuts = own_cuts(encoder)
    if cuts is None:
        return Truncation(pairs=texts.pairs(None), whole_pairs=texts.pairs(None))
    # One token more tells a text that is cut.
    queries = tokenise(encoder.tokenizer, texts.queries, cuts.query_tokens + 1)
    documents = tokenise(encoder.tokenizer, texts.documents, cuts.passage_tokens + 1)
    whole = sum(
        _is_whole(queries, row.query_id, cuts.query_tokens)
        and _is_whole(documents, doc_id, cuts.passage_tokens)
        for row in texts.candidates
        for doc_id in row.doc_ids
    )
    return Truncation(pairs=texts.pairs(None), whole_pairs=whole)


def _is_whole(store: TokenStore, key: str, most: int) -> bool:
    return len(store[key]) <= most
