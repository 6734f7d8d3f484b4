"""The figures of an ablation: students of many parts of labelled sets, by depth and queries."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, JsonValue

from rankgen.students.paper.means import arithmetic_mean

MEASURE = "nDCG@10"
_HEADS = ("first_stage", "depth", "queries", "seed", "test", MEASURE, "its first stage", "steps")


class CellFigure(BaseModel):
    """One student on one set of test queries.

    Attributes:
        first_stage: Name of the labelled set.
        depth: First-stage depth of the lists it learned from.
        queries: Number of these lists.
        seed: Seed of its training.
        test: Name of the test queries.
        value: Its mean nDCG@10 there, from 0 to 1, as `evaluate` measured it.
        baseline: nDCG@10 of the candidates that it re-ranked, in first-stage order.
        steps: Steps it was trained for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_stage: str
    depth: int
    queries: int
    seed: int
    test: str
    value: float
    baseline: float
    steps: int


class Ablation(BaseModel):
    """All figures, and what is missing.

    Attributes:
        figures: One per student and test.
        failed: Cell -> why it has no figure.
        notices: What a reader must know of the figures, one sentence each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    figures: tuple[CellFigure, ...]
    failed: dict[str, str] = {}
    notices: tuple[str, ...] = ()

    @property
    def first_stages(self) -> tuple[str, ...]:
        """The names of the labelled sets, in their order."""
        return tuple(dict.fromkeys(figure.first_stage for figure in self.figures))

    def mean(self, first_stage: str, depth: int, queries: int) -> float | None:
        """Returns the mean over tests and seeds; None without a figure."""
        cell = first_stage, depth, queries
        values = [f.value for f in self.figures if (f.first_stage, f.depth, f.queries) == cell]
        return arithmetic_mean(values) if values else None

    def baseline(self, first_stage: str) -> float | None:
        """Returns the mean over tests of the first stage that the students re-ranked."""
        found = {f.test: f.baseline for f in self.figures if f.first_stage == first_stage}
        return arithmetic_mean(list(found.values())) if found else None

    def depths(self, first_stage: str) -> list[int]:
        """Returns the depths with a figure, increasing."""
        return sorted({f.depth for f in self.figures if f.first_stage == first_stage})

    def queries(self, first_stage: str) -> list[int]:
        """Returns the numbers of queries with a figure, increasing."""
        return sorted({f.queries for f in self.figures if f.first_stage == first_stage})

    def as_tsv(self) -> str:
        """Returns a row for each figure, tab-separated, with a heading."""
        return _tsv(
            (f.first_stage, f.depth, f.queries, f.seed, f.test, f.value, f.baseline, f.steps)
            for f in self.figures
        )

    def as_json(self) -> dict[str, JsonValue]:
        """Returns the figures, the mean of every cell and the failures as JSON values."""
        means: list[JsonValue] = [
            {"first_stage": name, "depth": depth, "queries": queries, MEASURE: value}
            for name in self.first_stages
            for depth in self.depths(name)
            for queries in self.queries(name)
            if (value := self.mean(name, depth, queries)) is not None
        ]
        values: dict[str, JsonValue] = self.model_dump(mode="json")
        return {"measure": MEASURE, "means": means, **values}

    def text(self) -> str:
        """Returns one small table per labelled set: depths down, queries across."""
        tables = "\n\n".join(self._table(name) for name in self.first_stages)
        notes = "".join(f"\nnote: {notice}" for notice in self.notices)
        return f"{tables}\n{notes}" if notes else tables

    def _table(self, name: str) -> str:
        counts = self.queries(name)
        lines = [f"{name}: {MEASURE}, {self._tests(name)} (first stage {self.baseline(name):.4f})"]
        lines.append("depth \\ queries" + "".join(f"{count:>10,}" for count in counts))
        for depth in self.depths(name):
            values = [self.mean(name, depth, count) for count in counts]
            cells = ("-" if value is None else f"{value:.4f}" for value in values)
            lines.append(f"{depth:>15}" + "".join(f"{cell:>10}" for cell in cells))
        return "\n".join(lines)

    def _tests(self, name: str) -> str:
        own = [f for f in self.figures if f.first_stage == name]
        tests = list(dict.fromkeys(f.test for f in own))
        seeds = len({f.seed for f in own})
        text = tests[0] if len(tests) == 1 else f"mean of {' and '.join(tests)}"
        return text + (f", {seeds} seeds" if seeds > 1 else "")


def _tsv(rows: Iterable[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerows([_HEADS, *rows])
    return text.getvalue()
