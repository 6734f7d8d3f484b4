"""`evaluate --suite`: lists and an evaluation for each task, then all of them in one table."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from rankgen.generator.api.steps import run_evaluate, run_retrieve
from rankgen.generator.jobs.retrieve.settings import RetrieveOptions
from rankgen.generator.shards.cluster import kept_session
from rankgen.manifests.errors import EnvironmentProblem, IncompleteRun, RankgenError
from rankgen.manifests.run.recipe_lock import check_recipe, write_recipe
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.atomic import write_whole
from rankgen.manifests.trec import Qrels, write_run
from rankgen.retrieval.collections.judgements import read_judgements
from rankgen.retrieval.settings import RECORDED_PREFIX
from rankgen.students.evaluation.result import Evaluation
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.pages.suite_page import write_suites_page
from rankgen.students.suites.combined import JUDGED, SUITE_RESULT, SuiteResult, combine
from rankgen.students.suites.registry import Suite, find_suite
from rankgen.students.suites.tasks import DEPTH, EXCLUDED, SuiteTask, TaskFiles

RESULT, TABLE = SUITE_RESULT, "suite.tsv"
# Longer than any list that is to stay as it is.
_WHOLE = 100_000
# A query for which the first stage finds nothing counts 0, as in every evaluation; none is lost.
_ANY_NUMBER = 10**9
_POSITIVES = (
    "relevant passages that the first stage missed stand at the end of its lists, as in the "
    "suite's own evaluator, so figures are higher than for real lists"
)


def run_suite(settings: EvaluationSettings) -> SuiteResult:
    """Evaluates the students on every task, and writes suite.json, suite.tsv and report.html.

    Each task has a folder in <out>/tasks with its candidates and its evaluation, which the next
    command recognises. A task that fails is named in the result, and the others go on.

    Raises:
        UsageError: There is no such suite or task.
        IncompleteRun: No task has figures.
    """
    name = settings.suite or ""
    suite = find_suite(name, settings.tasks)
    _lock(settings, name)
    evaluations: dict[str, Evaluation] = {}
    failed: dict[str, str] = {}
    with kept_session():
        for number, task in enumerate(suite.tasks, start=1):
            print(f"[{number}/{len(suite.tasks)}] {task.name}", file=sys.stderr, flush=True)
            try:
                _refuse_unreachable(task, failed)
                evaluations[task.name] = _evaluated(task, settings)
            except RankgenError as error:
                failed[task.name] = (
                    f"{error.message} ({error.hint})" if error.hint else error.message
                )
                print(f"{task.name} failed: {failed[task.name]}", file=sys.stderr, flush=True)
    if not evaluations:
        first, reason = next(iter(failed.items()))
        raise IncompleteRun(
            f"no task of the suite {name} has figures (first: {first}: {reason})",
            "mend the cause, then repeat the command",
        )
    result = combine(
        name,
        evaluations,
        failed,
        compare_all=settings.compare == "all",
        settings=settings.model_dump(mode="json"),
        notices=_notices(suite),
    )
    text = json.dumps(result.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    write_whole(settings.out / RESULT, text.encode())
    write_whole(settings.out / TABLE, result.as_tsv().encode())
    write_suites_page([settings.out], [], settings.out)
    return result


def _refuse_unreachable(task: SuiteTask, failed: Mapping[str, str]) -> None:
    """Waits no second time for a data set of several tasks that cannot be reached.

    Raises:
        EnvironmentProblem: A task of the same data set has failed so.
    """
    data_set = task.source.partition(" ")[0]
    for name, reason in failed.items():
        if data_set.startswith("hf:") and reason.startswith(f"{data_set} cannot be obtained"):
            raise EnvironmentProblem(f"{data_set} cannot be obtained, as for {name}")


def _evaluated(task: SuiteTask, settings: EvaluationSettings) -> Evaluation:
    folder = settings.out / "tasks" / task.name
    files = task.prepare(folder / "collection")
    measures = tuple(dict.fromkeys((*settings.measures, JUDGED)))
    of_task: dict[str, object] = {
        "suite": None,
        "tasks": (),
        "qrels": files.qrels,
        "candidates": _candidates(task, files, folder),
        "measures": measures,
        "out": folder / "evaluation",
    }
    values = {name: getattr(settings, name) for name in EvaluationSettings.model_fields}
    return run_evaluate(EvaluationSettings.model_validate(values | of_task)).summary


def _candidates(task: SuiteTask, files: TaskFiles, folder: Path) -> Path:
    """Returns the folder with the lists of a task, which is made if it is not there."""
    wanted = {"collection": files.collection, "split": files.split, "language": task.language}
    kept = {"own_document": "keep"} if files.is_whole else {}
    if files.run is not None:
        wanted |= {"retriever": f"{RECORDED_PREFIX}{files.run}", **kept}
        return _retrieved(folder / "candidates", wanted, _WHOLE if files.is_whole else DEPTH)
    if not task.excludes:
        return _retrieved(folder / "candidates", wanted, DEPTH)
    deeper = _retrieved(folder / "first-stage", wanted, 2 * DEPTH)
    run = folder / "without-excluded.run"
    _write_without(run, RunDirectory(deeper), read_judgements(files.qrels))
    wanted["retriever"] = f"{RECORDED_PREFIX}{run}"
    return _retrieved(folder / "candidates", wanted, DEPTH)


def _retrieved(out: Path, wanted: Mapping[str, object], depth: int) -> Path:
    asked = {**wanted, "depth": depth, "out": out, "max_failed": _ANY_NUMBER}
    run_retrieve(RetrieveOptions.model_validate(asked))
    return out


def _write_without(path: Path, run: RunDirectory, qrels: Qrels) -> None:
    """Writes the lists of a run without the documents that the judgements exclude."""
    left = []
    for row in run.candidates():
        judged = qrels.get(row.query_id, {})
        kept = [place for place, d in enumerate(row.doc_ids) if judged.get(d) != EXCLUDED]
        ids = tuple(row.doc_ids[place] for place in kept)
        left.append(row._replace(doc_ids=ids, scores=tuple(row.scores[place] for place in kept)))
    write_run(path, left, "bm25")


def _notices(suite: Suite) -> tuple[str, ...]:
    return (_POSITIVES,) if suite.adds_positives else ()


def _lock(settings: EvaluationSettings, name: str) -> None:
    """Refuses a folder that holds another suite."""
    path = settings.out / ".rankgen" / "suite.json"
    # A slash at its end is part of what shells complete, not of the folder's name.
    facts = {"suite": str(Path(name))}
    if path.exists():
        check_recipe(path, facts)
    else:
        write_recipe(path, facts)
