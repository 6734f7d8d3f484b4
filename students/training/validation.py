"""Validation during training: nDCG@10 of the student on candidates that it never learns from."""

from __future__ import annotations

from pathlib import Path

import torch

from rankgen.manifests.errors import UsageError
from rankgen.manifests.judged_queries import judged_without
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.retrieval.collections.judgements import read_judgements
from rankgen.students.evaluation.measures import mean, per_query
from rankgen.students.evaluation.systems import scores_of_order
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.reranking.candidates import read_candidates
from rankgen.students.reranking.scores import rerank

MEASURE = "nDCG@10"


class Validation:
    """Re-ranks a fixed set of candidates whenever it is asked.

    Args:
        candidates: A folder that `rankgen retrieve` wrote.
        qrels: Judgements of its queries; queries without a judgement are left out.
        queries: At most so many queries, the first by id.
        depth: Candidates a query; None takes all.

    Attributes:
        notice: Which judged queries have no candidates, so that no validation counts them.

    Raises:
        UsageError: No query has both candidates and a judgement.
    """

    def __init__(
        self, candidates: Path, qrels: Path, queries: int | None, depth: int | None
    ) -> None:
        judged = read_judgements(qrels)
        self._texts = read_candidates(
            RunDirectory(candidates), only=judged.keys(), queries=queries, depth=depth
        )
        held = set(
            RunDirectory(candidates).read("candidates", ["query_id"])["query_id"].to_pylist()
        )
        self.notice = judged_without(sorted(judged), held, str(candidates))
        if not self._texts.candidates:
            raise UsageError(
                f"no query of {candidates} is judged in {qrels}",
                f"check that both belong to the same collection: {self.notice}",
            )
        self._qrels = {row.query_id: judged[row.query_id] for row in self._texts.candidates}

    @property
    def first_stage(self) -> float:
        """nDCG@10 of the candidates as they came; what the student has to beat."""
        ordered = {row.query_id: scores_of_order(row.doc_ids) for row in self._texts.candidates}
        return mean(per_query(self._qrels, ordered, [MEASURE])[MEASURE])

    def __call__(
        self, encoder: CrossEncoder, *, device: torch.device, is_bf16: bool, chunk_tokens: int
    ) -> float:
        """Returns the student's nDCG@10, from 0 to 1."""
        scores = rerank(
            encoder, self._texts, device=device, is_bf16=is_bf16, chunk_tokens=chunk_tokens
        )
        return mean(per_query(self._qrels, scores, [MEASURE])[MEASURE])
