"""Validation during training: nDCG@10 of the student on lists that it never learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rankgen.manifests.score_order import trec_eval_places
from rankgen.manifests.trec import Qrels
from rankgen.students.agreement.measures import kendall_tau
from rankgen.students.evaluation.measures import mean, per_query
from rankgen.students.evaluation.systems import scores_of_order
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import Hardware
from rankgen.students.reranking.candidates import CandidateTexts, Scores
from rankgen.students.reranking.reranker import StudentReranker

MEASURE = "nDCG@10"


@dataclass(frozen=True)
class Measured:
    """A student on one set.

    Attributes:
        values: nDCG@10, from 0 to 1, by query id.
        tau: Mean of Kendall's tau between the student's orders and the teacher's; None for a set
            with judgements.
    """

    values: Mapping[str, float]
    tau: float | None = None

    @property
    def mean(self) -> float:
        """The mean nDCG@10 of the set."""
        return mean(self.values)


class Validation:
    """Measures a student on a fixed set of lists, whenever it is called.

    Args:
        name: What the set is called.
        texts: The lists in first-stage order, with their texts.
        qrels: The grades of their documents.
        orders: The teacher's order by query id, where that is the goal.
        knows_first_stage: Whether the lists are in the order of a first stage.
        notices: See below.

    Attributes:
        notices: What is to be known of the set, one sentence each: judged queries without
            candidates, which no validation counts, and queries that the student learns from.
    """

    def __init__(
        self,
        name: str,
        texts: CandidateTexts,
        qrels: Qrels,
        orders: Mapping[str, Sequence[str]] | None = None,
        *,
        knows_first_stage: bool = True,
        notices: Sequence[str] = (),
    ) -> None:
        self.name, self.notices = name, tuple(notices)
        self._knows_first_stage = knows_first_stage
        self._texts, self._qrels, self._orders = texts, qrels, orders

    @property
    def is_judged(self) -> bool:
        """Whether judgements are the goal, rather than a teacher's order."""
        return self._orders is None

    @property
    def queries(self) -> Mapping[str, str]:
        """Text by id of the queries that count."""
        return {row.query_id: self._texts.queries[row.query_id] for row in self._texts.candidates}

    @property
    def first_stage(self) -> float | None:
        """nDCG@10 of the lists in first-stage order, from 0 to 1, for a student to beat.

        None where that order is unknown.
        """
        found = self.in_first_stage_order()
        return None if found is None else found.mean

    def in_first_stage_order(self) -> Measured | None:
        """Returns what the lists reach as they are; None where their order is no first stage's."""
        if not self._knows_first_stage:
            return None
        return self.measured(
            {row.query_id: scores_of_order(row.doc_ids) for row in self._texts.candidates}
        )

    def __call__(self, encoder: CrossEncoder, hardware: Hardware) -> Measured:
        """Returns what the student reaches.

        Raises:
            IntegrityProblem: A score is NaN or infinite.
        """
        return self.measured(StudentReranker(encoder, hardware).scores(self._texts))

    def measured(self, scores: Scores) -> Measured:
        """Returns what scores of all documents of the lists reach."""
        values = per_query(self._qrels, scores, [MEASURE])[MEASURE]
        if self._orders is None:
            return Measured(values)
        taus = {
            row.query_id: kendall_tau(
                _ordered(row.doc_ids, scores[row.query_id]), self._orders[row.query_id]
            )
            for row in self._texts.candidates
        }
        return Measured(values, mean(taus))


class Validations:
    """Measures a student on several sets; every query of every set counts alike.

    Args:
        sets: At least one set.
    """

    def __init__(self, sets: Sequence[Validation]) -> None:
        self.sets = tuple(sets)

    @property
    def first_stage(self) -> float | None:
        """nDCG@10 of all lists in first-stage order, from 0 to 1; None where one is unknown."""
        found = [one.in_first_stage_order() for one in self.sets]
        known = [one for one in found if one is not None]
        return mean_of(known) if len(known) == len(found) else None

    def __call__(self, encoder: CrossEncoder, hardware: Hardware) -> dict[str, float]:
        """Returns what the student reaches by what it is called, the mean over all queries first.

        Raises:
            IntegrityProblem: A score is NaN or infinite.
        """
        measured = [one(encoder, hardware) for one in self.sets]
        found = {MEASURE: mean_of(measured)}
        for number, (one, result) in enumerate(zip(self.sets, measured, strict=True), start=1):
            # Sets of one name are told apart by their number.
            names = [other.name for other in self.sets]
            name = one.name if names.count(one.name) == 1 else f"{one.name} {number}"
            if len(self.sets) > 1:
                found[f"{MEASURE} of {name}"] = result.mean
            if result.tau is not None:
                found[f"tau of {name}"] = result.tau
        return found


def mean_of(measured: Sequence[Measured]) -> float:
    """Returns the mean nDCG@10 over all queries of all sets."""
    return mean(
        {f"{number}/{q}": v for number, one in enumerate(measured) for q, v in one.values.items()}
    )


def _ordered(doc_ids: Sequence[str], scores: Mapping[str, float]) -> list[str]:
    """Returns the documents best first, ties as for nDCG: the lists may be in the goal's order."""
    places = trec_eval_places(doc_ids, [scores[doc_id] for doc_id in doc_ids])
    return [doc_ids[place] for place in places]
