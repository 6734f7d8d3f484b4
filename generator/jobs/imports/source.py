"""Reads a source whole: its lists, its texts, and what was lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rankgen.generator.jobs.imports.own import OwnDocuments, find_own, leave_out
from rankgen.generator.jobs.imports.settings import ImportSettings
from rankgen.generator.jobs.imports.texts import drop_missing, find_texts, refuse_missing
from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.accounting import Losses, Tally
from rankgen.manifests.forms.collected.collecting import (
    Collected,
    collected,
    doc_ids_of,
    query_ids_of,
)
from rankgen.manifests.forms.collected.found_lists import FoundLists, tied_scores
from rankgen.manifests.forms.collected.found_texts import FoundTexts, documents_in, queries_in
from rankgen.manifests.forms.collected.gathering import OrderRule
from rankgen.manifests.forms.detect import Found, find_form
from rankgen.manifests.forms.registry import AUTO, preset_of
from rankgen.manifests.forms.sources.base import Source
from rankgen.manifests.forms.sources.beside import divided
from rankgen.manifests.forms.sources.opening import open_source
from rankgen.manifests.records import Document, Query
from rankgen.manifests.run.query_table import QueryTable
from rankgen.retrieval.collections.open_collection import open_collection


class Imported(NamedTuple):
    """A source that was read.

    Attributes:
        source: Its files.
        found: Its form.
        rule: How its rows were ordered.
        lists: The lists to publish.
        queries: Their queries, with empty texts where no text is known.
        has_query_texts: Whether their texts are known.
        texts: Texts of documents.
        losses: What was lost.
        own: The queries whose lists held a document of their own id.
    """

    source: Source
    found: Found
    rule: OrderRule
    lists: FoundLists
    queries: QueryTable
    has_query_texts: bool
    texts: FoundTexts
    losses: Losses
    own: OwnDocuments

    def documents(self) -> Iterator[Document]:
        """Yields the listed documents that have a text, sorted by id."""
        lost = self.losses
        if not (lost.dropped_rows or lost.duplicate_rows or lost.own_documents):
            return documents_in(self.texts)
        listed = doc_ids_of(self.lists)
        return documents_in(row for row in self.texts if row[0] in listed)


def read_source(settings: ImportSettings, folder: Path) -> Imported:
    """Reads what a source holds into files.

    Args:
        settings: The source, and how it is read.
        folder: An empty folder on a disk, which is needed as long as the result is.

    Raises:
        UsageError: The source, a file or a row of it cannot be read, or texts are missing.
        EnvironmentProblem: The Hub or the collection cannot be reached.
    """
    if settings.form != AUTO:
        preset_of(settings.form)
    columns, tally = settings.named_columns(), Tally()
    collection = None if settings.collection is None else open_collection(settings.collection)
    opened = open_source(settings.source, folder / "unpacked", with_texts=collection is None)
    beside = divided(opened, settings.config)
    if collection is not None:
        # The user has named the texts to take.
        beside = beside._replace(queries=(), documents=())
    source = beside.ranked
    found = find_form(settings.form, source, columns)
    is_run = found.preset.shape == "trec-run"
    rule = OrderRule(
        settings.order, settings.ties or ("doc-id" if is_run else "source"), settings.depth
    )
    drops_own = settings.own_document != "keep"
    # A list that loses a document reaches the depth with the next one.
    deeper = rule._replace(depth=rule.depth + 1) if drops_own and rule.depth else rule
    held = collected(source, found, deeper, settings.duplicates, folder, tally)
    missing = find_texts(held, beside, collection)
    tally.lose("missing_texts", len(missing.queries) + len(missing.documents))
    if missing.queries or missing.documents:
        if settings.missing == "refuse":
            refuse_missing(missing, source.told, settings.collection or source.told)
        held.lists.change(partial(drop_missing, missing=missing, tally=tally))
        if not len(held.lists):
            raise UsageError(
                f"no query of {source.told} is left with a document that has a text",
                "name the collection that the rankings were made on: --collection",
            )
    own = find_own(held)
    if drops_own:
        leave_out(held, own, settings.own_document, rule.depth, tally)
    return _imported(source, found, rule, held, tally, own)


def _imported(
    source: Source,
    found: Found,
    rule: OrderRule,
    held: Collected,
    tally: Tally,
    own: OwnDocuments,
) -> Imported:
    tally.lose("tied_rows", sum(map(tied_scores, held.lists.tables())))
    tally.lose("short_lists", held.lists.shorter_than(rule.depth))
    tally.lose("other_texts", held.queries.conflicts + held.documents.conflicts)
    has_query_texts = held.queries.rows > 0
    queries = QueryTable(_queries(held, has_query_texts))
    assert len(queries) == len(held.lists), "every list has its query"
    return Imported(
        source=source,
        found=found,
        rule=rule,
        lists=held.lists,
        queries=queries,
        has_query_texts=has_query_texts,
        texts=held.documents,
        losses=tally.losses(),
        own=own,
    )


def _queries(held: Collected, has_texts: bool) -> Iterator[Query]:
    query_ids = query_ids_of(held.lists)
    if not has_texts:
        return (Query(query_id, "") for query_id in query_ids)
    listed = frozenset(query_ids)
    return (query for query in queries_in(held.queries) if query.query_id in listed)
