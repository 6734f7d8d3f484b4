"""Validation during training: nDCG@10 of the student on candidates that it never learns from."""

from __future__ import annotations

from pathlib import Path

from rankgen.manifests.errors import UsageError
from rankgen.manifests.judged_queries import judged_without
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.retrieval.collections.judgements import read_judgements
from rankgen.students.evaluation.measures import mean, per_query
from rankgen.students.evaluation.systems import scores_of_order
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import Hardware
from rankgen.students.reranking.candidates import FirstStage, Scores
from rankgen.students.reranking.reranker import StudentReranker

MEASURE = "nDCG@10"


class Validation:
    """Measures a student on a fixed set of candidates, whenever it is called.

    Args:
        candidates: A folder that `rankgen retrieve` wrote.
        qrels: Judgements of its queries; queries without a judgement are left out.
        queries: At most so many queries, the first by id.
        depth: Candidates of each query; None takes all.

    Attributes:
        notice: The judged queries without candidates, which no validation counts, in one sentence;
            None when there are none.

    Raises:
        UsageError: No query has both candidates and a judgement.
    """

    def __init__(
        self, candidates: Path, qrels: Path, queries: int | None, depth: int | None
    ) -> None:
        judged = read_judgements(qrels)
        first_stage = FirstStage(RunDirectory(candidates))
        lists = [row for row in first_stage.lists.values() if row.query_id in judged][:queries]
        self.notice = judged_without(sorted(judged), first_stage.lists, str(candidates))
        if not lists:
            raise UsageError(
                f"no query of {candidates} is judged in {qrels}",
                f"check that both belong to the same collection: {self.notice}",
            )
        self._texts = first_stage.texts([row.cut(depth) for row in lists], None)
        self._qrels = {row.query_id: judged[row.query_id] for row in lists}

    @property
    def first_stage(self) -> float:
        """nDCG@10 of the candidates in first-stage order, from 0 to 1, for a student to beat."""
        return self._measured(
            {row.query_id: scores_of_order(row.doc_ids) for row in self._texts.candidates}
        )

    def __call__(self, encoder: CrossEncoder, hardware: Hardware) -> float:
        """Returns the student's nDCG@10, from 0 to 1.

        Raises:
            IntegrityProblem: A score is NaN or infinite.
        """
        return self._measured(StudentReranker(encoder, hardware).scores(self._texts))

    def _measured(self, scores: Scores) -> float:
        return mean(per_query(self._qrels, scores, [MEASURE])[MEASURE])
