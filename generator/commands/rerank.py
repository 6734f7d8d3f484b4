"""`rankgen rerank`: candidates in, the same candidates in a student's order out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rankgen.generator.commands.metrics_options import MetricsFile, MetricsPort, pop_metrics
from rankgen.generator.commands.options import AsJson, MaxFailed, RayAddress, Shards
from rankgen.generator.commands.reporting import reported, say


@reported
def rerank(
    student: Annotated[str, typer.Option(help="Folder or id of a cross-encoder.")],
    candidates: Annotated[str, typer.Option(help="The folder of a retrieve run.")],
    out: Annotated[str, typer.Option(help="Folder of the run; repeat the command to resume.")],
    depth: Annotated[
        int | None, typer.Option(help="Candidates that are scored.", show_default="all")
    ] = None,
    ties: Annotated[
        str,
        typer.Option(
            help="Of equal scores first: the better of the first stage (first-stage), or the "
            "greater document id, as in trec_eval (doc-id)."
        ),
    ] = "first-stage",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto (whichever is fast here), fp32 or bf16.")
    ] = "auto",
    chunk_tokens: Annotated[
        int | None, typer.Option(help="Tokens of one forward pass.", show_default="by device")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads of a worker.", show_default="its CPUs")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Ray actors.", show_default="one a GPU, or one a node")
    ] = None,
    shards: Shards = None,
    max_failed: MaxFailed = 0,
    ray_address: RayAddress = None,
    metrics_port: MetricsPort = None,
    metrics_file: MetricsFile = None,
    as_json: AsJson = False,
) -> None:
    """Have a student order every query's candidates."""
    options = dict(locals())
    as_json = bool(options.pop("as_json"))
    with pop_metrics(options):
        perform_rerank(options, "rerank", as_json=as_json)


def perform_rerank(values: Mapping[str, object], where: str, *, as_json: bool = False) -> None:
    """Runs the command with its options as values; see `RerankSettings`."""
    from rankgen.generator.commands.rerank_options import RerankSettings
    from rankgen.generator.jobs.rerank import RerankRun
    from rankgen.generator.jobs.rerank import rerank as run
    from rankgen.manifests.errors import UsageError
    from rankgen.manifests.models.model_source import pinned_model
    from rankgen.manifests.run.run_directory import TREC_RUN
    from rankgen.manifests.validation import validated
    from rankgen.students.reranking.reranker import StudentOpener, precision_of_worker
    from rankgen.students.reranking.student_identity import student_identity

    settings = validated(RerankSettings, values, where)
    folder = Path(settings.student)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise UsageError(
            f"{folder} holds no finished student (it has no config.json)",
            "name the folder that was given to `rankgen train-student --out`",
        )
    # Ray's workers may stand in another folder, and load the model at another moment.
    student = (
        str(folder.absolute())
        if folder.is_dir()
        else pinned_model(settings.student, held=_held_student(settings.out))
    )
    opener = StudentOpener(
        student,
        depth=settings.depth,
        ties=settings.ties,
        device=settings.device,
        chunk_tokens=settings.chunk_tokens,
        threads=settings.threads,
    )
    summary = run(
        RerankRun(
            candidates=settings.candidates,
            out=settings.out,
            opener=opener,
            precision=settings.precision,
            settle=partial(precision_of_worker, settings.device),
            recipe={
                "student": student_identity(student),
                "depth": settings.depth,
                "ties": settings.ties,
            },
            settings=settings.model_dump(mode="json"),
            tag=folder.name or settings.student,
            is_on_gpu=settings.device != "cpu",
            shards=settings.shards,
            workers=settings.workers,
            max_failed=settings.max_failed,
            ray_address=settings.ray_address,
        )
    )
    text = (
        f"{summary.queries:,} queries, {summary.counts['candidates']:,} candidates in "
        f"{summary.shards} shards ({summary.resumed_shards} from before) -> "
        f"{settings.out / TREC_RUN}"
    )
    result: dict[str, object] = {
        "out": str(settings.out),
        "queries": summary.queries,
        "quarantined": summary.quarantined,
        "shards": summary.shards,
        "resumed_shards": summary.resumed_shards,
        **summary.counts,
    }
    say(text, result, as_json=as_json)


def _held_student(out: Path) -> object:
    """Returns the identity of the student that a run in `out` began with."""
    from rankgen.manifests.run.plan import read_plan
    from rankgen.manifests.run.run_directory import RunDirectory

    run = RunDirectory(out)
    return read_plan(run).recipe.get("student") if run.plan.exists() else None
