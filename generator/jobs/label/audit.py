"""`rankgen audit`: how far a teacher follows the order in which it is given the lists."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from rankgen.generator.engines.cost.purse import CostCapReached
from rankgen.generator.jobs.label.relabel import (
    agreement,
    label_again,
    label_settings_of,
    order_tau,
    orders_of,
    sampled,
)
from rankgen.generator.strategies.orders import InputOrder, input_order
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.unranked import first_stage_of

# The run's own lists, those lists given the same way again, and given in other orders.
Given = Literal["run", "again", "reversed", "shuffled"]


class AuditRow(BaseModel):
    """What came of lists given in one order, as means over the queries that were ranked.

    Attributes:
        given: How the lists were given.
        queries: Number of queries with a ranking.
        flip_rate: Share of queries whose order differs from the run's, 0 to 1.
        kendall_tau: Rank correlation with the run's order, -1 to 1.
        top10_overlap: Share of the first ten documents in common with the run's, 0 to 1.
        follows_input: Rank correlation of the order with the one that was given, -1 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    given: Given
    queries: int
    flip_rate: float
    kendall_tau: float
    top10_overlap: float
    follows_input: float


class Audit(BaseModel):
    """An audit.

    Attributes:
        queries: Number of sampled queries.
        rows: First the run itself.
        kept: The folder of the new labels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: int
    rows: tuple[AuditRow, ...]
    kept: str

    def text(self) -> str:
        """Returns the audit for a terminal."""
        lines = [f"{'given':<10}{'queries':>8}{'changed':>9}{'tau':>9}{'top 10':>8}{'follows':>9}"]
        lines += [
            f"{row.given:<10}{row.queries:>8,}{row.flip_rate:>9.1%}{row.kendall_tau:>9.4f}"
            f"{row.top10_overlap:>8.1%}{row.follows_input:>9.4f}"
            for row in self.rows
        ]
        return "\n".join(
            [
                *lines,
                "changed, tau and top 10: against the run's own order; follows: tau of the order "
                "with the one that was given",
                "a teacher without a bias to places agrees with the run as well when lists are "
                "shuffled as when they are given again, and follows shuffled lists by 0.0",
                f"-> {self.kept}",
            ]
        )


class AuditCost(NamedTuple):
    """What an audit would cost, by what the run spent on the sampled queries."""

    queries: int
    calls: int
    prompt_tokens: int
    output_tokens: int


def audit(run: RunDirectory, sample: int, ray_address: str | None = None) -> Audit:
    """Labels a sample three times: as the run did, with its lists reversed, and shuffled.

    A cap on the run's cost holds for the three together, beside what the run itself has cost.

    Args:
        run: A label run.
        sample: Number of its queries, chosen by a digest of their ids.
        ray_address: A cluster, or None for this machine.

    Raises:
        UsageError: The folder is not a label run, or has no ranked query.
        CostCapReached: The next call could exceed the cap.
        RankgenError: Labelling raised it.
    """
    settings = label_settings_of(run)
    before, chosen = sampled(run, sample)
    seed, own = settings.teacher.seed, settings.teacher.input_order
    folder = run.state / "audit" / time.strftime("%Y%m%dT%H%M%S")
    rows = [_row("run", own, before, {q: before[q] for q in chosen}, _retrieved(run), seed)]
    done = list[RunDirectory]()
    for given in get_args(Given)[1:]:
        labels = RunDirectory(folder / given)
        order = own if given == "again" else given
        try:
            label_again(settings, chosen, labels, ray_address, order, done)
        except CostCapReached as reached:
            raise _too_dear(reached, run, len(chosen)) from reached
        done.append(labels)
        rows.append(_row(given, order, before, orders_of(labels), _retrieved(labels), seed))
    return Audit(queries=len(chosen), rows=tuple(rows), kept=str(folder))


def _too_dear(reached: CostCapReached, run: RunDirectory, queries: int) -> CostCapReached:
    """Returns the error of a labelling, with what can be done about it: an audit begins anew."""
    return CostCapReached(
        f"{reached.message}; the three labellings of an audit share the run's --max-cost",
        f"rankgen audit {run.root} --queries {queries // 2}"
        if queries > 1
        else "audit a run that was labelled with a higher --max-cost",
    )


def audit_cost(run: RunDirectory, sample: int) -> AuditCost:
    """Returns what `audit` would cost; starts nothing.

    Raises:
        UsageError: See `audit`.
    """
    label_settings_of(run)
    chosen = set(sampled(run, sample)[1])
    columns = ["query_id", "windows", "prompt_tokens", "output_tokens"]
    rows = [row for row in run.read("rankings", columns).to_pylist() if row["query_id"] in chosen]
    times = len(get_args(Given)) - 1
    return AuditCost(len(chosen), *(times * sum(row[name] for row in rows) for name in columns[1:]))


def _row(
    given: Given,
    order: InputOrder,
    before: dict[str, list[str]],
    after: dict[str, list[str]],
    retrieved: Mapping[str, Sequence[str]],
    seed: int,
) -> AuditRow:
    found = agreement(before, after)
    follows = list[float]()
    for query_id, ranked in after.items():
        ids = retrieved[query_id]
        shown = [ids[place] for place in input_order(order, query_id, ids, seed)]
        follows.append(order_tau(shown, ranked))
    values = found.model_dump(exclude={"kept"})
    return AuditRow(given=given, follows_input=sum(follows) / len(follows), **values)


def _retrieved(run: RunDirectory) -> dict[str, list[str]]:
    """Returns the lists in first-stage order."""
    columns = ["query_id", "doc_ids", "retrieval_positions", "unranked"]
    table: pa.Table = run.read("rankings", columns)
    return {row["query_id"]: first_stage_of(row) for row in table.to_pylist()}
