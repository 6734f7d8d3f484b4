"""A total order of scored documents: ties decided by a policy, scores strictly decreasing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Candidates

# Of equal scores: the better candidate of the first stage comes first, or the greater document id
# (as trec_eval orders them).
TiePolicy = Literal["first-stage", "doc-id"]


def strictly_ordered(
    candidates: Candidates, scores: Sequence[float], ties: TiePolicy
) -> Candidates:
    """Returns the candidates best first, with scores that no reader can take for ties.

    The first candidates are those that were scored; the rest follow in first-stage order. A score
    that does not lie below the one before it, in the 32 bits that trec_eval compares, takes the
    next number below. All others are the student's.

    Args:
        candidates: First-stage order.
        scores: Of the first `len(scores)` candidates, higher is better.
        ties: Which of two equal scores comes first.

    Raises:
        IntegrityProblem: A score is not a finite number in 32 bits.
    """
    narrow = np.asarray(scores, dtype=np.float32)
    if not np.isfinite(narrow).all():
        raise IntegrityProblem(
            f"the student's scores for query {candidates.query_id} are no finite numbers",
            "train it again with a lower --learning-rate",
        )
    places = list(range(len(narrow)))
    if ties == "doc-id":
        places.sort(key=lambda place: candidates.doc_ids[place], reverse=True)
    places.sort(key=lambda place: -float(narrow[place]))
    strict: list[float] = []
    for place in places:
        strict.append(_below(float(narrow[place]), strict))
    rest = range(len(narrow), len(candidates.doc_ids))
    strict += descending_from(strict[-1] if strict else 1.0, len(rest))
    order = [*places, *rest]
    doc_ids = tuple(candidates.doc_ids[place] for place in order)
    return Candidates(candidates.query_id, doc_ids, tuple(strict))


def descending_from(score: float, count: int) -> list[float]:
    """Returns `count` scores below `score`, about 1 apart, strictly decreasing in 32 bits."""
    strict = [score]
    for _ in range(count):
        strict.append(_below(strict[-1] - 1.0, strict))
    return strict[1:]


def _below(score: float, earlier: Sequence[float]) -> float:
    if not earlier or np.float32(score) < np.float32(earlier[-1]):
        return float(np.float32(score))
    return float(np.nextafter(np.float32(earlier[-1]), np.float32(-np.inf)))
