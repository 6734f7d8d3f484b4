"""The comparison of runs: how far their rankings agree, and what each cost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from rankgen.manifests.errors import UsageError
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.agreement.coverage import Coverage, coverage_of
from rankgen.students.agreement.measures import kendall_tau, mean, overlap, rank_biased_overlap
from rankgen.students.agreement.settings import CompareSettings


@dataclass(frozen=True)
class RunFigures:
    """One run.

    Attributes:
        name: The last part of its path, or the path where two runs have the same.
        queries: Lists in it.
        degraded: How many of them have a repaired window.
        windows, prompt_tokens, output_tokens: What it cost; 0 for teachers without a model.
        coverage: See `Coverage`; None for a run without windows.
    """

    name: str
    queries: int
    degraded: int
    windows: int
    prompt_tokens: int
    output_tokens: int
    coverage: Coverage | None


@dataclass(frozen=True)
class Agreement:
    """Two runs, over the queries and passages that both have; means over queries.

    Attributes:
        queries: Common queries with at least two passages that both runs were given.
        passages_left_out: Passages of common queries that only one of the runs was given.
        tau: Kendall's tau over the passages that both order, -1 to 1; of queries with two of them,
            and not a number without any.
        rbo: Rank-biased overlap, down to where both lists have an order, 0 to 1.
        top: Share of common passages at the top, likewise, 0 to 1.
        same: Queries with the same order in both.
        short_lists: Queries with so few common passages that their share at the top is 1 whatever
            their orders.
    """

    one: str
    other: str
    queries: int
    passages_left_out: int
    tau: float
    rbo: float
    top: float
    same: int
    short_lists: int


@dataclass(frozen=True)
class Comparison:
    """All runs, and every two of them."""

    settings: CompareSettings
    runs: tuple[RunFigures, ...]
    pairs: tuple[Agreement, ...]

    def as_json(self) -> dict[str, object]:
        """Returns everything as JSON values."""
        return {
            "persistence": self.settings.persistence,
            "top": self.settings.top,
            "runs": [
                {**asdict(run), "coverage": run.coverage and run.coverage._asdict()}
                for run in self.runs
            ],
            "agreement": [asdict(pair) for pair in self.pairs],
        }


def compare(settings: CompareSettings) -> Comparison:
    """Compares the rankings of runs.

    Raises:
        UsageError: A folder has no rankings, or two runs have no query in common.
        IntegrityProblem: A shard is damaged.
    """
    names = names_of(settings.runs)
    runs = [RunDirectory(root) for root in settings.runs]
    orders = [Orders(run) for run in runs]
    figures = [
        figures_of(name, run, coverage_of(run)) for name, run in zip(names, runs, strict=True)
    ]
    pairs = [
        agreement_of(settings, (names[i], names[j]), orders[i], orders[j])
        for i, j in itertools.combinations(range(len(runs)), 2)
    ]
    return Comparison(settings, tuple(figures), tuple(pairs))


class Orders:
    """The lists of a run by query; held as Arrow, so that a million of them fit into memory."""

    def __init__(self, run: RunDirectory) -> None:
        table = run.read("rankings", ["query_id", "doc_ids", "unranked"]).combine_chunks()
        self._lists, self._below = table["doc_ids"], table["unranked"]
        self._row_of = {name: row for row, name in enumerate(table["query_id"].to_pylist())}

    def __iter__(self) -> Iterator[str]:
        """Yields the query ids."""
        return iter(self._row_of)

    def get(self, query_id: str) -> Sequence[str] | None:
        """Returns a query's documents, best first; None for a query that the run lacks."""
        row = self._row_of.get(query_id)
        return None if row is None else self._lists[row].as_py()

    def given(self, query_id: str) -> Set[str]:
        """Returns the documents that a query's teacher ordered, those below the kept top too."""
        row = self._row_of[query_id]
        return {*self._lists[row].as_py(), *(self._below[row].as_py() or ())}


def names_of(roots: Sequence[Path]) -> list[str]:
    """Returns what runs are called: the last part of each path, or else the paths."""
    short = [root.name for root in roots]
    return short if len(set(short)) == len(short) else [str(root) for root in roots]


def figures_of(name: str, run: RunDirectory, coverage: Coverage | None) -> RunFigures:
    """Returns what a run holds and cost, beside its coverage."""
    columns = ["query_id", "status", "windows", "prompt_tokens", "output_tokens"]
    table: pa.Table = run.read("rankings", columns)
    sums: Mapping[str, int] = {column: pc.sum(table[column]).as_py() or 0 for column in columns[2:]}
    degraded = pc.sum(pc.equal(table["status"], "degraded")).as_py() or 0
    return RunFigures(name, table.num_rows, degraded, **sums, coverage=coverage)


def agreement_of(
    settings: CompareSettings, names: tuple[str, str], one: Orders, other: Orders
) -> Agreement:
    """Returns how far two runs agree.

    Raises:
        UsageError: They have no query with two common passages.
    """
    taus: list[float] = []
    rbos: list[float] = []
    tops: list[float] = []
    left_out = same = short_lists = 0
    for query_id in one:
        left, right = one.get(query_id), other.get(query_id)
        if left is None or right is None:
            continue
        to_left, to_right = one.given(query_id), other.given(query_id)
        left_out += len(to_left ^ to_right)
        shared = to_left & to_right
        if len(shared) < 2:
            continue
        common = set(left) & set(right)
        # Two kept tops may have nothing in common, which the overlap at the top tells.
        if len(common) > 1:
            taus.append(kendall_tau(_among(left, common), _among(right, common)))
        heads = _to_one_depth(_among(left, shared), _among(right, shared))
        same += heads[0] == heads[1]
        short_lists += len(shared) <= settings.top
        rbos.append(rank_biased_overlap(*heads, settings.persistence))
        tops.append(overlap(*heads, settings.top))
    if not tops:
        raise UsageError(
            f"{names[0]} and {names[1]} rank no query with two passages in common",
            "compare runs on the same candidates",
        )
    means = mean(taus), mean(rbos), mean(tops)
    return Agreement(*names, len(tops), left_out, *means, same, short_lists)


def _among(doc_ids: Sequence[str], kept: Set[str]) -> list[str]:
    return [doc_id for doc_id in doc_ids if doc_id in kept]


def _to_one_depth(one: list[str], other: list[str]) -> tuple[list[str], list[str]]:
    depth = min(len(one), len(other))
    return one[:depth], other[:depth]
