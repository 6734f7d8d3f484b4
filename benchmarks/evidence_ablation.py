"""What the evidence weights are worth, on simulated teachers whose truth is known.

    python benchmarks/evidence_ablation.py [SEEDS]

A passage is a vector, its relevance a smooth function of it, the first stage a noisy view of that
relevance. A simulated teacher orders windows of 20, stride 10, as a sliding window does, with noise
of its own in every call, and writes down some or all of each window's passages. A small student
learns relevance from the vectors by a loss over pairs that is weighted by the evidence, and is
measured on queries that it never saw. Everything but teacher and student is the code of a training.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from results_file import write_results
from torch import Tensor

from rankgen.generator.answers.outcomes import WindowResult
from rankgen.generator.answers.query_outcomes import QueryRanking
from rankgen.generator.strategies.ranking import rank_query
from rankgen.generator.teachers.base import Teacher
from rankgen.manifests.records import Document, Query
from rankgen.students.choices import EVIDENCE_WEIGHTS, Evidence
from rankgen.students.losses import Targets, make_loss
from rankgen.students.training.evidence import PairEvidence, Window

SIZE, FEATURES, WINDOW, STRIDE = 100, 12, 20, 10
TRAIN, TEST, STEPS = 120, 200, 150


class Lists(NamedTuple):
    """Some queries' candidates in first-stage order.

    Attributes:
        vectors: Shape (queries, SIZE, FEATURES).
        relevance: The truth, shape (queries, SIZE).
    """

    vectors: NDArray[np.float64]
    relevance: NDArray[np.float64]


class NoisyTeacher:
    """Orders passages by their relevance and fresh noise; names the best `named` of a window."""

    name = "simulated"

    def __init__(
        self, relevance: NDArray[np.float64], noise: float, named: float, rng: np.random.Generator
    ) -> None:
        self._relevance, self._noise, self._named, self._rng = relevance, noise, named, rng

    async def rank_window(self, query: Query, passages: Sequence[Document]) -> WindowResult:
        """Returns the order; passages it did not name keep the order they came in."""
        places = [int(passage.doc_id) for passage in passages]
        seen = self._relevance[places] + self._noise * self._rng.standard_normal(len(places))
        order = np.argsort(-seen)
        count = max(2, round(self._named * len(order)))
        named = order[:count]
        rest = np.setdiff1d(np.arange(len(order)), named)
        permutation = tuple(int(i) for i in [*named, *rest])
        return WindowResult(permutation, missing=len(rest))


def draw_lists(queries: int, first_stage_noise: float, rng: np.random.Generator) -> Lists:
    """Draws candidates; the first stage puts them in the order of a noisy relevance."""
    vectors = rng.standard_normal((queries, SIZE, FEATURES))
    relevance = np.tanh(vectors[..., 0]) + 0.7 * vectors[..., 1] + 0.5 * np.abs(vectors[..., 2])
    found = relevance + first_stage_noise * rng.standard_normal(relevance.shape)
    order = np.argsort(-found, axis=1)
    return Lists(
        np.take_along_axis(vectors, order[..., None], axis=1),
        np.take_along_axis(relevance, order, axis=1),
    )


def label(lists: Lists, noise: float, named: float, rng: np.random.Generator) -> list[QueryRanking]:
    """Has the simulated teacher order every list by sliding windows."""
    passages = [Document(str(place), "", "") for place in range(SIZE)]

    async def all_lists() -> list[QueryRanking]:
        return [
            await rank_query(
                Query(str(number), ""),
                passages,
                # A strategy asks for windows only; what identifies a teacher is a run's affair.
                cast(Teacher, NoisyTeacher(relevance, noise, named, rng)),
                window=WINDOW,
                stride=STRIDE,
            )
            for number, relevance in enumerate(lists.relevance)
        ]

    return asyncio.run(all_lists())


def train(
    lists: Lists, rankings: Sequence[QueryRanking], loss_name: str, evidence: Evidence, seed: int
) -> torch.nn.Module:
    """Trains a small network on the teacher's orders, its pairs weighted by the evidence."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(FEATURES, 32), torch.nn.GELU(), torch.nn.Linear(32, 1)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    windows = {
        ranking.query_id: [
            Window(
                record.start,
                record.end,
                np.array(record.result.permutation, dtype=np.int16),
                len(record.result.permutation) - record.result.missing,
            )
            for record in ranking.windows
        ]
        for ranking in rankings
    }
    known = PairEvidence(windows, dict.fromkeys(windows, SIZE), EVIDENCE_WEIGHTS[evidence])
    everywhere = np.arange(SIZE)
    vectors = torch.from_numpy(
        np.stack([lists.vectors[n][list(r.order)] for n, r in enumerate(rankings)])
    ).float()
    pairs = torch.stack(
        [torch.from_numpy(known.weights(ranking.query_id, everywhere)) for ranking in rankings]
    )
    ranks = torch.arange(1, SIZE + 1).float()
    loss = make_loss(loss_name)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        rows = torch.randint(len(rankings), (16,), generator=generator)
        targets = Targets(
            ranks.expand(16, -1), torch.ones(16, SIZE, dtype=torch.bool), pair_weights=pairs[rows]
        )
        terms = loss.terms(model(vectors[rows])[..., 0], targets)
        value: Tensor = (terms.sums / terms.counts.clamp(min=1e-9)).mean()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return model


