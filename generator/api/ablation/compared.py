"""Whether the cells of an ablation learn from, and are tested on, the same queries."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from rankgen.generator.api.ablation.grid import Cell
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.evaluation.result import Evaluation

Ids = frozenset[str]


class Compared:
    """Collects what the cells were given, and tells where it differs."""

    def __init__(self) -> None:
        self._learned: dict[int, dict[str, Ids]] = {}
        self._tested: dict[str, dict[str, Ids]] = {}
        # Notice of a test -> the cells that it is true of.
        self._notices: dict[tuple[str, str], list[str]] = {}
        self._cells: dict[str, set[str]] = {}

    def add_training(self, cell: Cell) -> None:
        """Notes the queries of a cell's part of its labelled set."""
        of_stage = self._learned.setdefault(cell.size.queries, {})
        if cell.first_stage not in of_stage:
            rows = RunDirectory(cell.subsample.out).read("rankings", ["query_id"])
            of_stage[cell.first_stage] = frozenset(rows["query_id"].to_pylist())

    def add_test(self, cell: Cell, test: str, evaluation: Evaluation) -> None:
        """Notes the queries that count in an evaluation, and what must be known of it."""
        self._tested.setdefault(cell.first_stage, {})[test] = frozenset(evaluation.query_ids)
        self._cells.setdefault(test, set()).add(cell.name)
        for notice in evaluation.notices:
            self._notices.setdefault((test, notice), []).append(cell.name)

    def notices(self) -> tuple[str, ...]:
        """Returns what a reader must know of the figures, one sentence each."""
        return (*self._other_lessons(), *self._other_tests(), *self._of_evaluations())

    def _other_lessons(self) -> Iterator[str]:
        for count, of_stage in self._learned.items():
            told = (
                f"at {count:,} queries, the students of {{}} and {{}} learned from different ones"
            )
            yield from _told(told, of_stage)

    def _other_tests(self) -> Iterator[str]:
        # Tests of several first stages have names of their own, so their queries tell which belong
        # together.
        apart = {stage: set(tests.values()) for stage, tests in self._tested.items()}
        shown = {stage: Ids().union(*of_tests) for stage, of_tests in apart.items()}
        for one, other in itertools.combinations(apart, 2):
            if apart[one] != apart[other]:
                told = "the students of {} and {} are tested on different queries"
                yield from _told(told, {name: shown[name] for name in (one, other)}, always=True)

    def _of_evaluations(self) -> Iterator[str]:
        for (test, notice), cells in self._notices.items():
            where = "" if len(set(cells)) == len(self._cells[test]) else f" ({_several(cells)})"
            yield f"{test}: {notice}{where}"


def _told(sentence: str, of_stage: Mapping[str, Ids], *, always: bool = False) -> Iterator[str]:
    for one, other in itertools.combinations(of_stage, 2):
        only = {
            name: sorted(of_stage[name] - of_stage[rest])
            for name, rest in ((one, other), (other, one))
        }
        parts = [
            f"{len(ids):,} of {name} alone (first: {ids[0]})" for name, ids in only.items() if ids
        ]
        if parts:
            yield f"{sentence.format(one, other)}: {', '.join(parts)}"
        elif always:
            yield f"{sentence.format(one, other)}, as their sets divide the same ones otherwise"


def _several(cells: list[str]) -> str:
    more = len(cells) - 1
    return cells[0] if not more else f"{cells[0]} and {more:,} other{'s' if more > 1 else ''}"
