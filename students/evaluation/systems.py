"""The systems of an evaluation: where each list of scores comes from, and what it is called."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.run.provenance import read_predicate
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.trec import read_run, trec_eval_order
from rankgen.students.evaluation.cost import Cost
from rankgen.students.evaluation.measures import ScoredRun
from rankgen.students.evaluation.result import Kind
from rankgen.students.reranking.candidates import FirstStage


class System(NamedTuple):
    """Something that orders documents.

    Attributes:
        source: The file, folder or model id.
        scores: document id -> score by query id; higher is better.
        cost: What a student costs, where it was timed.
        ranked_otherwise: Queries of a run file whose rank column contradicts the order by score.
        learned: Judged queries that a student is known to have learned from, in order.
    """

    name: str
    kind: Kind
    source: str
    scores: ScoredRun
    cost: Cost | None = None
    ranked_otherwise: frozenset[str] = frozenset()
    learned: tuple[str, ...] = ()


def run_system(path: Path) -> System:
    """Reads a TREC run; its scores count, its rank column does not (as in trec_eval)."""
    run = read_run(path)
    scores = {q: {line.doc_id: line.score for line in lines} for q, lines in run.items()}
    ranks = {q: [line.rank for line in trec_eval_order(lines)] for q, lines in run.items()}
    otherwise = frozenset(q for q, in_order in ranks.items() if in_order != sorted(in_order))
    return System(path.stem, "run", str(path), scores, ranked_otherwise=otherwise)


def first_stage_system(first_stage: FirstStage) -> System:
    """Returns the candidates of a run as a system, in the order of the lists.

    That order was labelled and is shown to students. The first stage's scores may contradict it:
    they may be tied, or be distances of a run that was recorded by rank.
    """
    root = first_stage.run.root
    scores = {row.query_id: scores_of_order(row.doc_ids) for row in first_stage.lists.values()}
    retriever = _recipe_value(first_stage.run, "retriever.name") or root.name
    return System(f"first-stage ({retriever})", "first-stage", str(root), scores)


def teacher_system(rankings: Path) -> System:
    """Reads a teacher's rankings as a system; the scores n, ..., 1 stand for their order."""
    run = RunDirectory(rankings)
    scores: dict[str, dict[str, float]] = {}
    for shard in run.shards("rankings", ["query_id", "doc_ids"]):
        for row in shard.to_pylist():
            scores[row["query_id"]] = scores_of_order(row["doc_ids"])
    teacher = _recipe_value(run, "teacher") or rankings.name
    return System(f"teacher ({teacher})", "teacher", str(rankings), scores)


def scores_of_order(doc_ids: list[str] | tuple[str, ...]) -> dict[str, float]:
    """Returns strictly decreasing scores n, n - 1, ..., 1, so that no tie can change the order."""
    return {doc_id: float(len(doc_ids) - place) for place, doc_id in enumerate(doc_ids)}


def unique_names(systems: Iterable[System]) -> list[System]:
    """Returns the systems, those of one name told apart by their folder, or else by a number."""
    all_systems = list(systems)
    taken: set[str] = set()
    named = []
    for system in all_systems:
        name = system.name
        if sum(other.name == name for other in all_systems) > 1:
            source = Path(system.source)
            # The folder's own name is the student's, so that only the one above it can differ.
            is_named_alike = system.kind == "run" or source.name == name
            where = source.parent.name if is_named_alike else source.name
            name = f"{name} [{where or system.source}]"
        number, unique = 1, name
        while unique in taken:
            number += 1
            unique = f"{name} #{number}"
        taken.add(unique)
        named.append(system._replace(name=unique))
    return named


def _recipe_value(run: RunDirectory, key: str) -> str | None:
    """Returns a text in the recipe of the run's plan, or of a published one's manifest."""
    try:
        recipe = json.loads(run.plan.read_text(encoding="utf-8"))["recipe"]
    except (OSError, ValueError, KeyError, TypeError):
        recipe = (read_predicate(run) or {}).get("recipe")
    value = recipe.get(key) if isinstance(recipe, dict) else None
    return value if isinstance(value, str) else None
