"""Where the teacher put what the first stage found: first-stage rank against teacher's rank."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from rankgen.manifests.schema import NOT_RETRIEVED
from rankgen.students.pages.opened_run import OpenedRun

MOST_BINS = 25
TOP = 10


class Cell(TypedDict):
    """Passages of first-stage ranks `before` that got a rank of `after`; ranks from 1, inclusive.

    Attributes:
        share: Of all passages of those first-stage ranks, 0 to 1.
    """

    before: tuple[int, int]
    after: tuple[int, int]
    passages: int
    share: float


class Displacement(TypedDict):
    """How a run's lists were reordered.

    Attributes:
        width: Ranks in a cell.
        depth: Ranks of the longest list.
        cells: Those that hold at least one passage.
        mean: Mean number of ranks by which a passage moved, up or down.
        risen: Mean number of passages of a teacher's top 10 that were below the first stage's.
        unchanged: Lists that the teacher left as they were.
        lists: All lists whose first stage is known.
    """

    width: int
    depth: int
    cells: list[Cell]
    mean: float
    risen: float
    unchanged: int
    lists: int


def displacement_of(run: OpenedRun) -> Displacement | None:
    """Returns the displacement; None where no passage is known to be both retrieved and ranked.

    First-stage ranks are places among the passages that were ranked: where a run ranks a part of
    what was retrieved, the others are left out of both sides.

    Raises:
        IntegrityProblem: A shard cannot be read.
    """
    before, after, unchanged, lists = list[int](), list[int](), 0, 0
    for shard in run.directory.shards("rankings", ["retrieval_positions"]):
        for positions in filter(run.knows_first_stage, shard["retrieval_positions"].to_pylist()):
            kept = np.array([place for place in positions if place != NOT_RETRIEVED])
            places = np.argsort(np.argsort(kept, kind="stable"), kind="stable")
            before += places.tolist()
            after += range(len(places))
            unchanged += bool((places == np.arange(len(places))).all())
            lists += 1
    if not before:
        return None
    one, other = np.array(before), np.array(after)
    depth = int(one.max()) + 1
    width = -(-depth // MOST_BINS)
    return Displacement(
        width=width,
        depth=depth,
        cells=_cells(one // width, other // width, width, depth),
        mean=float(np.abs(one - other).mean()),
        risen=float(((other < TOP) & (one >= TOP)).sum() / lists),
        unchanged=unchanged,
        lists=lists,
    )


def _cells(one: NDArray[np.intp], other: NDArray[np.intp], width: int, depth: int) -> list[Cell]:
    bins = -(-depth // width)
    counts = np.zeros((bins, bins), dtype=np.int64)
    np.add.at(counts, (one, other), 1)
    totals = counts.sum(axis=1)
    return [
        Cell(
            before=ranks_of(int(i), width, depth),
            after=ranks_of(int(j), width, depth),
            passages=int(counts[i, j]),
            share=float(counts[i, j] / totals[i]),
        )
        for i, j in np.argwhere(counts)
    ]


def ranks_of(number: int, width: int, depth: int) -> tuple[int, int]:
    """Returns the first and the last rank of a cell, from 1."""
    return number * width + 1, min(depth, (number + 1) * width)
