"""A student's scores for the candidates of a run."""

from __future__ import annotations

import numpy as np
import torch

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.progress import Progress
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.scoring import score_pairs
from rankgen.students.reranking.candidates import CandidateTexts, Scores


def rerank(
    encoder: CrossEncoder,
    texts: CandidateTexts,
    *,
    device: torch.device,
    is_bf16: bool = False,
    chunk_tokens: int = 4096,
    progress: Progress | None = None,
) -> Scores:
    """Scores every candidate of every query; see `raw_scores`.

    Raises:
        IntegrityProblem: A score is NaN or infinite.
    """
    scores = raw_scores(
        encoder,
        texts,
        device=device,
        is_bf16=is_bf16,
        chunk_tokens=chunk_tokens,
        progress=progress,
    )
    if not all(np.isfinite(list(own.values())).all() for own in scores.values()):
        raise IntegrityProblem(
            "the student gives scores that are no finite numbers",
            "train it again with a lower --learning-rate",
        )
    return scores


def raw_scores(
    encoder: CrossEncoder,
    texts: CandidateTexts,
    *,
    device: torch.device,
    is_bf16: bool = False,
    chunk_tokens: int = 4096,
    progress: Progress | None = None,
) -> Scores:
    """Scores every candidate of every query, whatever the scores are.

    Args:
        encoder: The student, on `device`.
        texts: Candidates and their texts.
        device: Where the student computes.
        is_bf16: Whether matrix products are computed in bfloat16.
        chunk_tokens: Tokens of one forward pass, padding included.
        progress: Advanced by one for every pair.

    Returns:
        query id -> document id -> logit, higher is better, in the candidates' order.
    """
    queries = encoder.tokenise_queries(texts.queries)
    passages = encoder.tokenise_passages(texts.documents)
    names = [(row.query_id, doc_id) for row in texts.candidates for doc_id in row.doc_ids]
    scores = score_pairs(
        encoder,
        [(queries[query_id], passages[doc_id]) for query_id, doc_id in names],
        device=device,
        is_bf16=is_bf16,
        chunk_tokens=chunk_tokens,
        progress=progress,
    )
    by_query: Scores = {row.query_id: {} for row in texts.candidates}
    for (query_id, doc_id), score in zip(names, scores.tolist(), strict=True):
        by_query[query_id][doc_id] = score
    return by_query
