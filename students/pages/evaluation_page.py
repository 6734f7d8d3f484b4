"""The page of an evaluation: its figures, and every judged query in the order of every system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.score_order import trec_eval_places
from rankgen.manifests.trec import Qrels
from rankgen.students.evaluation.result import Evaluation
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.evaluation.systems import System
from rankgen.students.pages.blocks import Blocks
from rankgen.students.pages.browser import add_queries
from rankgen.students.pages.documents import Documents
from rankgen.students.pages.evaluated import Evaluated
from rankgen.students.pages.page_file import write_page
from rankgen.students.pages.passages import Passages
from rankgen.students.pages.query_view import QueryView
from rankgen.students.pages.run_view import RunView, compared_view
from rankgen.students.pages.training import Training, training_of

# Ranks that the page shows of a list; files of runs often have a thousand.
SHOWN_RANKS = 100
# With more judged queries than these, the page names passages and leaves their texts out.
MOST_WITH_TEXTS = 1_000


def write_evaluation_page(
    evaluation: Evaluation, systems: Sequence[System], qrels: Qrels, settings: EvaluationSettings
) -> None:
    """Writes report.html, and the data beside it where that is large.

    Args:
        evaluation: The figures.
        systems: Its systems, in the same order.
        qrels: The judgements that it counts.
        settings: Where the texts and the students are, and where to write.
    """
    shown = Evaluated(evaluation, tuple(_trainings(settings)))
    blocks = Blocks(settings.out)
    names = [system.name for system in systems[1:] or systems]
    gains = [_gains(evaluation, name) for name in names]
    index = add_queries(blocks, _views(systems, qrels, settings), gains, with_agreement=False)
    blocks.add("index", index)
    charts = {
        "evaluated": shown.charts(),
        "trainings": [training.charts() for training in shown.trainings],
    }
    blocks.add("charts", charts)
    values = {
        "title": shown.headline,
        "evaluated": shown,
        "trainings": shown.trainings,
        "judgements": Path(str(settings.qrels)).name,
        "is_judged": len(systems) > 1,
        "measure": next(iter(evaluation.best)),
    }
    write_page("evaluation.html.j2", settings.out, blocks, names, values)


def _trainings(settings: EvaluationSettings) -> Iterator[Training]:
    for student in settings.students:
        found = training_of(Path(student))
        if found is not None:
            yield found


def _gains(evaluation: Evaluation, name: str) -> dict[str, float]:
    """Returns by how much a system betters the first one, by query, in the first measure."""
    measure = next(iter(evaluation.best))
    first = evaluation.per_query[evaluation.systems[0].name][measure]
    own = evaluation.per_query[name][measure]
    pairs = zip(evaluation.query_ids, own, first, strict=True)
    return {query_id: one - other for query_id, one, other in pairs}


def _views(
    systems: Sequence[System], qrels: Qrels, settings: EvaluationSettings
) -> Iterator[QueryView]:
    named = [path for path in (settings.candidates, *settings.rankings) if path is not None]
    runs = [RunDirectory(path) for path in named]
    passages = Passages(runs if len(qrels) <= MOST_WITH_TEXTS else [])
    texts: dict[str, str] = {}
    for run in runs:
        if run.has_table("queries") and not qrels.keys() <= texts.keys():
            texts = run.texts("queries", qrels.keys()) | texts
    for query_id in sorted(qrels):
        documents = Documents(passages, qrels[query_id])
        views = _compared(systems, query_id, documents)
        yield QueryView(
            query_id=query_id, text=texts.get(query_id), documents=documents.views, runs=views
        )


def _compared(
    systems: Sequence[System], query_id: str, documents: Documents
) -> list[RunView | None]:
    orders = [documents.places(order_of(system.scores.get(query_id, {}))) for system in systems]
    first, *others = systems
    if not others:
        return [compared_view(first.name, orders[0], first.name, []) if orders[0] else None]
    return [
        compared_view(system.name, order, first.name, orders[0]) if order else None
        for system, order in zip(others, orders[1:], strict=True)
    ]


def order_of(scores: Mapping[str, float]) -> list[str]:
    """Returns the documents that the page shows of a list, as trec_eval orders them."""
    doc_ids = list(scores)
    return [doc_ids[place] for place in trec_eval_places(doc_ids, list(scores.values()))][
        :SHOWN_RANKS
    ]
