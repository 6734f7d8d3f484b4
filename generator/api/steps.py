"""The steps, one function each; a keyword is a setting, as on the command line and in recipes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from rankgen.generator.api.results import Result, evaluated_rows, ranked_rows
from rankgen.generator.api.train_options import TrainOptions
from rankgen.generator.doctor.before_work import refuse_idle_gpus
from rankgen.generator.jobs.label.settings import LabelOptions
from rankgen.generator.jobs.retrieve.settings import RetrieveOptions
from rankgen.manifests.options import Settings, options_of
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.validation import validated
from rankgen.students.evaluation.settings import EvaluationSettings

if TYPE_CHECKING:
    from rankgen.generator.jobs.retrieve.job import RetrieveSummary
    from rankgen.generator.shards.job import JobSummary
    from rankgen.students.evaluation.result import Evaluation
    from rankgen.students.training.summary import TrainSummary

Keywords = ParamSpec("Keywords")
Asked = TypeVar("Asked", bound=Settings)
Told = TypeVar("Told")
_NO_GPU = "set CUDA_VISIBLE_DEVICES=-1"


def step(
    settings: Callable[Keywords, Asked], run: Callable[[Asked], Told]
) -> Callable[Keywords, Told]:
    """Returns `run` with the settings' fields as its keywords, for people and for type checkers."""
    model = cast(type[Asked], settings)

    def made(*args: Keywords.args, **values: Keywords.kwargs) -> Told:
        return run(validated(model, values, made.__name__))

    made.__name__ = made.__qualname__ = run.__name__.removeprefix("run_")
    keywords = inspect.signature(settings).parameters.values()
    bare = [keyword.replace(annotation=keyword.empty) for keyword in keywords]
    # What `help()` and notebooks show; functions have no such attribute for type checkers.
    made.__signature__ = inspect.Signature(bare)  # type: ignore[attr-defined]
    told = (f"    {name}: {option.help}" for name, _, option, _ in options_of(model))
    made.__doc__ = "\n".join([f"{inspect.getdoc(run)}\n\nArgs:", *told])
    return made


def run_retrieve(options: RetrieveOptions) -> Result[RetrieveSummary]:
    """Finds candidates for every query of a collection.

    Its rows are query_id, rank, doc_id and score.

    Raises:
        RankgenError: See `rankgen.generator.jobs.retrieve.job.retrieve`.
    """
    from rankgen.generator.jobs.retrieve.job import retrieve

    settings = options.settings()
    if settings.retriever.name == "colbert":
        # The index is built on this machine, wherever it is searched.
        refuse_idle_gpus(_NO_GPU)
    summary = retrieve(settings)
    run = RunDirectory(settings.out)
    return Result(settings.out, summary, partial(ranked_rows, run, "candidates"))


def run_label(options: LabelOptions) -> Result[JobSummary]:
    """Has a teacher order every query's candidates.

    Its rows are query_id, rank, doc_id and score, which is null where the teacher orders alone.

    Raises:
        RankgenError: See `rankgen.generator.jobs.label.job.label`.
    """
    from rankgen.generator.jobs.label.job import label

    settings = options.settings()
    if settings.ray_address is None and settings.teacher.resolved().engine == "vllm":
        refuse_idle_gpus(_NO_GPU)
    summary = label(settings)
    run = RunDirectory(settings.out)
    return Result(settings.out, summary, partial(ranked_rows, run, "rankings"))


def run_train_student(options: TrainOptions) -> Result[TrainSummary]:
    """Trains a small re-ranker on a teacher's rankings.

    Its rows are the metrics of its steps: step, loss, and what else was measured at that step.

    Raises:
        RankgenError: See `rankgen.students.training.train.train_student`.
    """
    from rankgen.students.training.metrics_log import metrics_rows

    settings = options.training()
    if settings.device == "auto" and options.ray_address is None:
        refuse_idle_gpus('use --device cpu (in a recipe: device = "cpu")')
    if options.workers == 1:
        from rankgen.students.training.train import train_student

        summary = train_student(settings)
    else:
        from rankgen.generator.api.train_in_team import train_in_team

        summary = train_in_team(settings, options.workers, options.ray_address)
    return Result(settings.out, summary, partial(metrics_rows, settings.out))


def run_evaluate(settings: EvaluationSettings) -> Result[Evaluation]:
    """Scores first stage, teachers and students as trec_eval does.

    Its rows are system, kind, measure and mean.

    Raises:
        RankgenError: See `rankgen.students.evaluation.evaluate.evaluate`.
    """
    from rankgen.students.evaluation.evaluate import evaluate

    evaluation = evaluate(settings)
    return Result(settings.out, evaluation, partial(evaluated_rows, evaluation))


retrieve = step(RetrieveOptions, run_retrieve)
label = step(LabelOptions, run_label)
train_student = step(TrainOptions, run_train_student)
evaluate = step(EvaluationSettings, run_evaluate)
