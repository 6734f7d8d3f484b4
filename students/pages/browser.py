"""The queries of a page: an index of all of them, and blocks of a few whole ones each."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NotRequired, TypedDict

from rankgen.manifests.storage.string_pairs import place_of
from rankgen.students.agreement.measures import kendall_tau, mean
from rankgen.students.pages.blocks import Blocks
from rankgen.students.pages.opened_run import OpenedRun
from rankgen.students.pages.query_view import QueryView, RunView, Status

# Characters of JSON in a block: some ten queries of a hundred passages.
BLOCK_CHARACTERS = 600_000
# The index holds the beginning of a longer query only.
MOST_TEXT = 400


class SeenRun(TypedDict):
    """One run's part of an index row.

    Attributes:
        tau: Kendall's tau of the teacher's order with the first stage's; None where undefined.
        rise, fall: The largest move of a passage, in ranks.
        calls: Calls made; `failed` of them failed.
        repaired: Windows whose answer was repaired.
        gain: By how much the teacher betters the first stage, where the query is judged.
    """

    status: Status
    tau: float | None
    rise: int
    fall: int
    calls: int
    failed: int
    repaired: int
    gain: NotRequired[float]


class IndexRow(TypedDict):
    """One query in the index.

    Attributes:
        block, place: Where the whole of it is.
        agreement: Mean tau of every two runs' orders; absent with fewer than two.
    """

    id: str
    text: str
    block: str
    place: int
    runs: list[SeenRun | None]
    agreement: NotRequired[float]


def planned_order(runs: Sequence[OpenedRun]) -> list[str]:
    """Returns the ids of all runs' queries in the order in which shards hold them."""
    ids = {query_id for run in runs for query_id in run.query_ids()}
    return sorted(ids, key=place_of)


def add_queries(
    blocks: Blocks,
    views: Iterable[QueryView],
    gains: Sequence[Mapping[str, float]] = (),
    *,
    with_agreement: bool = True,
) -> list[IndexRow]:
    """Adds whole queries as blocks, and returns the index, sorted by query id.

    Args:
        blocks: Where to.
        views: The queries; each is let go as soon as its block is full.
        gains: For every run, gain by query id; see `SeenRun`.
        with_agreement: Whether to tell how far the runs agree on each query.
    """
    index: list[IndexRow] = []
    for number, held in enumerate(_in_blocks(views)):
        name = f"q{number}"
        for place, view in enumerate(held):
            row = _row(view, name, place, gains)
            taus = list(_agreements(view)) if with_agreement else []
            index.append({**row, "agreement": round(mean(taus), 4)} if taus else row)
        blocks.add(name, held)
    return sorted(index, key=lambda row: row["id"])


def _in_blocks(views: Iterable[QueryView]) -> Iterator[list[QueryView]]:
    held: list[QueryView] = []
    size = 0
    for view in views:
        held.append(view)
        size += len(json.dumps(view))
        if size >= BLOCK_CHARACTERS:
            yield held
            held, size = [], 0
    if held:
        yield held


def _row(view: QueryView, block: str, place: int, gains: Sequence[Mapping[str, float]]) -> IndexRow:
    seen = [None if run is None else _seen(run) for run in view["runs"]]
    for one, by_query in zip(seen, gains, strict=False):
        if one is not None and view["query_id"] in by_query:
            one["gain"] = by_query[view["query_id"]]
    return IndexRow(
        id=view["query_id"],
        text=(view["text"] or "")[:MOST_TEXT],
        block=block,
        place=place,
        runs=seen,
    )


def _agreements(view: QueryView) -> Iterator[float]:
    """Yields Kendall's tau of every two runs' orders, over the documents that both have."""
    orders = [run["after"] for run in view["runs"] if run is not None]
    for one, other in itertools.combinations(orders, 2):
        common = set(one) & set(other)
        if len(common) > 1:
            left, right = ([str(d) for d in order if d in common] for order in (one, other))
            yield kendall_tau(left, right)


def _seen(run: RunView) -> SeenRun:
    moved = run["movement"]
    return SeenRun(
        status=run["status"],
        tau=None if moved is None else round(moved["tau"], 4),
        rise=0 if moved is None else moved["largest_rise"],
        fall=0 if moved is None else moved["largest_fall"],
        calls=len(run["steps"]),
        failed=sum(step["answer"] is None for step in run["steps"]),
        repaired=run["repaired_windows"],
    )
