"""Students as systems: candidates re-ranked once, the scores kept beside the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rankgen.manifests.models.half_precision import precision_recipe
from rankgen.manifests.models.model_source import pinned_model
from rankgen.manifests.notices import warn
from rankgen.manifests.progress import progress
from rankgen.manifests.records import Candidates
from rankgen.manifests.storage.atomic import write_whole
from rankgen.manifests.storage.digest import sha256_of_value
from rankgen.students.evaluation.cost import MOST_QUERIES, PASSAGES, measure_cost
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.evaluation.systems import System
from rankgen.students.reranking.candidates import FirstStage, Scores
from rankgen.students.reranking.reranker import StudentReranker
from rankgen.students.reranking.student_identity import student_identity
from rankgen.students.reranking.student_rule import StudentRule, student_rule
from rankgen.students.training.learned_queries import learned_among, learned_by


def student_system(
    student: str, settings: EvaluationSettings, first_stage: FirstStage, queries: frozenset[str]
) -> System:
    """Re-ranks the candidates with a student, or takes the scores of an earlier evaluation.

    Args:
        student: A folder or a model id.
        settings: Depth, device and precision.
        first_stage: The candidates.
        queries: The only queries that are scored.

    Raises:
        UsageError: There is no such student.
        EnvironmentProblem: The student is a model id and cannot be fetched, or a GPU is asked for
            and there is none.
        IntegrityProblem: A text is missing, or a score is NaN or infinite.
    """
    source, student = student, pinned_model(student)
    rule = student_rule(student, settings)
    if notice := rule.notice(source):
        warn(notice)
    key = _key(student, settings, first_stage, rule)
    kept = settings.out / ".rankgen" / "scores" / f"{key}.json"
    scores: Scores = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    lists = [row for row in first_stage.lists.values() if row.query_id in queries]
    unscored = [row for row in lists if row.query_id not in scores]
    cost = None
    if unscored or settings.cost:
        reranker = StudentReranker.load(
            student,
            settings.precision,
            depth=settings.depth,
            device=settings.device,
            chunk_tokens=settings.chunk_tokens,
            threads=settings.threads,
            long_documents=rule.used,
        )
        if unscored:
            texts = first_stage.texts(unscored, settings.depth)
            what = f"re-rank with {Path(student).name}"
            with progress(what, texts.pairs(settings.depth)) as shown:
                scores |= reranker.scores(texts, shown.advance)
            write_whole(kept, json.dumps(scores).encode())
        if settings.cost:
            cost = measure_cost(reranker, first_stage.texts(lists[:MOST_QUERIES], PASSAGES))
    judged = {query: scores[query] for query in sorted(queries & scores.keys())}
    name = Path(source).name or source
    learned = _learned(student, first_stage, lists)
    return System(name, "student", source, judged, cost, learned=learned)


def _learned(student: str, first_stage: FirstStage, lists: Sequence[Candidates]) -> tuple[str, ...]:
    """Returns the queries of lists that a student is known to have learned from."""
    learned = learned_by(student)
    if learned is None:
        return ()
    texts = first_stage.texts(lists, 0).queries
    return tuple(learned_among(learned, {row.query_id: texts[row.query_id] for row in lists}))


def _key(
    student: str, settings: EvaluationSettings, first_stage: FirstStage, rule: StudentRule
) -> str:
    """Returns the digest of everything that the scores depend on."""
    facts = {"student": student_identity(student), "candidates": first_stage.digest}
    chosen = {"depth": settings.depth, **precision_recipe(settings.precision)}
    return sha256_of_value({**facts, **chosen, **rule.recipe()})
