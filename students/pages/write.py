"""`report`: writes the page of one or more runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rankgen.manifests.errors import UsageError
from rankgen.manifests.progress import progress
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.trec import Qrels
from rankgen.retrieval.collections.judgements import read_judgements
from rankgen.students.agreement.compare import names_of
from rankgen.students.pages.blocks import Blocks
from rankgen.students.pages.browser import add_queries, planned_order
from rankgen.students.pages.evaluated import Evaluated, read_evaluation
from rankgen.students.pages.judged import MEASURE, judged_notices
from rankgen.students.pages.opened_run import OpenedRun, open_run
from rankgen.students.pages.page_file import PAGE, Written, write_page
from rankgen.students.pages.passages import Passages
from rankgen.students.pages.query_view import QueryView, query_view
from rankgen.students.pages.sections import sections_of
from rankgen.students.pages.settings import ReportSettings
from rankgen.students.pages.students_page import (
    hold_evaluations,
    hold_suites,
    write_students_page,
)
from rankgen.students.pages.suite_page import write_suites_page
from rankgen.students.pages.training import recorded_training

# Writes a page of folders, and of trainings of students, into a folder.
_Writer = Callable[[Sequence[Path], Sequence[Path], Path], tuple[Written, int]]
__all__ = ["PAGE", "ReportSummary", "report", "views_of"]


class ReportSummary(BaseModel):
    """What was written.

    Attributes:
        page: The file to open.
        queries: Queries that can be looked at.
        files: Files with data beside the page; 0 where it holds everything itself.
        bytes: Size of the page and those files.
        notices: What a reader must know of the judgements, one sentence each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    page: Path
    queries: int
    files: int
    bytes: int
    notices: tuple[str, ...] = ()


def report(settings: ReportSettings) -> ReportSummary:
    """Writes the page; an earlier one in the folder is replaced when the new one is whole.

    Folders of evaluations, or of suites, instead of runs give the page that compares their systems.

    Raises:
        UsageError: A folder has no rankings, or a file is missing or malformed; or evaluations do
            not fit one another.
        IncompleteRun: Nothing of a run is committed yet.
        IntegrityProblem: A run is damaged.
    """
    if hold_suites(settings.runs):
        return _of_evaluations(settings, write_suites_page)
    if hold_evaluations(settings.runs):
        return _of_evaluations(settings, write_students_page)
    names = names_of(settings.runs)
    runs = [open_run(root, name) for root, name in zip(settings.runs, names, strict=True)]
    qrels = None if settings.qrels is None else read_judgements(settings.qrels)
    # What is wrong with these is said before anything long begins.
    notices = () if qrels is None else judged_notices(runs, qrels, f"{settings.qrels}")
    evaluated = settings.evaluation and Evaluated(read_evaluation(settings.evaluation))
    trainings = [recorded_training(student) for student in settings.students]
    sections = sections_of(runs, qrels)
    blocks = Blocks(settings.out)
    gains = [run.gains for run in sections.runs]
    index = add_queries(blocks, views_of(runs, qrels), gains)
    blocks.add("index", index)
    charts = {**sections.charts(), "trainings": [training.charts() for training in trainings]}
    blocks.add("charts", charts | {"evaluated": evaluated and evaluated.charts()})
    values = {
        "title": names[0] if len(names) == 1 else f"{len(names)} runs, side by side",
        "sections": sections,
        "evaluated": evaluated,
        "trainings": trainings,
        "queries": len(index),
        "is_judged": qrels is not None,
        "notices": notices,
        "measure": MEASURE,
    }
    written = write_page("report.html.j2", settings.out, blocks, names, values)
    return ReportSummary(queries=len(index), notices=notices, **written._asdict())


def _of_evaluations(settings: ReportSettings, write: _Writer) -> ReportSummary:
    if settings.evaluation is not None or settings.qrels is not None:
        raise UsageError(
            "--evaluation and --qrels belong to a page of runs, and these are evaluations",
            "leave them out",
        )
    written, queries = write(settings.runs, settings.students, settings.out)
    return ReportSummary(queries=queries, **written._asdict())


def views_of(runs: Sequence[OpenedRun], qrels: Qrels | None) -> Iterator[QueryView]:
    """Yields every query of the runs, in the order in which shards hold them."""
    passages = Passages(passage_sources(runs))
    ids = planned_order(runs)
    with progress("read queries", len(ids)) as shown:
        for query_id in ids:
            grades: Mapping[str, int] | None = (qrels or {}).get(query_id)
            yield query_view(query_id, runs, passages, grades)
            shown.advance()


def passage_sources(runs: Sequence[OpenedRun]) -> list[RunDirectory]:
    """Returns the runs that hold the documents, the likeliest first."""
    return [run.directory for run in runs] + [run.source for run in runs if run.source]
