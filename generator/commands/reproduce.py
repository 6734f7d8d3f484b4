"""`rankgen reproduce`: the paper's tables beside one's own figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.manifests.errors import UsageError
from rankgen.manifests.options import Option, Settings
from rankgen.students.evaluation.equivalence import MARGIN

if TYPE_CHECKING:
    from rankgen.students.paper.reproduction import Reproduction

RESULT, TABLE, DRAWING = "reproduction.json", "table.md", "figure1.svg"


class RunSources(Settings):
    """Figures from TREC runs."""

    panel = "Runs"
    runs: Annotated[
        tuple[str, ...],
        Option("A TREC run; repeatable.", flags=("--run", "--runs"), metavar="SYSTEM:TASK=FILE"),
    ] = ()
    qrels: Annotated[
        tuple[str, ...],
        Option("Judgements of a task's runs; repeatable.", metavar="TASK=FILE|irds:ID"),
    ] = ()
    fetch_qrels: Annotated[
        bool, Option("Take judgements that no --qrels names from ir_datasets.")
    ] = False


class EvaluationSources(Settings):
    """Figures from what `evaluate` and `ablate` wrote."""

    panel = "Evaluations"
    evaluations: Annotated[
        tuple[str, ...],
        Option(
            "The folder of an evaluation on a task, whose systems are rows; repeatable.",
            flags=("--evaluation", "--evaluations"),
            metavar="TASK=FOLDER",
        ),
    ] = ()
    rows: Annotated[
        tuple[str, ...],
        Option(
            "What a system of the evaluations is called in the table; repeatable.",
            "its own name",
            flags=("--row", "--rows"),
            metavar="ROW=SYSTEM",
        ),
    ] = ()
    ablation: Annotated[
        Path | None,
        Option("The folder of an ablation, whose cells are rows of figure1.", metavar="FOLDER"),
    ] = None
    tests: Annotated[
        tuple[str, ...],
        Option(
            "Which test set of the ablation is a task; repeatable.",
            flags=("--test", "--tests"),
            metavar="TASK=NAME",
        ),
    ] = ()
    labelled_set: Annotated[
        str | None,
        Option("Whose students of the ablation are shown.", "the only one", metavar="NAME"),
    ] = None


class ReproduceSettings(RunSources, EvaluationSources):
    """Which table, and what to put beside it."""

    table: Annotated[
        str,
        Option("table1, table2 or figure1 of arXiv 2405.07920.", metavar="TABLE", is_argument=True),
    ]
    out: Annotated[
        Path | None,
        Option(
            "Folder for the table as JSON and Markdown, and for Figure 1 as SVG.",
            "not written",
            metavar="FOLDER",
        ),
    ] = None
    reference: Annotated[
        str | None,
        Option("Your system that the others are tested against.", "RankZephyr, or the first"),
    ] = None
    margin: Annotated[
        float,
        Field(gt=0, lt=1),
        Option("Difference of nDCG@10 from which on a system counts as worse."),
    ] = MARGIN


def reproduce(settings: ReproduceSettings, printing: Printing) -> None:
    """Prints the paper's figures beside one's own."""
    from rankgen.students.paper.reproduce import Sources
    from rankgen.students.paper.reproduce import reproduce as lay_beside
    from rankgen.students.paper.reproduction_text import format_reproduction

    sources = Sources(
        qrels=_paths(settings.qrels, "--qrels TASK=FILE"),
        runs=_runs(settings.runs),
        fetches=settings.fetch_qrels,
        evaluations=_paths(settings.evaluations, "--evaluation TASK=FOLDER"),
        rows=_pairs(settings.rows, "--row ROW=SYSTEM"),
        ablation=settings.ablation,
        tests=_pairs(settings.tests, "--test TASK=NAME"),
        labelled_set=settings.labelled_set,
    )
    found = lay_beside(
        settings.table, sources, reference=settings.reference, margin=settings.margin
    )
    text = format_reproduction(found)
    if settings.out is not None:
        text += "".join(f"\n{what}: {path}" for what, path in _write(found, settings.out).items())
    say(text, found.as_json(), printing)


def _write(found: Reproduction, out: Path) -> Mapping[str, Path]:
    """Writes the table's files and returns them by what they are."""
    from rankgen.manifests.storage.atomic import write_whole
    from rankgen.students.paper.figure1_plot import figure1_svg
    from rankgen.students.paper.reproduction_text import markdown

    files = {
        "figures": (RESULT, json.dumps(found.as_json(), indent=2, ensure_ascii=False) + "\n"),
        "table": (TABLE, markdown(found)),
    }
    if found.name == "figure1":
        files["drawing"] = (DRAWING, figure1_svg(found))
    for name, content in files.values():
        write_whole(out / name, content.encode())
    return {what: out / name for what, (name, _) in files.items()}


def _paths(texts: Sequence[str], shape: str) -> dict[str, Path]:
    return {task: Path(path) for task, path in _pairs(texts, shape).items()}


def _runs(texts: Sequence[str]) -> dict[str, dict[str, Path]]:
    """Returns system -> task -> file."""
    shape = "--run SYSTEM:TASK=FILE"
    runs: dict[str, dict[str, Path]] = {}
    for key, path in _pairs(texts, shape).items():
        system, colon, task = key.rpartition(":")
        if not colon or not system:
            raise UsageError(f"'{key}={path}' has the wrong form", f"type {shape}")
        runs.setdefault(system, {})[task] = Path(path)
    return runs


def _pairs(texts: Sequence[str], shape: str) -> dict[str, str]:
    """Returns what stands before and after the first "=" of each text."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key or not value:
            raise UsageError(f"'{text}' has the wrong form", f"type {shape}")
        if key in found:
            raise UsageError(
                f"'{key}' is given twice: {found[key]} and {value}", f"leave one {shape} out"
            )
        found[key] = value
    return found
