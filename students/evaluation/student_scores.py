"""Students as systems: candidates re-ranked once, the scores kept beside the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.model_source import pinned_model
from rankgen.manifests.progress import progress
from rankgen.manifests.run.recipe_lock import tables_digest
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.atomic import write_whole
from rankgen.manifests.storage.digest import sha256_of_value
from rankgen.students.evaluation.cost import MOST_QUERIES, Cost, measure_cost
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.evaluation.systems import System
from rankgen.students.reranking.candidates import CandidateTexts, Scores, read_candidates
from rankgen.students.reranking.strict_order import descending_from
from rankgen.students.reranking.student_identity import student_identity

if TYPE_CHECKING:
    from rankgen.students.model.cross_encoder import CrossEncoder
    from rankgen.students.model.hardware import Hardware


def student_system(
    student: str, settings: EvaluationSettings, candidates: Path, queries: frozenset[str]
) -> System:
    """Re-ranks the candidates with a student, or takes the scores of an earlier evaluation.

    Args:
        student: A folder or a model id.
        settings: Depth, device and precision.
        candidates: The candidates' folder.
        queries: Only these queries are scored.

    Raises:
        UsageError: There is no such student, or none of its queries has candidates.
        EnvironmentProblem: The student is a model id and cannot be had.
    """
    name = Path(student).name or student
    student, source = pinned_model(student), student
    kept = settings.out / ".rankgen" / "scores" / f"{_key(student, settings, candidates)}.json"
    known: Scores = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    texts = read_candidates(RunDirectory(candidates), only=queries - known.keys())
    if not texts.candidates and not known:
        raise UsageError(
            f"no judged query has candidates in {candidates}",
            "check that --qrels and --candidates belong to the same collection",
        )
    if texts.candidates:
        known |= _score(student, settings, texts)
        write_whole(kept, json.dumps(known).encode())
    scores = {query: known[query] for query in sorted(queries & known.keys())}
    cost = _cost(student, settings, candidates, queries) if settings.cost else None
    return System(name, "student", source, scores, cost)


def _key(student: str, settings: EvaluationSettings, candidates: Path) -> str:
    return sha256_of_value(
        {
            "student": student_identity(student),
            "candidates": tables_digest(
                RunDirectory(candidates), ("candidates", "queries", "documents")
            ),
            "depth": settings.depth,
            "precision": settings.precision,
        }
    )


def _loaded(student: str, settings: EvaluationSettings) -> tuple[CrossEncoder, Hardware]:
    # torch and transformers load here, so that evaluating run files alone needs neither.
    from rankgen.students.model.cross_encoder import load_cross_encoder
    from rankgen.students.model.hardware import choose_hardware, place

    hardware = choose_hardware(
        settings.device,
        settings.precision,
        chunk_tokens=settings.chunk_tokens,
        threads=settings.threads,
    )
    encoder = load_cross_encoder(student)
    place(encoder.model, hardware)
    return encoder, hardware


def _cost(
    student: str, settings: EvaluationSettings, candidates: Path, queries: frozenset[str]
) -> Cost:
    encoder, hardware = _loaded(student, settings)
    texts = read_candidates(RunDirectory(candidates), only=queries, queries=MOST_QUERIES)
    return measure_cost(encoder, texts, hardware)


def _score(student: str, settings: EvaluationSettings, texts: CandidateTexts) -> Scores:
    from rankgen.students.reranking.scores import rerank

    encoder, hardware = _loaded(student, settings)
    reranked = texts.cut(settings.depth)
    with progress(f"re-rank with {Path(student).name}", reranked.pairs) as shown:
        scores = rerank(
            encoder,
            reranked,
            device=hardware.device,
            is_bf16=hardware.is_bf16,
            chunk_tokens=hardware.chunk_tokens,
            progress=shown,
        )
    for row in texts.candidates:
        _append_rest(scores[row.query_id], row.doc_ids)
    return scores


def _append_rest(scores: dict[str, float], doc_ids: tuple[str, ...]) -> None:
    """Puts the candidates that were not re-ranked below the others, in first-stage order."""
    rest = [doc_id for doc_id in doc_ids if doc_id not in scores]
    scores |= dict(
        zip(rest, descending_from(min(scores.values(), default=0.0), len(rest)), strict=True)
    )
