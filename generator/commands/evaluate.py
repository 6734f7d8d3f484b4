"""`rankgen evaluate`: first stage, teachers and students in one table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from rankgen.generator.commands.options import RUN_METAVAR, AsJson
from rankgen.generator.commands.reporting import reported, say


@reported
def evaluate(
    qrels: Annotated[
        Path, typer.Option(help="Judgements: a file in TREC or BEIR form, or irds:ID.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    candidates: Annotated[
        str | None,
        typer.Option(help="A retrieve run; students re-rank it.", metavar=RUN_METAVAR),
    ] = None,
    student: Annotated[
        list[str] | None, typer.Option(help="Folder or id of a cross-encoder; repeatable.")
    ] = None,
    rankings: Annotated[
        list[str] | None,
        typer.Option(help="Folder of a label run; repeatable.", metavar=RUN_METAVAR),
    ] = None,
    run: Annotated[list[Path] | None, typer.Option(help="A TREC run; repeatable.")] = None,
    measure: Annotated[
        list[str] | None, typer.Option(help="Any measure of ir_measures.", show_default="nDCG@10")
    ] = None,
    queries: Annotated[
        str, typer.Option(help="qrels (every judged query counts) or candidates (only theirs).")
    ] = "qrels",
    compare: Annotated[
        str, typer.Option(help="Test all pairs, or each against the first.")
    ] = "all",
    depth: Annotated[
        int | None, typer.Option(help="Candidates that a student re-ranks.", show_default="all")
    ] = None,
    cost: Annotated[
        bool, typer.Option("--cost", help="Also time each student on queries of 100 passages.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto (whichever is fast here), fp32 or bf16.")
    ] = "auto",
    as_json: AsJson = False,
) -> None:
    """Score first stage, teachers and students as trec_eval does."""
    values: dict[str, object] = {
        "qrels": qrels,
        "out": out,
        "candidates": candidates,
        "students": tuple(student or ()),
        "rankings": tuple(rankings or ()),
        "runs": tuple(run or ()),
        "measures": tuple(measure or ("nDCG@10",)),
        "queries": queries,
        "compare": compare,
        "depth": depth,
        "cost": cost,
        "device": device,
        "precision": precision,
    }
    perform_evaluate(values, "evaluate", as_json=as_json)


def perform_evaluate(values: Mapping[str, object], where: str, *, as_json: bool = False) -> None:
    """Runs the command with its options as values; see `EvaluationSettings`."""
    from rankgen.manifests.validation import validated
    from rankgen.students.evaluation.evaluate import evaluate as run_evaluation
    from rankgen.students.evaluation.settings import EvaluationSettings
    from rankgen.students.evaluation.table import format_table

    settings = validated(EvaluationSettings, values, where)
    evaluation = run_evaluation(settings)
    text = f"{format_table(evaluation)}\nreport: {settings.out / 'report.html'}"
    say(text, evaluation.as_json(), as_json=as_json)
