"""Whether a step of a recipe is done, judged by what its folder holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from rankgen.generator.api.ablation.settings import AblateOptions, grid_parts
from rankgen.generator.api.train_options import TrainOptions
from rankgen.generator.commands.reproduce import RESULT, ReproduceSettings
from rankgen.manifests.options import Settings
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.paper.measured_ablation import FIGURES, read_ablation
from rankgen.students.training.student_folder import finished_summary
from rankgen.students.training.training_facts import recipe_path

# Settings that the record has in another form, once their words are looked up.
_RESOLVED = frozenset({"backbone", "precision", "targets"})
State = Literal["done", "begun", "to do", "reused", "of other settings"]


def step_state(settings: Settings) -> State:
    """Returns how far a step is; running it also checks that its settings are the same.

    Args:
        settings: The step's, whose `out` is its folder.
    """
    out = getattr(settings, "out", None)
    if not isinstance(out, Path) or not out.exists():
        return "to do"
    match settings:
        case TrainOptions():
            return training_state(settings)
        case EvaluationSettings():
            return _by_file(out / ("evaluation.json" if settings.suite is None else "suite.json"))
        case AblateOptions():
            return _ablation_state(settings)
        case ReproduceSettings():
            return _by_file(out / RESULT)
    if (out / ".rankgen").is_dir():
        return "done" if (out / "manifest.json").is_file() else "begun"
    return "done"


def training_state(settings: TrainOptions) -> State:
    """Returns how far a student is, and whether it is this one as far as settings tell."""
    try:
        held = json.loads(recipe_path(settings.out).read_text(encoding="utf-8"))
    # Before the first step there is none; running the step reports a damaged one.
    except (OSError, ValueError):
        held = {}
    wanted = settings.training().recipe()
    if any(held[n] != wanted[n] for n in held.keys() & wanted.keys() - _RESOLVED):
        return "of other settings"
    if finished_summary(settings.out) is not None:
        return "done"
    return "begun" if (settings.out / ".rankgen").is_dir() else "to do"


def _ablation_state(settings: AblateOptions) -> State:
    if not (settings.out / FIGURES).is_file():
        return "begun"
    ablation = read_ablation(settings.out)
    held = {(f.first_stage, f.depth, f.queries, f.seed) for f in ablation.figures}
    # Without numbers of queries or depths the grid is only known from the labelled sets.
    parts = len(grid_parts(settings.depths or (0,), settings.queries or (0,), settings.grid))
    wanted = len(settings.rankings) * parts * (len(settings.seeds) or 1)
    is_whole = not ablation.failed and len(held) >= wanted
    return "done" if is_whole else "begun"


def _by_file(path: Path) -> State:
    return "done" if path.is_file() else "begun"
