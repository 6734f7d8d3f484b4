"""What each strategy costs and finds, on teachers whose truth is known.

    RANKGEN_TEST_DATA=DATA python benchmarks/strategies.py [LISTS]

Simulated teachers order a window by the truth, by noise that is drawn anew for each passage of each
call, and by a bias to places: a passage seems better the earlier it is shown. A recorded teacher,
RankVicuna on TREC DL 2019 (DATA/msmarco-dl19), gives the truth of real lists of BM25: its order is
what a window is ordered by, plain or with noise in ranks, and judgements measure the result. Writes
`results/strategies.json` and draws it as `results/strategies.svg`.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from results_file import RESULTS, write_results
from strategies_plot import strategies_svg

from rankgen.generator.answers.outcomes import WindowResult
from rankgen.generator.answers.query_outcomes import QueryRanking
from rankgen.generator.strategies.chain import Chain
from rankgen.generator.strategies.orders import InputOrder
from rankgen.generator.strategies.ranking import rank_chain
from rankgen.generator.strategies.registry import StrategyName, shape_of
from rankgen.generator.strategies.shape import Shape
from rankgen.manifests.records import Document, Query
from rankgen.manifests.replay import places_shown
from rankgen.manifests.trec import read_qrels, read_run, trec_eval_order
from rankgen.students.agreement.measures import kendall_tau, mean
from rankgen.students.evaluation.measures import per_query
from rankgen.students.training.evidence import SEEN, Window, pair_levels

SIZE = 100
RECORDED = "teacher.rankvicuna-7b.on-bm25.top100.20230912T183614"
# Grades of the best 5, the next 10 and the next 15 of a simulated list.
GRADES = (3,) * 5 + (2,) * 10 + (1,) * 15
MEASURE = "nDCG@10"


class Case(NamedTuple):
    """A kind of teacher.

    Attributes:
        noise: Deviation of the noise, in deviations of the truth.
        bias: By how much the first place of a window seems better than the last, likewise.
        is_recorded: Whether the truth is that of real lists.
        given: The order in which the lists are given.
    """

    name: str
    noise: float
    bias: float
    is_recorded: bool = False
    given: InputOrder = "retrieved"


class Lists(NamedTuple):
    """Lists in first-stage order.

    Attributes:
        truth: Query id -> document id -> what the teacher thinks of it, higher is better.
        qrels: Query id -> document id -> grade.
    """

    truth: Mapping[str, Mapping[str, float]]
    qrels: dict[str, dict[str, int]]


class Way(NamedTuple):
    """A strategy and its sizes."""

    name: str
    strategy: StrategyName
    asked: Shape = Shape(20)
    passes: int = 1
    votes: int | None = None


CASES = (
    Case("true", 0.0, 0.0),
    Case("noise 0.5", 0.5, 0.0),
    Case("bias 1", 0.0, 1.0),
    Case("noise 0.5, bias 1", 0.5, 1.0),
    Case("bias 1, lists reversed", 0.0, 1.0, given="reversed"),
    Case("RankVicuna", 0.0, 0.0, is_recorded=True),
    Case("RankVicuna, noise 0.5", 0.5, 0.0, is_recorded=True),
    Case("RankVicuna, bias 1", 0.0, 1.0, is_recorded=True),
    Case("RankVicuna, bias 1, lists reversed", 0.0, 1.0, is_recorded=True, given="reversed"),
)
WAYS = (
    Way("whole list", "sliding", Shape(SIZE)),
    Way("sliding", "sliding"),
    Way("sliding, 2 passes", "sliding", passes=2),
    Way("sliding, 3 votes", "sliding", votes=3),
    Way("tdpart", "tdpart"),
    Way("tdpart, 3 votes", "tdpart", votes=3),
    Way("tournament", "tournament"),
    Way("tournament, 3 votes", "tournament", votes=3),
    Way("setwise", "setwise", Shape(4)),
    Way("setwise-bubble", "setwise-bubble", Shape(4)),
)


class SimulatedTeacher:
    """Orders by the truth, noise and a bias to places; the noise depends on the call alone."""

    name = "simulated"

    def __init__(self, truth: Mapping[str, float], case: Case, seed: int) -> None:
        self._truth, self._case = truth, case
        self._rng = np.random.default_rng(seed)
        self.passages = 0

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Returns the order; see `Ranks`."""
        del query
        self.passages += len(passages)
        seems = np.array([self._truth[passage.doc_id] for passage in passages])
        seems += self._case.noise * self._rng.standard_normal(len(seems))
        seems -= self._case.bias * np.arange(len(seems)) / max(1, len(seems) - 1)
        return WindowResult(tuple(int(place) for place in np.argsort(-seems, kind="stable")))


