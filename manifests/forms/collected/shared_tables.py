"""Checks lists of a source and packs them into tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from rankgen.manifests.counted import counted
from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.accounting import Tally
from rankgen.manifests.forms.collected.found_lists import FOUND, Duplicates
from rankgen.manifests.forms.numbers import refuse_wide_score
from rankgen.manifests.forms.shared_list import SharedList

# A table is written when its lists hold so many documents.
_DOCUMENTS = 200_000


def packed(lists: Iterable[SharedList]) -> Iterator[pa.Table]:
    """Yields the lists as tables with the columns `found_lists.FOUND`."""
    rows: list[SharedList] = []
    documents = 0
    for listed in lists:
        rows.append(listed)
        documents += len(listed.doc_ids)
        if documents >= _DOCUMENTS:
            yield _table(rows)
            rows, documents = [], 0
    if rows:
        yield _table(rows)


def _table(rows: list[SharedList]) -> pa.Table:
    columns = [[getattr(row, name) for row in rows] for name in FOUND.names]
    arrays = [pa.array(c, field.type) for c, field in zip(columns, FOUND, strict=True)]
    return pa.table(arrays, schema=FOUND)


def checked(
    listed: SharedList, duplicates: Duplicates, depth: int | None, tally: Tally
) -> SharedList | None:
    """Returns a list without repeated documents, cut to a depth; None where it names no document.

    Raises:
        UsageError: It has not one finite score for each document, its first stage has other
            documents, or it repeats one and `duplicates` says to refuse that.
    """
    where, doc_ids, scores = listed.where, listed.doc_ids, listed.scores
    if scores is not None and len(scores) != len(doc_ids):
        raise UsageError(
            f"{where} has {counted(len(scores), 'score')} for {counted(len(doc_ids), 'document')}",
            "write one score for each document, or remove the row",
        )
    for score in scores or ():
        refuse_wide_score(where, score)
    if len(set(doc_ids)) < len(doc_ids):
        if duplicates == "refuse":
            twice = next(d for d in doc_ids if doc_ids.count(d) > 1)
            raise UsageError(
                f"{where}: query {listed.query_id} lists document {twice} twice",
                "remove one of the two, or keep the first with --duplicates drop",
            )
        listed = _without_repeats(listed, tally)
    first_stage = listed.first_stage
    if first_stage is not None and sorted(first_stage) != sorted(listed.doc_ids):
        raise UsageError(
            f"{where}: the ranking is not a permutation of the first stage's documents",
            "correct or remove the row",
        )
    if not doc_ids:
        tally.lose("dropped_rows")
        return None
    return _cut(listed, depth, tally)


def _without_repeats(listed: SharedList, tally: Tally) -> SharedList:
    first = {doc_id: place for place, doc_id in reversed(list(enumerate(listed.doc_ids)))}
    places = sorted(first.values())
    tally.lose("duplicate_rows", len(listed.doc_ids) - len(places))
    stage, scores = listed.first_stage, listed.scores
    return listed._replace(
        doc_ids=tuple(listed.doc_ids[place] for place in places),
        scores=None if scores is None else tuple(scores[place] for place in places),
        first_stage=None if stage is None else tuple(dict.fromkeys(stage)),
    )


def _cut(listed: SharedList, depth: int | None, tally: Tally) -> SharedList:
    if depth is None or len(listed.doc_ids) <= depth:
        return listed
    tally.lose("dropped_rows", len(listed.doc_ids) - depth)
    kept = set(listed.doc_ids[:depth])
    stage, scores = listed.first_stage, listed.scores
    return listed._replace(
        doc_ids=listed.doc_ids[:depth],
        scores=None if scores is None else scores[:depth],
        first_stage=None if stage is None else tuple(d for d in stage if d in kept),
        documents=tuple(d for d in listed.documents if d.doc_id in kept),
    )
