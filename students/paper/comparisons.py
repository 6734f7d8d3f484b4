"""Which systems of a table differ from its reference, and which are as good as it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rankgen.students.evaluation.equivalence import margin_test
from rankgen.students.evaluation.significance import PairedTest, holm, paired_tests
from rankgen.students.evaluation.table import SIGNIFICANT
from rankgen.students.paper.measured import MEASURE, PerQuery
from rankgen.students.paper.tables import Column

DIFFERS, EQUIVALENT, NOT_WORSE = "†", "≈", "≥"
_SAMPLES = 10_000


class Comparison(BaseModel):
    """A system against the reference in one column, over the queries of the column's tasks.

    Attributes:
        column: The column's name.
        test: The paired tests; `a` is the reference.
        p_not_worse: One-sided, by Holm corrected p of "worse by the margin or more".
        p_equivalent: By Holm corrected p of "different by the margin or more" (TOST).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    test: PairedTest
    p_not_worse: float | None
    p_equivalent: float | None

    @property
    def marks(self) -> str:
        """What stands behind the system's figure."""
        marks = DIFFERS if _is_small(self.test.p_holm) else ""
        if _is_small(self.p_equivalent):
            return marks + EQUIVALENT
        return marks + (NOT_WORSE if _is_small(self.p_not_worse) else "")


def compare_systems(
    columns: Sequence[Column],
    values: Mapping[str, Mapping[str, PerQuery]],
    reference: str,
    margin: float,
) -> list[Comparison]:
    """Tests every other system against the reference, and corrects within each column.

    Args:
        columns: The table's columns.
        values: system -> task -> query -> value.
        reference: A system with values.
        margin: See `margin_test`.
    """
    found: list[Comparison] = []
    for column in columns:
        vectors = {
            system: _vector(column, of_task)
            for system, of_task in values.items()
            if all(task in of_task for task in column.tasks)
        }
        if reference in vectors and len(vectors) > 1:
            found += _of_column(column.name, vectors, reference, margin)
    return found


def _of_column(
    name: str, vectors: Mapping[str, NDArray[np.float64]], reference: str, margin: float
) -> list[Comparison]:
    others = [system for system in vectors if system != reference]
    ordered = [(system, vectors[system]) for system in (reference, *others)]
    pairs = [(0, place) for place in range(1, len(ordered))]
    tests = paired_tests(MEASURE, ordered, pairs, _SAMPLES)
    margins = [margin_test(vectors[reference], vectors[system], margin) for system in others]
    not_worse = _corrected([one.not_worse for one in margins])
    equivalent = _corrected([one.equivalent for one in margins])
    return [
        Comparison(column=name, test=test, p_not_worse=worse, p_equivalent=same)
        for test, worse, same in zip(tests, not_worse, equivalent, strict=True)
    ]


def _corrected(p_values: Sequence[float | None]) -> list[float | None]:
    """Returns Holm's p values; an undefined one counts as no evidence, and stays undefined."""
    adjusted = holm([1.0 if p is None else p for p in p_values])
    return [None if p is None else a for p, a in zip(p_values, adjusted, strict=True)]


def _vector(column: Column, of_task: Mapping[str, PerQuery]) -> NDArray[np.float64]:
    return np.array([of_task[task][query] for task in column.tasks for query in of_task[task]])


def _is_small(p: float | None) -> bool:
    return p is not None and p < SIGNIFICANT