def simulated_lists(lists: int) -> Lists:
    """Draws lists that a first stage found by a view of the truth with noise of its deviation."""
    rng = np.random.default_rng(13)
    truth, qrels = dict[str, dict[str, float]](), dict[str, dict[str, int]]()
    for number in range(lists):
        values: NDArray[np.float64] = rng.standard_normal(SIZE)
        found = np.argsort(-(values + rng.standard_normal(SIZE)))
        ids = {int(place): f"d{rank:02d}" for rank, place in enumerate(found)}
        truth[f"q{number}"] = {ids[int(place)]: float(values[place]) for place in found}
        best = np.argsort(-values)
        qrels[f"q{number}"] = {ids[int(p)]: g for p, g in zip(best, GRADES, strict=False)}
    return Lists(truth, qrels)


def recorded_lists(data: Path) -> Lists:
    """Reads BM25's lists of DL 2019 and what the recorded teacher thinks of their passages."""
    first = read_run(data / "msmarco-dl19" / "runs" / "first-stage.bm25.trec")
    teacher = read_run(data / "msmarco-dl19" / "runs" / f"{RECORDED}.trec")
    # Scores as even as ranks, with mean 0 and deviation 1, as the noise expects.
    even = np.linspace(1, -1, SIZE) * 3**0.5
    truth = dict[str, dict[str, float]]()
    for query_id, lines in first.items():
        ranked = [line.doc_id for line in trec_eval_order(teacher[query_id])]
        value = dict(zip(ranked, even, strict=True))
        truth[query_id] = {
            line.doc_id: float(value[line.doc_id]) for line in trec_eval_order(lines)
        }
    return Lists(truth, read_qrels(data / "msmarco-dl19" / "qrels" / "full.trec"))


def measured(case: Case, way: Way, lists: Lists) -> dict[str, object]:
    """Has a teacher order every list in one way; returns means over the lists."""
    shape = shape_of(way.strategy, way.asked, Shape(20, 10))
    calls, shown, taus, seen = list[int](), list[int](), list[float](), list[float]()
    run = dict[str, dict[str, float]]()
    for number, (query_id, truth) in enumerate(lists.truth.items()):
        teacher = SimulatedTeacher(truth, case, number)
        passages = [Document(doc_id, "", "") for doc_id in truth]
        query = Query(query_id, "")
        chain = Chain(query, passages, teacher, given=case.given, votes=way.votes)
        ranking = asyncio.run(rank_chain(chain, way.strategy, shape, way.passes))
        order = [passages[place].doc_id for place in ranking.order]
        calls.append(len(ranking.windows))
        shown.append(teacher.passages)
        taus.append(kendall_tau(sorted(truth, key=lambda d: -truth[d]), order))
        seen.append(_seen(ranking))
        run[query_id] = {doc_id: -float(rank) for rank, doc_id in enumerate(order)}
    ndcg = per_query(lists.qrels, run, [MEASURE])[MEASURE]
    return {
        "teacher": case.name,
        "strategy": way.name,
        "calls": round(mean(calls), 2),
        "most_calls": max(calls),
        "passages_shown": round(mean(shown), 1),
        MEASURE: round(statistics.fmean(ndcg.values()), 4),
        "tau": round(mean(taus), 4),
        "pairs_seen": round(mean(seen), 4),
    }


def _seen(ranking: QueryRanking) -> float:
    """Returns the share of a list's pairs that a window put in the final order."""
    windows = [
        Window(
            one.start,
            one.end,
            np.array(one.result.permutation, dtype=np.int16),
            len(places_shown(one.start, one.end, one.shown)),
            one.shown,
            one.reordered,
        )
        for one in ranking.windows
    ]
    size = len(ranking.order)
    levels = pair_levels(size, windows)[np.triu_indices(size, 1)]
    return float((levels == SEEN).mean())


def main() -> None:
    """Measures every way on every teacher."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    simulated = simulated_lists(count)
    data = os.environ.get("RANKGEN_TEST_DATA")
    recorded = recorded_lists(Path(data)) if data else None
    rows = list[dict[str, object]]()
    for case in CASES:
        lists = recorded if case.is_recorded else simulated
        if lists is None:
            continue
        for way in WAYS:
            rows.append(measured(case, way, lists))
            print(rows[-1], file=sys.stderr, flush=True)
    figures = {
        "window": 20,
        "stride": 10,
        "top": 10,
        "setwise_window": 4,
        "depth": SIZE,
        "simulated_lists": count,
        "recorded_lists": len(recorded.truth) if recorded else 0,
        "recorded": RECORDED,
        "rows": rows,
    }
    print(write_results("strategies", figures))
    (RESULTS / "strategies.svg").write_text(strategies_svg(rows, MEASURE))


if __name__ == "__main__":
    main()
