"""`verify --relabel`: labels a sample again and measures how far the teacher repeats itself."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict
from scipy.stats import kendalltau

from rankgen.generator.engines.cost.purse import CostCapReached
from rankgen.generator.jobs.label.job import label
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.strategies.orders import InputOrder
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
        UsageError: The folder is not a label run, or has no ranked query.
        CostCapReached: The next call could exceed the run's cap.
        RankgenError: Labelling raised it.
    """
    settings = label_settings_of(run)
    before, chosen = sampled(run, sample)
    again = RunDirectory(run.state / "relabel" / time.strftime("%Y%m%dT%H%M%S"))
    try:
        label_again(settings, chosen, again, ray_address)
    except CostCapReached as reached:
        raise _too_dear(reached, run, len(chosen)) from reached
    return agreement(before, orders_of(again), str(again.root))


def _too_dear(reached: CostCapReached, run: RunDirectory, queries: int) -> CostCapReached:
    """Returns the error with what can be done about it: each command labels anew."""
    return CostCapReached(
        f"{reached.message}; labelling again has the cap that the run was given",
        f"rankgen verify {run.root} --relabel {queries // 2}"
        if queries > 1
        else "check a run that was labelled with a higher --max-cost",
    )


def sampled(run: RunDirectory, sample: int) -> tuple[dict[str, list[str]], list[str]]:
    """Returns a run's orders (see `orders_of`) and a sample of its queries that have two documents.

    Raises:
        UsageError: The run has no ranked query, or lists of one document alone.
    """
    orders = orders_of(run)
    if not orders:
        raise UsageError(f"{run.root} ranks no query", f"rankgen status {run.root}")
    rows = run.read("rankings", ["query_id", "doc_ids", "unranked"]).to_pylist()
    orderable = [r["query_id"] for r in rows if len(r["doc_ids"]) + len(r["unranked"] or ()) > 1]
    if not orderable:
        raise UsageError(
            f"every list of {run.root} holds one document, which has no order to compare",
            "name a run with longer lists",
        )
    return orders, chosen_queries(orderable, sample)


def chosen_queries(query_ids: Iterable[str], sample: int) -> list[str]:
    """Returns the sample of a run's queries: the first by a digest of their ids."""
    return sorted(query_ids, key=lambda q: hashlib.sha256(q.encode()).digest())[:sample]


def label_again(
    settings: LabelRunSettings,
    queries: Sequence[str],
    again: RunDirectory,
    ray_address: str | None,
    input_order: InputOrder | None = None,
    beside: Sequence[RunDirectory] = (),
) -> None:
    """Labels some queries once more.

    Args:
        settings: Those of the first labels.
        queries: Ids of the queries.
        again: The folder of the new labels.
        ray_address: A cluster, or None for this machine.
        input_order: The order in which lists are given; None for that of the settings.
        beside: Runs whose calls count against the settings' cap on the cost too.

    Raises:
        RankgenError: Labelling raised it.
    """
    order = input_order or settings.teacher.input_order
    changes = {
        "out": again.root,
        "only": tuple(queries),
        "shards": None,
        "max_failed": len(queries) - 1,
        "ray_address": ray_address,
        "teacher": settings.teacher.model_copy(update={"input_order": order}),
    }
    label(settings.model_copy(update=changes), beside)


def label_settings_of(run: RunDirectory) -> LabelRunSettings:
    """Returns the settings of a label run.

    Raises:
        UsageError: The folder is not a label run.
    """
    plan = read_plan(run)
    if plan.kind != "label":
        raise UsageError(
            f"{run.root} is not a label run (it is of rankgen {plan.kind})", "name a label run"
        )
    # A plan also holds what was found out, such as what a recorded run lacks.
    known = {
        name: plan.settings[name] for name in LabelRunSettings.model_fields.keys() & plan.settings
    }
    return validated(LabelRunSettings, known, f"the plan of {run.root}")


def agreement(
    before: dict[str, list[str]], after: dict[str, list[str]], kept: str = ""
) -> Agreement:
    """Compares two sets of orders of the same documents, over the queries of `after`."""
    pairs = [(before[query_id], order) for query_id, order in after.items()]
    return Agreement(
        queries=len(pairs),
        flip_rate=sum(one != other for one, other in pairs) / len(pairs),
        kendall_tau=sum(order_tau(*pair) for pair in pairs) / len(pairs),
        top10_overlap=sum(_overlap(*pair) for pair in pairs) / len(pairs),
        kept=kept,
    )


def order_tau(one: Sequence[str], other: Sequence[str]) -> float:
    """Returns Kendall's tau of two orders, over the ids of both; 1 for fewer than two."""
    place = {doc_id: rank for rank, doc_id in enumerate(other)}
    places = [place[doc_id] for doc_id in one if doc_id in place]
    return float(kendalltau(range(len(places)), places).statistic) if len(places) > 1 else 1.0


def _overlap(one: Sequence[str], other: Sequence[str]) -> float:
    top = min(TOP, len(one))
    return len(set(one[:top]) & set(other[:top])) / top


def orders_of(run: RunDirectory) -> dict[str, list[str]]:
    """Returns the ids of every list of a run, best first, by query id."""
    rows = run.read("rankings", ["query_id", "doc_ids"])
    return dict(zip(rows["query_id"].to_pylist(), rows["doc_ids"].to_pylist(), strict=True))
