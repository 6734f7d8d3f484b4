"""An existing TREC run as a first stage: read once, ordered and cut to lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from rankgen.manifests.counted import counted
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Candidates
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.storage.digest import sha256_of_file
from rankgen.manifests.trec import RunLine, RunLists, read_run
from rankgen.retrieval.first_stage import Prepared, Wanted
from rankgen.retrieval.runs.lists import ListSearcher, cached_lists
from rankgen.retrieval.runs.run_order import RunLosses, Tally, ordered
from rankgen.retrieval.settings import RetrieverSettings, existing_run

open_searcher = ListSearcher


def check(settings: RetrieverSettings) -> None:
    """Checks that the run is a file."""
    _run_of(settings)


def identity(settings: RetrieverSettings) -> dict[str, object]:
    """Returns the digest of the run, the depth, and how its lists are made."""
    digest = sha256_of_file(_run_of(settings))
    values = settings.model_dump(include={"depth", "order", "missing"})
    return {"name": "recorded", "run_sha256": digest, **values}


def prepare(wanted: Wanted) -> Prepared:
    """Cuts the run to lists, and counts what it lacks of the queries.

    A list is ordered, then cut to the depth, and only then freed of the documents that the
    collection lacks (where the settings say so): a document further down never moves up. The
    document that is the query itself stands beyond the depth, for the worker to leave out.

    Raises:
        UsageError: The run cannot be read or holds none of the queries.
    """
    run = _run_of(wanted.settings)
    lists = read_run(run, duplicates="keep")
    absent = _documents_absent(lists, wanted)
    losses = _losses(lists, wanted, absent)
    if losses.queries_without_lines == len(wanted.queries):
        raise UsageError(
            f"{run} holds none of the {counted(len(wanted.queries), 'query')} of "
            f"{wanted.collection.name}",
            "was it made on other queries?",
        )
    dropped = absent if wanted.settings.missing == "drop" else frozenset()
    values = identity(wanted.settings)
    # Lists that an earlier version cut were ordered in 64 bits.
    known = values | {"dropped": sorted(dropped), "bits": 32}
    handle = cached_lists(wanted, "recorded", known, _candidates(lists, wanted, dropped))
    queries = wanted.queries
    if losses.queries_without_lines:
        queries = QueryTable(query for query in queries if query.query_id in lists)
    return Prepared(handle, values, queries, losses)


def _run_of(settings: RetrieverSettings) -> Path:
    if settings.run is None:
        raise ValueError("the settings name no run")
    return existing_run(settings.run)


def _documents_absent(lists: RunLists, wanted: Wanted) -> frozenset[str]:
    """Returns the documents of the cut lists that the collection lacks."""
    absent = {line.doc_id for lines in lists.values() for line in _cut(lines, wanted)}
    for document in wanted.collection.documents():
        absent.discard(document.doc_id)
    return frozenset(absent)


def _losses(lists: RunLists, wanted: Wanted, absent: frozenset[str]) -> RunLosses:
    tally, without_lines = Tally(wanted.settings.depth), 0
    for query in wanted.queries:
        if query.query_id in lists:
            lines = lists[query.query_id]
            kept = _without_own(_cut(lines, wanted), wanted.own)
            tally.add(_without_own(lines, wanted.own), kept, absent)
        else:
            without_lines += 1
    return tally.losses(without_lines)


def _candidates(lists: RunLists, wanted: Wanted, dropped: AbstractSet[str]) -> Iterator[Candidates]:
    for query_id, lines in lists.items():
        kept = [line for line in _cut(lines, wanted) if line.doc_id not in dropped]
        doc_ids = tuple(line.doc_id for line in kept)
        yield Candidates(query_id, doc_ids, tuple(line.score for line in kept))


def _cut(lines: Sequence[RunLine], wanted: Wanted) -> list[RunLine]:
    """Returns the list down to the depth, beside which the query's own document may stand."""
    depth = wanted.settings.depth
    in_order = ordered(lines, wanted.settings.order)[: depth + 1]
    is_one_deeper = len(_without_own(in_order, wanted.own)) < len(in_order)
    return in_order if is_one_deeper else in_order[:depth]


def _without_own(lines: Sequence[RunLine], own: AbstractSet[str]) -> list[RunLine]:
    return [line for line in lines if line.doc_id != line.query_id or line.query_id not in own]
