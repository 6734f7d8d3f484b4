"""How far a shipped model is from its student: scores on made-up pairs, rankings on real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.progress import progress
from rankgen.students.evaluation.measures import per_query
from rankgen.students.evaluation.significance import paired_tests
from rankgen.students.model.pair_template import Pair
from rankgen.students.model.scoring import score_each_pair
from rankgen.students.reranking.candidates import Scores
from rankgen.students.reranking.reranker import StudentReranker
from rankgen.students.shipping.validation_set import ValidationSet

if TYPE_CHECKING:
    from rankgen.students.model.cross_encoder import CrossEncoder
    from rankgen.students.model.hardware import Hardware

MEASURE = "nDCG@10"
TOP = 10
# Rounding of sums in 32 bits, relative to the largest score.
TOLERANCE = 1e-4
Scorer = tuple["CrossEncoder", "Hardware"]


class Quality(BaseModel):
    """The shipped model beside its student on the same candidates.

    Attributes:
        student: Mean nDCG@10 of the student, in 32 bits.
        shipped: Mean nDCG@10 of the shipped model.
        p: Two-sided p value of the randomisation test; None for a single query.
        largest_score_difference: Between the two scores of a pair.
        mean_score_difference: Mean of the absolute differences.
        same_top_10: Mean share of the student's first ten that are among the shipped model's.
        source: What it was measured on, in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: str = MEASURE
    student: float
    shipped: float
    p: float | None
    queries: int
    pairs: int
    largest_score_difference: float
    mean_score_difference: float
    same_top_10: float
    source: str

    def is_loss(self, significance: float) -> bool:
        """Tells whether the shipped model ranks worse, and not by chance."""
        return self.shipped < self.student and self.p is not None and self.p < significance


def compare(student: Scorer, shipped: Scorer, held: ValidationSet) -> tuple[Quality, Scores]:
    """Re-ranks the same candidates with both.

    Returns:
        The comparison, and the shipped model's scores.

    Raises:
        IntegrityProblem: A score is NaN or infinite.
    """
    scores = []
    for name, (encoder, hardware) in {"student": student, "shipped model": shipped}.items():
        with progress(f"re-rank with the {name}", held.pairs) as shown:
            scores.append(StudentReranker(encoder, hardware).scores(held.texts, shown.advance))
    return quality_of(scores[0], scores[1], held), scores[1]


def quality_of(student: Scores, shipped: Scores, held: ValidationSet) -> Quality:
    """Compares two sets of scores of the same candidates."""
    values = [_per_query(held, scores) for scores in (student, shipped)]
    (test,) = paired_tests(MEASURE, [("student", values[0]), ("shipped", values[1])], [(0, 1)])
    apart = np.concatenate([_apart(student[q], shipped[q]) for q in student])
    return Quality(
        student=float(values[0].mean()),
        shipped=float(values[1].mean()),
        p=test.p_randomisation,
        queries=len(values[0]),
        pairs=len(apart),
        largest_score_difference=float(apart.max()),
        mean_score_difference=float(apart.mean()),
        same_top_10=float(np.mean([_same_top(student[q], shipped[q]) for q in student])),
        source=held.source,
    )


def check_equal(student: Scorer, shipped: Scorer) -> float:
    """Compares scores of made-up pairs, short and long; they differ by rounding alone.

    Returns:
        The largest difference.

    Raises:
        IntegrityProblem: They differ by more.
    """
    pairs = made_up_pairs(student[0])
    ours, theirs = (score_each_pair(encoder, pairs, hw) for encoder, hw in (student, shipped))
    apart = float(np.abs(ours - theirs).max())
    if not apart <= TOLERANCE * max(1.0, float(np.abs(ours).max())):
        raise IntegrityProblem(
            f"the exported model's scores differ from the student's by up to {apart:.2g}",
            "serve the student with transformers, and report this student's architecture",
        )
    return apart


def made_up_pairs(encoder: CrossEncoder, count: int = 24) -> list[Pair]:
    """Returns pairs of random tokens: the shortest, the longest, and others between."""
    draw = np.random.default_rng(0)
    most = encoder.query_tokens, encoder.passage_tokens
    if encoder.pair_tokens is not None:
        room = encoder.pair_tokens - encoder.template.special_tokens
        most = room // 2, room - room // 2
    lengths = [(1, 1), most, (1, most[1]), (most[0], 1)]
    lengths += [
        (int(draw.integers(1, most[0] + 1)), int(draw.integers(1, most[1] + 1)))
        for _ in range(count - len(lengths))
    ]
    # Tokens may be added to a tokenizer without a vector in the model.
    known = min(len(encoder.tokenizer), encoder.known_tokens or len(encoder.tokenizer))
    words = np.setdiff1d(np.arange(known), np.asarray(encoder.tokenizer.all_special_ids)).astype(
        np.int32
    )
    return [(draw.choice(words, query), draw.choice(words, passage)) for query, passage in lengths]


def _per_query(held: ValidationSet, scores: Scores) -> NDArray[np.float64]:
    values = per_query(held.qrels, scores, [MEASURE])[MEASURE]
    return np.fromiter(values.values(), dtype=np.float64, count=len(values))


def _apart(one: Mapping[str, float], other: Mapping[str, float]) -> NDArray[np.float64]:
    return np.abs([score - other[doc_id] for doc_id, score in one.items()])


def _same_top(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    tops = [set(sorted(of, key=lambda d: -of[d])[:TOP]) for of in (one, other)]
    return len(tops[0] & tops[1]) / max(1, len(tops[0]))
