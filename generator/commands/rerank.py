"""`rankgen rerank`: candidates in, the same candidates in a student's order out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import PositiveInt

from rankgen.generator.commands.options import Metrics, Printing
from rankgen.generator.commands.reporting import say
from rankgen.generator.jobs.settings import JobSettings
from rankgen.manifests.counted import counted
from rankgen.manifests.long_documents.settings import LongDocumentSettings
from rankgen.manifests.options import SOURCE_METAVAR, Option
from rankgen.manifests.storage.run_path import RunPath
from rankgen.students.hardware_settings import HardwareSettings
from rankgen.students.reranking.strict_order import TiePolicy

if TYPE_CHECKING:
    from rankgen.generator.jobs.rerank.job import RerankRun
    from rankgen.generator.shards.job import JobSummary


class RerankSettings(JobSettings, LongDocumentSettings, HardwareSettings):
    """Everything that `rankgen rerank` can be told."""

    student: Annotated[
        str, Option("A student or any public re-ranker that scores pairs.", metavar="FOLDER|ID")
    ]
    candidates: Annotated[
        RunPath, Option("Folder of a retrieve or rerank run.", metavar=SOURCE_METAVAR)
    ]
    depth: Annotated[
        PositiveInt | None,
        Option("Candidates to score per query; the rest keep their order.", "all"),
    ] = None
    ties: Annotated[
        TiePolicy,
        Option(
            "How to break ties: first-stage keeps the first stage's order; doc-id puts the larger "
            "document id first, as trec_eval does."
        ),
    ] = "first-stage"
    workers: Annotated[
        PositiveInt | None, Option("Ray actors.", "one per GPU, or one per node")
    ] = None


def rerank(settings: RerankSettings, metrics: Metrics, printing: Printing) -> None:
    """Re-ranks and says where the new order is."""
    from rankgen.generator.jobs.rerank.job import rerank as run

    with metrics.published():
        _say(run(_run_of(settings, _student(settings))), settings.out, printing)


def _student(settings: RerankSettings) -> str:
    """Returns the student as every worker finds it.

    Raises:
        UsageError: The folder holds no finished student, or there is no such model.
    """
    from rankgen.manifests.errors import UsageError
    from rankgen.manifests.models.model_source import pinned_model
    from rankgen.students.model.adapter_folder import is_adapter

    folder = Path(settings.student)
    if folder.is_dir() and not (folder / "config.json").is_file() and not is_adapter(str(folder)):
        raise UsageError(
            f"{folder} holds no finished student (it has no config.json)",
            "name the folder that was given to `rankgen train-student --out`",
        )
    # Ray's workers may stand in another folder, and load the model at another moment.
    if folder.is_dir():
        return str(folder.absolute())
    return pinned_model(settings.student, held=_held_student(settings.out))


def _run_of(settings: RerankSettings, student: str) -> RerankRun:
    """Returns what the job is told; the user is told how long documents are read otherwise."""
    from rankgen.generator.jobs.rerank.job import RerankRun
    from rankgen.manifests.notices import warn
    from rankgen.students.model.precision import precision_of_worker
    from rankgen.students.reranking.reranker import StudentReranker
    from rankgen.students.reranking.student_identity import student_identity
    from rankgen.students.reranking.student_rule import student_rule

    rule = student_rule(student, settings)
    if notice := rule.notice(settings.student):
        warn(notice)
    opener = partial(
        StudentReranker.load,
        student,
        depth=settings.depth,
        ties=settings.ties,
        device=settings.device,
        chunk_tokens=settings.chunk_tokens,
        threads=settings.threads,
        long_documents=rule.used,
    )
    return RerankRun(
        candidates=settings.candidates,
        out=settings.out,
        opener=opener,
        precision=settings.precision,
        settle=partial(precision_of_worker, settings.device),
        recipe={
            "student": student_identity(student),
            "depth": settings.depth,
            "ties": settings.ties,
            **rule.recipe(),
        },
        settings=settings.model_dump(mode="json"),
        tag=Path(settings.student).name or settings.student,
        stall_seconds=settings.stall_seconds,
        is_on_gpu=settings.device != "cpu",
        shards=settings.shards,
        workers=settings.workers,
        max_failed=settings.max_failed,
        ray_address=settings.ray_address,
    )


def _say(summary: JobSummary, out: Path, printing: Printing) -> None:
    from rankgen.manifests.run.run_directory import TREC_RUN

    text = (
        f"{counted(summary.queries, 'query')}, "
        f"{counted(summary.counts['candidates'], 'candidate')} in "
        f"{counted(summary.shards, 'shard')} ({summary.resumed_shards} from before) -> "
        f"{out / TREC_RUN}"
    )
    result: dict[str, object] = {
        "out": str(out),
        "queries": summary.queries,
        "quarantined": summary.quarantined,
        "shards": summary.shards,
        "resumed_shards": summary.resumed_shards,
        **summary.counts,
    }
    say(text, result, printing)


def _held_student(out: Path) -> object:
    """Returns the identity of the student that a run in `out` began with."""
    from rankgen.manifests.run.plan import read_plan
    from rankgen.manifests.run.run_directory import RunDirectory

    run = RunDirectory(out)
    return read_plan(run).recipe.get("student") if run.plan.exists() else None
