"""`evaluate`: first stage, runs, teachers and students in one table, with tests and a report."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rankgen.manifests.errors import UsageError
from rankgen.manifests.judged_queries import judged_without
from rankgen.manifests.run.provenance import software
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.atomic import write_whole
from rankgen.manifests.storage.hub_runs import pinned_hub
from rankgen.manifests.trec import Qrels
from rankgen.retrieval.collections.judgements import judgements_sha256, read_judgements
from rankgen.students.evaluation.foreign_lists import (
    beyond_notices,
    lists_beyond_first_stage,
)
from rankgen.students.evaluation.measures import PerQuery, mean, parse_measures, per_query
from rankgen.students.evaluation.notices import notices_of
from rankgen.students.evaluation.result import Evaluation, SystemResult
from rankgen.students.evaluation.selection import chosen_by, learned_from
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.evaluation.significance import PairedTest, bootstrap_interval, paired_tests
from rankgen.students.evaluation.student_scores import student_system
from rankgen.students.evaluation.systems import (
    System,
    first_stage_system,
    run_system,
    teacher_system,
    unique_names,
)
from rankgen.students.pages.evaluation_page import write_evaluation_page
from rankgen.students.reranking.candidates import FirstStage


def evaluate(settings: EvaluationSettings) -> Evaluation:
    """Measures every system and writes evaluation.json, per_query.csv and report.html.

    The scores of students are kept in <out>/.rankgen/scores; another evaluation takes them there.

    Raises:
        UsageError: A file is missing or malformed, a measure is unknown, or no query is judged.
        IntegrityProblem: A run folder is damaged, or a student's scores are not finite numbers.
    """
    parse_measures(settings.measures)
    qrels = read_judgements(settings.judgements)
    settings = _with_pinned_data(settings)
    first_stage = None
    if settings.candidates is not None:
        first_stage = FirstStage(RunDirectory(settings.candidates))
        if settings.queries == "candidates":
            kept = {q: grades for q, grades in qrels.items() if q in first_stage.lists}
            if not kept:
                source = str(first_stage.run.root)
                raise _nothing_judged(qrels, first_stage.lists, source, settings)
            qrels = kept
    if settings.students:
        settings = _with_resolved_precision(settings)
    systems = unique_names(_systems(settings, first_stage, qrels))
    evaluation = evaluated(systems, qrels, settings, judgements_sha256(settings.judgements))
    _write(evaluation, settings.out)
    write_evaluation_page(evaluation, systems, qrels, settings)
    return evaluation


def evaluated(
    systems: Sequence[System],
    qrels: Qrels,
    settings: EvaluationSettings,
    qrels_sha256: str | None = None,
) -> Evaluation:
    """Measures systems, tests them against one another, and says what a reader must know.

    Args:
        systems: Each with a name of its own.
        qrels: The judgements whose queries count.
        settings: Measures and statistics.
        qrels_sha256: Digest of the judgements, for the record.
    """
    measures = tuple(dict.fromkeys(settings.measures))
    values = {system.name: per_query(qrels, system.scores, measures) for system in systems}
    beyond = lists_beyond_first_stage(systems, qrels)
    return Evaluation(
        systems=tuple(
            _result(system, values[system.name], qrels, settings, beyond.get(system.name, 0))
            for system in systems
        ),
        tests=tuple(_tests(values, measures, settings)),
        queries=len(qrels),
        query_ids=tuple(sorted(qrels)),
        per_query={
            name: {measure: tuple(of_query.values()) for measure, of_query in by_measure.items()}
            for name, by_measure in values.items()
        },
        settings={
            **settings.model_dump(mode="json"),
            "qrels_sha256": qrels_sha256,
            "measured_by": "ir_measures (trec_eval: ties by document id descending, unjudged 0)",
        },
        software=software(),
        notices=(
            *notices_of(systems, qrels),
            *beyond_notices(systems, beyond),
            *learned_from(systems),
            *(chosen_by(systems, qrels_sha256) if qrels_sha256 else ()),
        ),
    )


def _with_pinned_data(settings: EvaluationSettings) -> EvaluationSettings:
    """Returns the settings with the commits of data sets from the Hub, for the report."""
    candidates = settings.candidates and pinned_hub(settings.candidates)
    rankings = tuple(pinned_hub(path) for path in settings.rankings)
    return settings.model_copy(update={"candidates": candidates, "rankings": rankings})


def _with_resolved_precision(settings: EvaluationSettings) -> EvaluationSettings:
    """Returns the settings with what `auto` means here, as scores are kept and shown under it."""
    from rankgen.students.model.device import choose_device
    from rankgen.students.model.precision import resolve_precision

    precision = resolve_precision(settings.precision, choose_device(settings.device).type)
    return settings.model_copy(update={"precision": precision})


def _nothing_judged(
    qrels: Qrels, held: Collection[str], source: str, settings: EvaluationSettings
) -> UsageError:
    lost = judged_without(sorted(qrels), held, source)
    return UsageError(
        f"no query of {source} is judged in {settings.qrels}",
        f"check that both belong to the same collection: {lost}",
    )


def _systems(
    settings: EvaluationSettings, first_stage: FirstStage | None, qrels: Qrels
) -> list[System]:
    systems = [] if first_stage is None else [first_stage_system(first_stage)]
    systems += [run_system(path) for path in settings.runs]
    systems += [teacher_system(path) for path in settings.rankings]
    for system in systems:
        if not qrels.keys() & system.scores.keys():
            raise _nothing_judged(qrels, system.scores, system.source, settings)
    if first_stage is not None:
        judged = frozenset(qrels)
        systems += [student_system(s, settings, first_stage, judged) for s in settings.students]
    return systems


def _result(
    system: System, values: PerQuery, qrels: Qrels, settings: EvaluationSettings, beyond: int
) -> SystemResult:
    return SystemResult(
        name=system.name,
        kind=system.kind,
        measures={measure: mean(of_query) for measure, of_query in values.items()},
        intervals={
            measure: bootstrap_interval(
                _vector(of_query), settings.bootstrap_samples, settings.seed
            )
            for measure, of_query in values.items()
        },
        missing_queries=len(qrels.keys() - system.scores.keys()),
        source=system.source,
        cost=system.cost,
        beyond_first_stage=beyond,
    )


def _tests(
    values: Mapping[str, PerQuery], measures: Sequence[str], settings: EvaluationSettings
) -> list[PairedTest]:
    pairs = list(itertools.combinations(range(len(values)), 2))
    if settings.compare == "first":
        pairs = [pair for pair in pairs if pair[0] == 0]
    tests: list[PairedTest] = []
    for measure in measures:
        vectors = [(name, _vector(by_measure[measure])) for name, by_measure in values.items()]
        tests += paired_tests(
            measure, vectors, pairs, settings.randomisation_samples, settings.seed
        )
    return tests


def _vector(of_query: Mapping[str, float]) -> NDArray[np.float64]:
    return np.fromiter(of_query.values(), dtype=np.float64, count=len(of_query))


def _write(evaluation: Evaluation, out: Path) -> None:
    text = json.dumps(evaluation.as_json(), indent=2, ensure_ascii=False) + "\n"
    files = {"evaluation.json": text, "per_query.csv": per_query_csv(evaluation)}
    for name, content in files.items():
        # A file's name may hold bytes that are not UTF-8.
        write_whole(out / name, content.encode("utf-8", "backslashreplace"))


def per_query_csv(evaluation: Evaluation) -> str:
    """Returns the values as CSV: a row for each query and measure, a column for each system."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [system.name for system in evaluation.systems]
    writer.writerow(["query_id", "measure", *names])
    for measure in evaluation.systems[0].measures:
        columns = [evaluation.per_query[name][measure] for name in names]
        for query_id, *row in zip(evaluation.query_ids, *columns, strict=True):
            writer.writerow([query_id, measure, *row])
    return text.getvalue()
