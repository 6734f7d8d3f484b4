"""How a teacher's scores are spread, and how they fall from rank to rank."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from rankgen.manifests.teacher_scores import FACT
from rankgen.students.pages.opened_run import OpenedRun

BINS = 40
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Bar(TypedDict):
    """Scores from `start` to `end`."""

    start: float
    end: float
    passages: int


class AtRank(TypedDict):
    """Quantiles of the scores at one rank of the teacher's order; see `QUANTILES`."""

    rank: int
    low: float
    lower: float
    median: float
    upper: float
    high: float


class ScoreShape(TypedDict):
    """The scores of a run.

    Attributes:
        unit: What they are; None where the run does not say.
        lists: Lists with scores, of `all_lists`.
        least, median, most: Over all scores.
    """

    unit: str | None
    lists: int
    all_lists: int
    least: float
    median: float
    most: float
    bars: list[Bar]
    ranks: list[AtRank]


def score_shape(run: OpenedRun) -> ScoreShape | None:
    """Returns the distribution of the teacher's scores; None for a teacher of orders alone.

    Raises:
        IntegrityProblem: A shard cannot be read.
    """
    lists = [
        scores
        for shard in run.directory.shards("rankings", ["teacher_scores"])
        for scores in shard["teacher_scores"].to_pylist()
    ]
    scored = [np.array(scores, dtype=np.float64) for scores in lists if scores]
    if not scored:
        return None
    flat = np.concatenate(scored)
    counts, edges = np.histogram(flat, BINS)
    fact = (run.described or {}).get(FACT)
    unit = fact.get("unit") if isinstance(fact, dict) else None
    return ScoreShape(
        unit=unit if isinstance(unit, str) else None,
        lists=len(scored),
        all_lists=len(lists),
        least=float(flat.min()),
        median=float(np.median(flat)),
        most=float(flat.max()),
        bars=[
            Bar(start=float(start), end=float(end), passages=int(count))
            for start, end, count in zip(edges, edges[1:], counts, strict=False)
        ],
        ranks=_by_rank(scored),
    )


def _by_rank(scored: list[NDArray[np.float64]]) -> list[AtRank]:
    table = np.full((len(scored), max(map(len, scored))), np.nan)
    for row, scores in zip(table, scored, strict=True):
        row[: len(scores)] = scores
    quantiles: list[list[float]] = np.nanquantile(table, QUANTILES, axis=0).T.tolist()
    return [
        AtRank(rank=rank, low=low, lower=lower, median=median, upper=upper, high=high)
        for rank, (low, lower, median, upper, high) in enumerate(quantiles, start=1)
    ]
