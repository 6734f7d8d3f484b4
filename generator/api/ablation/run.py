"""`ablate`: every cell of the grid is cut, trained and evaluated, and the figures are drawn."""

from __future__ import annotations

import json
import sys
import traceback

from rankgen.generator.api.ablation.compared import Compared
from rankgen.generator.api.ablation.grid import Cell, cells_of
from rankgen.generator.api.ablation.settings import AblateOptions
from rankgen.generator.api.steps import run_evaluate, run_train_student
from rankgen.generator.debugging import debug_wanted
from rankgen.generator.jobs.subsample.job import subsample
from rankgen.manifests.errors import RankgenError, UsageError, last_line
from rankgen.manifests.run.recipe_lock import check_recipe, write_recipe
from rankgen.manifests.storage.atomic import write_whole
from rankgen.students.paper.ablation import MEASURE, Ablation, CellFigure
from rankgen.students.paper.ablation_plot import ablation_svg
from rankgen.students.paper.measured_ablation import FIGURES
from rankgen.students.training.settings import StudentSettings

TABLE, DRAWING = "ablation.tsv", "ablation.svg"


def run_ablate(options: AblateOptions) -> Ablation:
    """Trains and evaluates every cell, and writes the table and the figure after each.

    What an earlier command finished is recognised, not done again. A cell that fails is named in
    the result, and the others go on.

    Raises:
        UsageError: The grid is impossible, or `out` holds an ablation with other settings.
    """
    from rankgen.students.losses import parse_loss

    # A misspelt loss concerns every cell.
    parse_loss(options.loss)
    cells = cells_of(options)
    _lock(options)
    figures: list[CellFigure] = []
    failed: dict[str, str] = {}
    compared = Compared()
    for number, cell in enumerate(cells, start=1):
        print(f"[{number}/{len(cells)}] {cell.name}", file=sys.stderr, flush=True)
        try:
            figures += _figures(cell, compared)
        except RankgenError as error:
            failed[cell.name] = error.message
        except Exception as error:
            # It may concern this cell alone, as when its lists do not fit into memory.
            if debug_wanted():
                traceback.print_exc()
            failed[cell.name] = f"unexpected {type(error).__name__}: {last_line(error)}"
        if cell.name in failed:
            print(f"{cell.name} failed: {failed[cell.name]}", file=sys.stderr, flush=True)
        ablation = Ablation(figures=tuple(figures), failed=failed, notices=compared.notices())
        _write(options, ablation)
    return ablation


def _figures(cell: Cell, compared: Compared) -> list[CellFigure]:
    subsample(cell.subsample)
    compared.add_training(cell)
    trained = run_train_student(cell.training).summary
    figures = []
    for test, settings in cell.evaluations.items():
        evaluation = run_evaluate(settings).summary
        compared.add_test(cell, test, evaluation)
        means = {system.kind: system.measures[MEASURE] for system in evaluation.systems}
        figures.append(
            CellFigure(
                first_stage=cell.first_stage,
                depth=cell.depth,
                queries=cell.size.queries,
                seed=cell.training.seed,
                test=test,
                value=means["student"],
                baseline=means["first-stage"],
                steps=trained.steps,
            )
        )
    return figures


def _lock(options: AblateOptions) -> None:
    """Refuses a folder of something else, or of cells that were trained otherwise.

    The grid itself may grow from one command to the next.
    """
    path = options.out / ".rankgen" / "recipe.json"
    trained = options.part(StudentSettings).recipe()
    facts = {
        **{name: value for name, value in trained.items() if name != "seed"},
        "sample_seed": options.sample_seed,
        "evaluation_depth": options.evaluation_depth,
    }
    if path.exists():
        check_recipe(path, facts)
        return
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        raise UsageError(
            f"{options.out} exists, is not empty and is not an ablation", "name a new folder: --out"
        )
    write_recipe(path, facts)


def _write(options: AblateOptions, ablation: Ablation) -> None:
    text = json.dumps(ablation.as_json(), indent=2, ensure_ascii=False) + "\n"
    write_whole(options.out / TABLE, ablation.as_tsv().encode())
    write_whole(options.out / FIGURES, text.encode())
    if ablation.figures:
        write_whole(options.out / DRAWING, ablation_svg(ablation).encode())