def ndcg_at_10(scores: NDArray[np.float64], relevance: NDArray[np.float64]) -> float:
    """Returns the mean nDCG@10; the grades are the fifths of a list by relevance, 0 to 4."""
    grades = np.argsort(np.argsort(relevance, axis=1), axis=1) * 5 // SIZE
    discount = 1 / np.log2(np.arange(2, 12))

    def gained(keys: NDArray[np.float64]) -> NDArray[np.float64]:
        best = np.argsort(-keys, axis=1)[:, :10]
        gained: NDArray[np.float64] = (np.take_along_axis(grades, best, axis=1) * discount).sum(1)
        return gained

    return float((gained(scores) / gained(relevance)).mean())


def main() -> None:
    """Measures, prints and writes the result."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    rows = []
    for first_stage in (1.0, 3.0):
        for noise, named in ((0.2, 1.0), (1.0, 1.0), (3.0, 1.0), (0.2, 0.5), (1.0, 0.5)):
            figures: dict[str, list[float]] = {}
            for seed in range(seeds):
                rng = np.random.default_rng(seed)
                lists = draw_lists(TRAIN, first_stage, rng)
                rankings = label(lists, noise, named, rng)
                held_out = draw_lists(TEST, first_stage, rng)
                vectors = torch.from_numpy(held_out.vectors).float()
                for loss_name in ("ranknet", "adr-mse"):
                    for evidence in EVIDENCE_WEIGHTS:
                        model = train(lists, rankings, loss_name, evidence, seed)
                        with torch.no_grad():
                            scores = model(vectors)[..., 0].double().numpy()
                        found = ndcg_at_10(scores, held_out.relevance)
                        figures.setdefault(f"{loss_name}, {evidence}", []).append(found)
            row: dict[str, object] = {
                "first_stage_noise": first_stage,
                "teacher_noise": noise,
                "share_of_a_window_that_it_names": named,
            }
            row["nDCG@10"] = {
                name: {
                    "mean": round(statistics.mean(values), 4),
                    "sd": round(statistics.stdev(values), 4) if len(values) > 1 else None,
                }
                for name, values in figures.items()
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
    result = {
        "what": "a student of simulated teachers by the weights of seen, implied and unseen pairs",
        "seeds": seeds,
        "lists": {"train": TRAIN, "test": TEST, "passages": SIZE},
        "window": WINDOW,
        "stride": STRIDE,
        "weights": dict(EVIDENCE_WEIGHTS),
        "rows": rows,
    }
    write_results("evidence_ablation", result)


if __name__ == "__main__":
    main()
