"""What a student costs: parameters, time for a query of 100 passages, GPU memory."""

from __future__ import annotations

import itertools
import statistics
import time

from pydantic import BaseModel, ConfigDict

from rankgen.manifests.records import Candidates
from rankgen.students.reranking.candidates import CandidateTexts
from rankgen.students.reranking.chunk_batches import chunk_batches
from rankgen.students.reranking.reranker import StudentReranker

PASSAGES = 100
MOST_QUERIES = 10


class Cost(BaseModel):
    """What one student costs on one machine.

    Attributes:
        ms_per_query: Median milliseconds to tokenise and score all 100 passages of one query, one
            query after the other.
        queries: Queries that were timed.
        is_bf16: Whether matrix products were computed in bfloat16.
        peak_gpu_bytes: Most memory that torch held on the GPU; None on a CPU.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: int
    ms_per_query: float
    passages: int
    queries: int
    device: str
    is_bf16: bool
    threads: int
    peak_gpu_bytes: int | None


def measure_cost(student: StudentReranker, texts: CandidateTexts) -> Cost:
    """Times a student on real candidates, after one query that warms it up.

    Args:
        student: The student.
        texts: At least one list; up to ten are timed, each cut to 100 passages or repeated up to
            100; a passage that is repeated is tokenised and scored every time.
    """
    import torch

    hardware = student.hardware
    lists = [_of_hundred(row, texts) for row in texts.candidates[:MOST_QUERIES]]
    is_on_gpu = hardware.device.type == "cuda"
    if is_on_gpu:
        torch.cuda.reset_peak_memory_stats(hardware.device)
    seconds = []
    for one in [lists[0], *lists]:
        began = time.perf_counter()
        _score_list(student, one)
        seconds.append(time.perf_counter() - began)
    return Cost(
        parameters=student.parameters,
        ms_per_query=round(1000 * statistics.median(seconds[1:]), 2),
        passages=PASSAGES,
        queries=len(lists),
        device=str(hardware.device),
        is_bf16=hardware.is_bf16,
        threads=torch.get_num_threads(),
        peak_gpu_bytes=torch.cuda.max_memory_allocated(hardware.device) if is_on_gpu else None,
    )


def _score_list(student: StudentReranker, one: CandidateTexts) -> None:
    from rankgen.students.model.scoring import score_each_pair

    for batch in chunk_batches(student.encoder.long_documents, one, None):
        pairs = student.encoder.pairs(one.queries, batch.texts, batch.named)
        score_each_pair(student.encoder, pairs, student.hardware)


def _of_hundred(row: Candidates, texts: CandidateTexts) -> CandidateTexts:
    """Returns one query with exactly 100 passages; a short list is repeated under other ids."""
    ids = list(itertools.islice(itertools.cycle(row.doc_ids), PASSAGES))
    named = [f"{place} {doc_id}" for place, doc_id in enumerate(ids)]
    candidates = Candidates(row.query_id, tuple(named), (0.0,) * PASSAGES)
    documents = {name: texts.documents[doc_id] for name, doc_id in zip(named, ids, strict=True)}
    titles = {name: texts.titles.get(doc_id, "") for name, doc_id in zip(named, ids, strict=True)}
    queries = {row.query_id: texts.queries[row.query_id]}
    return CandidateTexts((candidates,), queries, documents, titles)
