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
    """How many pairs of a validation set are read whole, so that both rules agree."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pairs: int
    whole_pairs: int


def truncation_of(encoder: CrossEncoder, texts: CandidateTexts) -> Truncation:
    """Counts the pairs within both cuts."""
    cuts = Cuts(encoder.query_tokens, encoder.passage_tokens)
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
