"""`verify --relabel`: labels a sample again and measures how far the teacher repeats itself."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from scipy.stats import kendalltau

from rankgen.generator.jobs.label import label
from rankgen.generator.jobs.label_settings import LabelRunSettings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.validation import validated

TOP = 10


class Agreement(BaseModel):
    """The agreement of a teacher with itself, as means over the sampled queries.

    Attributes:
        queries: Number of sampled queries that were ranked again.
        flip_rate: Share of queries with a different order, 0 to 1.
        kendall_tau: Rank correlation of the two orders, -1 to 1.
        top10_overlap: Share of the first ten documents that both orders have in common, 0 to 1.
        kept: The folder of the second labels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: int
    flip_rate: float
    kendall_tau: float
    top10_overlap: float
    kept: str


def relabel(run: RunDirectory, sample: int, ray_address: str | None = None) -> Agreement:
    """Labels a sample again with the run's own teacher and settings.

    Args:
        run: A label run.
        sample: Number of its queries, chosen by a digest of their ids.
        ray_address: A cluster, or None for this machine.

    Raises:
        UsageError: The folder is not a label run.
        RankgenError: Labelling raised it.
    """
    plan = read_plan(run)
    if plan.kind != "label":
        raise UsageError(f"{run.root} is not a label run but a {plan.kind} run", "name a label run")
    before = _orders(run)
    chosen = sorted(before, key=lambda q: hashlib.sha256(q.encode()).digest())[:sample]
    again = RunDirectory(run.state / "relabel" / time.strftime("%Y%m%dT%H%M%S"))
    changes = {
        "out": str(again.root),
        "only": chosen,
        "shards": None,
        "max_failed": len(chosen) - 1,
        "ray_address": ray_address,
    }
    label(validated(LabelRunSettings, {**plan.settings, **changes}, f"the plan of {run.root}"))
    return agreement(before, _orders(again), str(again.root))


def agreement(
    before: dict[str, list[str]], after: dict[str, list[str]], kept: str = ""
) -> Agreement:
    """Compares two sets of orders of the same documents, over the queries of `after`."""
    pairs = [(before[query_id], order) for query_id, order in after.items()]
    return Agreement(
        queries=len(pairs),
        flip_rate=sum(one != other for one, other in pairs) / len(pairs),
        kendall_tau=sum(_tau(*pair) for pair in pairs) / len(pairs),
        top10_overlap=sum(_overlap(*pair) for pair in pairs) / len(pairs),
        kept=kept,
    )


def _tau(one: Sequence[str], other: Sequence[str]) -> float:
    if len(one) < 2:
        return 1.0
    place = {doc_id: rank for rank, doc_id in enumerate(other)}
    return float(kendalltau(range(len(one)), [place[doc_id] for doc_id in one]).statistic)


def _overlap(one: Sequence[str], other: Sequence[str]) -> float:
    top = min(TOP, len(one))
    return len(set(one[:top]) & set(other[:top])) / top


def _orders(run: RunDirectory) -> dict[str, list[str]]:
    rows = run.read("rankings", ["query_id", "doc_ids"])
    return dict(zip(rows["query_id"].to_pylist(), rows["doc_ids"].to_pylist(), strict=True))
