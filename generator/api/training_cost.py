"""What a training would cost at a rate: its steps, its validations and what they read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.training.settings import StudentSettings

# A training step reads each token forwards and, at twice the cost, backwards.
SCORING_SPEED = 3.0


class TrainingCost(NamedTuple):
    """A training that runs to its last step.

    Attributes:
        steps: Optimizer steps.
        pairs: Pairs that the steps read.
        scored: Pairs that the validations score.
        tokens: Tokens of `pairs`.
        seconds: Time of all of it.
    """

    steps: int
    pairs: int
    scored: int
    tokens: int
    seconds: float


def training_cost(
    settings: StudentSettings,
    lists: int,
    passages_per_list: float,
    tokens_per_pair: float,
    rate: float,
) -> TrainingCost:
    """Estimates a training.

    Args:
        settings: Its settings.
        lists: Lists that teach something.
        passages_per_list: Their mean length.
        tokens_per_pair: Mean length of a pair.
        rate: Tokens that training reads in a second.
    """
    steps = settings.max_steps or math.ceil(settings.epochs * lists / settings.queries_per_step)
    of_list = min(passages_per_list, settings.depth or math.inf, settings.sample_size or math.inf)
    pairs = round(steps * settings.queries_per_step * of_list)
    scored = _validation_pairs(settings) * (steps // settings.validate_every + 1)
    tokens = round(pairs * tokens_per_pair)
    seconds = (tokens + scored * tokens_per_pair / SCORING_SPEED) / rate
    if settings.max_minutes is not None:
        seconds = min(seconds, 60 * settings.max_minutes)
    return TrainingCost(steps, pairs, scored, tokens, seconds)


def scored_pairs(
    run: Path, depth: int | None, queries: int | None = None, table: str = "candidates"
) -> int:
    """Returns how many passages of a run's lists are scored."""
    lists = RunDirectory(run).read(table, ["doc_ids"])["doc_ids"].to_pylist()
    return sum(len(doc_ids[:depth]) for doc_ids in lists[:queries])


def duration(seconds: float) -> str:
    """Returns seconds in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _validation_pairs(settings: StudentSettings) -> int:
    most = settings.validation_depth, settings.validation_queries
    judged = (scored_pairs(run, *most) for run in settings.validation)
    taught = settings.validation_rankings
    return sum(judged) + sum(scored_pairs(run, *most, "rankings") for run in taught)
