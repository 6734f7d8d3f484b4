"""Reads the rankings of a source, of whatever shape, into lists and texts on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.collected.buckets import Buckets
from rankgen.manifests.forms.collected.found_lists import Duplicates, FoundLists
from rankgen.manifests.forms.collected.found_texts import FoundTexts, document_texts, query_texts
from rankgen.manifests.forms.collected.gathering import OrderRule, gathered
from rankgen.manifests.forms.collected.shared_tables import checked, packed
from rankgen.manifests.forms.detect import Found
from rankgen.manifests.forms.shape import SCORED_ROWS, ListShape, Rows, RowShape
from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.sources.base import Source
from rankgen.manifests.progress import progress


class Collected(NamedTuple):
    """What a source holds.

    Attributes:
        lists: Its lists; settled.
        queries: Texts of queries that stand in the rankings themselves; not settled.
        documents: Texts of documents likewise.
        lacks_texts: Whether some document has no text there although others have one.
    """

    lists: FoundLists
    queries: FoundTexts
    documents: FoundTexts
    lacks_texts: bool


def collected(
    source: Source,
    found: Found,
    rule: OrderRule,
    duplicates: Duplicates | None,
    folder: Path,
    tally: Tally,
) -> Collected:
    """Reads a source.

    Args:
        source: The files of rankings.
        found: Their form.
        rule: How scored rows are ordered; the depth holds for every shape.
        duplicates: See `found_lists.Duplicates`; None drops repeated rows and refuses lists that
            repeat a document.
        folder: An empty folder on a disk.
        tally: Counts what was read and lost.

    Raises:
        UsageError: A file or a row cannot be read; the message names it.
    """
    lists = FoundLists(folder / "lists")
    into = _Collector(lists, query_texts(folder), document_texts(folder))
    if isinstance(found.shape, RowShape):
        rows = found.shape.batches(source, found.preset, tally)
        into.rows(rows, rule, duplicates or "drop", folder / "rows", tally)
    elif isinstance(found.shape, ListShape):
        if rule.order == "rank":
            raise UsageError(
                f"the rows of {source.told} hold whole lists, which have no ranks to order by",
                "type --order score",
            )
        shared = found.shape.lists(source, found.preset, tally)
        for table in packed(into.shared(shared, duplicates or "refuse", rule.depth, tally)):
            lists.add(table)
    lists.settle(duplicates or "refuse", tally)
    if not len(lists):
        raise UsageError(f"{source.told} holds no ranking", "name a file with at least one list")
    return Collected(lists, into.queries, into.documents, into.lacks_texts)


class _Collector:
    def __init__(self, lists: FoundLists, queries: FoundTexts, documents: FoundTexts) -> None:
        self.lists, self.queries, self.documents = lists, queries, documents
        self.lacks_texts = False

    def rows(
        self,
        batches: Iterable[Rows],
        rule: OrderRule,
        duplicates: Duplicates,
        folder: Path,
        tally: Tally,
    ) -> None:
        """Spreads scored rows over buckets, and makes lists of each bucket."""
        buckets = Buckets(folder, SCORED_ROWS)
        with progress("read rows", None) as shown:
            for rows in batches:
                if rule.order == "rank" and rows.scored["rank"].null_count:
                    raise UsageError("the rows have no column of ranks", "type --order score")
                buckets.add(rows.scored)
                self.queries.add(rows.queries)
                self.documents.add(rows.documents)
                shown.advance(rows.scored.num_rows)
        for _, table in buckets.drain():
            if table.num_rows:
                self.lists.add(gathered(table, rule, duplicates, tally))

    def shared(
        self, lists: Iterable[SharedList], duplicates: Duplicates, depth: int | None, tally: Tally
    ) -> Iterator[SharedList]:
        """Checks lists, keeps their texts aside, and yields them."""
        with progress("read lists", None) as shown:
            for given in lists:
                listed = checked(given, duplicates, depth, tally)
                if listed is not None:
                    self._keep_texts(listed)
                    yield listed._replace(documents=())
                shown.advance()

    def _keep_texts(self, listed: SharedList) -> None:
        if listed.query is not None:
            self.queries.add_one(listed.query_id, listed.query)
        kept = set(listed.doc_ids)
        with_text = {document.doc_id for document in listed.documents}
        self.lacks_texts |= not with_text >= kept
        for document in listed.documents:
            if document.doc_id in kept:
                self.documents.add_one(*document)


def doc_ids_of(lists: FoundLists) -> set[str]:
    """Returns every document that a list names; held in memory."""
    wanted: set[str] = set()
    for table in lists.tables():
        wanted.update(pc.list_flatten(table["doc_ids"]).unique().to_pylist())
    return wanted


def query_ids_of(lists: FoundLists) -> Iterator[str]:
    """Yields every query."""
    for table in lists.tables():
        yield from table["query_id"].to_pylist()
