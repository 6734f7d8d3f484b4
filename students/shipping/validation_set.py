"""What a shipped model is compared on: judged candidates, or a teacher's rankings held out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.judged_queries import judged_without
from rankgen.manifests.models.model_source import RECORD_FILE
from rankgen.manifests.records import Candidates
from rankgen.manifests.run.recipe_lock import tables_digest
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.trec import Qrels
from rankgen.retrieval.collections.judgements import read_judgements
from rankgen.students.evaluation.telling_apart import refuse_alike
from rankgen.students.reranking.candidates import CandidateTexts, FirstStage
from rankgen.students.shipping.settings import QualitySettings

# The teacher's first ten gain 10, 9, ..., 1.
TEACHERS_BEST = 10


@dataclass(frozen=True)
class ValidationSet:
    """Lists to re-rank, with what makes an order of them good.

    Attributes:
        texts: Candidate lists and their texts.
        qrels: Grade by document by query; of the lists' queries only.
        is_judged: Whether the grades are judgements, rather than a teacher's places.
        source: What it is, in words.
        notices: Judged queries without a list, which are left out; one sentence.
    """

    texts: CandidateTexts
    qrels: Qrels
    is_judged: bool
    source: str
    notices: tuple[str, ...] = ()

    @property
    def queries(self) -> dict[str, str]:
        """Text by id of the queries that count."""
        return {query_id: self.texts.queries[query_id] for query_id in self.qrels}

    @property
    def pairs(self) -> int:
        """The number of (query, passage) pairs."""
        return self.texts.pairs(None)


def validation_set(settings: QualitySettings) -> ValidationSet | None:
    """Reads the validation set that the settings name; None without one.

    Raises:
        UsageError: A file or run is missing, no query is judged, no list has two passages, or
            every order of the lists is as good as any other.
        IntegrityProblem: A text is missing.
    """
    if settings.candidates is not None and settings.qrels is not None:
        return _of_judgements(settings, settings.candidates, settings.qrels)
    if settings.rankings is not None:
        return _of_teacher(settings, settings.rankings)
    return None


def was_learned(student: str, rankings: Path) -> bool:
    """Tells whether a student's record says that it was trained on these rankings."""
    try:
        facts = json.loads(Path(student, RECORD_FILE).read_text(encoding="utf-8"))["facts"]
        learned = facts["rankings_sha256"]
    # Other models have no such record.
    except (OSError, ValueError, KeyError, TypeError):
        return False
    tables = ("rankings", "queries", "documents")
    return bool(learned == tables_digest(RunDirectory(rankings), tables))


def _of_judgements(settings: QualitySettings, candidates: Path, qrels: Path) -> ValidationSet:
    judged = read_judgements(qrels)
    first_stage = FirstStage(RunDirectory(candidates))
    held = [row for row in first_stage.lists.values() if row.query_id in judged]
    notice = judged_without(sorted(judged), first_stage.lists, str(candidates))
    if not held:
        raise UsageError(
            f"no query of {candidates} is judged in {qrels}",
            f"check that both belong to the same collection: {notice}",
        )
    lists = [row.cut(settings.depth) for row in held[: settings.max_queries]]
    refuse_alike(lists, judged, candidates, qrels)
    kept = {row.query_id: judged[row.query_id] for row in lists}
    source = f"judgements of {len(lists):,} queries"
    notices = () if notice is None else (f"{notice}; the comparison leaves them out",)
    return ValidationSet(first_stage.texts(lists, None), kept, True, source, notices)


def _of_teacher(settings: QualitySettings, rankings: Path) -> ValidationSet:
    run = RunDirectory(rankings)
    rows = run.read("rankings", ["query_id", "doc_ids"]).to_pylist()
    rows = [row for row in rows if len(row["doc_ids"][: settings.depth]) > 1]
    if not rows:
        raise UsageError(
            f"{rankings} has no ranking of two passages or more",
            "name another label run, or raise --depth",
        )
    rows.sort(key=lambda row: str(row["query_id"]))
    lists = []
    for row in rows[: settings.max_queries]:
        doc_ids = tuple(row["doc_ids"][: settings.depth])
        places = tuple(float(len(doc_ids) - place) for place in range(len(doc_ids)))
        lists.append(Candidates(row["query_id"], doc_ids, places))
    queries, _ = _texts(run, "queries", (row.query_id for row in lists))
    documents, titles = _texts(run, "documents", (d for row in lists for d in row.doc_ids))
    gains = {
        row.query_id: {
            doc_id: TEACHERS_BEST - place
            for place, doc_id in enumerate(row.doc_ids[:TEACHERS_BEST])
        }
        for row in lists
    }
    texts = CandidateTexts(tuple(lists), queries, documents, titles)
    return ValidationSet(texts, gains, False, f"a teacher's rankings of {len(lists):,} queries")


def _texts(
    run: RunDirectory, table: str, ids: Iterable[str]
) -> tuple[dict[str, str], dict[str, str]]:
    wanted = set(ids)
    texts, titles = run.texts_and_titles(table, wanted)
    if lacking := wanted - texts.keys():
        raise IntegrityProblem(
            f"{run.root} has no text for {min(lacking)}", f"rankgen verify {run.root}"
        )
    return texts, titles
