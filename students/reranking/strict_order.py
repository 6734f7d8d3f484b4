"""A total order of scored documents: ties decided by a policy, scores strictly decreasing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Candidates
from rankgen.manifests.score_order import strictly_decreasing

# Which of two equal scores comes first: the better candidate of the first stage, or the larger
# document id (as in trec_eval).
TiePolicy = Literal["first-stage", "doc-id"]


def strictly_ordered(
    candidates: Candidates, scores: Sequence[float], ties: TiePolicy
) -> Candidates:
    """Returns the candidates best first, with scores that no reader can take for ties.

    The first candidates are those that were scored; the rest follow in first-stage order. A score
    that is not below the one before it, in the 32 bits that trec_eval compares, becomes the next
    number below. All others are the student's.

    Args:
        candidates: First-stage order.
        scores: Of the first `len(scores)` candidates, higher is better.
        ties: Which of two equal scores comes first.

    Raises:
        IntegrityProblem: A score is not a finite number in 32 bits.
    """
    narrow = finite(candidates.query_id, scores)
    places = list(range(len(narrow)))
    if ties == "doc-id":
        places.sort(key=lambda place: candidates.doc_ids[place], reverse=True)
    places.sort(key=lambda place: -narrow[place])
    strict = strictly_decreasing([narrow[place] for place in places])
    order = [*places, *range(len(narrow), len(candidates.doc_ids))]
    doc_ids = tuple(candidates.doc_ids[place] for place in order)
    return Candidates(candidates.query_id, doc_ids, tuple(with_the_rest(strict, len(doc_ids))))


class NotFinite(IntegrityProblem):
    """A student's score is NaN or infinite."""


def finite(query_id: str, scores: Sequence[float]) -> list[float]:
    """Returns a student's scores in 32 bits.

    Raises:
        NotFinite: One is not a finite number.
    """
    narrow = np.asarray(scores, dtype=np.float32)
    if not np.isfinite(narrow).all():
        raise NotFinite(
            f"the student's scores for query {query_id} are not finite numbers",
            "train it again with a lower --learning-rate",
        )
    return [float(score) for score in narrow]


def with_the_rest(scores: Sequence[float], length: int) -> list[float]:
    """Returns the scores, and for the rest of a list of `length` candidates lower ones.

    These are about 1 apart and strictly decreasing in 32 bits, so that they keep the order of the
    first stage.
    """
    lowest = [min(scores, default=1.0)]
    for _ in range(length - len(scores)):
        lowest += strictly_decreasing([lowest[-1], lowest[-1] - 1.0])[1:]
    return [*scores, *lowest[1:]]
